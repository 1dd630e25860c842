"""p-values from survival functions, and their logarithms where the p-values underflow."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.special import betaln, log_ndtr, ndtr, stdtr


def normal_pvalue(z: float, alternative: str) -> float:
    """p-value of a standard normal statistic."""
    return _from_tail(lambda x: float(ndtr(-x)), z, alternative)


def t_pvalue(t: float, df: float, alternative: str) -> float:
    """p-value of Student's t with df degrees of freedom."""
    return _from_tail(lambda x: float(stdtr(df, -x)), t, alternative)


def _from_tail(tail: Callable[[float], float], statistic: float, alternative: str) -> float:
    """p-value from the survival function of a symmetric distribution."""
    if math.isnan(statistic):
        return math.nan
    if alternative == "two-sided":
        return min(1.0, 2 * tail(abs(statistic)))
    return tail(statistic if alternative == "greater" else -statistic)


def log10_pvalue(pvalue: float, log_tail: Callable[[], float], alternative: str) -> float:
    """Decimal logarithm of a p-value; `log_tail` gives the natural one of the tail where the p-value underflows."""
    if math.isnan(pvalue):
        return math.nan
    if pvalue > 1e-290:
        return math.log10(pvalue)
    return (log_tail() + (math.log(2) if alternative == "two-sided" else 0.0)) / math.log(10)


def normal_log_tail(z: float) -> float:
    """log P(Z > z)."""
    return float(log_ndtr(-z))


def t_log_tail(t: float, df: float) -> float:
    """log P(T > t) far out.

    The tail is I_x(a, 1/2) / 2 with a = df / 2, x = df / (df + t^2). Substituting s = x exp(-r / a) in the incomplete
    beta integral leaves x^a / (a B(a, 1/2)) times the Laplace integral of (1 - x exp(-r / a))^(-1/2), smooth where
    the tail is small enough to underflow, so that Gauss-Laguerre quadrature is exact to rounding.
    """
    if math.isinf(t):
        return -math.inf
    a = df / 2
    log_x = -math.log1p(t * t / df)
    nodes, weights = np.polynomial.laguerre.laggauss(40)
    integral = float(weights @ (1 / np.sqrt(-np.expm1(log_x - nodes / a))))
    return a * log_x - math.log(a) - float(betaln(a, 0.5)) + math.log(integral / 2)
