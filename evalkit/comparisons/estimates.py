"""Estimates of every backbone of one setting, and the differences between them, on shared resamples."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from evalkit.comparisons.cells import Cell, Floats, TestSet
from evalkit.comparisons.procedure import Procedure
from evalkit.metrics import measure_classes
from stats.bootstrap import bootstrap_replicates, difference_from_replicates
from stats.delong import auc_ci, delong_test
from stats.paired import ttest_paired

NAN = math.nan
R = TypeVar("R")

#: Tests that compare means over classes, and tests whose sample is the repeats.
_OF_MEANS = ("bootstrap", "bootstrap_two_way", "ttest_paired")
_OF_REPEATS = ("bootstrap_two_way", "ttest_paired")


@dataclass(frozen=True)
class Estimate:
    """One backbone's number for one target; `status` says why there is none."""

    value: float = NAN
    sd: float = NAN
    low: float = NAN
    high: float = NAN
    ci_method: str = ""
    n: int | None = None
    n_clusters: int | None = None
    status: str = "ok"


@dataclass(frozen=True)
class Difference:
    """A backbone minus its reference, tested; `status` says why a number is missing, `notes` what to know of it."""

    value: float = NAN
    low: float = NAN
    high: float = NAN
    statistic: float = NAN
    df: float = NAN
    p_value: float = NAN
    status: str = "ok"
    notes: tuple[str, ...] = ()


