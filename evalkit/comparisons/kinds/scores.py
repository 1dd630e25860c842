"""Runs of classification: probabilities of classes, from predictions.parquet; what they call is the highest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evalkit.comparisons.alignment import Alignment, Unit
from evalkit.comparisons.cells import Cell, Floats, TestSet
from evalkit.comparisons.draws import describe_draws
from evalkit.comparisons.estimation.classes import Calls, ClassCases, ClassEstimates
from evalkit.comparisons.estimation.scores import ScoreEstimates
from evalkit.comparisons.external import describe_external
from evalkit.comparisons.kinds.base import Compared, Facts, Place, count_recorded_images
from evalkit.comparisons.procedure import Procedure
from evalkit.comparisons.runs import FoundRun, Gathered, load_cells
from evalkit.comparisons.thresholds import (
    call_positive,
    choose_thresholds,
    find_lacking,
    measure_specificity,
    tell_specificity,
)
from evalkit.comparisons.wording import define_metrics, describe_ways
from evalkit.config.loading import Study
from evalkit.errors import InputError
from evalkit.layout import VALIDATION
from evalkit.metrics import CLASS_METRICS
from evalkit.plan import Run
from evalkit.settings import read_setting

#: The metric that is measured on calls at thresholds from validation.
AT_THRESHOLD = "sensitivity95"


@dataclass(frozen=True, eq=False)
class Scores:
    """What the runs of a selection predicted.

    Attributes
    ----------
    gathered : Gathered
    test_set : TestSet
    images : Series
        Number of each test image's case, by image id.
    cells : dict of str to list of Cell
        By setting; outcomes are scores (n, classes).
    """

    gathered: Gathered
    test_set: TestSet
    images: pd.Series
    cells: dict[str, list[Cell[Floats]]]

    @property
    def unit(self) -> str:
        """What a case is."""
        return self.test_set.unit

    @property
    def multiclass(self) -> bool:
        """Whether each case has exactly one class."""
        return self.gathered.multiclass

    @cached_property
    def thresholds(self) -> dict[str, dict[str, list[Floats]]]:
        """The thresholds of every run there is, from its own validation set, by setting and backbone.

        Raises
        ------
        InputError
            A run's ``validation.parquet`` is missing or broken.
        """
        evaluation = self.gathered.selection.evaluation
        return {
            setting: {
                cell.backbone: [self._choose(Run(evaluation, setting, cell.backbone, each)) for each in cell.repeats]
                for cell in cells
            }
            for setting, cells in self.cells.items()
        }

    def called(self, setting: str) -> list[Cell[Floats]]:
        """A setting's cells with calls at the thresholds from validation."""
        return [call_positive(cell, self.thresholds[setting][cell.backbone]) for cell in self.cells[setting]]

    def count_patients(self, cases: NDArray[np.bool_]) -> int:
        """How many patients some of the cases come from."""
        return self.test_set.within(cases).n_patients

    def within(self, cases: NDArray[np.bool_]) -> _Part:
        """Some of the cases, to be compared on."""
        return _Part(self, cases)

    def describe(self, targets: Mapping[str, Sequence[str]]) -> Facts:
        """What a table's renderings say of the predictions."""
        gathered, test_set = self.gathered, self.test_set
        selection, entry = gathered.selection, gathered.study.classification(gathered.selection.evaluation)
        settings = self.thresholds if AT_THRESHOLD in targets else {}
        reached = {setting: measure_specificity(test_set, self.called(setting)) for setting in settings}
        external = "" if selection.test_on is None else describe_external(gathered, test_set)
        return Facts(
            test_set={
                "images": len(self.images),
                "patients": test_set.n_patients,
                "unit": test_set.unit,
                "cases": len(test_set.targets),
                "positives": {
                    label: int((test_set.targets[:, column] == 1).sum())
                    for column, label in enumerate(test_set.classes)
                },
            },
            definitions=define_metrics(targets, multiclass=self.multiclass),
            training=[*describe_draws(gathered.splits), *describe_ways(entry, selection.settings)],
            caveats=tell_specificity(reached),
            further={"specificity": reached, "external": external},
        )

    def _choose(self, run: Run) -> Floats:
        # Each has its own cases: what networks are selected on may differ between repeats.
        alignment = _open_alignment(self.gathered, cast(Unit, self.unit))
        scores = alignment.read(self.gathered.study.layout.run(*run) / VALIDATION)
        return choose_thresholds(alignment.test_set().targets, scores)


