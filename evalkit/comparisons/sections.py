"""A table's runs, divided into what its rows are made of: one metric in one subgroup and setting after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from evalkit.comparisons.cells import ALL, MEAN, Cell, Floats, TestSet
from evalkit.comparisons.comparing import Place
from evalkit.comparisons.estimation.base import Estimates
from evalkit.comparisons.estimation.classes import Calls, ClassCases, ClassEstimates
from evalkit.comparisons.estimation.scores import ScoreEstimates
from evalkit.comparisons.gathering import Gathered, gather_runs
from evalkit.comparisons.procedure import Procedure, make_procedure
from evalkit.comparisons.runs import select_runs
from evalkit.comparisons.subgroups import EVERYONE, Subgroup, divide_cases
from evalkit.comparisons.targets import choose_targets
from evalkit.comparisons.thresholds import call_positive, find_lacking, read_thresholds
from evalkit.config.loading import Study
from evalkit.datasets.manifest import load_manifest
from evalkit.metrics import CLASS_METRICS
from evalkit.plan import count_repeats

#: The metric that is measured on calls at thresholds from validation.
AT_THRESHOLD = "sensitivity95"


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
    runs : Gathered
    procedures : dict of str to Procedure
        By metric, in the table's order.
    targets : dict of str to list of str
        By metric.
    subgroups : list of Subgroup
        Everyone first.
    notes : list of str
        What to know of the subgroups.
    thresholds : dict of str to dict of str to list of ndarray
        By setting and backbone, of each run; empty where no metric needs them.
    """

    name: str
    runs: Gathered
    procedures: dict[str, Procedure]
    targets: dict[str, list[str]]
    subgroups: list[Subgroup]
    notes: list[str] = field(default_factory=list)
    thresholds: dict[str, dict[str, list[Floats]]] = field(default_factory=dict)

    def sections(self) -> Iterator[Section]:
        """Divide the table, in the order of its rows."""
        for subgroup in self.subgroups:
            test_set = self.runs.test_set.within(subgroup.cases)
            # One for all: the metrics of called classes share their replicates.
            cases = _called_cases(test_set)
            for metric, procedure in self.procedures.items():
                for setting in self.runs.cells:
                    if metric in CLASS_METRICS:
                        cells, estimates = self._of_calls(setting, subgroup, procedure, cases)
                    else:
                        cells, estimates = self._of_scores(setting, subgroup, procedure, test_set)
                    yield Section(self._place(setting, subgroup), procedure, self.targets[metric], cells, estimates)

    def called(self, setting: str) -> list[Cell[Floats]]:
        """A setting's cells with calls at the thresholds from validation."""
        return [call_positive(cell, self.thresholds[setting][cell.backbone]) for cell in self.runs.cells[setting]]

    def count_runs(self, setting: str) -> int:
        """How many runs each of a setting's cells should have."""
        return count_repeats(self.runs.study.evaluation(self.runs.selection.evaluation), setting)

    def _place(self, setting: str, subgroup: Subgroup) -> Place:
        runs = self.runs
        return Place(self.name, runs.study.name, runs.tested, runs.selection.evaluation, setting, subgroup.name)

    def _of_scores(
        self, setting: str, subgroup: Subgroup, procedure: Procedure, test_set: TestSet
    ) -> tuple[list[Cell[Any]], Callable[[Any], Estimates[Any]]]:
        cells, lacking = self.runs.cells[setting], {}
        if procedure.metric.name == AT_THRESHOLD:
            cells, lacking = self.called(setting), find_lacking(test_set.classes, self.thresholds[setting])
        runs = self.count_runs(setting)
        return (
            [cell.map(lambda scores: scores[subgroup.cases]) for cell in cells],
            lambda engine: ScoreEstimates(test_set, procedure, runs, engine, lacking=lacking),
        )

    def _of_calls(
        self, setting: str, subgroup: Subgroup, procedure: Procedure, cases: ClassCases
    ) -> tuple[list[Cell[Any]], Callable[[Any], Estimates[Any]]]:
        runs = self.count_runs(setting)
        return (
            [cell.map(lambda scores: scores[subgroup.cases].argmax(axis=1)) for cell in self.runs.cells[setting]],
            lambda engine: ClassEstimates(cases, procedure, runs, engine),
        )


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
    runs = gather_runs(study, select_runs(study, name), classes=named, partial=partial)
    subgroups = [Subgroup(EVERYONE, np.ones(len(runs.test_set.targets), bool))]
    notes = []
    if table.subgroups and len(runs.images):
        manifest = load_manifest(study.layout.manifest(runs.tested)).images
        divided = divide_cases(
            table.subgroups, runs.images, manifest, age_bands=table.age_bands, unit=runs.test_set.unit
        )
        subgroups += [subgroup for grouping in divided for subgroup in grouping.subgroups]
        notes = [grouping.note for grouping in divided if grouping.note]
    return TableRuns(
        name=name,
        runs=runs,
        procedures=procedures,
        targets=choose_targets(
            table.targets,
            table.metrics,
            runs.test_set.classes if runs.classes_known else (),
            multiclass=runs.multiclass,
            place=f"{study.source}: tables.{name}",
        ),
        subgroups=subgroups,
        notes=notes,
        thresholds=read_thresholds(runs) if AT_THRESHOLD in table.metrics else {},
    )


def _called_cases(test_set: TestSet) -> ClassCases:
    """The cases of a task with exactly one class for each."""
    targets: Calls = test_set.targets.argmax(axis=1) if test_set.targets.size else np.empty(0, np.intp)
    return ClassCases(test_set.classes, targets, test_set.patients, test_set.unit)
