"""Called classes: accuracy, and precision, recall and F1 of each class and as their mean."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

import stats
from evalkit.comparisons.cells import ALL, MEAN, Cell, Floats
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

Calls = NDArray[np.intp]

#: Tests of single calls, which are made for the accuracy of one run, in the form they take where patients repeat.
_CLUSTERED = {"mcnemar_exact": "mcnemar_clustered", "stuart_maxwell": "stuart_maxwell_clustered"}
_OF_CALLS = (*_CLUSTERED, *_CLUSTERED.values())
#: Tests whose sample is the repeats.
_OF_REPEATS = ("bootstrap_two_way", "ttest_paired")


@dataclass(frozen=True, eq=False)
class ClassCases:
    """The cases that every model has called a class of.

    Attributes
    ----------
    classes : tuple of str
        In declared order.
    targets : ndarray of int (n,)
        Positions in `classes`.
    patients : ndarray of int (n,)
        A number for each case's patient, 0 .. n_patients - 1.
    unit : str
        What a case is.
    """

    classes: tuple[str, ...]
    targets: Calls
    patients: NDArray[np.intp]
    unit: str
    _resampled: dict[tuple[Any, ...], dict[str, Floats]] = field(default_factory=dict, init=False, repr=False)

    def replicates(self, runs: tuple[Calls, ...], procedure: Procedure) -> dict[str, Floats]:
        """Bootstrap replicates of every metric of called classes, as `stats.class_replicates`.

        Made once for the same calls, whichever estimates ask for them: the metrics of a table share them, and all
        models share the resamples.
        """
        key = (procedure.resamples, procedure.seed, *(run.tobytes() for run in runs))
        if key not in self._resampled:
            self._resampled[key] = stats.class_replicates(
                self.targets,
                np.stack(runs),
                categories=range(len(self.classes)),
                groups=self.patients,
                n_resamples=procedure.resamples,
                rng=procedure.seed,
            )
        return self._resampled[key]


class ClassEstimates:
    """Estimates from the classes (n,) that each model called, in one run or several.

    Parameters
    ----------
    cases : ClassCases
    procedure : Procedure
        Its metric is accuracy, of the target `all`; or precision, recall or f1, of a class or the `mean` over them.
    runs : int
        Runs that the study asks for in each cell of the setting.
    engine : module
        Where the tests come from: `stats`, or `stats.r_reference` for a check of its p-values.
    """

    def __init__(self, cases: ClassCases, procedure: Procedure, runs: int, engine: Any = stats) -> None:
        self._cases, self._procedure, self._runs, self._engine = cases, procedure, runs, engine
        self._n_patients = int(np.unique(cases.patients).size)
        self._groups = cases.patients if self._n_patients < cases.patients.size else None
        self._occurs = np.bincount(cases.targets, minlength=len(cases.classes)) > 0
        self._values: dict[tuple[str, tuple[int, ...]], Floats] = {}

    @property
    def unit(self) -> str:
        """What the estimates are means of: repeats, or the cases of the test set."""
        return "repeat" if self._runs > 1 else self._cases.unit

    def primary_test(self, target: str) -> str:
        """The configured test where it applies, in its clustered form where patients have several cases.

        McNemar's and Stuart-Maxwell's tests are made for the accuracies of single runs. Other metrics are compared by
        bootstrap over patients, several runs by two-way bootstrap.
        """
        if self._runs > 1:
            return "bootstrap_two_way"
        primary = self._procedure.primary
        return self._form(primary) if target == ALL and primary in _CLUSTERED else "bootstrap"

    def further_tests(self, target: str) -> list[tuple[str, str]]:
        """What a publication did, in its plain form, and what else was asked for, where it applies to the target."""
        primary = self.primary_test(target)
        asked = self._procedure.further_tests(primary)
        tests = [(test if role == "paper" else self._form(test), role) for test, role in asked]
        return [(test, role) for test, role in tests if test != primary and (target == ALL or test not in _OF_CALLS)]

    def why_undefined(self, target: str) -> str:
        """Why a target has no number on these cases, as a status; empty where it has one.

        Of a class without a case nothing can be known: its recall is 0/0, and its precision is 0 whatever the model
        does.
        """
        if not self._cases.targets.size:
            return f"undefined: no {self._cases.unit}"
        if target == ALL:
            return ""
        if target != MEAN:
            return "" if self._occurs[self._column(target)] else f"undefined: no {self._cases.unit} of the class"
        return "" if self._occurs.all() else f"undefined: {self._occurs.sum()}/{self._occurs.size} classes"

    def why_not_resampled(self, target: str) -> str:
        """Why patients cannot be resampled, as a status; empty where they can."""
        return why_alone(self._n_patients)

    def values(self, cell: Cell[Calls], target: str) -> Floats:
        """The metric of each of a cell's runs (repeats,)."""
        key = (cell.backbone, cell.repeats)
        if key not in self._values:
            categories, metric = range(len(self._cases.classes)), self._procedure.metric.name
            scores = [stats.class_scores(self._cases.targets, run, categories=categories) for run in cell.outcomes]
            self._values[key] = np.array([np.atleast_1d(getattr(each, metric)) for each in scores])
        return self._of_target(self._values[key], target)

    def estimate(self, cell: Cell[Calls], target: str) -> Estimate:
        """Estimate a cell's number for one target."""
        if not cell.repeats:
            return Estimate(status=cell.missing)
        n = len(cell.repeats) if self._runs > 1 else self._cases.targets.size
        why = self.why_undefined(target)
        if why:
            return Estimate(n=n, n_clusters=self._n_patients, status=why)
        values = self.values(cell, target)
        low, high, ci_method = self._interval(cell, target)
        return Estimate(
            value=float(values.mean()),
            sd=float(values.std(ddof=1)) if values.size > 1 else NAN,
            low=low,
            high=high,
            ci_method=ci_method,
            n=n,
            n_clusters=self._n_patients,
            status=cell.status,
        )

    def compare(self, cell: Cell[Calls], reference: Cell[Calls], target: str, test: str) -> Difference:
        """Compare a cell with its reference, on the runs that both have.

        The difference is that of the metric in every row, also where Stuart-Maxwell's test compares how often each
        class is called.
        """
        common, status = common_runs(cell, reference)
        if not common:
            return Difference(status=status)
        cell, reference = cell.keep(common), reference.keep(common)
        first, second = self.values(cell, target), self.values(reference, target)
        value = float(first.mean()) - float(second.mean())
        if test in _OF_REPEATS and len(common) < 2:
            return Difference(value, status="undefined: 1 repeat" if self._runs == 1 else status)
        alone = self.why_not_resampled(target)
        if test == "ttest_paired":
            result: Any = quietly(lambda: self._engine.ttest_paired(first, second))
        elif alone:
            return Difference(value, status=alone)
        elif test in _OF_CALLS:
            result = self._compare_calls(cell.outcomes[0], reference.outcomes[0], test)
        else:
            replicates = self.replicates(cell, target), self.replicates(reference, target)
            if np.count_nonzero(~np.isnan(replicates[0] - replicates[1])) < 2:
                return Difference(value, status="undefined: no resample with every class")
            means, level = (float(first.mean()), float(second.mean())), self._procedure.confidence_level
            result = quietly(
                lambda: stats.difference_from_replicates(means[0], replicates[0], means[1], replicates[1], level)
            )
        difference = from_result(result, self._procedure.confidence_level)
        difference = replace(difference, value=value) if np.isnan(difference.value) else difference
        return replace(difference, status=status) if difference.status == "ok" else difference

    def replicates(self, cell: Cell[Calls], target: str) -> Floats:
        """Bootstrap replicates of a cell's estimate (resamples,); NaN where a resample lacks a class."""
        of_metrics = self._cases.replicates(cell.outcomes, self._procedure)
        return self._of_target(of_metrics[self._procedure.metric.name], target)

    def _interval(self, cell: Cell[Calls], target: str) -> tuple[float, float, str]:
        """Wilson's interval of an accuracy where cases are independent, else percentiles of the bootstrap."""
        level = self._procedure.confidence_level
        if self.why_not_resampled(target):
            return NAN, NAN, ""
        if target == ALL and len(cell.repeats) == 1 and self._groups is None:
            correct = cell.outcomes[0] == self._cases.targets
            interval = binomtest(int(correct.sum()), correct.size).proportion_ci(level, method="wilson")
            return float(interval.low), float(interval.high), "wilson"
        method = "bootstrap_two_way percentile" if len(cell.repeats) > 1 else "bootstrap percentile"
        return *percentiles(self.replicates(cell, target), level), method

    def _compare_calls(self, first: Calls, second: Calls, test: str) -> Any:
        groups = self._cases.patients if test in _CLUSTERED.values() else None
        if test.startswith("mcnemar"):
            correct = first == self._cases.targets, second == self._cases.targets
            return quietly(lambda: self._engine.mcnemar(*correct, method="exact", groups=groups))
        # Only the clustered form draws.
        drawn = {"n_resamples": self._procedure.resamples, "rng": self._procedure.seed}
        clustered = {} if groups is None else {"groups": groups, **drawn}
        categories = range(len(self._cases.classes))
        return quietly(lambda: self._engine.stuart_maxwell(first, second, categories=categories, **clustered))

    def _of_target(self, values: Floats, target: str) -> Floats:
        """One target's column of values (rows, 1) of the accuracy, or (rows, classes)."""
        return values.mean(axis=1) if target in (ALL, MEAN) else values[:, self._column(target)]

    def _column(self, target: str) -> int:
        return self._cases.classes.index(target)

    def _form(self, test: str) -> str:
        return test if self._groups is None else _CLUSTERED.get(test, test)
