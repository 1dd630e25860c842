"""Effect sizes of paired comparisons."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln

from stats.pairs import Floats, doubled_midranks, paired_values, signed_differences, subtraction_rounding
from stats.results import announce

KINDS = ("cohen_dz", "hedges_gz", "cohen_dav", "rank_biserial")


def effect_size(x: ArrayLike, y: ArrayLike, kind: str = "cohen_dz", *, groups: ArrayLike | None = None) -> float:
    """Size of the difference x - y, free of units.

    Parameters
    ----------
    x, y : array_like (n,)
        Paired values.
    kind : {"cohen_dz", "hedges_gz", "cohen_dav", "rank_biserial"}
        "cohen_dz": mean difference / standard deviation of the differences (Cohen 1988; Lakens 2013, Front. Psychol.
        4:863). "hedges_gz": the same times Gamma(m / 2) / (sqrt(m / 2) Gamma((m - 1) / 2)) with m = n - 1, which
        removes its bias (Hedges 1981, J. Educ. Stat. 6:107; the exact factor, not 1 - 3 / (4 m - 1)). "cohen_dav":
        mean difference / sqrt((s_x^2 + s_y^2) / 2). "rank_biserial": (W+ - W-) / (W+ + W-) of the signed ranks,
        differences of 0 left out (Kerby 2014, Compr. Psychol. 3:11.IT.3.1).
    groups : array_like (n,), optional
        One label per row; values are averaged within a group first, so that n is the number of groups.

    Returns
    -------
    float
        No difference: 0. A standard deviation of 0 with a difference: infinite, with a RuntimeWarning. Too few pairs
        (one; two for "hedges_gz", whose factor does not exist then): NaN, with a RuntimeWarning.

    Raises
    ------
    ValueError
        No pair, lengths that differ, a value that is NaN or infinite, an unknown kind.

    Notes
    -----
    scipy has no effect size of paired values; statsmodels' effectsize_smd is that of two independent samples.
    """
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}; expected one of {', '.join(KINDS)}")
    first, second = paired_values(x, y, groups)
    if kind == "rank_biserial":
        return _rank_biserial(signed_differences(first, second))
    return _standardised_mean(first, second, kind)


def _rank_biserial(differences: Floats) -> float:
    differences = differences[differences != 0]
    ranks = doubled_midranks(np.abs(differences))
    return int(np.sign(differences) @ ranks) / int(ranks.sum()) if ranks.size else 0.0


def _standardised_mean(x: Floats, y: Floats, kind: str) -> float:
    differences = x - y
    n, mean = differences.size, float(differences.mean())
    measured = (x, y) if kind == "cohen_dav" else (differences,)
    rounding = float(subtraction_rounding(x, y).max())  # a spread or a mean within it is none
    constant = all(float(np.ptp(values)) <= rounding for values in measured)
    least = 3 if kind == "hedges_gz" else 2

    if constant and abs(mean) <= rounding:
        return 0.0
    if n < least:
        announce([f"{n} pair{'s' if n > 1 else ''}: {kind} needs at least {least}"], stacklevel=4)
        return math.nan
    if constant:
        announce([f"{kind} is infinite: the difference is {mean:.6g} and the standard deviation 0"], stacklevel=4)
        return math.copysign(math.inf, mean)
    effect = mean / math.sqrt(np.mean([values.var(ddof=1) for values in measured]))
    return effect * _without_bias(n - 1) if kind == "hedges_gz" else effect


def _without_bias(m: int) -> float:
    return math.exp(gammaln(m / 2) - gammaln((m - 1) / 2)) / math.sqrt(m / 2)
