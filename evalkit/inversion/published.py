"""Trunks as torchvision publishes them, from a local file whose hash is checked: LPIPS's AlexNet, and VGG-16."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from evalkit.checkpoints.reading import read_checkpoint
from evalkit.config.published import PUBLISHED, TrunkName
from evalkit.errors import InputError

#: What a table says where a trunk's file is not there: of a row of VGG-16, and of LPIPS.
UNAVAILABLE = "unavailable: weights"
NO_TRUNK = "unavailable: trunk of LPIPS"

#: What may stand beside the convolutions: the classifiers of torchvision and timm.
_CLASSIFIERS = ("classifier.", "pre_logits.", "head.")


@dataclass(frozen=True)
class PublishedTrunk:
    """Convolutions of a classifier trained on ImageNet.

    Attributes
    ----------
    name : {"alexnet", "vgg16"}
    tensors : dict of str to Tensor
        All of ``features.N.weight`` and ``.bias``, float32.
    sha256 : str
        Of the file.
    """

    name: TrunkName
    tensors: dict[str, Tensor]
    sha256: str

    @property
    def is_published(self) -> bool:
        """Whether it is torchvision's own file; one that was saved again has another hash."""
        return self.sha256 == PUBLISHED[self.name]

    def describe(self) -> dict[str, Any]:
        """What decides a result, for a run's key and its record."""
        return {"trunk": self.name, "sha256": self.sha256, "published": self.is_published}


def read_trunk(name: TrunkName, path: Path | None, sha256: str) -> PublishedTrunk | None:
    """Read a trunk, all of it.

    Parameters
    ----------
    name : {"alexnet", "vgg16"}
    path : pathlib.Path or None
        The file, in torchvision's layout (torch.save or safetensors).
    sha256 : str
        The hash it must have.

    Returns
    -------
    PublishedTrunk or None
        None where no file is named or the one named is not there: what needs it is then `UNAVAILABLE`.

    Raises
    ------
    InputError
        The file has another hash than `sha256`, or than its own name says; or it holds anything but this trunk, whole,
        and its classifier.
    """
    if path is None or not path.exists():
        return None
    raw = read_checkpoint(path, sha256=sha256)
    assert raw.sha256 is not None  # a file has one
    _check_name(path, raw.sha256)
    tensors = raw.containers.get("", {})
    shapes = trunk_shapes(name)
    faults = [
        *(f"no {key}" for key in shapes if key not in tensors),
        *(f"{key} of shape {list(tensors[key].shape)}" for key in shapes if _differs(tensors.get(key), shapes[key])),
        *(f"the unknown {key}" for key in tensors if key not in shapes and not key.startswith(_CLASSIFIERS)),
        *(f"values of {key} that are not finite" for key in shapes if not _is_finite(tensors.get(key))),
    ]
    if faults:
        more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
        raise InputError(
            f"{path} has {', '.join(faults[:3])}{more}",
            f"the {len(shapes)} tensors of torchvision's {name}.features, with or without its classifier",
            f"give torchvision's own file of {name}, whose name ends in -{PUBLISHED[name][:8]}.pth",
        )
    return PublishedTrunk(name, {key: tensors[key].to(torch.float32, copy=True) for key in shapes}, raw.sha256)


def trunk_shapes(name: TrunkName) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a trunk's tensors."""
    return {f"features.{key}": tuple(tensor.shape) for key, tensor in empty_trunk(name).state_dict().items()}


def empty_trunk(name: TrunkName) -> torch.nn.Sequential:
    """The convolutions of a network without values (on the device ``meta``)."""
    import torchvision

    with torch.device("meta"):
        return torchvision.models.get_model(name, weights=None).features


def _check_name(path: Path, digest: str) -> None:
    """Torchvision's names end in the first digits of the hash; a file must be what its name says."""
    stated = re.search(r"-([0-9a-f]{8,64})\.\w+$", path.name)
    if stated and not digest.startswith(stated.group(1)):
        raise InputError(
            f"{path} has the sha256 {digest}",
            f"one that begins with {stated.group(1)}, as the file's name says",
            "the file is damaged or another one: get it again, or give it its own name",
        )


def _differs(tensor: Tensor | None, shape: tuple[int, ...]) -> bool:
    return tensor is not None and tuple(tensor.shape) != shape


def _is_finite(tensor: Tensor | None) -> bool:
    return tensor is None or bool(torch.isfinite(tensor).all())
