"""The load report: what was read from a checkpoint, what was left out and why, and what was done to it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from evalkit.errors import InputError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Stem:
    """The first convolution of a network.

    Attributes
    ----------
    name : str
        Its weight.
    channels_in_file, channels_in_network : int
        Input channels before and after.
    action : str
        What was done, in words.
    """

    name: str
    channels_in_file: int
    channels_in_network: int
    action: str


@dataclass(frozen=True)
class LoadReport:
    """What was read from a checkpoint.

    Attributes
    ----------
    source : str
        Path, address or tag the weights come from.
    sha256 : str or None
        Of the file; None for a model library's own download.
    container, prefix : str
        The nested key and the wrappers under which the network was found.
    format : str
        The key layout.
    arch : str
        Timm's name.
    matched : int
        Trunk tensors taken from the file; all that are required, always.
    missing : tuple of str
        Step counters of BatchNorm that the file lacks; they are set to zero and change no output.
    unexpected : dict of str to str
        Keys left out, each with what it is.
    stem : Stem
        The first convolution.
    dtypes : tuple of str
        Number formats in the file; canonical weights are float32.
    fingerprint : str
        SHA-256 over the canonical tensors.
    about : dict
        Plain values found beside the weights, such as the epoch.
    notes : tuple of str
        Anything else a reader should know.
    """

    source: str
    sha256: str | None
    container: str
    prefix: str
    format: str
    arch: str
    matched: int
    missing: tuple[str, ...]
    unexpected: dict[str, str]
    stem: Stem
    dtypes: tuple[str, ...]
    fingerprint: str
    about: dict[str, str | int | float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def in_channels(self) -> int:
        """Input channels of the canonical network."""
        return self.stem.channels_in_network

    @property
    def short_fingerprint(self) -> str:
        """The first twelve digits, for footnotes."""
        return self.fingerprint[:12]

    def to_dict(self) -> dict[str, Any]:
        """Give the report as plain values, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> LoadReport:
        """Read a report back from `to_dict`'s values.

        Raises
        ------
        InputError
            A key is missing or unknown.
        """
        wanted = {one.name for one in fields(cls)}
        if set(values) != wanted:
            raise InputError(
                f"a load report with the keys {', '.join(sorted(values))}",
                f"exactly the keys {', '.join(sorted(wanted))}",
                "make the canonical weights again; this file was written by another version",
            )
        lists = {name: tuple(values[name]) for name in ("missing", "dtypes", "notes")}
        return cls(**{**values, **lists, "stem": Stem(**values["stem"])})


def fingerprint_of(tensors: Mapping[str, torch.Tensor]) -> str:
    """Hash tensors independently of any file format.

    Parameters
    ----------
    tensors : mapping of str to torch.Tensor
        Canonical weights, on the CPU.

    Returns
    -------
    str
        SHA-256 over, for each tensor in order of its name: name, number format and shape on a line of their own,
        then its bytes, little-endian and row by row.
    """
    digest = hashlib.sha256()
    for name in sorted(tensors):
        values = tensors[name].detach().contiguous().numpy()
        digest.update(f"{name} {values.dtype.str} {list(values.shape)}\n".encode())
        digest.update(values.reshape(-1).data)
    return digest.hexdigest()


def render(report: LoadReport) -> str:
    """Lay a report out as plain text, one fact a line, for a terminal."""
    dropped = Counter(report.unexpected.values())
    rows = [
        ("source", report.source),
        ("sha256", report.sha256 or "none: the weights did not come as one file"),
        ("format", report.format + (f", under {report.container!r}" if report.container else "")),
        ("prefix", repr(report.prefix) if report.prefix else "none"),
        ("architecture", report.arch),
        ("matched", f"{report.matched} tensors, the whole trunk"),
        ("missing", f"{len(report.missing)} BatchNorm step counters, set to zero" if report.missing else "none"),
        *(("left out", f"{count} x {reason}") for reason, count in dropped.items()),
        ("stem", f"{report.stem.name}: {report.stem.action}"),
        ("numbers", f"{', '.join(report.dtypes)} in the file, float32 here"),
        *(("beside", f"{key} = {value}") for key, value in report.about.items()),
        *(("note", note) for note in report.notes),
        ("fingerprint", report.fingerprint),
    ]
    width = max(len(label) for label, _ in rows)
    return "\n".join(f"{label:<{width}}  {text}" for label, text in rows)
