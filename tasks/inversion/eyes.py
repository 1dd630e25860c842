"""What looks at the images of a run: the backbone as perceptual encoder, or what a control has in its place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from evalkit.config.loading import Study
from evalkit.config.projection import TapName
from evalkit.errors import InputError
from evalkit.inversion.encoders import Encoder, build_encoder, open_vgg16
from evalkit.inversion.published import UNAVAILABLE
from evalkit.training.devices import Hardware
from evalkit.training.networks import pretrained_network

#: Given taps, the run's seed and a device, builds the encoder.
Builder = Callable[[tuple[TapName, ...], int, Hardware], Encoder]


@dataclass(frozen=True)
class Eye:
    """A row's encoder, not yet built.

    Attributes
    ----------
    control : {"pixel-only", "mean-w", "random"} or None
        None for a backbone.
    facts : dict
        What is known of it before; empty where there is no encoder.
    build : callable or None
        None where there is no encoder.
    missing : str
        Why the row cannot be made, as a run's outcome; empty if it can.
    """

    control: Literal["pixel-only", "mean-w", "random"] | None
    facts: dict[str, Any]
    build: Builder | None
    missing: str = ""


def choose_eye(study: Study, backbone: str) -> Eye:
    """The eye that a backbone's entry stands for.

    Raises
    ------
    InputError
        It has neither weights nor `control`, or its canonical weights have not been made.
    """
    entry = study.backbone(backbone)
    if entry.control in ("pixel-only", "mean-w"):
        return Eye(entry.control, {}, None)
    if entry.is_vgg16:
        return _vgg16(study, backbone)
    if entry.is_scratch and entry.control is None:
        raise InputError(
            f"the backbone {backbone!r} has no weights to look at images with",
            "a backbone with weights, or a control",
            "leave it out of inversions, or add 'control: random' to its entry to show what a random network gives",
        )
    network, size = pretrained_network(study, backbone), study.file.image_size

    def build(taps: tuple[TapName, ...], seed: int, hardware: Hardware) -> Encoder:
        return build_encoder(network, taps, seed=seed, image_size=size, hardware=hardware)

    return Eye(entry.control, network.describe(), build)


def _vgg16(study: Study, backbone: str) -> Eye:
    """VGG-16 has no canonical weights: of torchvision's file only the convolutions are used, where it is there."""
    sha256 = study.backbone(backbone).sha256
    assert sha256 is not None
    path = present_file(lambda: study.checkpoint_path(backbone))
    if path is None:
        return Eye(None, {"arch": "vgg16", "weights": None}, None, missing=UNAVAILABLE)

    def build(taps: tuple[TapName, ...], _: int, hardware: Hardware) -> Encoder:
        encoder = open_vgg16(path, sha256, taps, hardware=hardware)
        assert encoder is not None  # the file is there
        return encoder

    return Eye(None, {"arch": "vgg16", "in_channels": 3, "weights": sha256}, build)


def present_file(find: Callable[[], Path | None]) -> Path | None:
    """The path that `find` gives, or None where a variable in it is not set or no file is there."""
    try:
        path = find()
    except InputError:
        return None
    return path if path is not None and path.is_file() else None
