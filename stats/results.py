"""What the tests answer: frozen result objects, with intervals and p-values from survival functions."""

from __future__ import annotations

import dataclasses
import math
import warnings as python_warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from stats.chisquare import chi2_log_tail
from stats.tails import log10_pvalue, normal_log_tail, t_log_tail

ALTERNATIVES = ("two-sided", "less", "greater")


class Interval(NamedTuple):
    """A confidence interval."""

    low: float
    high: float


class Omnibus(NamedTuple):
    """Test that all of several AUCs are equal."""

    statistic: float
    df: int
    pvalue: float

    @property
    def log10_pvalue(self) -> float:
        """Decimal logarithm of the p-value, finite where the p-value itself underflows."""
        return log10_pvalue(self.pvalue, partial(chi2_log_tail, self.statistic, self.df), "greater")


class Result:
    """Base of every result."""

    def to_dict(self) -> dict[str, Any]:
        """Return the fields, and log10_pvalue where there is one, as plain numbers, strings, lists and dicts."""
        fields: dict[str, Any] = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}  # type: ignore[arg-type]
        return _plain_fields(fields, self)


def _plain_fields(fields: dict[str, Any], of: Any) -> dict[str, Any]:
    logarithms = {name: getattr(of, name) for name in ("log10_pvalue", "log10_pvalues") if hasattr(of, name)}
    return {name: _plain(value) for name, value in {**fields, **logarithms}.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return _plain_fields(value._asdict(), value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


@dataclass(frozen=True)
class DelongResult(Result):
    """Two AUCs on one test set, compared.

    Attributes
    ----------
    auc_a, auc_b, difference : float
        The AUCs and auc_a - auc_b.
    se : float
        Standard error of the difference (NaN where it is not defined).
    statistic, pvalue : float
        difference / se and its p-value under the normal distribution.
    alternative : str
        "two-sided", "less" (auc_a < auc_b) or "greater".
    confidence_level : float
        Level of `confidence_interval()` without an argument.
    n_positive, n_negative, n_clusters : int
        Images of either class, and patients (images where no groups were given).
    warnings : tuple of str
        What a reader of the numbers must know.
    """

    auc_a: float
    auc_b: float
    difference: float
    se: float
    statistic: float
    pvalue: float
    alternative: str
    confidence_level: float
    n_positive: int
    n_negative: int
    n_clusters: int
    warnings: tuple[str, ...] = ()

    @property
    def log10_pvalue(self) -> float:
        """Decimal logarithm of the p-value, finite where the p-value itself underflows."""
        return log10_pvalue(self.pvalue, partial(normal_log_tail, abs(self.statistic)), self.alternative)

    def confidence_interval(self, level: float | None = None) -> Interval:
        """Interval of the difference; open to one side where the alternative is."""
        level = checked_level(self.confidence_level if level is None else level)
        return interval_around(
            self.difference, self.se, float(ndtri(upper_level(level, self.alternative))), self.alternative
        )


@dataclass(frozen=True, eq=False)
class DelongMatrix(Result):
    """k AUCs on one test set, every pair compared.

    Attributes
    ----------
    names : list
        Keys of the mapping, or 0 .. k-1.
    auc : ndarray (k,)
    covariance : ndarray (k, k)
        Covariance of the AUCs.
    pairs : list of (int, int)
        (i, j) with i < j in lexicographic order; the next four arrays have one value per pair.
    differences, se, statistics, pvalues, pvalues_adjusted : ndarray (k (k - 1) / 2,)
        Differences are auc[i] - auc[j]; p-values are two-sided.
    correction : str
        How `pvalues_adjusted` were adjusted.
    omnibus : Omnibus
        Wald test that all AUCs are equal; df is the rank of the covariance of the differences.
    warnings : tuple of str
    """

    names: list[Any]
    auc: NDArray[np.float64]
    covariance: NDArray[np.float64]
    pairs: list[tuple[int, int]]
    differences: NDArray[np.float64]
    se: NDArray[np.float64]
    statistics: NDArray[np.float64]
    pvalues: NDArray[np.float64]
    pvalues_adjusted: NDArray[np.float64]
    correction: str
    omnibus: Omnibus
    warnings: tuple[str, ...] = ()

    @property
    def log10_pvalues(self) -> NDArray[np.float64]:
        """Decimal logarithms of `pvalues`."""
        log_tails = [partial(normal_log_tail, abs(z)) for z in self.statistics.tolist()]
        return np.array(
            [log10_pvalue(p, tail, "two-sided") for p, tail in zip(self.pvalues.tolist(), log_tails, strict=True)]
        )


@dataclass(frozen=True)
class AucInterval(Result):
    """One AUC with its variance and interval, the interval clipped to [0, 1]."""

    auc: float
    variance: float
    low: float
    high: float
    confidence_level: float
    method: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class TTestResult(Result):
    """A t test on paired differences.

    Attributes
    ----------
    statistic, df, pvalue : float
    mean_difference, se : float
        Mean of x - y and its standard error.
    n : int
        Pairs tested (patients, where groups were given).
    alternative : str
        "two-sided", "less" or "greater".
    warnings : tuple of str
    """

    statistic: float
    df: float
    pvalue: float
    mean_difference: float
    se: float
    n: int
    alternative: str
    warnings: tuple[str, ...] = ()

    @property
    def difference(self) -> float:
        """The mean difference, under the name all comparisons share."""
        return self.mean_difference

    @property
    def log10_pvalue(self) -> float:
        """Decimal logarithm of the p-value, finite where the p-value itself underflows."""
        return log10_pvalue(self.pvalue, partial(t_log_tail, abs(self.statistic), self.df), self.alternative)

    def confidence_interval(self, level: float = 0.95) -> Interval:
        """Interval of the mean difference; open to one side where the alternative is."""
        level = checked_level(level)
        quantile = float(stdtrit(self.df, upper_level(level, self.alternative))) if self.df > 0 else math.nan
        return interval_around(self.mean_difference, self.se, quantile, self.alternative)


@dataclass(frozen=True)
class BootstrapResult(Result):
    """A difference with its bootstrap interval.

    Attributes
    ----------
    difference : float
        The estimate on the data as they are.
    se : float
        Standard deviation of the replicates; exactly 0 where they differ by rounding only, NaN where there was one row
        or patient to resample (as are the p-value and the interval then).
    pvalue : float
        min(1, 2 (1 + min(#{d* <= 0}, #{d* >= 0})) / (B + 1)); never below 2 / (B + 1).
    low, high : float
        Bounds of the interval.
    n_resamples : int
        B, the replicates in which the statistic was defined.
    confidence_level : float
    method : str
        "percentile" or "BCa".
    warnings : tuple of str
    """

    difference: float
    se: float
    pvalue: float
    low: float
    high: float
    n_resamples: int
    confidence_level: float
    method: str = "percentile"
    warnings: tuple[str, ...] = ()

    @property
    def log10_pvalue(self) -> float:
        """Decimal logarithm of the p-value."""
        return math.log10(self.pvalue)


def announce(messages: Sequence[str], stacklevel: int = 3) -> tuple[str, ...]:
    """Issue each message as a RuntimeWarning and return them for the result that carries them on."""
    for message in messages:
        python_warnings.warn(message, RuntimeWarning, stacklevel=stacklevel)
    return tuple(messages)


def checked_level(level: float) -> float:
    """Return a confidence level, which lies strictly between 0 and 1."""
    if not 0 < level < 1:
        raise ValueError(f"confidence level is {level!r}; expected a number between 0 and 1, such as 0.95")
    return float(level)


def checked_alternative(alternative: str) -> str:
    """Return the alternative, one of ALTERNATIVES."""
    if alternative not in ALTERNATIVES:
        raise ValueError(f"alternative is {alternative!r}; expected one of {', '.join(ALTERNATIVES)}")
    return alternative


def interval_around(center: float, se: float, quantile: float, alternative: str) -> Interval:
    """Return center -+ quantile * se, open towards the side a one-sided alternative does not bound."""
    low = -math.inf if alternative == "less" else center - quantile * se
    high = math.inf if alternative == "greater" else center + quantile * se
    return Interval(low + 0.0, high + 0.0)  # no negative zero


def upper_level(level: float, alternative: str) -> float:
    """The probability whose quantile bounds an interval of a given level, open to one side where the test is."""
    return (1 + level) / 2 if alternative == "two-sided" else level
