"""Probabilities of classes: areas under curves, calibration and the like, class by class and over all classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import stats
from evalkit.comparisons.cells import ALL, MEAN, Cell, Floats, TestSet
from evalkit.comparisons.estimation.base import (
    NAN,
    Difference,
    Estimate,
    common_runs,
    from_result,
    percentiles,
    quietly,
    why_alone,
)
from evalkit.comparisons.procedure import Procedure
from evalkit.metrics import OVERALL_METRICS, SCORE_METRICS, ScoreMetric, measure_classes

#: Tests that compare more than one class, and tests whose sample is the repeats.
_OF_ANY_TARGET = ("bootstrap", "bootstrap_two_way", "ttest_paired")
_OF_REPEATS = ("bootstrap_two_way", "ttest_paired")

_Key = tuple[str, tuple[int, ...], bool]


class ScoreEstimates:
    """Estimates from scores (n, classes) of each run.

    Bootstrap replicates are made once per backbone and shared by all targets and comparisons: with the same seed the
    draws of repeats and patients are the same for every backbone, so that replicates can be subtracted.

    Parameters
    ----------
    test_set : TestSet
    procedure : Procedure
        Its metric is one of `SCORE_METRICS`.
    runs : int
        Runs that the study asks for in each cell of the setting.
    engine : module
        Where the tests come from: `stats`, or `stats.r_reference` for a check of its p-values.
    lacking : mapping of str to str
        Classes for which the scores are no use, and the status that says why.
    """

    def __init__(
        self,
        test_set: TestSet,
        procedure: Procedure,
        runs: int,
        engine: Any = stats,
        *,
        lacking: Mapping[str, str] | None = None,
    ) -> None:
        self._test_set, self._procedure, self._runs, self._engine = test_set, procedure, runs, engine
        self._of_class = SCORE_METRICS[procedure.metric.name]
        self._why = [
            (lacking or {}).get(name) or test_set.why_undefined(column, self._of_class.needs)
            for column, name in enumerate(test_set.classes)
        ]
        self._defined = np.flatnonzero([not why for why in self._why])
        self._values: dict[_Key, Floats] = {}
        self._replicates: dict[_Key, Floats] = {}

    @property
    def unit(self) -> str:
        """What the estimates are means of: repeats, or the cases of the test set."""
        return "repeat" if self._runs > 1 else self._test_set.unit

    def primary_test(self, target: str) -> str:
        """The configured test where it applies.

        DeLong's test is made for one class, so the mean over classes is compared by patient bootstrap; where patients
        have several cases its clustered form is used. A cell of one run has no repeats to resample or to pair.
        """
        column, primary = self._column(target), self._procedure.primary
        if primary == "delong" and column is not None:
            return "delong_clustered" if self._test_set.patients_repeat(column) else "delong"
        return primary if self._runs > 1 and primary != "delong" else "bootstrap"

    def further_tests(self, target: str) -> list[tuple[str, str]]:
        """What a publication did, and what else was asked for."""
        return self._procedure.further_tests(self.primary_test(target))

    def why_undefined(self, target: str) -> str:
        """Why a target has no number on this test set, as a status; empty where it has one."""
        column = self._column(target)
        if column is not None:
            return self._why[column]
        if target == ALL:
            return "" if self._test_set.scored(None).any() else f"undefined: no {self._test_set.unit} with a label"
        declared = len(self._test_set.classes)
        return "" if self._defined.size == declared else f"undefined: {self._defined.size}/{declared} classes"

    def why_not_resampled(self, target: str) -> str:
        """Why patients cannot be resampled, as a status; empty where they can.

        A mean needs several patients of each class: the one of a class would be in every resample that counts.
        """
        if target != MEAN:
            return why_alone(self._count_patients(self._column(target)))
        whys = [(why_alone(self._count_patients(column)), column) for column in self._defined.tolist()]
        return next((f"{why} of {self._test_set.classes[column]}" for why, column in whys if why), "")

    def values(self, cell: Cell[Floats], target: str) -> Floats:
        """The metric of each of a cell's runs (repeats,)."""
        key = (cell.backbone, cell.repeats, target == ALL)
        if key not in self._values:
            self._values[key] = np.array([self._measure(scores, overall=target == ALL) for scores in cell.outcomes])
        return self._pick(self._values[key], target, np.arange(len(self._test_set.classes)))

    def estimate(self, cell: Cell[Floats], target: str) -> Estimate:
        """Estimate a cell's number for one target."""
        if not cell.repeats:
            return Estimate(status=cell.missing)
        column = self._column(target)
        n = len(cell.repeats) if self._runs > 1 else int(self._test_set.scored(column).sum())
        n_clusters = self._count_patients(column)
        why = self.why_undefined(target)
        if why:
            return Estimate(n=n, n_clusters=n_clusters, status=why)
        values = self.values(cell, target)
        low, high, ci_method = self._interval(cell, target)
        return Estimate(
            value=float(values.mean()),
            sd=float(values.std(ddof=1)) if values.size > 1 else NAN,
            low=low,
            high=high,
            ci_method=ci_method,
            n=n,
            n_clusters=n_clusters,
            status=cell.status,
        )

    def compare(self, cell: Cell[Floats], reference: Cell[Floats], target: str, test: str) -> Difference:
        """Compare a cell with its reference, on the runs that both have."""
        common, status = common_runs(cell, reference)
        if not common:
            return Difference(status=status)
        if self._column(target) is None and test not in _OF_ANY_TARGET:
            return Difference(status=f"undefined: {test} compares one class at a time")
        cell, reference = cell.keep(common), reference.keep(common)
        if test in _OF_REPEATS and len(common) < 2:
            value = float(self.values(cell, target)[0] - self.values(reference, target)[0])
            return Difference(value, status="undefined: 1 repeat" if self._runs == 1 else status)
        alone = self.why_not_resampled(target)
        if test == "ttest_paired":
            difference = self._ttest(cell, reference, target)
        elif alone:
            values = [float(self.values(each, target).mean()) for each in (cell, reference)]
            return Difference(values[0] - values[1], status=alone)
        elif test in ("delong", "delong_clustered"):
            difference = self._delong(cell, reference, target, clustered=test == "delong_clustered")
        else:
            difference = self._bootstrap(cell, reference, target)
        return replace(difference, status=status) if difference.status == "ok" else difference

    def replicates(self, cell: Cell[Floats], target: str) -> Floats:
        """Bootstrap replicates of a cell's estimate (resamples,); NaN where a resample lacks a class."""
        overall = target == ALL
        key = (cell.backbone, cell.repeats, overall)
        if key not in self._replicates:
            columns = np.arange(len(self._test_set.classes)) if overall else self._defined
            self._replicates[key] = stats.bootstrap_replicates(
                self._metric(overall=overall).statistic,
                self._test_set.targets[:, columns],
                np.stack([scores[:, columns] for scores in cell.outcomes]),
                groups=self._test_set.patients,
                n_resamples=self._procedure.resamples,
                rng=self._procedure.seed,
                per_class=True,
            )
        return self._pick(self._replicates[key], target, self._defined)

    def _column(self, target: str) -> int | None:
        return None if target in (MEAN, ALL) else self._test_set.classes.index(target)

    def _count_patients(self, column: int | None) -> int:
        """Patients among the cases that have a label of a class, or of any."""
        return int(np.unique(self._test_set.patients[self._test_set.scored(column)]).size)

    def _metric(self, *, overall: bool) -> ScoreMetric:
        return OVERALL_METRICS[self._procedure.metric.name] if overall else self._of_class

    def _measure(self, scores: Floats, *, overall: bool) -> Floats:
        """A run's number of each class (classes,), or of all together (1,)."""
        targets = self._test_set.targets
        if overall:
            return np.array([self._metric(overall=True).value(targets, scores)])
        usable = np.full(len(self._why), np.nan)
        usable[self._defined] = measure_classes(
            self._procedure.metric, targets[:, self._defined], scores[:, self._defined]
        )
        return usable

    def _pick(self, values: Floats, target: str, columns: NDArray[np.intp]) -> Floats:
        """A target's numbers among those of classes in these columns (..., columns), or of all together (..., 1)."""
        column = self._column(target)
        return values.mean(axis=1) if column is None else values[:, int(np.searchsorted(columns, column))]

    def _interval(self, cell: Cell[Floats], target: str) -> tuple[float, float, str]:
        level, column = self._procedure.confidence_level, self._column(target)
        if self.why_not_resampled(target):
            return NAN, NAN, ""
        if column is not None and self._procedure.primary == "delong":
            clustered = self._test_set.patients_repeat(column)
            y, patients, rows = self._cases(column)
            score, groups = cell.outcomes[0][rows, column], patients if clustered else None
            result = quietly(lambda: stats.auc_ci(y, score, confidence_level=level, groups=groups))
            return result.low, result.high, "delong_clustered" if clustered else "delong"
        method = "bootstrap_two_way percentile" if len(cell.repeats) > 1 else "bootstrap percentile"
        return *percentiles(self.replicates(cell, target), level), method

    def _bootstrap(self, cell: Cell[Floats], reference: Cell[Floats], target: str) -> Difference:
        first, second = self.replicates(cell, target), self.replicates(reference, target)
        values = [float(self.values(each, target).mean()) for each in (cell, reference)]
        if np.count_nonzero(~np.isnan(first - second)) < 2:
            return Difference(values[0] - values[1], status="undefined: no resample with every class")
        level = self._procedure.confidence_level
        result = quietly(lambda: stats.difference_from_replicates(values[0], first, values[1], second, level))
        return from_result(result, level)

    def _ttest(self, cell: Cell[Floats], reference: Cell[Floats], target: str) -> Difference:
        first, second = self.values(cell, target), self.values(reference, target)
        result = quietly(lambda: self._engine.ttest_paired(first, second))
        return from_result(result, self._procedure.confidence_level)

    def _delong(self, cell: Cell[Floats], reference: Cell[Floats], target: str, *, clustered: bool) -> Difference:
        column = self._test_set.classes.index(target)
        y, patients, rows = self._cases(column)
        first, second = cell.outcomes[0][rows, column], reference.outcomes[0][rows, column]
        result = quietly(lambda: self._engine.delong_test(y, first, second, groups=patients if clustered else None))
        return from_result(result, self._procedure.confidence_level)

    def _cases(self, column: int) -> tuple[Floats, NDArray[np.intp], NDArray[np.bool_]]:
        """Labels and patients of the cases that have a label of a class, and which cases these are."""
        rows = self._test_set.scored(column)
        return self._test_set.targets[rows, column], self._test_set.patients[rows], rows
