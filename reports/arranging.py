"""Tidy rows laid out as a paper lays them out: backbones down, settings, classes or metrics across. No format yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd

from evalkit.comparisons.cells import count_cases
from evalkit.comparisons.policies import find_best
from reports.effects import Effects, EffectSizes
from reports.labels import capitalise, label_metric, label_setting, label_subgroup, label_target
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
    """One grid of backbones down and settings, targets or metrics across.

    Attributes
    ----------
    title : str
        What all of its columns have in common and other blocks do not.
    columns : tuple of str
    lines : tuple of Line
    further : tuple of Comparison
    effects : tuple of Effects
        Effect sizes of the decisive differences, with the p-values of secondary tests; measured values have them.
    leading : bool
        Whether it sums others up: it shows the first target of its metric.
    """

    title: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    further: tuple[Comparison, ...]
    effects: tuple[Effects, ...] = ()
    leading: bool = True


class Place(NamedTuple):
    """What a column's rows have in common."""

    subgroup: str
    metric: str
    setting: str
    target: str


class _Grid(NamedTuple):
    """A block before its cells are filled in: the heading of each column, and where its rows are."""

    title: tuple[str, ...]
    columns: dict[Place, str]
    leading: bool


class _Rows:
    """Rows by role, policy and place."""

    def __init__(self, rows: pd.DataFrame, context: Mapping[str, Any]) -> None:
        # itertuples keeps missing counts apart from numbers and is read by attribute.
        found: list[Any] = list(rows.itertuples(index=False))
        self._context = context
        self.labels = {row.backbone: row.label for row in found}
        self._controls = [each["key"] for each in context["backbones"] if each.get("control")]
        self._decisive: dict[Place, dict[str, Any]] = {}
        self._further: dict[str, dict[Place, dict[str, Any]]] = {}
        for row in found:
            place = Place(row.subgroup, row.metric, row.setting, row.target)
            if row.role == "primary":
                self._decisive.setdefault(place, {})[row.backbone] = row
            elif row.role == "secondary":
                # Of several tests of a further policy the first leads.
                self._further.setdefault(row.policy, {}).setdefault(place, {}).setdefault(row.backbone, row)
        self.places = list(self._decisive)

    def find_best(self, place: Place) -> str | None:
        """The best of a column, as comparisons choose it: unfinished cells last, equals by the study's order."""
        column = self._decisive[place]
        expected = self._context["runs"].get(place.setting, 1)
        return find_best(
            {backbone: row.estimate for backbone, row in column.items() if backbone not in self._controls},
            higher_is_better=bool(next(iter(column.values())).higher_is_better),
            complete=[
                key for key, row in column.items() if row.unit != "repeat" or (pd.notna(row.n) and row.n == expected)
            ],
        )

    def lines(self, places: Sequence[Place]) -> tuple[Line, ...]:
        """Each backbone's decisive cells in these columns."""
        best = {place: self.find_best(place) for place in places}
        return tuple(
            Line(label, tuple(self._cell(self._decisive[place][backbone], backbone == best[place]) for place in places))
            for backbone, label in self.labels.items()
        )

    def compare(self, policy: str, places: Sequence[Place]) -> Comparison:
        """Each backbone's differences under a further policy; those that it does not concern are left out."""
        columns = [self._further.get(policy, {}).get(place, {}) for place in places]
        lines = []
        for backbone, label in self.labels.items():
            found = [column.get(backbone) for column in columns]
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


def arrange(rows: pd.DataFrame, context: Mapping[str, Any]) -> list[Block]:
    """Lay tidy rows out.

    Parameters
    ----------
    rows : DataFrame
        Tidy rows of one table.
    context : mapping
        The facts beside them: ``columns`` says what the columns are (setting, target or metric), ``policies`` which
        ones follow the decisive first, ``runs`` how many runs a setting's cells should have, ``decimals`` how to
        print, ``metrics`` what they are called.

    Returns
    -------
    list of Block
        In the order of the rows: everyone before the subgroups and, with settings across, the first target of a metric
        before the others.
    """
    found, sizes = _Rows(rows, context), EffectSizes(rows, context)
    return [
        Block(
            title=", ".join(filter(None, grid.title)),
            columns=tuple(grid.columns.values()),
            lines=found.lines(list(grid.columns)),
            further=tuple(
                comparison
                for comparison in (found.compare(policy, list(grid.columns)) for policy in context["policies"][1:])
                if comparison.lines
            ),
            effects=sizes.lines(found.labels, list(grid.columns)),
            leading=grid.leading,
        )
        for grid in _divide(found.places, context)
    ]


def _divide(places: Sequence[Place], context: Mapping[str, Any]) -> Iterator[_Grid]:
    """Divide the columns of a table into grids."""
    every = list(dict.fromkeys(place.setting for place in places))
    settings = {setting: capitalise(label_setting(setting, every)) for setting in every}
    subgroups = {each.subgroup: _entitle_subgroup(each.subgroup, context["test_set"]) for each in places}
    metrics = {metric["name"]: label_metric(metric) for metric in context["metrics"]}
    first = {each.metric: each.target for each in reversed(places)}
    several = len(metrics) > 1
    grids: dict[tuple[str, ...], _Grid] = {}
    for place in places:
        subgroup, metric, setting = subgroups[place.subgroup], metrics[place.metric], settings[place.setting]
        target, leads = label_target(place.target), place.target == first[place.metric]
        if context["columns"] == "setting":
            title, heading = (subgroup, metric if several else "", target), setting
        elif context["columns"] == "target":
            title, heading, leads = (subgroup, metric if several else "", setting), target, True
        else:
            # Each metric at its first target; what further targets have in common is the target.
            title, heading = (subgroup, setting, "" if leads else target), metric
        grids.setdefault(title, _Grid(title, {}, leads)).columns[place] = heading
    yield from grids.values()


def _entitle_subgroup(subgroup: str, test_set: Mapping[str, Any]) -> str:
    """Name a subgroup with its size; nothing for everyone."""
    if subgroup not in test_set["subgroups"]:
        return label_subgroup(subgroup)
    counts, unit = test_set["subgroups"][subgroup], test_set["unit"]
    patients = count_cases(counts["patients"], "patient")
    size = patients if unit == "patient" else f"{count_cases(counts['cases'], unit)} of {patients}"
    return f"{label_subgroup(subgroup)} ({size})"
