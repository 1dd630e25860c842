"""DeLong's comparison of AUCs on one test set, for images or for patients with several images."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtrc, expit, logit, ndtri

from stats.bootstrap import bootstrap_replicates, summary_of_replicates
from stats.delong_inputs import named_scores, read_components, scarcity_notes, zero_variance_notes
from stats.inputs import positive_rows, score_rows
from stats.multiplicity import adjust_pvalues
from stats.placements import Components, components
from stats.results import (
    AucInterval,
    DelongMatrix,
    DelongResult,
    Omnibus,
    announce,
    checked_alternative,
    checked_level,
)
from stats.tails import normal_pvalue

Floats = NDArray[np.float64]


def auc(y: ArrayLike, score: ArrayLike) -> float:
    """Area under the ROC curve: P(positive above negative) + P(tie) / 2, by midranks.

    Parameters
    ----------
    y : array_like (n,)
        1 positive, 0 negative.
    score : array_like (n,)
        Higher means more positive; an AUC below .5 is returned as it is.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        A class without a row, a NaN, a label other than 0 and 1, lengths that differ.
    """
    positive = positive_rows(y)
    return float(components(positive, score_rows([score], ["score"], positive.size), None).auc[0])


def delong_test(
    y: ArrayLike,
    a: ArrayLike,
    b: ArrayLike,
    *,
    alternative: str = "two-sided",
    confidence_level: float = 0.95,
    groups: ArrayLike | None = None,
    nan_policy: str = "raise",
) -> DelongResult:
    """Compare the AUCs of two models on the same images (DeLong, DeLong and Clarke-Pearson 1988).

    Parameters
    ----------
    y : array_like (n,)
        1 positive, 0 negative.
    a, b : array_like (n,)
        Scores; higher means more positive.
    alternative : {"two-sided", "less", "greater"}
        "greater": the AUC of `a` is above that of `b`.
    confidence_level : float
        Level of the result's `confidence_interval()`.
    groups : array_like (n,), optional
        Patient of each image. The variance is then Obuchowski's (1997, Biometrics 53:567) for clustered data, which
        equals DeLong's where every patient has one image.
    nan_policy : {"raise", "omit"}
        What to do with a row in which a label or score is NaN; rows left out are counted in `warnings`.

    Returns
    -------
    DelongResult
        Scores that rank all pairs of images alike: difference 0, statistic 0, p 1. Zero variance with a difference:
        an infinite statistic and a warning. One positive or one negative (image, or patient): the difference, NaN
        for what rests on a variance, and a warning.

    Raises
    ------
    ValueError
        A class without a row, a NaN (unless omitted), a label other than 0 and 1, lengths that differ.

    Notes
    -----
    Neither scipy nor statsmodels compares AUCs. pROC does, in R: it is what this test is checked against
    (`stats.r_reference`), but it reverses a score whose AUC is below .5 unless told otherwise, answers NaN for infinite
    scores, p .5 for identical ones in a one-sided test, and has no variance for several images of one patient.
    """
    checked_alternative(alternative)
    checked_level(confidence_level)
    parts, notes = read_components(y, {"a": a, "b": b}, groups, nan_policy)
    difference, se, statistic = _compare(parts, 0, 1)
    notes += zero_variance_notes(difference, se, "a and b")
    return DelongResult(
        auc_a=float(parts.auc[0]),
        auc_b=float(parts.auc[1]),
        difference=difference,
        se=se,
        statistic=statistic,
        pvalue=1.0 if se == 0 == difference else normal_pvalue(statistic, alternative),
        alternative=alternative,
        confidence_level=float(confidence_level),
        n_positive=parts.n_positive,
        n_negative=parts.n_negative,
        n_clusters=parts.n_clusters,
        warnings=announce(notes),
    )


def delong_matrix(
    y: ArrayLike,
    scores: Mapping[Any, ArrayLike] | ArrayLike,
    correction: str = "holm",
    *,
    groups: ArrayLike | None = None,
) -> DelongMatrix:
    """Compare the AUCs of k models on the same images, every pair and all at once.

    Sorting is the main cost: n log n for each model, then k^2 n for the pairs; memory is linear in k n.

    Parameters
    ----------
    y : array_like (n,)
        1 positive, 0 negative.
    scores : mapping of name to (n,), or array (k, n)
        Anything with `.items()` is a mapping, a data frame of its columns for one.
    correction : str
        A method of `adjust_pvalues`, applied over all pairs.
    groups : array_like (n,), optional
        Patient of each image, as in `delong_test`.

    Returns
    -------
    DelongMatrix
        Each pair answers as `delong_test` does.

    Raises
    ------
    ValueError
        As `delong_test`; no model.
    """
    positive = positive_rows(y)
    names, rows = named_scores(scores, positive.size)
    parts = components(positive, rows, groups)

    pairs = [(i, j) for i in range(len(rows)) for j in range(i + 1, len(rows))]
    compared = np.array([_compare(parts, i, j) for i, j in pairs]).reshape(-1, 3)
    difference, se, statistic = compared.T
    pvalues = np.array([1.0 if s == 0 == d else normal_pvalue(z, "two-sided") for d, s, z in compared.tolist()])
    omnibus, notes = _omnibus(parts, difference[: len(rows) - 1], se[: len(rows) - 1])
    notes = scarcity_notes(parts) + notes
    for (i, j), d, s in zip(pairs, difference.tolist(), se.tolist(), strict=True):
        notes += zero_variance_notes(d, s, f"{names[i]} and {names[j]}")
    return DelongMatrix(
        names=names,
        auc=parts.auc,
        covariance=parts.covariance(parts.positive, parts.negative),
        pairs=pairs,
        differences=difference,
        se=se,
        statistics=statistic,
        pvalues=pvalues,
        pvalues_adjusted=adjust_pvalues(pvalues, correction),
        correction=correction,
        omnibus=omnibus,
        warnings=announce(notes),
    )


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
    """Confidence interval of one AUC.

    Parameters
    ----------
    y, score : array_like (n,)
        As in `auc`.
    confidence_level : float
    method : {"delong", "logit", "bootstrap"}
        Normal interval with DeLong's variance, the same on the logit scale, or bootstrap percentiles.
    groups : array_like (n,), optional
        Patient of each image, as in `delong_test`; the bootstrap then resamples patients.
    n_resamples, rng : int, int or Generator
        Of the bootstrap.

    Returns
    -------
    AucInterval
        `variance` is DeLong's, or that of the replicates. One positive or one negative (image, or patient): NaN for
        variance and interval, and a warning. Zero variance (perfect separation): an interval of no width and a
        warning.

    Raises
    ------
    ValueError
        As `auc`; an unknown method.
    """
    checked_level(confidence_level)
    if method not in ("delong", "logit", "bootstrap"):
        raise ValueError(f"method is {method!r}; expected 'delong', 'logit' or 'bootstrap'")
    positive = positive_rows(y)
    rows = score_rows([score], ["score"], positive.size)
    parts = components(positive, rows, groups)
    estimate, notes = float(parts.auc[0]), scarcity_notes(parts)
    variance = parts.variance(parts.positive[0], parts.negative[0])
    if variance == 0 and method != "bootstrap":
        notes.append(f"the variance of the AUC ({estimate:.6g}) is 0: the interval has no width")

    if math.isnan(variance):
        low = high = math.nan
    elif method == "bootstrap":
        replicates = bootstrap_replicates("auc", positive, rows[0], groups=groups, n_resamples=n_resamples, rng=rng)
        summary = summary_of_replicates(estimate, replicates, np.zeros(n_resamples), confidence_level, "AUC")
        variance, low, high = summary.se**2, summary.low, summary.high
        notes += summary.warnings
    else:
        reach = float(ndtri((1 + confidence_level) / 2)) * math.sqrt(variance)
        if method == "delong" or variance == 0:
            low, high = estimate - reach, estimate + reach
        else:
            slope = estimate * (1 - estimate)
            low, high = expit(logit(estimate) + np.array([-reach, reach]) / slope).tolist()
    low, high = (min(max(bound, 0.0), 1.0) if not math.isnan(bound) else bound for bound in (low, high))
    return AucInterval(estimate, variance, low, high, float(confidence_level), method, announce(notes))


def _compare(parts: Components, i: int, j: int) -> tuple[float, float, float]:
    """Difference of two AUCs, its standard error and the statistic."""
    positive, negative = parts.positive[i] - parts.positive[j], parts.negative[i] - parts.negative[j]
    pairs_twice = float(parts.pairs_twice[i] - parts.pairs_twice[j])
    if pairs_twice == 0 and not positive.any() and not negative.any():
        return 0.0, 0.0, 0.0
    difference = pairs_twice / (2.0 * parts.n_positive * parts.n_negative)
    variance = parts.variance(positive, negative)
    if variance == 0:
        return difference, 0.0, math.copysign(math.inf, difference) if difference else 0.0
    se = math.sqrt(variance)
    return difference, se, difference / se


def _omnibus(parts: Components, difference: Floats, se: Floats) -> tuple[Omnibus, list[str]]:
    """Wald test that all AUCs are equal, by pseudo-inverse, from the differences to the first and their errors."""
    if np.isnan(se).any():
        return Omnibus(math.nan, 0, math.nan), []
    varies = se > 0
    scaled = difference[varies] / se[varies]
    values, along = np.ones(scaled.size), scaled
    if scaled.size > 1:
        # Scaled to unit variances, so that a small eigenvalue is a linear dependence and not a small unit.
        positive, negative = parts.positive[1:][varies], parts.negative[1:][varies]
        positive -= parts.positive[0]
        negative -= parts.negative[0]
        covariance = parts.covariance(positive, negative)  # of the differences, whatever their sign
        values, vectors = np.linalg.eigh(covariance / np.outer(se[varies], se[varies]))
        along = vectors.T @ scaled
    kept = values > 1e-10
    df = int(kept.sum())
    without = np.abs(along[~kept])
    if difference[~varies].any() or (without.size and without.max() > 1e-6 * np.linalg.norm(along)):
        return Omnibus(math.inf, df, 0.0), [
            "AUCs differ along a direction of no variance: the omnibus statistic is infinite"
        ]
    statistic = float(np.sum(along[kept] ** 2 / values[kept]))
    return Omnibus(statistic, df, float(chdtrc(df, statistic)) if df else 1.0), []
