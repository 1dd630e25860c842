"""What is in a checkpoint, for ``evalkit checkpoint FILE``."""

from __future__ import annotations

from pathlib import Path

from evalkit.checkpoints.canonical import canonicalise
from evalkit.checkpoints.matching import Identification, identify
from evalkit.checkpoints.reading import RawCheckpoint, read_checkpoint
from evalkit.checkpoints.report import LoadReport
from evalkit.checkpoints.trunks import COMMON_ARCHITECTURES
from evalkit.errors import InputError


def inspect_checkpoint(
    file: Path,
    *,
    arch: str | None = None,
    format: str | None = None,
    in_channels: int | None = None,
    sha256: str | None = None,
) -> LoadReport:
    """Read a checkpoint as a backbone entry with these values would.

    Parameters
    ----------
    file : pathlib.Path
        A checkpoint of any known format.
    arch : str, optional
        timm's name; without it the common architectures are tried, and the one the file itself names.
    format, in_channels, sha256
        As in a backbone entry.

    Raises
    ------
    InputError
        The file is not the whole of the architecture's weights, or fits none.
    """
    raw = read_checkpoint(file, sha256=sha256)
    return canonicalise(raw, arch=arch or _recognise(raw), in_channels=in_channels, format=format)[1]


def _recognise(raw: RawCheckpoint) -> str:
    named = str(raw.extras.get("arch", ""))
    candidates = (*((named,) if _is_architecture(named) else ()), *COMMON_ARCHITECTURES)
    found = identify(raw, tuple(dict.fromkeys(candidates)))
    if found and found[0].rate == 1:
        return found[0].arch
    raise InputError(
        f"{raw.source} fits none of the {len(candidates)} architectures tried{_closest(found)}",
        "the whole trunk of one of them",
        "name the architecture with --arch (timm's name); the message will then say what is missing",
    )


def _is_architecture(name: str) -> bool:
    import timm

    return timm.is_model(name)


def _closest(found: list[Identification]) -> str:
    return f"; closest: {', '.join(f'{one.arch} ({one.rate:.0%})' for one in found[:3])}" if found else ""
