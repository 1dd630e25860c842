"""Effect sizes of paired values, with the interval that belongs to Cohen's d_z."""

from __future__ import annotations

import math

import numpy as np
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.stats import chi, nct, norm

import stats
from evalkit.comparisons.cells import Floats
from evalkit.comparisons.estimation.base import NAN, Effect, quietly


def measure_effect(first: Floats, second: Floats, level: float) -> Effect:
    """Measure how large the differences of paired values (n,) are.

    Parameters
    ----------
    first, second : ndarray (n,)
    level : float
        Of the interval.
    """
    dz = quietly(lambda: stats.effect_size(first, second, "cohen_dz"))
    low, high = interval_of_dz(dz, first.size, level)
    return Effect(dz, low, high, stats.effect_size(first, second, "rank_biserial"))


def interval_of_dz(dz: float, n: int, level: float) -> tuple[float, float]:
    """The confidence interval of Cohen's d_z, from the noncentral t distribution.

    sqrt(n) d_z is the t statistic, whose noncentrality is sqrt(n) times the true d_z: the bounds are those under which
    the t statistic found is just at a tail's limit (Cumming & Finch 2001, Educ. Psychol. Meas. 61:532).

    Parameters
    ----------
    dz : float
    n : int
        Pairs.
    level : float

    Returns
    -------
    low, high : float
        NaN where d_z is undefined or infinite, and for a single pair.
    """
    if n < 2 or not math.isfinite(dz):
        return NAN, NAN
    t, tail = math.sqrt(n) * dz, (1 - level) / 2

    def bound(share: float) -> float:
        # The share below t falls as the noncentrality grows; two steps out, and doubling, it has passed any share.
        reach = 2.0 + abs(t) / math.sqrt(n)
        while not share_below(t, n - 1, t - reach) > share > share_below(t, n - 1, t + reach):
            reach *= 2
        root = brentq(lambda centre: share_below(t, n - 1, centre) - share, t - reach, t + reach, xtol=1e-10)
        return float(np.round(root / math.sqrt(n), 12))

    return bound(1 - tail), bound(tail)


def share_below(t: float, df: int, centre: float) -> float:
    """Probability of the noncentral t distribution below a value; also where scipy's has none, with few degrees.

    Parameters
    ----------
    t : float
    df : int
        Degrees of freedom.
    centre : float
        Noncentrality.
    """
    share = float(nct.cdf(t, df, centre))
    if not math.isnan(share):
        return share
    # By its definition: a normal deviate around the centre over a chi deviate's root mean square.
    density = lambda spread: norm.cdf(t * spread / math.sqrt(df) - centre) * chi.pdf(spread, df)  # noqa: E731
    return float(quad(density, 0, math.sqrt(df) + 40, limit=200)[0])
