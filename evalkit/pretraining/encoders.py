"""An encoder: a trunk, a projection head after it, and taps at the outputs of its residual blocks."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from evalkit.errors import InputError
from evalkit.seeds import seed_from
from evalkit.training.networks import Network

#: How much smaller than the image the outputs of residual blocks 1, 2, 3 and 4 are in the networks that have them.
_REDUCTIONS = [4, 8, 16, 32]


class Encoder(nn.Module):
    """From images to points on the unit sphere, and to the feature maps on the way there.

    Parameters
    ----------
    trunk : nn.Module
        Gives pooled features, shape (n, width).
    width : int
        Of those features.
    projection : int
        Length of the projected features. The head is that of MoCo v2 and SimCLR: linear, ReLU, linear, as wide inside
        as the trunk's features.
    stages : mapping of int to str, optional
        The trunk's module after which each residual block's output is taken; by default none is.
    """

    def __init__(
        self, trunk: nn.Module, *, width: int, projection: int, stages: Mapping[int, str] | None = None
    ) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = nn.Sequential(nn.Linear(width, width), nn.ReLU(inplace=True), nn.Linear(width, projection))
        self._stages = dict(stages or {})

    @property
    def blocks(self) -> tuple[int, ...]:
        """The residual blocks that are tapped."""
        return tuple(self._stages)

    def forward(self, images: Tensor) -> tuple[Tensor, dict[int, Tensor]]:
        """Encode images.

        Parameters
        ----------
        images : Tensor, shape (n, channels, side, side)

        Returns
        -------
        projected : Tensor of float32, shape (n, projection)
            Of length 1.
        maps : dict of int to Tensor, shape (n, channels, height, width)
            The outputs of the residual blocks asked for.
        """
        with self._tapped() as maps:
            features = self.trunk(images)
        return functional.normalize(self.head(features).float(), dim=1), maps

    def no_weight_decay(self) -> set[str]:
        """Parameters that the trunk's architecture exempts from weight decay."""
        names = self.trunk.no_weight_decay() if hasattr(self.trunk, "no_weight_decay") else ()  # type: ignore[operator]
        return {f"trunk.{name}" for name in names}

    @contextlib.contextmanager
    def _tapped(self) -> Iterator[dict[int, Tensor]]:
        """Hooks for one pass only, so that a copy of the encoder does not write into this one's maps."""
        maps: dict[int, Tensor] = {}

        def tap(block: int) -> Any:
            return lambda _, __, output: maps.__setitem__(block, output)

        hooks = [
            self.trunk.get_submodule(name).register_forward_hook(tap(block)) for block, name in self._stages.items()
        ]
        try:
            yield maps
        finally:
            for hook in hooks:
                hook.remove()


def build_encoder(plan: Network, *, projection: int, blocks: Iterable[int], seed: int, image_size: int) -> Encoder:
    """Build an encoder.

    Parameters
    ----------
    plan : Network
        The trunk: its weights, or none to draw them from the seed.
    projection : int
        Length of the projected features.
    blocks : iterable of int
        Residual blocks (1 to 4) whose outputs are to be tapped.
    seed : int
        Of the head and, without weights, of the trunk; each is drawn from a stream of its own.
    image_size : int
        Side of the images in pixels.

    Returns
    -------
    Encoder
        On the CPU, in training mode.

    Raises
    ------
    InputError
        The architecture has no four stages of residual blocks, and one is asked for.
    """
    trunk: Any = plan.build(classes=0, seed=seed, image_size=image_size)
    stages = find_stages(trunk, plan.arch) if (blocks := sorted(blocks)) else {}
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed_from(purpose="projection head", seed=seed))
        encoder = Encoder(
            trunk,
            width=trunk.head_hidden_size,
            projection=projection,
            stages={block: stages[block] for block in blocks},
        )
    if blocks:
        _check_maps(encoder, plan, image_size)
    return encoder


def find_stages(trunk: nn.Module, arch: str) -> dict[int, str]:
    """Find the modules of a timm network whose outputs are those of residual blocks 1 to 4.

    Returns
    -------
    dict of int to str
        Timm's own list of feature maps, those at a quarter to a thirty-second of the image's side.

    Raises
    ------
    InputError
        There are no four such stages with the channels first, as in a Vision Transformer.
    """
    listed: Any = getattr(trunk, "feature_info", [])
    modules = [each["module"] for each in listed][-4:]
    reductions = [each["reduction"] for each in listed][-4:]
    there = dict(trunk.named_modules())
    known = reductions == _REDUCTIONS and len({*modules} & there.keys()) == len(_REDUCTIONS)
    if not known or getattr(trunk, "output_fmt", "NCHW") != "NCHW":
        raise _no_stages(arch)
    return dict(enumerate(modules, start=1))


def _check_maps(encoder: Encoder, plan: Network, image_size: int) -> None:
    """Look at the feature maps of one image: not every architecture's list of them tells the truth."""
    encoder.eval()
    with torch.no_grad():
        _, maps = encoder(torch.zeros(1, plan.in_channels, image_size, image_size))
    encoder.train()
    found = [each for each in maps.values() if isinstance(each, Tensor) and each.ndim == 4]
    if len(found) < len(encoder.blocks):
        raise _no_stages(plan.arch)


def _no_stages(arch: str) -> InputError:
    return InputError(
        f"ifa is asked for, and {arch} has no four stages of blocks that each halve the feature maps",
        "an architecture such as resnet18, resnet50, densenet121 or convnext_tiny",
        "choose another arch for this backbone, or leave ifa out",
    )
