"""Settings: one cell of an evaluation's axes, spelled ``regime=finetune,fraction=0.01`` everywhere.

The same string names the run folder, the rows of a table and the argument of a job.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from evalkit.errors import InputError

#: The order in which axes are written; an evaluation has some of them.
AXES = ("regime", "fraction", "trainset", "head", "space")

Value = str | float


def format_setting(values: Mapping[str, Value]) -> str:
    """Spell a setting: ``axis=value`` joined by commas, in the order of `AXES`.

    Parameters
    ----------
    values : mapping of str to str or float
        One value for each axis the evaluation has.

    Returns
    -------
    str
        For example ``"regime=finetune,fraction=0.01"``; a float is written in its shortest form (``1``, ``0.01``).
    """
    return ",".join(f"{axis}={_spell(values[axis])}" for axis in AXES if axis in values)


def parse_setting(text: str) -> dict[str, Value]:
    """Read a setting back; the inverse of `format_setting`.

    Raises
    ------
    InputError
        A part is not ``axis=value``, or the axis is unknown.
    """
    values: dict[str, Value] = {}
    for part in text.split(","):
        axis, equals, value = part.partition("=")
        if not equals or axis not in AXES:
            raise InputError(
                f"the setting {text!r} has the part {part!r}",
                f"axis=value with an axis of {', '.join(AXES)}",
                "copy the setting from a run folder's name or from a table's column 'setting'",
            )
        values[axis] = float(value) if axis == "fraction" else value
    return values


class Setting(NamedTuple):
    """A classification setting, axis by axis; an axis that it does not spell has its default."""

    regime: str = "finetune"
    fraction: float = 1.0
    trainset: str = "full"


def read_setting(text: str) -> Setting:
    """Read a setting of a classification task.

    Raises
    ------
    InputError
        As `parse_setting`.
    """
    values = parse_setting(text)
    return Setting(**{axis: values[axis] for axis in Setting._fields if axis in values})  # type: ignore[arg-type]


def all_settings(axes: Mapping[str, Sequence[Value]]) -> list[str]:
    """Spell every combination of the axes' values, the last axis running fastest.

    Parameters
    ----------
    axes : mapping of str to sequence
        The values of each axis, for example ``{"regime": ["finetune"], "fraction": [0.01, 0.1]}``.
    """
    names = [axis for axis in AXES if axis in axes]
    return [
        format_setting(dict(zip(names, values, strict=True)))
        for values in itertools.product(*(axes[name] for name in names))
    ]


def _spell(value: Value) -> str:
    return f"{value:.12g}" if isinstance(value, float | int) else value