class _Part:
    """Some of the cases."""

    def __init__(self, scores: Scores, cases: NDArray[np.bool_]) -> None:
        self._scores, self._chosen, self._test_set = scores, cases, scores.test_set.within(cases)
        # One for all: the metrics of called classes share their replicates.
        self._called = _called_cases(self._test_set)

    def compare(self, setting: str, procedure: Procedure) -> Compared:
        """A setting's cells, and how to estimate with them."""
        runs, chosen = self._scores.gathered.count_runs(setting), self._chosen
        cells, lacking = self._scores.cells[setting], {}
        if procedure.metric.name in CLASS_METRICS:
            calls = [cell.map(lambda scores: scores[chosen].argmax(axis=1)) for cell in cells]
            return calls, lambda engine: ClassEstimates(self._called, procedure, runs, engine)
        if procedure.metric.name == AT_THRESHOLD:
            cells = self._scores.called(setting)
            lacking = find_lacking(self._test_set.classes, self._scores.thresholds[setting])
        return (
            [cell.map(lambda scores: scores[chosen]) for cell in cells],
            lambda engine: ScoreEstimates(self._test_set, procedure, runs, engine, lacking=lacking),
        )


class ScoreKind:
    """Probabilities of classes."""

    alike: Sequence[Place] = (("class_weights",),)

    def ask_of(self, study: Study, each: FoundRun, labels: Sequence[str]) -> Iterator[tuple[Place, Any]]:
        """What a run's record should hold."""
        entry, setting = study.classification(each.run.evaluation), read_setting(each.run.setting)
        yield ("labels",), list(labels)
        yield ("class_weights",), entry.class_weights
        if setting.regime == "probe":
            yield ("recipe",), entry.probe.model_dump(mode="json")
            return
        # The budget of other fractions is not this run's business; its own is in the steps.
        yield ("recipe",), entry.training.model_dump(mode="json", exclude={"steps", "epochs"})
        images = count_recorded_images(each.record)
        yield ("run", "steps"), entry.training.count_steps(images=images, fraction=setting.fraction)

    def read(self, gathered: Gathered) -> Scores:
        """Read and align the runs' scores."""
        study, selection = gathered.study, gathered.selection
        entry = study.classification(selection.evaluation)
        unit = entry.aggregate or gathered.reports[gathered.tested].get("unit", "image")
        alignment = _open_alignment(gathered, cast(Unit, unit))

        def read(folder: Path) -> Floats:
            return alignment.read(folder / selection.predictions)

        cells = {setting: load_cells(study, runs, read) for setting, runs in gathered.by_setting().items()}
        scores = Scores(gathered, alignment.test_set(), alignment.images, cells)
        if scores.multiclass and (scores.test_set.targets.sum(axis=1) != 1).any():
            raise InputError(
                f"{study.source}: evaluations.{selection.evaluation} is multiclass, and its predictions are not",
                "predictions of exactly one class for each image",
                "remove the run folders and run the study again",
            )
        return scores


def _open_alignment(gathered: Gathered, unit: Unit) -> Alignment:
    return Alignment(unit, classes=gathered.labels, remedy=gathered.remedy)


def _called_cases(test_set: TestSet) -> ClassCases:
    """The cases of a task with exactly one class for each."""
    targets: Calls = test_set.targets.argmax(axis=1) if test_set.targets.size else np.empty(0, np.intp)
    return ClassCases(test_set.classes, targets, test_set.patients, test_set.unit)
