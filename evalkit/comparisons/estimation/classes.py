"""Called classes: accuracy, compared by what each model got right and by how often it calls each class."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

import stats
from evalkit.comparisons.cells import Cell, Floats
from evalkit.comparisons.estimation.base import Difference, Estimate, common_runs, from_result, percentiles, quietly
from evalkit.comparisons.procedure import Procedure

Calls = NDArray[np.intp]

#: The form that a test takes where patients have several cases.
_CLUSTERED = {"mcnemar_exact": "mcnemar_clustered", "stuart_maxwell": "stuart_maxwell_clustered"}


@dataclass(frozen=True, eq=False)
class ClassCases:
    """The cases that every model has called a class of.

    Attributes
    ----------
    classes : tuple of str
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


class ClassEstimates:
    """Accuracy from the classes (n,) that each model called, in one run each.

    Parameters
    ----------
    cases : ClassCases
    procedure : Procedure
    engine : module
        Where the tests come from: `stats`, or `stats.r_reference` for a check of its p-values.
    """

    def __init__(self, cases: ClassCases, procedure: Procedure, engine: Any = stats) -> None:
        self._cases, self._procedure, self._engine = cases, procedure, engine
        self._n_patients = int(np.unique(cases.patients).size)
        self._groups = cases.patients if self._n_patients < cases.patients.size else None
        self._replicates: dict[str, Floats] = {}

    @property
    def unit(self) -> str:
        """What the estimates are made of."""
        return self._cases.unit

    def primary_test(self, target: str) -> str:
        """The configured test, in its clustered form where patients have several cases."""
        return self._form(self._procedure.primary)

    def further_tests(self, target: str) -> list[tuple[str, str]]:
        """What a publication did, and what else was asked for."""
        return [(self._form(test), role) for test, role in self._procedure.further_tests(self._procedure.primary)]

    def why_undefined(self, target: str) -> str:
        """Accuracy is always defined."""
        return ""

    def estimate(self, cell: Cell[Calls], target: str) -> Estimate:
        """Estimate a cell's accuracy; Wilson's interval, or percentiles of a bootstrap over patients that repeat."""
        if not cell.repeats:
            return Estimate(status=cell.missing)
        correct, level = self._correct(cell), self._procedure.confidence_level
        if self._groups is not None:
            low, high = percentiles(self.replicates(cell, target), level)
            method = "bootstrap percentile"
        else:
            interval = binomtest(int(correct.sum()), correct.size).proportion_ci(level, method="wilson")
            low, high, method = float(interval.low), float(interval.high), "wilson"
        return Estimate(
            float(correct.mean()),
            low=low,
            high=high,
            ci_method=method,
            n=correct.size,
            n_clusters=self._n_patients,
            status=cell.status,
        )

    def compare(self, cell: Cell[Calls], reference: Cell[Calls], target: str, test: str) -> Difference:
        """Compare the accuracies of two cells; Stuart-Maxwell's test compares how often each class is called."""
        common, status = common_runs(cell, reference)
        if not common:
            return Difference(status=status)
        first, second = self._correct(cell), self._correct(reference)
        level = self._procedure.confidence_level
        if test.startswith("mcnemar"):
            result = quietly(lambda: self._engine.mcnemar(first, second, method="exact", groups=self._groups))
        elif test.startswith("stuart_maxwell"):
            result = quietly(lambda: self._stuart_maxwell(cell.outcomes[0], reference.outcomes[0]))
        else:
            replicates = [self.replicates(each, target) for each in (cell, reference)]
            estimates = [float(first.mean()), float(second.mean())]
            result = quietly(
                lambda: stats.difference_from_replicates(
                    estimates[0], replicates[0], estimates[1], replicates[1], level
                )
            )
        difference = from_result(result, level)
        if np.isnan(difference.value):
            difference = replace(difference, value=float(first.mean() - second.mean()))
        return replace(difference, status=status) if difference.status == "ok" else difference

    def _stuart_maxwell(self, first: Calls, second: Calls) -> Any:
        categories = range(len(self._cases.classes))
        if self._groups is None:
            return self._engine.stuart_maxwell(first, second, categories=categories)
        return self._engine.stuart_maxwell(
            first,
            second,
            categories=categories,
            groups=self._groups,
            n_resamples=self._procedure.resamples,
            rng=self._procedure.seed,
        )

    def _form(self, test: str) -> str:
        return test if self._groups is None else _CLUSTERED.get(test, test)

    def _correct(self, cell: Cell[Calls]) -> NDArray[np.bool_]:
        return cell.outcomes[0] == self._cases.targets

    def replicates(self, cell: Cell[Calls], target: str) -> Floats:
        """Accuracy on resampled patients; the same resamples for every model."""
        if cell.backbone not in self._replicates:
            self._replicates[cell.backbone] = stats.bootstrap_replicates(
                "accuracy",
                self._cases.targets,
                cell.outcomes[0],
                groups=self._cases.patients,
                n_resamples=self._procedure.resamples,
                rng=self._procedure.seed,
            )
        return self._replicates[cell.backbone]
