"""Paired t tests: Student's, and Nadeau and Bengio's for re-drawn test sets."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stats.pairs import paired_values, subtraction_rounding
from stats.results import TTestResult, announce, checked_alternative
from stats.tails import t_pvalue


def ttest_paired(
    x: ArrayLike,
    y: ArrayLike,
    *,
    alternative: str = "two-sided",
    popmean: float = 0.0,
    groups: ArrayLike | None = None,
) -> TTestResult:
    """Student's paired t test on x - y.

    Parameters
    ----------
    x, y : array_like (n,)
        Paired values.
    alternative : {"two-sided", "less", "greater"}
        "greater": the mean of x - y is above `popmean`.
    popmean : float
        Mean difference under the null hypothesis.
    groups : array_like (n,), optional
        One label per row; values are averaged within a group first, so that n is the number of groups.

    Returns
    -------
    TTestResult
        Differences that are all equal to `popmean`: statistic 0, p 1. All equal to something else: an infinite
        statistic and a warning. One pair: the difference, NaN for the rest, and a warning.

    Raises
    ------
    ValueError
        No pair, lengths that differ, a value that is NaN or infinite.

    Notes
    -----
    scipy.stats.ttest_rel has the same statistic and p-value where the differences vary. It is not used because it
    answers NaN for identical values and for one pair, takes a spread that is rounding of the subtraction for a real one
    (.3 - .2, .4 - .3, .5 - .4, .7 - .6: p 6e-48), passes NaN on, and has neither groups nor the logarithm of a p-value
    that underflows.
    """
    first, second = paired_values(x, y, groups)
    return _ttest(first, second, checked_alternative(alternative), popmean, variance_factor=1 / first.size)


def ttest_corrected(x: ArrayLike, y: ArrayLike, *, n_train: float, n_test: float) -> TTestResult:
    """Nadeau and Bengio's corrected resampled t test on x - y, two-sided.

    The variance of the mean of J differences is taken as (1/J + n_test/n_train) s^2, which allows for training
    sets that overlap (Nadeau and Bengio 2003, Machine Learning 52:239). It belongs to test sets that are drawn anew
    for each repeat; where all repeats share one test set it rejects far too often, and `two_way_bootstrap` applies.

    Parameters
    ----------
    x, y : array_like (J,)
        One value per re-split.
    n_train, n_test : float
        Size of the training and of the test set in one re-split.

    Returns
    -------
    TTestResult
        df = J - 1; edge answers as `ttest_paired`.

    Raises
    ------
    ValueError
        As `ttest_paired`; a size that is not above 0.

    Notes
    -----
    Neither scipy nor statsmodels has this test.
    """
    first, second = paired_values(x, y)
    if not (n_train > 0 and n_test > 0):
        raise ValueError(f"n_train is {n_train!r} and n_test is {n_test!r}; expected the sizes of both sets, above 0")
    return _ttest(first, second, "two-sided", 0.0, variance_factor=1 / first.size + n_test / n_train)


def _ttest(
    x: NDArray[np.float64], y: NDArray[np.float64], alternative: str, popmean: float, variance_factor: float
) -> TTestResult:
    n = x.size
    differences = x - y
    mean = float(differences.mean()) + 0.0  # no negative zero
    rounding = float(subtraction_rounding(x, y).max())  # a spread within it is no spread
    constant = float(np.ptp(differences)) <= rounding

    notes = [] if n > 1 else ["one pair: a t test needs at least two"]

    if constant and abs(mean - popmean) <= rounding:
        statistic, pvalue, se = 0.0, 1.0, 0.0
    elif n == 1:
        statistic = pvalue = se = math.nan
    elif constant:
        statistic, se = math.copysign(math.inf, mean - popmean), 0.0
        pvalue = t_pvalue(statistic, n - 1, alternative)
        notes.append(f"all {n} differences are equal ({mean:.6g}): their variance is 0 and the statistic infinite")
    else:
        se = float(differences.std(ddof=1)) * math.sqrt(variance_factor)
        statistic = (mean - popmean) / se
        pvalue = t_pvalue(statistic, n - 1, alternative)
    return TTestResult(statistic, n - 1, pvalue, mean, se, n, alternative, announce(notes, stacklevel=4))
