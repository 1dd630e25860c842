"""Why a checkpoint is refused, in words that name the tensors and the likely way out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NoReturn

from evalkit.checkpoints.formats import FORMAT_NAMES
from evalkit.checkpoints.matching import Reading, identify, readings_of
from evalkit.checkpoints.trunks import Trunk
from evalkit.errors import InputError

if TYPE_CHECKING:
    from evalkit.checkpoints.reading import RawCheckpoint

_NAMED = 5


def refuse_incomplete(raw: RawCheckpoint, trunk: Trunk, readings: list[Reading], format: str | None) -> NoReturn:
    """Say what keeps a file from being the trunk, and which architecture or format it does fit.

    Parameters
    ----------
    raw : RawCheckpoint
        The file.
    trunk : Trunk
        What was asked for.
    readings : list of Reading
        The ways it was read, best first; empty if the named format's wrappers are not in the file at all.
    format : str, optional
        The format that the entry names.
    """
    expected = f"every parameter and BatchNorm statistic of {trunk.arch}, and beside them only known heads and copies"
    if not readings:
        raise InputError(
            f"{raw.source} has nothing in the format {format!r}; it holds {_some_keys(raw)}",
            expected,
            _way_out(raw, trunk, None, format),
        )
    best = readings[0]
    matched, wanted = best.matched(trunk), len(trunk.required)
    lines = [
        f"{raw.source} does not hold {trunk.arch}: {matched} of {wanted} tensors match ({matched / wanted:.1%})"
        + (f", read as {best.format.name}" if best.sources else "")
    ]
    if not best.sources:
        lines.append(f"it holds {_some_keys(raw)}")
    if best.missing and best.sources:
        lines.append(f"missing: {_first(best.missing)}")
    if best.reshaped:
        differing = [
            f"{name} {_shape(shape)} instead of {_shape(trunk.shapes[name])}" for name, shape in best.reshaped.items()
        ]
        lines.append(f"other shape: {_first(differing)}")
    if best.unexplained and best.sources:
        lines.append(f"unexpected: {_first(best.unexplained)}")
    raise InputError("\n  ".join(lines), expected, _way_out(raw, trunk, best, format))


def refuse_ambiguous(raw: RawCheckpoint, trunk: Trunk, complete: list[Reading]) -> NoReturn:
    """List the networks of a file that all fit."""
    complete = sorted(complete, key=lambda one: FORMAT_NAMES.index(one.format.name))
    places = [
        f"{'.'.join(part for part in (one.container, one.prefix.rstrip('.')) if part) or 'the top level'} "
        f"(format {one.format.name})"
        for one in complete
    ]
    names = [one.format.name for one in complete]
    unique = [name for name in names if names.count(name) == 1]
    raise InputError(
        f"{raw.source} holds {len(complete)} complete {trunk.arch} networks: {'; '.join(places)}",
        "one network, or an entry that says which",
        (f"write format: {' or format: '.join(unique)} in the entry, or " if unique else "")
        + "save the one you mean alone: torch.save({'state_dict': checkpoint[KEY]}, NEW_FILE)",
    )


def _way_out(raw: RawCheckpoint, trunk: Trunk, best: Reading | None, format: str | None) -> str:
    if format is not None and (other := next(iter(readings_of(raw, trunk)), None)) is not None and other.complete:
        return f"the file is complete in the format {other.format.name}: write that, or leave format out"
    fitting = identify(raw)
    if fitting and fitting[0].rate == 1:
        return f"these tensors fit {fitting[0].arch} completely: the entry says arch: {trunk.arch}; is that meant?"
    if best is not None and not best.missing and not best.reshaped:
        return (
            "the trunk is complete, but part of the file is not understood: if that is a head or training state, "
            "save the file again without it"
        )
    if best is not None and best.rate(trunk) > 0.5:
        return "the file is incomplete or of a variant: get the complete checkpoint; partial weights are not accepted"
    if fitting:
        return f"nearest common architecture: {fitting[0].arch} ({fitting[0].rate:.0%} of it), which is no full fit"
    return "check that this is the file of the backbone you mean; tensors are matched by name, never by position"


def _shape(shape: Iterable[int]) -> str:
    return "x".join(str(size) for size in shape) or "scalar"


def _first(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_NAMED])
    return shown if len(names) <= _NAMED else f"{shown} and {len(names) - _NAMED} more"


def _some_keys(raw: RawCheckpoint) -> str:
    keys = max(raw.containers.values(), key=len)
    return f"{len(keys)} tensors such as {', '.join(list(keys)[:3])}"
