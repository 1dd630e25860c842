"""Pretrained encoders on disk, in the layouts in which MoCo's and SimCLR's own code writes and reads them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from evalkit.checkpoints.trunks import trunk_of
from evalkit.training.state import write_tensors


def write_encoder(path: Path, state: Mapping[str, Any], *, arch: str, epoch: int) -> None:
    """Write what a method has learnt, whole or not at all.

    With a key encoder it is the layout of FAIR MoCo (``module.encoder_q.*``, ``module.encoder_k.*``, ``module.queue``
    with a key in each column, ``module.queue_ptr``), else that of sthalles/SimCLR (``backbone.*``). Both name the
    projection head as the classifier that it stands for, ``fc.0`` and ``fc.2`` for a ResNet. The trunk's names are
    timm's, which for ResNets without a deep stem are torchvision's. The optimiser is not in the file.

    Parameters
    ----------
    path : pathlib.Path
    state : mapping
        From `evalkit.pretraining.methods.Method.state`.
    arch : str
        Timm's name.
    epoch : int
        Passes over the images that were finished.
    """
    if "key_encoder" in state:
        tensors = _named(state["encoder"], "module.encoder_q.", arch)
        tensors |= _named(state["key_encoder"], "module.encoder_k.", arch)
        tensors["module.queue"] = state["queue"].T.cpu().contiguous()
        tensors["module.queue_ptr"] = torch.tensor([state["pointer"]])
    else:
        tensors = _named(state["encoder"], "backbone.", arch)
    write_tensors(path, {"epoch": epoch, "arch": arch, "state_dict": tensors})


def read_encoder(path: Path, *, arch: str) -> dict[str, Any]:
    """Read back what `write_encoder` wrote, for a pretraining that goes on from it.

    Returns
    -------
    dict
        As `evalkit.pretraining.methods.Method.state` gives it.
    """
    tensors = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    if "module.queue" not in tensors:
        return {"encoder": _unnamed(tensors, "backbone.", arch)}
    return {
        "encoder": _unnamed(tensors, "module.encoder_q.", arch),
        "key_encoder": _unnamed(tensors, "module.encoder_k.", arch),
        "queue": tensors["module.queue"].T,
        "pointer": int(tensors["module.queue_ptr"]),
    }


def _unnamed(tensors: Mapping[str, Tensor], prefix: str, arch: str) -> dict[str, Tensor]:
    head = f"{trunk_of(arch).head}."
    inside = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
    return {
        f"head.{name.removeprefix(head)}" if name.startswith(head) else f"trunk.{name}": value
        for name, value in inside.items()
    }


def _named(encoder: Mapping[str, Tensor], prefix: str, arch: str) -> dict[str, Tensor]:
    places = {"trunk": "", "head": f"{trunk_of(arch).head}."}
    tensors = {}
    for name, value in encoder.items():
        part, _, rest = name.partition(".")
        tensors[f"{prefix}{places[part]}{rest}"] = value.cpu().contiguous()
    return tensors
