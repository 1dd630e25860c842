"""Comparing a file's tensors with an architecture, by name and shape, in every way a known format allows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalkit.checkpoints.formats import FORMATS, Format, Naming, canonical_name, wrapper_prefixes
from evalkit.checkpoints.trunks import COMMON_ARCHITECTURES, Trunk, trunk_of

if TYPE_CHECKING:
    import torch

    from evalkit.checkpoints.reading import RawCheckpoint

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Reading:
    """One way to find a trunk in a file.

    Attributes
    ----------
    container, prefix : str
        Where the network is: the table's path, and the wrappers before each name.
    format : Format
        The layout that allows this place.
    sources : dict of str to str
        Trunk tensor to the key it has in the file; right in name and in shape.
    missing : tuple of str
        Trunk tensors that must be there and are not.
    reshaped : dict of str to tuple
        Trunk tensors that are there with another shape, which is given.
    dropped : dict of str to str
        Keys that are left out on purpose, with what they are.
    unexplained : tuple of str
        Keys that belong to no known part: with any of these the file is refused.
    """

    container: str
    prefix: str
    format: Format
    sources: dict[str, str]
    missing: tuple[str, ...]
    reshaped: dict[str, tuple[int, ...]]
    dropped: dict[str, str]
    unexplained: tuple[str, ...]

    @property
    def place(self) -> tuple[str, str, Naming]:
        """What identifies the network that is read, whichever format describes it."""
        return self.container, self.prefix, self.format.naming

    @property
    def complete(self) -> bool:
        """Whether the whole trunk is there, and nothing that is not understood beside it."""
        return not (self.missing or self.reshaped or self.unexplained)

    def matched(self, trunk: Trunk) -> int:
        """Count the required trunk tensors found in the file with their shape."""
        return sum(name in self.sources for name in trunk.required)

    def rate(self, trunk: Trunk) -> float:
        """Share of matched tensors among those required and those left over, 0 to 1; 1 is a full fit."""
        wanted = len(trunk.required) + len(self.unexplained)
        return self.matched(trunk) / wanted if wanted else 0.0


@dataclass(frozen=True)
class Identification:
    """How well a file fits an architecture.

    Attributes
    ----------
    arch : str
        Timm's name.
    rate : float
        1 for a full fit, otherwise less.
    format : str
        The layout in which it fits best.
    """

    arch: str
    rate: float
    format: str


def readings_of(raw: RawCheckpoint, trunk: Trunk, formats: tuple[Format, ...] = FORMATS) -> list[Reading]:
    """Read a file in every way that `formats` allow, the best first.

    Parameters
    ----------
    raw : RawCheckpoint
        The file.
    trunk : Trunk
        What should be in it.
    formats : tuple of Format
        All known ones, to detect (a format's mark must then be there), or the one that the entry names.

    Returns
    -------
    list of Reading
        One per place in the file; of several formats that describe the same place, the first.
    """
    detect = len(formats) > 1
    found: dict[tuple[str, str, Naming], Reading] = {}
    for container, tensors in raw.containers.items():
        shapes = {key: tuple(tensor.shape) for key, tensor in tensors.items()}
        candidates = [one for one in formats if not detect or one.detected_in(shapes)]
        for prefix in wrapper_prefixes(shapes):
            for one in candidates:
                if one.accepts(container, prefix) and (container, prefix, one.naming) not in found:
                    reading = _read(container, prefix, shapes, one, trunk)
                    found[reading.place] = reading
    return sorted(found.values(), key=lambda reading: (not reading.complete, -reading.rate(trunk)))


def identify(raw: RawCheckpoint, architectures: tuple[str, ...] = COMMON_ARCHITECTURES) -> list[Identification]:
    """Compare a file with common architectures.

    Parameters
    ----------
    raw : RawCheckpoint
        The file.
    architectures : tuple of str
        Timm names.

    Returns
    -------
    list of Identification
        Best first; those that share no tensor with the file are left out.
    """
    found = []
    for arch in architectures:
        trunk = trunk_of(arch)
        best = next(iter(readings_of(raw, trunk)), None)
        if best is not None and best.sources:
            found.append(Identification(arch, best.rate(trunk), best.format.name))
    return sorted(found, key=lambda one: -one.rate)


def tensors_at(raw: RawCheckpoint, reading: Reading) -> dict[str, torch.Tensor]:
    """Pick the trunk's tensors out of the file, under canonical names, untouched."""
    table = raw.containers[reading.container]
    return {name: table[key] for name, key in reading.sources.items()}


def _read(container: str, prefix: str, shapes: Shapes, one: Format, trunk: Trunk) -> Reading:
    sources: dict[str, str] = {}
    reshaped: dict[str, tuple[int, ...]] = {}
    beside: list[str] = []
    for key, shape in shapes.items():
        name = canonical_name(key[len(prefix) :], one.naming) if key.startswith(prefix) else None
        if name is None or name not in trunk.shapes or name in sources:
            beside.append(key)
        elif trunk.takes(name, shape):
            sources[name] = key
        else:
            reshaped[name] = shape
    reasons = {key: one.reason_to_drop(key) for key in beside}
    return Reading(
        container,
        prefix,
        one,
        sources,
        tuple(name for name in trunk.required if name not in sources and name not in reshaped),
        reshaped,
        {key: reason for key, reason in reasons.items() if reason is not None},
        tuple(key for key, reason in reasons.items() if reason is None),
    )
