"""Opening a checkpoint: every table of named tensors in it, with the file's hash, and nothing executed."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.checkpoints.pickles import load_pickled
from evalkit.checkpoints.sniffing import EXPECTED, check_zip, kind_of
from evalkit.errors import InputError
from evalkit.fingerprints import file_sha256

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class RawCheckpoint:
    """What a file holds, as it is named there.

    Attributes
    ----------
    source : str
        Where the weights come from, as reports print it: the path, unless the caller says better.
    sha256 : str or None
        Of the whole file; None for weights that came without one (a model library's own download).
    containers : dict of str to dict of str to torch.Tensor
        Every table of named tensors, under the dotted path of keys that leads to it; the file's own top level is
        the empty path. Optimizer state is left out.
    extras : dict of str to str, int or float
        Plain values beside the weights at the top level: epoch, arch and the like.
    """

    source: str
    sha256: str | None
    containers: dict[str, dict[str, torch.Tensor]]
    extras: dict[str, str | int | float] = field(default_factory=dict)


def read_checkpoint(path: str | Path, *, sha256: str | None = None) -> RawCheckpoint:
    """Read a checkpoint of torch.save or safetensors.

    Parameters
    ----------
    path : path-like
        The file. Its ending does not matter, its bytes do.
    sha256 : str, optional
        The hash it must have, as 64 hexadecimal digits.

    Returns
    -------
    RawCheckpoint
        Tensors lie on the CPU; those of a zipped file are mapped, not copied, so an optimizer's state costs nothing.

    Raises
    ------
    InputError
        Missing, empty, cut short, of another kind, with another hash, without tensors, or asking for code to run.
    """
    path = Path(path)
    kind = kind_of(path)
    digest = file_sha256(path)
    if sha256 is not None:
        check_sha256(digest, sha256, str(path))
    elif kind == "torch-zip":
        check_zip(path)
    if kind == "safetensors":
        tensors, extras = _read_safetensors(path)
        containers = {"": tensors}
    else:
        payload = load_pickled(path, zipped=kind == "torch-zip")
        containers, extras = dict(_tables(payload)), _plain_values(payload)
        if not containers:
            raise InputError(
                f"{path} holds {_describe(payload)}, and no table of named tensors",
                "a state dict, at the top level or nested under a key such as state_dict or model",
                "save the network's .state_dict() and give that file",
            )
    return RawCheckpoint(str(path), digest, containers, extras)


def check_sha256(found: str, expected: str, what: str) -> None:
    """Refuse bytes whose hash is not the expected one.

    Raises
    ------
    InputError
        The hashes differ, or `expected` is no SHA-256.
    """
    wanted = expected.strip().lower()
    if not re.fullmatch(r"[0-9a-f]{64}", wanted):
        raise InputError(
            f"sha256: {expected!r} is not a SHA-256 hash",
            "64 hexadecimal digits",
            "take it from the publisher of the weights, or from 'sha256sum FILE' for a file you trust",
        )
    if found != wanted:
        raise InputError(
            f"{what} has the sha256 {found}",
            f"sha256 {wanted}, as the configuration says",
            "the file is damaged or another one: get it again, or correct 'sha256' if this is the file you mean",
        )


def _read_safetensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str | int | float]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="pt", device="cpu") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no iterator of its own)
    except SafetensorError as error:
        raise InputError(
            f"{path} is a damaged safetensors file: {error}", EXPECTED, "download or copy it again"
        ) from error
    if not tensors:
        raise InputError(f"{path} is a safetensors file without a tensor", EXPECTED, "save the network again")
    return tensors, _plain_values(metadata)


def _tables(payload: object) -> Iterator[tuple[str, dict[str, torch.Tensor]]]:
    """Walk nested mappings and give each that holds tensors under string keys, with its dotted path."""
    import torch

    waiting: list[tuple[str, object]] = [("", payload)]
    seen: set[int] = set()  # each mapping once: a hostile file can nest one in itself, or in another many times
    while waiting:
        where, value = waiting.pop(0)
        if not isinstance(value, Mapping) or id(value) in seen:
            continue
        seen.add(id(value))
        named = {key: inner for key, inner in value.items() if isinstance(key, str)}
        table = {key: inner for key, inner in named.items() if isinstance(inner, torch.Tensor)}
        if table:
            yield where, table
        waiting += [(f"{where}.{key}".lstrip("."), named[key]) for key in named if "optim" not in key.lower()]


def _plain_values(payload: object) -> dict[str, str | int | float]:
    if not isinstance(payload, Mapping):
        return {}
    return {
        key: value
        for key, value in payload.items()
        if isinstance(key, str)
        and (
            (isinstance(value, str) and len(value) <= 200)
            or isinstance(value, bool | int)
            or (isinstance(value, float) and math.isfinite(value))
        )
    }


def _describe(payload: Any) -> str:
    if isinstance(payload, Mapping):
        keys = ", ".join(repr(key) for key in list(payload)[:5])
        return f"a mapping with the keys {keys}" if keys else "an empty mapping"
    return f"one {type(payload).__name__}"