class Estimates:
    """Computes each number of a setting once.

    Bootstrap replicates are made once per backbone and shared by all targets and comparisons: with the same seed the
    draws of repeats and patients are the same for every backbone, so that replicates can be subtracted.

    Parameters
    ----------
    test_set : TestSet
    procedure : Procedure
    runs : int
        Runs that the study asks for in each cell of the setting.
    """

    def __init__(self, test_set: TestSet, procedure: Procedure, runs: int) -> None:
        self._test_set, self._procedure, self._runs = test_set, procedure, runs
        undefined = [bool(test_set.why_undefined(column)) for column in range(len(test_set.classes))]
        self._defined = np.flatnonzero(~np.array(undefined, bool))
        self._values: dict[tuple[str, tuple[int, ...]], Floats] = {}
        self._replicates: dict[tuple[str, tuple[int, ...]], Floats] = {}

    @property
    def unit(self) -> str:
        """What the estimates are means of: repeats, or the cases of the test set."""
        return "repeat" if self._runs > 1 else self._test_set.unit

    def why_undefined(self, target: int | None) -> str:
        """Why a target has no number on this test set, as a status; empty where it has one."""
        if target is not None:
            return self._test_set.why_undefined(target)
        declared = len(self._test_set.classes)
        return "" if self._defined.size == declared else f"undefined: {self._defined.size}/{declared} classes"

    def values(self, cell: Cell, target: int | None) -> Floats:
        """The metric of each of a cell's runs (repeats,)."""
        key = (cell.backbone, cell.repeats)
        if key not in self._values:
            measured = [measure_classes(self._procedure.metric, self._test_set.targets, run) for run in cell.scores]
            self._values[key] = np.array(measured)
        values = self._values[key]
        return values.mean(axis=1) if target is None else values[:, target]

    def estimate(self, cell: Cell, target: int | None) -> Estimate:
        """Estimate a cell's number for one target (``None``: the mean over classes)."""
        if not cell.repeats:
            return Estimate(status=cell.missing)
        scored = self._test_set.scored(target)
        n = len(cell.repeats) if self._runs > 1 else int(scored.sum())
        n_clusters = int(np.unique(self._test_set.patients[scored]).size)
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

    def compare(self, cell: Cell, reference: Cell, target: int | None, test: str) -> Difference:
        """Compare a cell with its reference, on the runs that both have."""
        common = [repeat for repeat in cell.repeats if repeat in reference.repeats]
        status = _status_of_runs(cell, len(common))
        if not common:
            return Difference(status=status)
        if target is None and test not in _OF_MEANS:
            return Difference(status=f"undefined: {test} compares one class at a time")
        cell, reference = cell.keep(common), reference.keep(common)
        if test in _OF_REPEATS and len(common) < 2:
            value = float(self.values(cell, target)[0] - self.values(reference, target)[0])
            return Difference(value, status="undefined: 1 repeat" if self._runs == 1 else status)
        if test == "ttest_paired":
            difference = self._ttest(cell, reference, target)
        elif target is not None and test in ("delong", "delong_clustered"):
            difference = self._delong(cell, reference, target, clustered=test == "delong_clustered")
        else:
            difference = self._bootstrap(cell, reference, target)
        return replace(difference, status=status) if difference.status == "ok" else difference

    def _interval(self, cell: Cell, target: int | None) -> tuple[float, float, str]:
        level = self._procedure.confidence_level
        if target is not None and self._procedure.primary == "delong":
            clustered = self._test_set.patients_repeat(target)
            y, patients, rows = self._cases(target)
            score = cell.scores[0, rows, target]
            result = _quietly(lambda: auc_ci(y, score, confidence_level=level, groups=patients if clustered else None))
            return result.low, result.high, "delong_clustered" if clustered else "delong"
        replicates = self.replicates(cell, target)
        method = "bootstrap_two_way percentile" if len(cell.repeats) > 1 else "bootstrap percentile"
        defined = replicates[~np.isnan(replicates)]
        if not defined.size:
            return NAN, NAN, method
        low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2]).tolist()
        return low, high, method

    def replicates(self, cell: Cell, target: int | None) -> Floats:
        """Bootstrap replicates of a cell's estimate (resamples,); NaN where a resample lacks a class."""
        key = (cell.backbone, cell.repeats)
        if key not in self._replicates:
            self._replicates[key] = bootstrap_replicates(
                self._procedure.metric.name,
                self._test_set.targets[:, self._defined],
                cell.scores[:, :, self._defined],
                groups=self._test_set.patients,
                n_resamples=self._procedure.resamples,
                rng=self._procedure.seed,
                per_class=True,
            )
        replicates = self._replicates[key]
        return replicates.mean(axis=1) if target is None else replicates[:, int(np.searchsorted(self._defined, target))]

    def _bootstrap(self, cell: Cell, reference: Cell, target: int | None) -> Difference:
        first, second = self.replicates(cell, target), self.replicates(reference, target)
        values = [float(self.values(each, target).mean()) for each in (cell, reference)]
        if np.count_nonzero(~np.isnan(first - second)) < 2:
            return Difference(values[0] - values[1], status="undefined: no resample with every class")
        level = self._procedure.confidence_level
        result = _quietly(lambda: difference_from_replicates(values[0], first, values[1], second, level))
        return Difference(result.difference, result.low, result.high, p_value=result.pvalue, notes=result.warnings)

    def _ttest(self, cell: Cell, reference: Cell, target: int | None) -> Difference:
        result = _quietly(lambda: ttest_paired(self.values(cell, target), self.values(reference, target)))
        low, high = result.confidence_interval(self._procedure.confidence_level)
        return Difference(
            result.difference, low, high, result.statistic, result.df, result.pvalue, notes=result.warnings
        )

    def _delong(self, cell: Cell, reference: Cell, target: int, *, clustered: bool) -> Difference:
        y, patients, rows = self._cases(target)
        first, second = cell.scores[0, rows, target], reference.scores[0, rows, target]
        result = _quietly(lambda: delong_test(y, first, second, groups=patients if clustered else None))
        low, high = result.confidence_interval(self._procedure.confidence_level)
        reason = result.warnings[0].partition(":")[0] if math.isnan(result.pvalue) else ""
        return Difference(
            value=result.difference,
            low=low,
            high=high,
            statistic=result.statistic,
            p_value=result.pvalue,
            status=f"undefined: {reason}" if reason else "ok",
            notes=() if reason else result.warnings,
        )

    def _cases(self, target: int) -> tuple[Floats, NDArray[np.intp], NDArray[np.bool_]]:
        """Labels and patients of the cases that have a label of a class, and which cases these are."""
        rows = self._test_set.scored(target)
        return self._test_set.targets[rows, target], self._test_set.patients[rows], rows


def _status_of_runs(cell: Cell, common: int) -> str:
    """What to say of a comparison that does not rest on all runs."""
    return cell.status if common == len(cell.repeats) else f"{common}/{cell.expected} repeats in common"


def _quietly(function: Callable[[], R]) -> R:
    """Call a function of `stats`, whose warnings also stand in its result and reach the reader from there."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return function()
