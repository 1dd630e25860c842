"""Trunks: the tensors an architecture has without its classification head, and where its input enters."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evalkit.errors import InputError

#: BatchNorm's step counter: no part of the function a network computes, and absent from older checkpoints.
COUNTER = "num_batches_tracked"

#: Architectures a file is compared with when it does not fit the one asked for, or when none was named.
COMMON_ARCHITECTURES = (
    "resnet18", "resnet50", "resnet34", "resnet101", "resnet152", "resnet10t", "resnet14t", "resnet26", "resnet18d",
    "resnet50d", "wide_resnet50_2", "resnext50_32x4d", "densenet121", "densenet161", "densenet169", "densenet201",
    "vit_tiny_patch16_224", "vit_small_patch16_224", "vit_base_patch16_224", "vit_large_patch16_224",
    "vit_base_patch32_224", "convnext_tiny", "efficientnet_b0", "swin_tiny_patch4_window7_224",
)  # fmt: skip


@dataclass(frozen=True)
class Trunk:
    """The tensors of an architecture without a head.

    Attributes
    ----------
    arch : str
        Timm's name.
    shapes : mapping of str to tuple of int
        Every parameter and persistent buffer, in the network's order.
    stem : str
        The weight of the first convolution; its second dimension counts the input channels.
    head : str
        Timm's attribute for the classification head, which a trunk lacks.
    features : int
        Width of what the head would receive.
    prefix_tokens : int
        Of a Vision Transformer's position embedding, how many rows are not part of the patch grid.
    """

    arch: str
    shapes: Mapping[str, tuple[int, ...]]
    stem: str
    head: str
    features: int
    prefix_tokens: int

    @property
    def required(self) -> tuple[str, ...]:
        """Names a checkpoint must have: all but BatchNorm's step counters."""
        return tuple(name for name in self.shapes if not name.endswith(COUNTER))

    def takes(self, name: str, shape: tuple[int, ...]) -> bool:
        """Say whether a tensor of `shape` can be `name`.

        The stem may have any number of input channels, and a position embedding any square grid of patches: both
        are settled afterwards, and the load report says how. Every other shape must be equal.
        """
        own = self.shapes[name]
        if name == self.stem:
            return len(shape) == len(own) and shape[:1] + shape[2:] == own[:1] + own[2:]
        if name == "pos_embed" and len(own) == len(shape) == 3:
            return shape[::2] == own[::2] and _is_square(shape[1] - self.prefix_tokens)
        return shape == own


@functools.lru_cache(maxsize=64)
def trunk_of(arch: str) -> Trunk:
    """Describe an architecture's trunk; nothing is allocated or initialised for it.

    Parameters
    ----------
    arch : str
        Timm's name, without a tag.

    Raises
    ------
    InputError
        Timm has no such architecture, or its first convolution is not a single one.
    """
    import timm
    import torch

    check_architecture(arch)
    with torch.device("meta"):
        network: Any = timm.create_model(arch, pretrained=False, num_classes=0)
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    first = network.default_cfg.get("first_conv")
    stem = f"{first}.weight"
    if not isinstance(first, str) or stem not in shapes:
        raise InputError(
            f"the architecture {arch} has no single first convolution (timm says {first!r})",
            "an image classifier whose input enters through one convolution",
            "choose another architecture, for example resnet50, densenet121 or vit_base_patch16_224",
        )
    head = str(network.default_cfg.get("classifier"))
    return Trunk(arch, shapes, stem, head, network.num_features, getattr(network, "num_prefix_tokens", 0))


def check_architecture(arch: str) -> None:
    """Refuse a name that timm does not know.

    Raises
    ------
    InputError
        With the nearest names, or with the place a tag belongs to.
    """
    import timm

    name, _, tag = arch.partition(".")
    if tag and timm.is_model(name):
        raise InputError(
            f"arch: {arch} names pretrained weights, not only an architecture",
            f"arch: {name}",
            f"write arch: {name}, and timm: {tag} if these weights are meant",
        )
    if not timm.is_model(arch):
        near = difflib.get_close_matches(arch, timm.list_models(), n=3)
        raise InputError(
            f"timm has no architecture {arch!r}",
            "the name of a timm image model, for example resnet50",
            f"nearest names: {', '.join(near)}" if near else "see timm.list_models()",
        )


def _is_square(count: int) -> bool:
    return count > 0 and round(count**0.5) ** 2 == count
