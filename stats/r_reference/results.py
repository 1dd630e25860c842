"""What R answered, under the field names that the results of `stats` have."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stats.results import Interval, Omnibus, Result

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class RTest(Result):
    """One test.

    Attributes
    ----------
    statistic, df, pvalue : float
        As R reports them; NaN where R does, and for a df that the test does not have.
    log10_pvalue : float
        From R's distribution functions with log.p = TRUE where the p-value has a distribution function.
    difference, se : float
        What is compared, and its standard error; NaN where R reports none.
    warnings : tuple of str
        R's warnings.
    """

    statistic: float
    pvalue: float
    log10_pvalue: float
    df: float = math.nan
    difference: float = math.nan
    se: float = math.nan
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RComparison(RTest):
    """A difference with the interval that R reports at `confidence_level`; NaN where R reports none."""

    low: float
    high: float
    confidence_level: float
    _again: Callable[..., RComparison] = field(repr=False, compare=False)  # the call, but for its confidence level

    def confidence_interval(self, level: float | None = None) -> Interval:
        """Return R's interval; at another level than the call's, R is asked again."""
        if level is None or level == self.confidence_level:
            return Interval(self.low, self.high)
        return self._again(confidence_level=level).confidence_interval()

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain numbers, strings and lists."""
        return {name: value for name, value in super().to_dict().items() if name != "_again"}


@dataclass(frozen=True, kw_only=True)
class RDelong(RComparison):
    """Two AUCs, compared by pROC."""

    auc_a: float
    auc_b: float


@dataclass(frozen=True, kw_only=True)
class RTTest(RComparison):
    """A paired t test."""

    mean_difference: float


@dataclass(frozen=True, kw_only=True)
class RMcnemar(RTest):
    """McNemar's test; `odds_ratio` is n12 / n21."""

    odds_ratio: float


@dataclass(frozen=True, kw_only=True)
class RWilcoxon(RComparison):
    """A signed-rank test; `hodges_lehmann` is NaN where R has no exact estimate."""

    hodges_lehmann: float


@dataclass(frozen=True, eq=False, kw_only=True)
class RDelongMatrix(Result):
    """k AUCs, every pair compared by pROC; the fields are those of `stats.results.DelongMatrix`."""

    names: list[Any]
    auc: Floats
    covariance: Floats
    pairs: list[tuple[int, int]]
    differences: Floats
    se: Floats
    statistics: Floats
    pvalues: Floats
    log10_pvalues: Floats
    pvalues_adjusted: Floats
    correction: str
    omnibus: Omnibus
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, kw_only=True)
class RFriedman(RTest):
    """Friedman's test with Nemenyi's comparisons, (k, k)."""

    average_ranks: Floats
    critical_difference: float
    pvalues: Floats
    log10_pvalues: Floats
