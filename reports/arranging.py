"""Tidy rows laid out as a paper lays them out: backbones down, settings or classes across. No file format yet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from evalkit.comparisons.cells import MEAN
from evalkit.comparisons.policies import find_best
from evalkit.settings import parse_setting
from reports.numbers import format_interval, format_number, format_pvalue, mark_pvalue

#: Statuses that are no news in a cell: the numbers beside them say it all.
_QUIET = ("ok", "reference")


@dataclass(frozen=True)
class Cell:
    """One backbone in one column, in words; what does not exist is empty.

    Attributes
    ----------
    number, spread, interval : str
        Estimate, standard deviation over repeats, confidence interval of the estimate.
    difference, difference_interval, pvalue, mark : str
        Against the reference; the p-value is the adjusted one. Only primary comparisons are marked.
    best : bool
        Best of its column.
    status : str
        What is missing.
    """

    number: str = ""
    spread: str = ""
    interval: str = ""
    difference: str = ""
    difference_interval: str = ""
    pvalue: str = ""
    mark: str = ""
    best: bool = False
    status: str = ""


@dataclass(frozen=True)
class Line:
    """One backbone's cells."""

    label: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Comparison:
    """The differences from the references of one further policy."""

    policy: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Block:
    """One grid: a target with the settings across, or a setting with the targets across."""

    title: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    further: tuple[Comparison, ...]


class _Rows:
    """Rows by role, policy and place."""

    def __init__(self, rows: pd.DataFrame, context: Mapping[str, Any]) -> None:
        # itertuples keeps missing counts apart from numbers and is read by attribute.
        self._rows: list[Any] = list(rows.itertuples(index=False))
        self._context = context
        self.settings = self._distinct("setting")
        self.targets = self._distinct("target")
        self.labels = {row.backbone: row.label for row in self._rows}
        self._decisive = {(row.setting, row.target, row.backbone): row for row in self._rows if row.role == "primary"}
        self._further = {
            (row.policy, row.setting, row.target, row.backbone): row for row in self._rows if row.role == "secondary"
        }

    def find_best(self, setting: str, target: str) -> str | None:
        """The best of a column, as comparisons choose it: unfinished cells last, equals by the study's order."""
        column = {key[2]: row for key, row in self._decisive.items() if key[:2] == (setting, target)}
        expected = self._context["runs"].get(setting, 1)
        return find_best(
            {backbone: row.estimate for backbone, row in column.items()},
            higher_is_better=bool(self._rows[0].higher_is_better),
            complete=[
                key for key, row in column.items() if row.unit != "repeat" or (pd.notna(row.n) and row.n == expected)
            ],
        )

    def lines(self, places: Sequence[tuple[str, str]]) -> tuple[Line, ...]:
        """Each backbone's decisive cells in the columns given as (setting, target)."""
        best = {place: self.find_best(*place) for place in places}
        return tuple(
            Line(
                label,
                tuple(self._cell(self._decisive[(*place, backbone)], backbone == best[place]) for place in places),
            )
            for backbone, label in self.labels.items()
        )

    def compare(self, policy: str, places: Sequence[tuple[str, str]]) -> Comparison:
        """Each backbone's differences under a further policy; those that it does not concern are left out."""
        lines = []
        for backbone, label in self.labels.items():
            found = [self._further.get((policy, *place, backbone)) for place in places]
            if any(row is not None and row.test for row in found):
                lines.append(Line(label, tuple(Cell() if row is None else self._difference(row) for row in found)))
        return Comparison(policy, tuple(lines))

    def _cell(self, row: Any, best: bool) -> Cell:
        decimals = self._context["decimals"]
        compared = self._difference(row)
        return Cell(
            number=format_number(row.estimate, decimals),
            spread=format_number(row.sd, decimals),
            interval=format_interval(row.ci_low, row.ci_high, decimals),
            difference=compared.difference,
            difference_interval=compared.difference_interval,
            pvalue=compared.pvalue,
            mark=mark_pvalue(row.p_adjusted),
            best=best,
            status=compared.status,
        )

    def _difference(self, row: Any) -> Cell:
        decimals = self._context["decimals"]
        return Cell(
            difference=format_number(row.difference, decimals, signed=True),
            difference_interval=format_interval(row.difference_ci_low, row.difference_ci_high, decimals, signed=True),
            pvalue=format_pvalue(row.p_adjusted),
            status="" if row.status in _QUIET else row.status,
        )

    def _distinct(self, column: str) -> list[str]:
        return list(dict.fromkeys(getattr(row, column) for row in self._rows))


def arrange(rows: pd.DataFrame, context: Mapping[str, Any]) -> list[Block]:
    """Lay tidy rows out.

    Parameters
    ----------
    rows : DataFrame
        Tidy rows of one table.
    context : mapping
        The facts beside them: ``columns`` says what the columns are (setting or target), ``policies`` which ones
        follow the decisive first, ``runs`` how many runs a setting's cells should have, ``decimals`` how to print.

    Returns
    -------
    list of Block
        In the order of the rows; with settings across, the first block is the first target's.
    """
    found = _Rows(rows, context)
    settings = {setting: label_setting(setting, found.settings) for setting in found.settings}
    targets = {target: label_target(target) for target in found.targets}
    if context["columns"] == "setting":
        grids = [(title, settings, [(setting, target) for setting in settings]) for target, title in targets.items()]
    else:
        grids = [(title, targets, [(setting, target) for target in targets]) for setting, title in settings.items()]
    return [
        Block(
            title=title,
            columns=tuple(columns.values()),
            lines=found.lines(places),
            further=tuple(
                comparison
                for comparison in (found.compare(policy, places) for policy in context["policies"][1:])
                if comparison.lines
            ),
        )
        for title, columns, places in grids
    ]


def label_setting(setting: str, settings: Iterable[str]) -> str:
    """Name a setting by what sets it apart from the others of its table, for example ``10 %``.

    Parameters
    ----------
    setting : str
        As in column ``setting``; may be empty where predictions came without a study.
    settings : iterable of str
        All of the table's.
    """
    if not setting:
        return ""
    every = [parse_setting(each) for each in settings]
    values = parse_setting(setting)
    varying = [axis for axis in values if len({other.get(axis) for other in every}) > 1]
    shown = varying or [axis for axis in values if axis == "fraction"] or list(values)
    return ", ".join(_label_value(values[axis]) for axis in shown)


def label_target(target: str) -> str:
    """Name a target: the mean in words, a class by its name."""
    return "Mean over classes" if target == MEAN else target


def _label_value(value: str | float) -> str:
    return f"{100 * value:.12g} %" if isinstance(value, float) else value
