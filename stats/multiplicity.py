"""Adjustment of p-values for the number of tests."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stats.inputs import number_array

METHODS = ("holm", "bh", "by", "bonferroni", "hochberg")


def adjust_pvalues(p: ArrayLike, method: str = "holm") -> NDArray[np.float64]:
    """Adjust p-values of one family.

    Parameters
    ----------
    p : array_like, any shape
        p-values; NaN stays NaN and is not counted in the family, as in R's p.adjust.
    method : {"holm", "bh", "by", "bonferroni", "hochberg"}
        Family-wise error: Holm (1979), Bonferroni, Hochberg (1988; independent or positively dependent tests).
        False discovery rate: Benjamini and Hochberg (1995), Benjamini and Yekutieli (2001; any dependence).

    Returns
    -------
    ndarray of the same shape
        Adjusted p-values, at most 1.

    Raises
    ------
    ValueError
        A p-value outside [0, 1], an unknown method.

    Notes
    -----
    statsmodels' multipletests counts a NaN as a test under Holm and Bonferroni (.01, NaN, .03 are adjusted to .03, NaN,
    .06; without the NaN to .02, .03) and answers NaN throughout under Hochberg, Benjamini-Hochberg and
    Benjamini-Yekutieli; its import takes more than a second. scipy.stats.false_discovery_control has the last two only,
    and refuses NaN.
    """
    if method not in METHODS:
        raise ValueError(f"method is {method!r}; expected one of {', '.join(METHODS)}")
    given = number_array(p, "p")
    outside = (given < 0) | (given > 1)
    if outside.any():
        raise ValueError(f"p has the value {given[outside][0]:g}; expected p-values between 0 and 1, or NaN")

    counted = ~np.isnan(given)
    adjusted = np.full(given.shape, np.nan)
    adjusted[counted] = _adjust(given[counted], method)
    return adjusted


def _adjust(p: NDArray[np.float64], method: str) -> NDArray[np.float64]:
    n = p.size
    if method == "bonferroni":
        return np.minimum(1, n * p)
    order = np.argsort(p, kind="stable")
    rank = np.arange(1, n + 1)
    if method == "holm":
        stepped = np.maximum.accumulate((n + 1 - rank) * p[order])
    else:
        harmonic = float(np.sum(1 / rank))
        factor = {"hochberg": n + 1 - rank, "bh": n / rank, "by": harmonic * n / rank}[method]
        stepped = np.minimum.accumulate((factor * p[order])[::-1])[::-1]
    adjusted = np.empty(n)
    adjusted[order] = np.minimum(1, stepped)
    return adjusted
