"""Bootstrap of differences between two models: over test cases, and over repeats and test cases together."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from stats.inputs import vector
from stats.measures import Measure, Statistic, is_difference, measure_of_rows, measure_of_scores
from stats.resampling import batch_size, group_weights, left_out_weights, repeat_weights, seed_from
from stats.results import BootstrapResult, announce, checked_level

Floats = NDArray[np.float64]


def paired_bootstrap(
    statistic: Statistic,
    *data: ArrayLike,
    groups: ArrayLike | None = None,
    categories: Sequence[Any] | None = None,
    method: str = "percentile",
    n_resamples: int = 10000,
    rng: int | np.random.Generator = 0,
    confidence_level: float = 0.95,
) -> BootstrapResult:
    """Bootstrap the difference of two models over the cases of one test set.

    Parameters
    ----------
    statistic : "auc", "auprc", "accuracy", "precision", "recall", "f1", "mean" or callable
        With three arrays: (y, score) -> float, higher or lower as it likes; the names take an exact fast path, for
        "auc" and "auprc" with y in {0, 1}, for the next four with y and score of classes (n,), "precision", "recall"
        and "f1" as unweighted means over classes (see `class_scores`). A callable that takes three arguments by place
        and not two is statistic(y, a, b) -> float, itself a difference (0 under the null hypothesis); one that takes
        two, or whose signature leaves it open, is (y, score). With one or two arrays: (*data) -> float, itself a
        difference; "mean" is that of one array a - b. A callable says by NaN that it is not defined on a resample.
    *data : array_like
        Three arrays y, a, b: what is bootstrapped is statistic(y, a) - statistic(y, b). y, a and b are (n,), or
        (n, classes) for the unweighted mean over classes, where a row whose label is NaN does not count for that class.
        A difference statistic(y, a, b), or statistic(*data) of one or two arrays, gets them as they are. Cases are
        rows (first axis) in each array.
    groups : array_like (n,), optional
        Patient of each case; patients are then drawn, each with all its cases.
    categories : sequence, optional
        For "precision", "recall" and "f1": the classes that can occur; without it, those of y.
    method : {"percentile", "BCa"}
        Interval; "BCa" is bias-corrected and accelerated by the jackknife over groups (Efron 1987).
        The p-value is the percentile one in both.
    n_resamples : int
        Replicates.
    rng : int or Generator
        Seed; with an integer the same call gives the same answer.
    confidence_level : float

    Returns
    -------
    BootstrapResult
        Identical predictions: difference 0, p 1, interval [0, 0]. Replicates on which the statistic is not defined
        (for the names: some class has no positive or, for areas, no negative) are left out, not counted in
        `n_resamples`, and told in `warnings`. A difference that is the same on every replicate: a standard error of
        exactly 0, an interval of no width and a warning. One case (or patient), which leaves nothing to resample: the
        difference, NaN for the rest unless the predictions are identical, and a warning.

    Raises
    ------
    ValueError
        Shapes that do not belong together, a callable that takes another number of arguments, a statistic not defined
        on the data themselves (one of `categories` without a case, say) or on fewer than two replicates; for "auc" and
        "auprc" a NaN score of a labelled row, or a class without a positive or a negative.
    """
    if method not in ("percentile", "BCa"):
        raise ValueError(f"method is {method!r}; expected 'percentile' or 'BCa'")
    if not 1 <= len(data) <= 3:
        raise ValueError(f"{len(data)} data arrays; expected y, a, b, or one or two for statistic(*data)")
    arrays = [np.asarray(array) for array in data]
    if len(data) == 3 and not is_difference(statistic):
        y, *scores = data
        for name, score in zip("ab", scores, strict=True):
            if np.ndim(score) != np.ndim(y):
                raise ValueError(
                    f"{name} has shape {np.shape(score)} beside y of shape {np.shape(y)}; expected equal shapes "
                    "(two_way_bootstrap takes repeats)"
                )
        measures = [measure_of_scores(statistic, y, score, groups, categories) for score in scores]
    else:
        if categories is not None:
            raise ValueError("categories were given; they are for precision, recall and f1 of y, a and b")
        measures = [measure_of_rows(statistic, arrays, groups)]

    result, replicates = _bootstrap(measures, n_resamples, seed_from(rng), confidence_level)
    result = _unless_one(result, measures[0], arrays)
    if method == "BCa":
        result = _bias_corrected(result, replicates, measures)
    announce(result.warnings)
    return result


def two_way_bootstrap(
    statistic: Statistic,
    y: ArrayLike,
    a: ArrayLike,
    b: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    categories: Sequence[Any] | None = None,
    n_resamples: int = 10000,
    rng: int | np.random.Generator = 0,
    confidence_level: float = 0.95,
) -> BootstrapResult:
    """Bootstrap the difference of two models trained several times and tested on one test set.

    Each replicate draws repeats and, independently, patients, both with replacement: what varies between studies is
    which training draw and which patients, and a t test over repeats that share one test set sees only the first.
    Both models share the draws. With one repeat this is the patient bootstrap of `paired_bootstrap`, number for number.

    Parameters
    ----------
    statistic : "auc", "auprc", "accuracy", "precision", "recall", "f1", "mean" or callable (y, score) -> float
        Averaged over repeats, and without weights over classes; as in `paired_bootstrap`.
    y : array_like (n,) or (n, classes)
    a, b : array_like (repeats, n) or (repeats, n, classes)
        Repeat r of both models belongs together (same training draw).
    groups, categories, n_resamples, rng, confidence_level
        As in `paired_bootstrap`.

    Returns
    -------
    BootstrapResult
        As `paired_bootstrap`. One patient: NaN, however many repeats there are.

    Raises
    ------
    ValueError
        As `paired_bootstrap`; a and b with different repeats.
    """
    for name, score in (("a", a), ("b", b)):
        if np.ndim(score) != np.ndim(y) + 1:
            raise ValueError(
                f"{name} has shape {np.shape(score)} beside y of shape {np.shape(y)}; expected a first axis of repeats"
            )
    if np.shape(a) != np.shape(b):
        raise ValueError(f"a has shape {np.shape(a)} and b {np.shape(b)}; expected the same repeats and rows")
    measures = [measure_of_scores(statistic, y, score, groups, categories) for score in (a, b)]
    result, _ = _bootstrap(measures, n_resamples, seed_from(rng), confidence_level)
    result = _unless_one(result, measures[0], [np.asarray(a), np.asarray(b)])
    announce(result.warnings)
    return result


def bootstrap_replicates(
    statistic: Statistic,
    y: ArrayLike,
    score: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    categories: Sequence[Any] | None = None,
    n_resamples: int = 10000,
    rng: int | np.random.Generator = 0,
    per_class: bool = False,
) -> Floats:
    """Replicates of one model, on the same resamples for every model of the test set.

    k models are compared pair by pair at the cost of k bootstraps: replicates of two models, with the same y, groups,
    number of repeats, `n_resamples` and integer `rng`, are differenced by `difference_from_replicates`, which then
    gives what `paired_bootstrap` and `two_way_bootstrap` give.

    Parameters
    ----------
    statistic, y, groups, categories, n_resamples, rng
        As in `two_way_bootstrap`; a Generator is advanced, so models that are to share resamples need an integer.
    score : array_like, the shape of y, or (repeats, *shape of y)
    per_class : bool
        Keep the classes apart instead of averaging them.

    Returns
    -------
    ndarray (n_resamples,), or (n_resamples, classes)
        NaN marks a replicate in which the statistic is not defined (its place is kept for differencing).

    Raises
    ------
    ValueError
        As `paired_bootstrap`.
    """
    measure = measure_of_scores(statistic, y, score, groups, categories)
    replicates = replicates_of([measure], n_resamples, seed_from(rng))[0]
    return replicates if per_class else replicates.mean(axis=1)


def difference_from_replicates(
    estimate_a: float,
    replicates_a: ArrayLike,
    estimate_b: float,
    replicates_b: ArrayLike,
    confidence_level: float = 0.95,
) -> BootstrapResult:
    """Compare two models from their replicates on the same resamples.

    Parameters
    ----------
    estimate_a, estimate_b : float
        The statistic of either model on the data as they are.
    replicates_a, replicates_b : array_like (n_resamples,)
        From `bootstrap_replicates` with the same y, groups, repeats, `n_resamples` and integer `rng`.
    confidence_level : float

    Returns
    -------
    BootstrapResult
        Percentile interval. Whether there was more than one patient to resample cannot be told from replicates; a
        difference that is the same on all of them is warned about.

    Raises
    ------
    ValueError
        Fewer than two replicates defined for both, an estimate that is NaN, replicates of different number.
    """
    first = vector(replicates_a, "replicates_a")
    second = vector(replicates_b, "replicates_b", first.size)
    result = summary_of_replicates(float(estimate_a) - float(estimate_b), first, second, confidence_level)
    announce(result.warnings)
    return result


def _bootstrap(
    measures: list[Measure], n_resamples: int, seed: int, confidence_level: float
) -> tuple[BootstrapResult, Floats]:
    """Result and replicates of the difference of two measures, or of one that is a difference itself."""
    estimates = [_estimate(measure) for measure in measures]
    replicates = [values.mean(axis=1) for values in replicates_of(measures, n_resamples, seed)]
    if len(measures) == 1:
        estimates.append(0.0)
        replicates.append(np.zeros(n_resamples))
    result = summary_of_replicates(estimates[0] - estimates[1], replicates[0], replicates[1], confidence_level)
    return result, replicates[0] - replicates[1]


def _estimate(measure: Measure) -> float:
    """The measure on the data as they are, by the path its replicates take, so that rounding agrees."""
    once = np.ones((measure.n_groups, 1), np.float32)
    return float(measure(once, np.ones((1, measure.n_repeats), np.int64)).mean())


def replicates_of(measures: list[Measure], n_resamples: int, seed: int) -> list[Floats]:
    """Replicates (n_resamples, classes) of measures that share rows, groups and number of repeats."""
    if n_resamples < 2:
        raise ValueError(f"n_resamples is {n_resamples}; expected at least 2, and 10000 for a table")
    shared = measures[0]
    repeats = repeat_weights(shared.n_repeats, n_resamples, seed)
    batches = group_weights(shared.n_groups, n_resamples, seed, batch_size(shared.n_rows))
    parts: list[list[Floats]] = [[] for _ in measures]
    for replicates, weights in batches:
        for values, measure in zip(parts, measures, strict=True):
            values.append(measure(weights, repeats[replicates]))
    return [np.concatenate(values) for values in parts]


def _jackknife(measures: list[Measure]) -> list[Floats]:
    """Each measure with one group left out at a time, (groups,)."""
    shared = measures[0]
    parts: list[list[Floats]] = [[] for _ in measures]
    for _, weights in left_out_weights(shared.n_groups, batch_size(shared.n_rows)):
        once = np.ones((weights.shape[1], shared.n_repeats), np.int64)
        for values, measure in zip(parts, measures, strict=True):
            values.append(measure(weights, once).mean(axis=1))
    return [np.concatenate(values) for values in parts]


def _difference(values: list[Floats]) -> Floats:
    return values[0] - values[1] if len(values) == 2 else values[0]


def _equal(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Whether two arrays hold the same, what is missing included."""
    return one.shape == other.shape and bool(np.all((one == other) | ((one != one) & (other != other))))


