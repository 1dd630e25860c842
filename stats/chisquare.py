"""p-values of chi-square statistics with a whole number of degrees of freedom, and their logarithms."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
from scipy.special import chdtrc, gammaln, log_ndtr, logsumexp

from stats.tails import log10_pvalue


def chi2_pvalue(statistic: float, df: int) -> float:
    """P(X >= statistic); 1 with no degree of freedom."""
    return float(chdtrc(df, statistic)) if df else 1.0


def chi2_log10_pvalue(statistic: float, df: int) -> float:
    """Decimal logarithm of `chi2_pvalue`, finite where that underflows."""
    return log10_pvalue(chi2_pvalue(statistic, df), partial(chi2_log_tail, statistic, df), "greater")


def chi2_log_tail(statistic: float, df: int) -> float:
    """log P(X > statistic); scipy.stats.chi2.logsf answers -inf where the survival function underflows.

    With x = statistic / 2, Q(a + 1, x) = Q(a, x) + x^a exp(-x) / Gamma(a + 1), from Q(0, x) = 0 for an even df and
    from Q(1/2, x) = 2 P(Z > sqrt(2 x)) for an odd one (Abramowitz and Stegun 26.4.4, 26.4.5): a sum of df / 2
    positive terms.
    """
    if math.isinf(statistic):
        return -math.inf
    x = statistic / 2
    a = np.arange(df // 2) + df % 2 / 2
    terms = a * math.log(x) - x - gammaln(a + 1)
    if df % 2:
        terms = np.append(terms, math.log(2) + log_ndtr(-math.sqrt(statistic)))
    return float(logsumexp(terms))
