"""Measured values, one for each case or repeat: means, compared pair by pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import stats
from evalkit.comparisons.cells import Cell, Floats
from evalkit.comparisons.estimation.base import (
    NAN,
    Difference,
    Estimate,
    common_runs,
    from_result,
    quietly,
    why_alone,
)
from evalkit.comparisons.estimation.effects import measure_effect
from evalkit.comparisons.procedure import Procedure


@dataclass(frozen=True, eq=False)
class ValueCases:
    """What every model has a value for.

    Attributes
    ----------
    patients : ndarray of int (n,)
        A number for each case's patient, 0 .. n_patients - 1.
    unit : str
        What a case is.
    """

    patients: NDArray[np.intp]
    unit: str


class ValueEstimates:
    """Means of values (n,). Of each case, the runs of a model are averaged, and then the cases of a patient.

    Parameters
    ----------
    cases : ValueCases
    procedure : Procedure
    engine : module
        Where the tests come from: `stats`, or `stats.r_reference` for a check of its p-values.
    """

    def __init__(self, cases: ValueCases, procedure: Procedure, engine: Any = stats) -> None:
        self._cases, self._procedure, self._engine = cases, procedure, engine
        self._n_images = np.bincount(cases.patients)
        self._averaged = bool((self._n_images > 1).any())
        self._replicates: dict[tuple[str, tuple[int, ...]], Floats] = {}

    @property
    def unit(self) -> str:
        """What the means are over: cases, or patients where they have several."""
        return "patient" if self._averaged else self._cases.unit

    def primary_test(self, target: str) -> str:
        """The configured test."""
        return self._procedure.primary

    def further_tests(self, target: str) -> list[tuple[str, str]]:
        """What a publication did, and what else was asked for."""
        return self._procedure.further_tests(self._procedure.primary)

    def why_undefined(self, target: str) -> str:
        """A mean is always defined."""
        return ""

    def why_not_resampled(self, target: str) -> str:
        """Why values cannot be resampled, as a status; empty where they can."""
        return why_alone(self._n_images.size if self._averaged else self._cases.patients.size, self.unit)

    def estimate(self, cell: Cell[Floats], target: str) -> Estimate:
        """Estimate a cell's mean, with Student's interval."""
        if not cell.repeats:
            return Estimate(status=cell.missing)
        values = self._values(cell, cell.repeats)
        result = quietly(lambda: stats.ttest_paired(values, np.zeros(values.size)))
        low, high = result.confidence_interval(self._procedure.confidence_level)
        return Estimate(
            float(values.mean()),
            sd=float(values.std(ddof=1)) if values.size > 1 else NAN,
            low=low,
            high=high,
            ci_method="t" if values.size > 1 else "",
            n=values.size,
            n_clusters=values.size,
            status=cell.status,
        )

    def compare(self, cell: Cell[Floats], reference: Cell[Floats], target: str, test: str) -> Difference:
        """Compare two cells value by value; Wilcoxon's difference is the Hodges-Lehmann estimate."""
        common, status = common_runs(cell, reference)
        if not common:
            return Difference(status=status)
        first, second = self._values(cell, common), self._values(reference, common)
        if test == "wilcoxon":
            result: Any = quietly(lambda: self._engine.wilcoxon(first, second))
        elif test == "ttest_paired":
            result = quietly(lambda: self._engine.ttest_paired(first, second))
        elif self.why_not_resampled(target):
            return Difference(float(first.mean() - second.mean()), status=self.why_not_resampled(target))
        else:
            level = self._procedure.confidence_level
            drawn = [self._resample(each, common) for each in (cell, reference)]
            result = quietly(
                lambda: stats.difference_from_replicates(first.mean(), drawn[0], second.mean(), drawn[1], level)
            )
        difference = from_result(result, self._procedure.confidence_level)
        effect = measure_effect(first, second, self._procedure.confidence_level)
        return replace(difference, status=status if difference.status == "ok" else difference.status, effect=effect)

    def replicates(self, cell: Cell[Floats], target: str) -> Floats:
        """Means of resampled cases, or patients; the same resamples for every model."""
        return self._resample(cell, cell.repeats)

    def _resample(self, cell: Cell[Floats], repeats: Sequence[int]) -> Floats:
        key = cell.backbone, tuple(repeats)
        if key not in self._replicates:
            values = self._values(cell, repeats)
            self._replicates[key] = stats.bootstrap_replicates(
                "mean", values, values, n_resamples=self._procedure.resamples, rng=self._procedure.seed
            )
        return self._replicates[key]

    def _values(self, cell: Cell[Floats], repeats: Sequence[int]) -> Floats:
        """Values of each patient, or of each case where all patients have one, as means over some of the runs."""
        chosen = [values for repeat, values in zip(cell.repeats, cell.outcomes, strict=True) if repeat in repeats]
        values = chosen[0] if len(chosen) == 1 else np.mean(chosen, axis=0)
        if not self._averaged:
            return values
        return np.bincount(self._cases.patients, weights=values) / self._n_images