def _unless_one(result: BootstrapResult, measure: Measure, data: list[NDArray[Any]]) -> BootstrapResult:
    """The result, or what is left of it where there is one row or patient; the last two of the data are compared."""
    if measure.n_groups > 1:
        return result
    identical = result.difference == 0 and (len(data) == 1 or _equal(*data[-2:]))
    return result_of_one(result, "row" if measure.n_rows == 1 else "patient", identical)


def result_of_one(result: BootstrapResult, unit: str, identical: bool) -> BootstrapResult:
    """Take back what a bootstrap of one row or patient says: all its resamples are that one again."""
    undefined = {} if identical else dict.fromkeys(("se", "pvalue", "low", "high"), math.nan)
    note = f"one {unit}: a bootstrap needs at least two"
    return dataclasses.replace(result, warnings=(note,), **undefined)  # type: ignore[arg-type]


def summary_of_replicates(
    difference: float, first: Floats, second: Floats, confidence_level: float, name: str = "difference"
) -> BootstrapResult:
    """Summarise the replicates first - second of an estimated difference; undefined ones are left out and told."""
    checked_level(confidence_level)
    if math.isnan(difference):
        raise ValueError("the statistic is NaN on the data themselves; expected an estimate of each model")
    replicates = first - second
    defined = ~np.isnan(replicates)
    n_defined, n_resamples = int(defined.sum()), replicates.size
    if n_defined < 2:
        raise ValueError(f"the statistic is defined on {n_defined} of {n_resamples} replicates; expected at least two")
    notes = []
    if n_defined < n_resamples:
        notes.append(
            f"{n_resamples - n_defined} of {n_resamples} replicates left out: the statistic is not defined on them "
            "(without a case of some class)"
        )
    values = replicates[defined]
    # Equal statistics can differ by rounding once classes or repeats are averaged: that has no sign.
    rounding = 8 * np.finfo(float).eps * np.maximum(np.abs(first), np.abs(second))[defined]
    smaller = min(int((values <= rounding).sum()), int((values >= -rounding).sum()))
    se = float(values.std(ddof=1))
    low, high = np.quantile(values, [(1 - confidence_level) / 2, (1 + confidence_level) / 2]).tolist()
    largest_rounding = float(rounding.max())
    if float(np.ptp(values)) <= 2 * largest_rounding:
        difference = 0.0 if abs(difference) <= largest_rounding else difference
        se, low, high = 0.0, *[min(max(difference, float(values.min())), float(values.max()))] * 2
        if difference:
            notes.append(f"the {name} ({difference:.6g}) is the same on every replicate: its interval has no width")
    return BootstrapResult(
        difference=difference + 0.0,  # no negative zero, here and below
        se=se,
        pvalue=min(1.0, 2 * (1 + smaller) / (n_defined + 1)),
        low=low + 0.0,
        high=high + 0.0,
        n_resamples=n_defined,
        confidence_level=float(confidence_level),
        warnings=tuple(notes),
    )


