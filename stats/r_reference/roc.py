"""AUCs and DeLong's tests by pROC, direction and levels always given: 1 positive, a higher score more positive."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stats.delong_inputs import named_scores
from stats.inputs import group_index, positive_rows, refuse_nan, vector
from stats.r_reference.pvalues import LOG10_T, r_alternative, r_correction
from stats.r_reference.results import RDelong, RDelongMatrix
from stats.r_reference.session import NotInR, RFunction
from stats.results import AucInterval, Omnibus, checked_level

_ROC = """
  curve <- function(y, score) pROC::roc(y, score, levels = c(0, 1), direction = "<", quiet = TRUE)
"""

_PAIRED = """
  compare <- function(first, second, alternative, level) {
    test <- pROC::roc.test(first, second, method = "delong", paired = TRUE, alternative = alternative,
                           conf.level = level)
    z <- unname(test$statistic)
    auc <- as.numeric(test$estimate)
    interval <- as.numeric(test$conf.int)
    list(auc_a = auc[1], auc_b = auc[2], difference = auc[1] - auc[2],
         se = diff(interval) / (2 * qnorm((1 + level) / 2)), statistic = z, pvalue = test$p.value,
         log10_pvalue = log10_t(z, Inf, alternative), low = interval[1], high = interval[2])
  }
