"""Range of k independent standard normals: the studentized range with infinite degrees of freedom."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_ndtr, logsumexp

Floats = NDArray[np.float64]

# The integrand is entire and decays as a Gaussian, so that the trapezoidal rule converges exponentially.
STEP = 0.05
NODES = np.linspace(-9, 9, 361)


def range_log_tail(q: ArrayLike, k: int) -> Floats:
    """log P(range > q).

    The smallest value z has density k phi(z) a^(k-1) with a = P(Z > z), and all others lie within q of it with
    probability ((a - b) / a)^(k-1), b = P(Z > z + q). So P(range > q) is the integral of
    k phi(z) a^(k-1) (1 - (1 - b/a)^(k-1)), all of whose factors are positive and known by their logarithms: right to
    rounding however far out. scipy.stats.studentized_range takes 1 - cdf, which leaves nothing below 1e-14 (k = 10,
    q = 20: 1.1e-16 instead of 9.4e-44), and R's ptukey is off from about 1e-9 downwards.

    Parameters
    ----------
    q : array_like, any shape
        At least 0.
    k : int
        At least 2.

    Returns
    -------
    ndarray of the same shape
    """
    q = np.asarray(q, dtype=np.float64)[..., None]
    z = NODES - q / 2
    log_a = log_ndtr(-z)
    log_ratio = np.minimum(log_ndtr(-(z + q)) - log_a, 0.0)
    with np.errstate(divide="ignore"):
        some_beyond = np.log(-np.expm1((k - 1) * np.log1p(-np.exp(log_ratio))))
    # Where the ratio is next to nothing, so that its power is linear, it may have underflowed.
    some_beyond = np.where(log_ratio < -40, math.log(k - 1) + log_ratio, some_beyond)
    log_density = math.log(k) - z * z / 2 - math.log(2 * math.pi) / 2 + (k - 1) * log_a
    return np.minimum(logsumexp(log_density + some_beyond, axis=-1) + math.log(STEP), 0.0)


@cache  # a study has few numbers of methods and one level
def range_quantile(tail: float, k: int) -> float:
    """Return q with P(range > q) = tail, by bisection to the last digit."""
    log_tail = math.log(tail)
    low, high = 0.0, 1.0
    while range_log_tail(high, k) > log_tail:
        low, high = high, 2 * high
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if range_log_tail(middle, k) > log_tail else (low, middle)
    return high
