"""Friedman's test of several methods on several data sets, with Nemenyi's comparisons of all pairs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stats.chisquare import chi2_log10_pvalue, chi2_pvalue
from stats.inputs import number_array, refuse_nan
from stats.normal_range import range_log_tail, range_quantile
from stats.results import Result

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FriedmanResult(Result):
    """k methods ranked on each of N data sets.

    Attributes
    ----------
    statistic, df, pvalue : float, int, float
        Friedman's chi-square with its correction for ties, and k - 1.
    average_ranks : ndarray (k,)
        1 = best.
    critical_difference : float
        Average ranks further apart than this differ at `alpha` (Nemenyi).
    pvalues : ndarray (k, k)
        Nemenyi's, which hold for all pairs together; 1 on the diagonal.
    alpha : float
    n : int
        N, the data sets.
    warnings : tuple of str
        Empty: whatever the data, the answer has no reservation to tell.
    """

    statistic: float
    df: int
    pvalue: float
    average_ranks: Floats
    critical_difference: float
    pvalues: Floats
    alpha: float
    n: int
    warnings: tuple[str, ...] = ()

    @property
    def log10_pvalue(self) -> float:
        """Decimal logarithm of `pvalue`, finite where the p-value itself underflows."""
        return chi2_log10_pvalue(self.statistic, self.df)

    @property
    def log10_pvalues(self) -> Floats:
        """Decimal logarithms of `pvalues`, finite where these underflow."""
        return _nemenyi_log_pvalues(self.average_ranks, self.n) / math.log(10)


def friedman_nemenyi(scores: ArrayLike, *, alpha: float = 0.05) -> FriedmanResult:
    """Friedman's test and Nemenyi's comparisons after it (Demsar 2006, JMLR 7:1).

    With r_ij the midrank of method j on data set i and R_j its mean, the statistic is
    (k - 1) N^2 sum_j (R_j - (k + 1)/2)^2 / sum_ij (r_ij - (k + 1)/2)^2, which is Friedman's chi-square divided by its
    correction for ties. Two methods differ by Nemenyi where |R_i - R_j| is above
    q_alpha / sqrt(2) * sqrt(k (k + 1) / (6 N)), q_alpha being the upper quantile of the range of k standard normals.

    Parameters
    ----------
    scores : array_like (N, k)
        Data sets in rows, methods in columns; higher is better (negate what is better when lower). Equal scores
        are tied; infinities are ranks like any other.
    alpha : float
        Level of `critical_difference`.

    Returns
    -------
    FriedmanResult
        All methods tied on every data set: statistic 0, p 1.

    Raises
    ------
    ValueError
        Not two dimensions, no data set, fewer than two methods, a NaN, alpha outside (0, 1).

    Notes
    -----
    scipy.stats.friedmanchisquare has the same statistic, but refuses two methods and divides 0 by 0 where all are
    tied. For the range of normals see `stats.normal_range`.
    """
    given = number_array(scores, "scores")
    if given.ndim != 2 or given.shape[0] < 1 or given.shape[1] < 2:
        raise ValueError(
            f"scores has shape {given.shape}; expected (data sets, methods) with at least one data set and two methods"
        )
    refuse_nan(given, "scores")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is {alpha!r}; expected a number between 0 and 1, such as 0.05")

    n, k = given.shape
    # Twice a rank less its mean (k + 1) / 2 is #{better} - #{worse}, a whole number.
    deviations = np.stack(
        [(given > one).sum(axis=1) - (given < one).sum(axis=1) for one in given.T[:, :, None]], axis=1
    )
    sums, squares = deviations.sum(axis=0), int(np.sum(deviations**2))
    statistic = (k - 1) * int(sums @ sums) / squares if squares else 0.0
    average_ranks = (k + 1) / 2 + sums / (2 * n)
    return FriedmanResult(
        statistic=statistic,
        df=k - 1,
        pvalue=chi2_pvalue(statistic, k - 1),
        average_ranks=average_ranks,
        critical_difference=range_quantile(alpha, k) / _per_rank(n, k),
        pvalues=np.exp(_nemenyi_log_pvalues(average_ranks, n)),
        alpha=float(alpha),
        n=n,
    )


def _per_rank(n: int, k: int) -> float:
    """What a difference of average ranks is multiplied by to be compared with the range of k standard normals."""
    return math.sqrt(12 * n / (k * (k + 1)))


def _nemenyi_log_pvalues(average_ranks: Floats, n: int) -> Floats:
    k = average_ranks.size
    first, second = np.triu_indices(k, 1)
    log_pvalues = np.zeros((k, k))
    tails = range_log_tail(np.abs(average_ranks[first] - average_ranks[second]) * _per_rank(n, k), k)
    log_pvalues[first, second] = log_pvalues[second, first] = tails
    return log_pvalues
