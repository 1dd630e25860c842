"""Tests on paired and on ranked values: t.test, wilcox.test and friedman.test of base R, exact ranks by coin."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from stats.inputs import number_array, refuse_nan
from stats.pairs import paired_values
from stats.r_reference.pvalues import LOG10_CHISQ, LOG10_T, r_alternative
from stats.r_reference.results import RFriedman, RTTest, RWilcoxon
from stats.r_reference.session import NotInR, RFunction
from stats.results import checked_level
from stats.wilcoxon import EXACT_BY_DEFAULT

METHODS = ("auto", "exact", "asymptotic")
ZERO_METHODS = {"wilcox": "Wilcoxon", "pratt": "Pratt"}  # and their names in coin

_ttest = RFunction(f"""function(x, y, alternative, popmean, level) {{
  {LOG10_T}
  test <- t.test(x, y, paired = TRUE, alternative = alternative, mu = popmean, conf.level = level)
  t <- test$statistic
  df <- test$parameter
  list(statistic = t, df = df, pvalue = test$p.value, log10_pvalue = log10_t(t, df, alternative),
       mean_difference = test$estimate, se = test$stderr, low = test$conf.int[1], high = test$conf.int[2])
}}""")

_wilcox_exact = RFunction("""function(x, y, alternative, level) {
  test <- wilcox.test(x, y, paired = TRUE, exact = TRUE, alternative = alternative, conf.int = TRUE,
                      conf.level = level)
  list(statistic = test$statistic, pvalue = test$p.value, log10_pvalue = log10(test$p.value),
       hodges_lehmann = test$estimate, low = test$conf.int[1], high = test$conf.int[2])
}""")

_wilcox_asymptotic = RFunction(f"""function(x, y, alternative, correct) {{
  {LOG10_T}
  test <- wilcox.test(x, y, paired = TRUE, exact = FALSE, correct = correct, alternative = alternative)
  log_p <- log10(test$p.value)
  if (!correct && isTRUE(test$p.value == 0)) {{
    coined <- coin::wilcoxsign_test(x ~ y, zero.method = "Wilcoxon", alternative = alternative)
    log_p <- log10_t(as.numeric(coin::statistic(coined)), Inf, alternative)
  }}
  list(statistic = test$statistic, pvalue = test$p.value, log10_pvalue = log_p)
}}""")

_wilcoxsign = RFunction(f"""function(x, y, alternative, zero_method, distribution) {{
  {LOG10_T}
  test <- coin::wilcoxsign_test(x ~ y, zero.method = zero_method, distribution = distribution,
                                alternative = alternative)
  p <- as.numeric(coin::pvalue(test))
  log_p <- log10(p)
  if (distribution == "asymptotic") log_p <- log10_t(as.numeric(coin::statistic(test)), Inf, alternative)
  list(statistic = as.numeric(coin::statistic(test, type = "linear")), pvalue = p, log10_pvalue = log_p)
}}""")

_friedman = RFunction(f"""function(scores, alpha) {{
  {LOG10_CHISQ}
  n <- nrow(scores)
  k <- ncol(scores)
  test <- friedman.test(scores)
  ranks <- colMeans(t(apply(-scores, 1, rank)))
  q <- abs(outer(ranks, ranks, "-")) / sqrt(k * (k + 1) / (6 * n)) * sqrt(2)
  log_p <- ptukey(q, k, Inf, lower.tail = FALSE, log.p = TRUE) / log(10)
  list(statistic = test$statistic, df = test$parameter, pvalue = test$p.value,
       log10_pvalue = log10_chisq(test$statistic, test$parameter), average_ranks = ranks,
       critical_difference = qtukey(alpha, k, Inf, lower.tail = FALSE) / sqrt(2) * sqrt(k * (k + 1) / (6 * n)),
       pvalues = matrix(ptukey(q, k, Inf, lower.tail = FALSE), k), log10_pvalues = matrix(log_p, k))
}}""")


def ttest_paired(
    x: ArrayLike,
    y: ArrayLike,
    *,
    alternative: str = "two-sided",
    popmean: float = 0.0,
    groups: ArrayLike | None = None,
    confidence_level: float = 0.95,
) -> RTTest:
    """Paired t test by `t.test(paired = TRUE)`; values are averaged within groups before.

    Identical values: R answers NaN, and where all differences are equal to something else or there is one pair, it
    stops with an error (RError).
    """
    first, second = paired_values(x, y, groups)
    answer = _ttest(first, second, r_alternative(alternative), popmean, checked_level(confidence_level))
    return RTTest(
        **answer.numbers(),
        difference=answer["mean_difference"],
        confidence_level=float(confidence_level),
        _again=partial(ttest_paired, x, y, alternative=alternative, popmean=popmean, groups=groups),
        warnings=answer.warnings,
    )


def wilcoxon(
    x: ArrayLike,
    y: ArrayLike,
    *,
    alternative: str = "two-sided",
    method: str = "auto",
    zero_method: str = "wilcox",
    correct: bool = False,
    groups: ArrayLike | None = None,
    confidence_level: float = 0.95,
) -> RWilcoxon:
    """Signed-rank test by `wilcox.test`; by `coin::wilcoxsign_test` where zeros or ties rule that out.

    "exact" without zeros and ties, and "asymptotic" with zeros left out, are wilcox.test's; "exact" with zeros or
    ties, and Pratt's zeros, are coin's, which has no continuity correction (NotInR). "auto" is resolved as in `stats`,
    so that the same test is compared. R ranks the differences as they are, rounding included. All differences 0: NaN
    from wilcox.test, an error (RError) from coin. The Hodges-Lehmann estimate and its interval are wilcox.test's
    exact ones, elsewhere NaN: the others that R has are roots of a function, found to four digits.
    """
    checked_level(confidence_level)
    if method not in METHODS or zero_method not in ZERO_METHODS:
        raise ValueError(
            f"method is {method!r} and zero_method {zero_method!r}; expected one of {', '.join(METHODS)}, and one of "
            f"{', '.join(ZERO_METHODS)}"
        )
    first, second = paired_values(x, y, groups)
    sizes = np.abs(first - second)
    ranked = sizes if zero_method == "pratt" else sizes[sizes > 0]
    exact = method == "exact" or (method == "auto" and ranked.size <= EXACT_BY_DEFAULT)
    direction = r_alternative(alternative)
    if exact and np.unique(sizes[sizes > 0]).size == sizes.size:
        answer = _wilcox_exact(first, second, direction, confidence_level)
    elif exact or zero_method == "pratt":
        if correct and not exact:
            raise NotInR("coin::wilcoxsign_test has no continuity correction")
        distribution = "exact" if exact else "asymptotic"
        answer = _wilcoxsign(first, second, direction, ZERO_METHODS[zero_method], distribution)
    else:
        answer = _wilcox_asymptotic(first, second, direction, correct)
    without = dict.fromkeys(("hodges_lehmann", "low", "high"), math.nan)
    numbers = without | answer.numbers()
    return RWilcoxon(
        **numbers,
        difference=numbers["hodges_lehmann"],
        confidence_level=float(confidence_level),
        _again=partial(
            wilcoxon,
            x,
            y,
            alternative=alternative,
            method=method,
            zero_method=zero_method,
            correct=correct,
            groups=groups,
        ),
        warnings=answer.warnings,
    )


def friedman_nemenyi(scores: ArrayLike, *, alpha: float = 0.05) -> RFriedman:
    """Friedman's test by `friedman.test`, Nemenyi's comparisons by `ptukey` and `qtukey` on R's ranks.

    Ranks that are all equal: R answers NaN. ptukey takes its upper tail as 1 - cdf, so that Nemenyi's p-values below
    about 1e-10 are rounding, and their logarithms with them.
    """
    given = number_array(scores, "scores")
    if given.ndim != 2:
        raise ValueError(f"scores has shape {given.shape}; expected (datasets, methods)")
    refuse_nan(given, "scores")
    answer = _friedman(given, alpha)
    return RFriedman(
        statistic=answer["statistic"],
        df=answer["df"],
        pvalue=answer["pvalue"],
        log10_pvalue=answer["log10_pvalue"],
        average_ranks=answer.array("average_ranks"),
        critical_difference=answer["critical_difference"],
        pvalues=answer.array("pvalues"),
        log10_pvalues=answer.array("log10_pvalues"),
        warnings=answer.warnings,
    )