"""

_auc = RFunction(f"function(y, score) {{ {_ROC} list(auc = as.numeric(pROC::auc(curve(y, score)))) }}")

_auc_ci = RFunction(f"""function(y, score, level) {{
  {_ROC}
  given <- curve(y, score)
  interval <- as.numeric(pROC::ci.auc(given, conf.level = level, method = "delong"))
  list(auc = as.numeric(pROC::auc(given)), variance = pROC::var(given, method = "delong"),
       low = interval[1], high = interval[3])
}}""")

_delong_test = RFunction(f"""function(y, a, b, alternative, level) {{
  {_ROC} {LOG10_T} {_PAIRED}
  compare(curve(y, a), curve(y, b), alternative, level)
}}""")

_delong_unpaired = RFunction(f"""function(y_a, a, y_b, b, alternative, level) {{
  {_ROC} {LOG10_T}
  first <- curve(y_a, a)
  second <- curve(y_b, b)
  test <- pROC::roc.test(first, second, method = "delong", paired = FALSE, alternative = alternative,
                         conf.level = level)
  t <- unname(test$statistic)
  df <- unname(test$parameter)
  auc <- as.numeric(test$estimate)
  interval <- if (is.null(test$conf.int)) c(NA, NA) else as.numeric(test$conf.int)
  list(auc_a = auc[1], auc_b = auc[2], difference = auc[1] - auc[2], low = interval[1], high = interval[2],
       se = sqrt(pROC::var(first, method = "delong") + pROC::var(second, method = "delong")),
       statistic = t, df = df, pvalue = test$p.value, log10_pvalue = log10_t(t, df, alternative))
}}""")

_delong_matrix = RFunction(f"""function(y, scores, correction) {{
  {_ROC} {LOG10_T} {_PAIRED}
  k <- nrow(scores)
  curves <- lapply(seq_len(k), function(i) curve(y, scores[i, ]))
  auc <- vapply(curves, function(given) as.numeric(pROC::auc(given)), 0)
  covariance <- matrix(0, k, k)
  tests <- list()
  for (i in seq_len(k)) {{
    covariance[i, i] <- pROC::var(curves[[i]], method = "delong")
    for (j in seq_len(k)[seq_len(k) > i]) {{
      covariance[i, j] <- covariance[j, i] <- pROC::cov(curves[[i]], curves[[j]], method = "delong")
      tests[[length(tests) + 1]] <- compare(curves[[i]], curves[[j]], "two.sided", 0.95)
    }}
  }}
  column <- function(name) vapply(tests, function(test) test[[name]], 0)

  to_first <- cbind(rep(-1, k - 1), diag(k - 1))
  spread <- to_first %*% covariance %*% t(to_first)
  wald <- if (k > 1 && !anyNA(spread) && qr(spread)$rank == k - 1) {{
    mahalanobis(as.vector(to_first %*% auc), FALSE, spread)
  }} else NA_real_
  list(auc = auc, covariance = covariance, differences = column("difference"), se = column("se"),
       statistics = column("statistic"), pvalues = column("pvalue"), log10_pvalues = column("log10_pvalue"),
       pvalues_adjusted = p.adjust(column("pvalue"), correction),
       wald = wald, wald_pvalue = pchisq(wald, k - 1, lower.tail = FALSE))
}}""")


def auc(y: ArrayLike, score: ArrayLike) -> float:
    """AUC by `pROC::auc`; arguments and refusals are those of `stats.auc`."""
    positive = positive_rows(y)
    return _auc(positive.astype(float), _score(score, "score", positive.size))["auc"]


def auc_ci(
    y: ArrayLike,
    score: ArrayLike,
    *,
    confidence_level: float = 0.95,
    method: str = "delong",
    groups: ArrayLike | None = None,
    n_resamples: int = 10000,
    rng: int | np.random.Generator = 0,
) -> AucInterval:
    """Interval of one AUC by `pROC::ci.auc(method = "delong")`, which clips to [0, 1].

    One positive or one negative: NaN. `method` "logit" and "bootstrap" (to which `n_resamples` and `rng`
    belong) and groups with repeats are NotInR.
    """
    checked_level(confidence_level)
    positive = positive_rows(y)
    if method != "delong":
        reason = {
            "logit": "pROC::ci.auc has no interval on the logit scale",
            "bootstrap": "pROC's bootstrap draws other resamples, so that nothing agrees number by number",
        }
        raise NotInR(reason.get(method, f"method is {method!r}; expected 'delong'"))
    _refuse_repeats(groups, positive.size)
    answer = _auc_ci(positive.astype(float), _score(score, "score", positive.size), confidence_level)
    return AucInterval(
        **answer.numbers(),
        confidence_level=float(confidence_level),
        method=method,
        warnings=answer.warnings,
    )


def delong_test(
    y: ArrayLike,
    a: ArrayLike,
    b: ArrayLike,
    *,
    alternative: str = "two-sided",
    confidence_level: float = 0.95,
    groups: ArrayLike | None = None,
    nan_policy: str = "raise",
) -> RDelong:
    """Compare two AUCs by `pROC::roc.test(method = "delong", paired = TRUE)`.

    Scores that rank all pairs alike answer Z = 0 in pROC 1.18, so p = 1 two-sided, but p = .5 one-sided (`stats`
    answers 1). Zero variance with a difference: Z infinite, p 0. One positive or one negative: NaN, or R's error where
    the difference is 0 as well. The interval is two-sided whatever the alternative. `se` is read off the interval.
    Groups with repeats, infinite scores and nan_policy="omit" are NotInR.
    """
    checked_level(confidence_level)
    _refuse_omit(nan_policy)
    positive = positive_rows(y)
    scores = [_score(score, name, positive.size) for score, name in ((a, "a"), (b, "b"))]
    _refuse_repeats(groups, positive.size)
    answer = _delong_test(positive.astype(float), *scores, r_alternative(alternative), confidence_level)
    return RDelong(
        **answer.numbers(),
        confidence_level=float(confidence_level),
        _again=partial(delong_test, y, a, b, alternative=alternative, groups=groups),
        warnings=answer.warnings,
    )


def delong_unpaired(
    y_a: ArrayLike,
    a: ArrayLike,
    y_b: ArrayLike,
    b: ArrayLike,
    *,
    alternative: str = "two-sided",
    confidence_level: float = 0.95,
    groups: ArrayLike | tuple[ArrayLike, ArrayLike] | None = None,
    nan_policy: str = "raise",
) -> RDelong:
    """Compare two AUCs of different images by `pROC::roc.test(method = "delong", paired = FALSE)`.

    pROC 1.18 reports no interval here (NaN), and warns where the two sets of labels are the same. Both variances 0,
    one positive or one negative: NaN. NotInR as `delong_test`.
    """
    _refuse_omit(nan_policy)
    first, second = positive_rows(y_a, "y_a"), positive_rows(y_b, "y_b")
    if groups is not None:
        joined: Any = groups
        if len(joined) == 2:
            joined = np.concatenate([np.asarray(labels) for labels in joined])
        _refuse_repeats(joined, first.size + second.size)
    answer = _delong_unpaired(
        first.astype(float),
        _score(a, "a", first.size),
        second.astype(float),
        _score(b, "b", second.size),
        r_alternative(alternative),
        checked_level(confidence_level),
    )
    return RDelong(
        **answer.numbers(),
        confidence_level=float(confidence_level),
        _again=partial(delong_unpaired, y_a, a, y_b, b, alternative=alternative),
        warnings=answer.warnings,
    )


def delong_matrix(
    y: ArrayLike,
    scores: Mapping[Any, ArrayLike] | ArrayLike,
    correction: str = "holm",
    *,
    groups: ArrayLike | None = None,
) -> RDelongMatrix:
    """Compare k AUCs by `pROC::cov`, `pROC::roc.test` on every pair, and `p.adjust`.

    The omnibus test is base R's `mahalanobis` on pROC's AUCs and covariances; where the covariance of the differences
    has not full rank it is NaN. The logarithm of its p-value is that of `stats` for R's statistic. Pairs without a
    variance answer as `delong_test`.
    """
    positive = positive_rows(y)
    names, scores_of_models = named_scores(scores, positive.size)
    rows = np.array(scores_of_models)
    _refuse_infinite(rows)
    _refuse_repeats(groups, positive.size)
    answer = _delong_matrix(positive.astype(float), rows, r_correction(correction))
    k = len(names)
    arrays = ("auc", "covariance", "differences", "se", "statistics", "pvalues", "log10_pvalues", "pvalues_adjusted")
    return RDelongMatrix(
        **{name: answer.array(name) for name in arrays},
        names=names,
        pairs=[(i, j) for i in range(k) for j in range(i + 1, k)],
        correction=correction,
        omnibus=Omnibus(answer["wald"], k - 1, answer["wald_pvalue"]),
        warnings=answer.warnings,
    )


def _score(values: ArrayLike, name: str, n: int) -> NDArray[np.float64]:
    score = vector(values, name, n)
    refuse_nan(score, name)
    _refuse_infinite(score)
    return score


def _refuse_infinite(scores: NDArray[np.float64]) -> None:
    if np.isinf(scores).any():
        raise NotInR("pROC builds no curve from infinite scores")


def _refuse_omit(nan_policy: str) -> None:
    if nan_policy != "raise":
        raise NotInR("pROC leaves rows with NaN out of each curve for itself; leave them out before the call")


def _refuse_repeats(groups: ArrayLike | None, n: int) -> None:
    if group_index(groups, n)[1] < n:
        raise NotInR("pROC has no variance for several images of one patient; groups must not repeat")
