"""Perceptual encoders: a frozen backbone that gives the features at some of its layers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from evalkit.config.projection import TAPS, TapName
from evalkit.inversion.published import empty_trunk, read_trunk
from evalkit.inversion.stages import VGG16_TAPS, cut_into_stages, cut_vgg16, open_residual_branches
from evalkit.seeds import seed_from
from evalkit.training.devices import Hardware
from evalkit.training.networks import Network
from evalkit.training.pixels import Normaliser

#: What torchvision's VGG-16 was trained with.
_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Encoder(nn.Module):
    """A frozen network up to the deepest tap.

    Its parameters carry no gradients, and it is always in evaluation mode: batch normalisation uses its running
    statistics, so an image's features do not depend on the images beside it.

    Parameters
    ----------
    stages : sequence of five nn.Module
        Of `cut_into_stages`; those after the deepest tap are dropped.
    taps : sequence of str
        Names from `TAPS`, in the order in which their features are given.
    mean, std : sequence of float
        Of the input on a scale where 1 is white, one per channel of the network.
    hardware : Hardware
        Where it shall be.
    facts : dict
        What decides its features, apart from the taps; see `describe`.
    """

    def __init__(
        self,
        stages: Sequence[nn.Module],
        taps: Sequence[TapName],
        *,
        mean: Sequence[float],
        std: Sequence[float],
        hardware: Hardware,
        facts: dict[str, Any],
    ) -> None:
        super().__init__()
        self.taps = tuple(taps)
        self._places = [TAPS.index(tap) for tap in taps]
        self.stages = nn.ModuleList(stages[: max(self._places) + 1])
        self._channels, self._facts = len(mean), facts
        self._normalise = Normaliser(mean, std, in_channels=len(mean), device=hardware.device)
        self.requires_grad_(False).eval()
        # channels_last is what torch's convolutions are fastest in, on a CPU and on a card.
        self.to(hardware.device).to(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Give the features of images.

        Parameters
        ----------
        images : Tensor, shape (n, 1 or 3, side, side)
            From 0 (black) to 1 (white); values beyond are let through.

        Returns
        -------
        tuple of Tensor, each of shape (n, channels, height, width)
            One per tap, in the order of `taps`.
        """
        if self._channels == 1:
            # The three channels of a colour generator that has learnt radiographs are nearly equal.
            images = images.mean(dim=1, keepdim=True)
        features = self._normalise(images).contiguous(memory_format=torch.channels_last)
        outputs = []
        for stage in self.stages:
            features = stage(features)
            outputs.append(features)
        return tuple(outputs[place] for place in self._places)

    def train(self, mode: bool = True) -> Encoder:
        """Stay in evaluation mode."""
        return super().train(False)

    def describe(self) -> dict[str, Any]:
        """What decides its features, for a run's key and its record."""
        return {"taps": list(self.taps), **self._facts}


def build_encoder(
    network: Network, taps: Sequence[TapName], *, seed: int, image_size: int, hardware: Hardware
) -> Encoder:
    """Make an encoder of a backbone.

    Parameters
    ----------
    network : Network
        Architecture, input statistics and canonical weights. Without weights it is the control ``random-resnet``: drawn
        from `seed`, with the gains of its residual branches at 1 (see `open_residual_branches`).
    taps : sequence of str
        Names from `TAPS`.
    seed : int
        Of a network without weights; of no influence on others.
    image_size : int
        Side of the images in pixels.
    hardware : Hardware

    Raises
    ------
    InputError
        The architecture cannot be tapped, or the weights are not its own.
    """
    drawn = seed_from(purpose="perceptual encoder", seed=seed)
    built = network.build(classes=0, seed=drawn, image_size=image_size)
    facts = network.describe()
    if network.weights is None:
        open_residual_branches(built)
        facts["seed"] = drawn
    stages = cut_into_stages(built, network.arch)
    return Encoder(stages, taps, mean=network.mean, std=network.std, hardware=hardware, facts=facts)


def open_vgg16(path: Path | None, sha256: str, taps: Sequence[TapName], *, hardware: Hardware) -> Encoder | None:
    """Make an encoder of torchvision's VGG-16, from a local file that is checked.

    Parameters
    ----------
    path : pathlib.Path or None
        ``vgg16-397923af.pth``.
    sha256 : str
        The hash it must have.
    taps : sequence of str
        Names from `TAPS`, which stand for `VGG16_TAPS` in this order.
    hardware : Hardware

    Returns
    -------
    Encoder or None
        None where the file is not there: the row is then `evalkit.inversion.published.UNAVAILABLE`.

    Raises
    ------
    InputError
        The file is not that network, whole, or has another hash.
    """
    trunk = read_trunk("vgg16", path, sha256)
    if trunk is None:
        return None
    features = empty_trunk("vgg16")
    features.load_state_dict(
        {name.removeprefix("features."): tensor for name, tensor in trunk.tensors.items()}, assign=True
    )
    facts = trunk.describe() | {"layers": [VGG16_TAPS[TAPS.index(tap)] for tap in taps]}
    stages = cut_vgg16(features)
    return Encoder(stages, taps, mean=_IMAGENET_MEAN, std=_IMAGENET_STD, hardware=hardware, facts=facts)
