"""Canonical weights on disk, and the layout in which others' code expects them."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.atomic import replacing, write_json
from evalkit.checkpoints.report import LoadReport, fingerprint_of
from evalkit.checkpoints.sniffing import kind_of
from evalkit.checkpoints.trunks import trunk_of
from evalkit.errors import InputError

if TYPE_CHECKING:
    import torch

#: FAIR MoCo's embedding width, and a queue just long enough to be one (theirs has 65,536 keys).
_EMBEDDING, _QUEUE = 128, 256


def save_canonical(path: str | Path, tensors: Mapping[str, torch.Tensor], report: LoadReport) -> None:
    """Write canonical weights and their load report, each file whole or not at all.

    Parameters
    ----------
    path : path-like
        ``<name>.safetensors``; the report goes beside it as ``<name>.json``.
    tensors : mapping of str to torch.Tensor
        What `canonicalise` gave.
    report : LoadReport
        Likewise.
    """
    from safetensors.torch import save_file

    path = Path(path)
    with replacing(path) as temporary:
        save_file(dict(tensors), str(temporary))
    write_json(path.with_suffix(".json"), report.to_dict())


def load_canonical(path: str | Path) -> tuple[dict[str, torch.Tensor], LoadReport]:
    """Read canonical weights back, with their report.

    Raises
    ------
    InputError
        A file is missing or damaged, or the weights are not those the report describes.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = Path(path)
    kind_of(path)
    beside = path.with_suffix(".json")
    again = "make the canonical weights again: delete both files and run the workflow"
    try:
        report = LoadReport.from_dict(json.loads(beside.read_text(encoding="utf-8")))
        tensors = load_file(str(path))
    except FileNotFoundError as error:
        raise InputError(f"{path} has no load report {beside.name} beside it", "both files", again) from error
    except (SafetensorError, json.JSONDecodeError) as error:
        raise InputError(f"{path} or its load report is damaged: {error}", "whole files", again) from error
    found = fingerprint_of(tensors)
    if found != report.fingerprint:
        raise InputError(
            f"{path} holds weights with the fingerprint {found[:12]}",
            f"{report.short_fingerprint}, as {beside.name} says",
            again,
        )
    return tensors, report


def write_moco_layout(path: str | Path, tensors: Mapping[str, torch.Tensor], *, arch: str, epoch: int = 0) -> None:
    """Write weights as FAIR MoCo v2 and CheSS store them: ``module.encoder_q.*``, its momentum copy and the queue.

    The projection head and the queue are drawn at random from the weights' own fingerprint, since a file of this
    layout has them; they have never been trained, and every loader drops them. The momentum copy equals the network.

    Parameters
    ----------
    path : path-like
        Where to write; the same tensors always give the same bytes.
    tensors : mapping of str to torch.Tensor
        Canonical weights.
    arch : str
        Timm's name; stored under ``arch``, and decides the projection head's name and width (``fc``, 2048 for
        ResNet-50).
    epoch : int
        Stored under ``epoch``.
    """
    import torch

    generator = torch.Generator().manual_seed(int(fingerprint_of(tensors)[:15], 16))

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator) / shape[-1] ** 0.5

    trunk = trunk_of(arch)
    width = trunk.features
    network = {
        **{name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()},
        f"{trunk.head}.0.weight": draw(width, width),
        f"{trunk.head}.0.bias": torch.zeros(width),
        f"{trunk.head}.2.weight": draw(_EMBEDDING, width),
        f"{trunk.head}.2.bias": torch.zeros(_EMBEDDING),
    }
    state = {f"module.encoder_q.{name}": tensor for name, tensor in network.items()}
    state |= {f"module.encoder_k.{name}": tensor.clone() for name, tensor in network.items()}
    state["module.queue"] = torch.nn.functional.normalize(draw(_EMBEDDING, _QUEUE), dim=0)
    state["module.queue_ptr"] = torch.zeros(1, dtype=torch.int64)
    optimizer: dict[str, object] = {"state": {}, "param_groups": []}
    buffer = io.BytesIO()  # torch.save would write a file's own name into it, here a temporary one
    torch.save({"epoch": epoch, "arch": arch, "state_dict": state, "optimizer": optimizer}, buffer)
    with replacing(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())