def _bias_corrected(result: BootstrapResult, replicates: Floats, measures: list[Measure]) -> BootstrapResult:
    """Efron's BCa interval in place of the percentile one.

    Efron (1987), JASA 82:171: bias correction from the share of replicates below the estimate, acceleration from the
    skewness of the jackknife values.
    """
    if not result.se > 0:
        return dataclasses.replace(result, method="BCa")
    values = replicates[~np.isnan(replicates)]
    below = (float((values < result.difference).sum()) + float((values == result.difference).sum()) / 2) / values.size
    if below in (0.0, 1.0):
        note = "all replicates lie on one side of the estimate: the interval is the percentile one, BCa is not defined"
        return dataclasses.replace(result, warnings=(*result.warnings, note))
    left_out = _difference(_jackknife(measures))
    influence = left_out[~np.isnan(left_out)]
    influence = influence.mean() - influence if influence.size else np.zeros(1)
    spread = float((influence**2).sum())
    acceleration = float((influence**3).sum()) / (6 * spread**1.5) if spread > 0 else 0.0
    bias = float(ndtri(below))
    tail = (1 - result.confidence_level) / 2
    shifted = bias + ndtri(np.array([tail, 1 - tail]))
    low, high = np.quantile(values, ndtr(bias + shifted / (1 - acceleration * shifted))).tolist()
    return dataclasses.replace(result, low=low, high=high, method="BCa")
