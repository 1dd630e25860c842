"""A table's runs, divided into what its rows are made of: one metric in one subgroup and setting after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from evalkit.comparisons.cells import ALL, MEAN, Cell
from evalkit.comparisons.comparing import Place
from evalkit.comparisons.estimation.base import Estimates
from evalkit.comparisons.gathering import gather_runs
from evalkit.comparisons.kinds.base import Predictions
from evalkit.comparisons.procedure import Procedure, make_procedure
from evalkit.comparisons.runs import select_runs
from evalkit.comparisons.subgroups import EVERYONE, Subgroup, divide_cases
from evalkit.comparisons.targets import choose_targets
from evalkit.config.loading import Study
from evalkit.datasets.manifest import load_manifest


@dataclass(frozen=True, eq=False)
class Section:
    """One metric in one subgroup and setting.

    Attributes
    ----------
    place : Place
    procedure : Procedure
    targets : list of str
        In the order of the rows.
    cells : list of Cell
        In the study's order, with outcomes of the kind that the metric is measured on.
    estimates : callable
        The numbers, by the tests of an engine: `stats`, or `stats.r_reference`.
    """

    place: Place
    procedure: Procedure
    targets: list[str]
    cells: list[Cell[Any]]
    estimates: Callable[[Any], Estimates[Any]]


@dataclass(frozen=True, eq=False)
class TableRuns:
    """A table's runs, and how they are compared.

    Attributes
    ----------
    name : str
        The table.
    predictions : Predictions
    procedures : dict of str to Procedure
        By metric, in the table's order.
    targets : dict of str to list of str
        By metric.
    subgroups : list of Subgroup
        Everyone first.
    notes : list of str
        What to know of the subgroups.
    """

    name: str
    predictions: Predictions
    procedures: dict[str, Procedure]
    targets: dict[str, list[str]]
    subgroups: list[Subgroup]
    notes: list[str] = field(default_factory=list)

    def sections(self) -> Iterator[Section]:
        """Divide the table, in the order of its rows."""
        for subgroup in self.subgroups:
            part = self.predictions.within(subgroup.cases)
            for metric, procedure in self.procedures.items():
                for setting in self.predictions.cells:
                    cells, estimates = part.compare(setting, procedure)
                    yield Section(self._place(setting, subgroup), procedure, self.targets[metric], cells, estimates)

    def _place(self, setting: str, subgroup: Subgroup) -> Place:
        runs = self.predictions.gathered
        return Place(self.name, runs.study.name, runs.tested, runs.selection.evaluation, setting, subgroup.name)


def gather_table(study: Study, name: str, *, partial: bool = False) -> TableRuns:
    """Find, check, read and align a table's runs, and decide what is compared.

    Parameters
    ----------
    study : Study
    name : str
        The table's key in the study file.
    partial : bool
        Take the runs there are.

    Raises
    ------
    InputError
        As `gather_runs`, or the table asks for something that it cannot have.
    """
    table = study.table(name)
    procedures: dict[str, Procedure] = {metric: make_procedure(study, name, metric) for metric in table.metrics}
    named = [target for target in table.targets or () if target not in (MEAN, ALL)]
    predictions = gather_runs(study, select_runs(study, name), classes=named, partial=partial)
    runs, images = predictions.gathered, predictions.images
    subgroups = [Subgroup(EVERYONE, np.ones(images.nunique(), bool))]
    notes = []
    if table.subgroups and len(images):
        manifest = load_manifest(study.layout.manifest(runs.tested)).images
        divided = divide_cases(table.subgroups, images, manifest, age_bands=table.age_bands, unit=predictions.unit)
        subgroups += [subgroup for grouping in divided for subgroup in grouping.subgroups]
        notes = [grouping.note for grouping in divided if grouping.note]
    return TableRuns(
        name=name,
        predictions=predictions,
        procedures=procedures,
        targets=choose_targets(
            table.targets,
            table.metrics,
            runs.labels if runs.labels_known else (),
            multiclass=runs.multiclass,
            place=f"{study.source}: tables.{name}",
        ),
        subgroups=subgroups,
        notes=notes,
    )
