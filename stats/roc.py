"""ROC curves with pointwise confidence bands: vertical averaging over runs and over bootstrap resamples."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stats.curve_steps import CurveSteps, read_off
from stats.inputs import group_index, number_array, refuse_nan, refuse_other_labels, require_both_classes, vector
from stats.resampling import batch_size, group_weights, repeat_weights, seed_from
from stats.results import Result, announce, checked_level
from stats.weighted_ranks import Weights

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class RocBand(Result):
    """A ROC curve on a fixed grid of false-positive rates.

    Attributes
    ----------
    fpr : ndarray (k,)
    tpr, low, high : ndarray (k,)
        True-positive rate there, and its interval, which holds for each point by itself and not for all at once.
    auc, auc_low, auc_high : float
        Area under the curve (ties half), with its percentile interval.
    n_resamples : int
        Replicates that are defined.
    confidence_level : float
    warnings : tuple of str
    """

    fpr: Floats
    tpr: Floats
    low: Floats
    high: Floats
    auc: float
    auc_low: float
    auc_high: float
    n_resamples: int
    confidence_level: float
    warnings: tuple[str, ...] = ()


def roc_band(
    y: ArrayLike,
    score: ArrayLike,
    *,
    fpr: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    n_resamples: int = 2000,
    rng: int | np.random.Generator = 0,
    confidence_level: float = 0.95,
) -> RocBand:
    """ROC curve of one class with a band by vertical averaging (Fawcett 2006, Pattern Recognition Letters 27:861).

    The true-positive rate is read off at fixed false-positive rates, averaged over runs, and resampled. A rate at
    which the curve rises straight up has the upper value; within tied scores the curve is the line that gives ties
    half. Groups (patients) are drawn with replacement, each with all its rows, and runs independently of them: the
    draws are those of `bootstrap_replicates` with the same groups, number of runs and seed.

    Parameters
    ----------
    y : array_like (n,)
        1, 0, or NaN for a row that does not count.
    score : array_like (n,) or (runs, n)
        Higher means more positive.
    fpr : array_like (k,), optional
        Rates in [0, 1], rising; 0, 0.005, ..., 1 by default.
    groups : array_like (n,), optional
        Patient of each row.
    n_resamples, rng, confidence_level
        As in `bootstrap_replicates`.

    Returns
    -------
    RocBand
        Replicates without a positive or a negative are left out and told in `warnings`. One patient leaves nothing
        to resample: the band is NaN.

    Raises
    ------
    ValueError
        Shapes that do not belong together, a label other than 0, 1 and NaN, no positive or no negative, a NaN score
        of a labelled row, rates outside [0, 1].
    """
    rates = _rates(fpr)
    labels, scores = vector(y, "y"), number_array(score, "score")
    refuse_other_labels(labels)
    scores = scores[None] if scores.ndim == 1 else scores
    if scores.ndim != 2 or scores.shape[1] != labels.size or not scores.shape[0]:
        raise ValueError(
            f"score has shape {np.shape(score)} beside y of shape {labels.shape}; expected {labels.shape} or "
            f"(runs, {labels.size})"
        )
    checked_level(confidence_level)
    group, n_groups = group_index(groups, labels.size)
    labelled = ~np.isnan(labels)
    positive, member, used = labels[labelled] == 1, group[labelled], scores[:, labelled]
    require_both_classes(int(positive.sum()), int((~positive).sum()))
    refuse_nan(used, "score (run, labelled row)")

    curves = [CurveSteps(positive, one, member, n_groups) for one in used]
    tpr, auc = _average(curves, np.ones((n_groups, 1), np.float32), np.ones((1, len(curves)), np.int64), rates)
    replicates, areas = _resample(curves, group.size, n_groups, n_resamples, seed_from(rng), rates)
    defined = ~np.isnan(areas)
    low, high, notes = np.full(rates.size, np.nan), np.full(rates.size, np.nan), []
    auc_low = auc_high = math.nan
    if n_groups == 1:
        notes.append("one patient: a bootstrap needs at least two")
    elif defined.any():
        ends = [(1 - confidence_level) / 2, (1 + confidence_level) / 2]
        low, high = np.quantile(replicates[defined], ends, axis=0)
        auc_low, auc_high = np.quantile(areas[defined], ends).tolist()
    if not defined.all():
        notes.append(
            f"{int((~defined).sum())} of {n_resamples} replicates left out: without a case of either class the curve "
            "is not defined"
        )
    announce(tuple(notes))
    return RocBand(
        fpr=rates,
        tpr=tpr[0],
        low=low,
        high=high,
        auc=float(auc[0]),
        auc_low=auc_low,
        auc_high=auc_high,
        n_resamples=int(defined.sum()),
        confidence_level=confidence_level,
        warnings=tuple(notes),
    )


def _rates(fpr: ArrayLike | None) -> Floats:
    if fpr is None:
        return np.linspace(0, 1, 201)
    rates = vector(fpr, "fpr")
    if not rates.size or not ((rates >= 0) & (rates <= 1)).all() or (np.diff(rates) < 0).any():
        raise ValueError("fpr holds something else than rates in [0, 1] in rising order")
    return rates


def _resample(
    curves: list[CurveSteps], n_rows: int, n_groups: int, n_resamples: int, seed: int, rates: Floats
) -> tuple[Floats, Floats]:
    if n_resamples < 2:
        raise ValueError(f"n_resamples is {n_resamples}; expected at least 2, and 2000 for a figure")
    repeats = repeat_weights(len(curves), n_resamples, seed)
    parts = [
        _average(curves, weights, repeats[replicates], rates)
        for replicates, weights in group_weights(n_groups, n_resamples, seed, batch_size(n_rows))
    ]
    return np.concatenate([tpr for tpr, _ in parts]), np.concatenate([auc for _, auc in parts])


def _average(
    curves: list[CurveSteps], weights: Weights, repeats: NDArray[np.int64], rates: Floats
) -> tuple[Floats, Floats]:
    """Mean over runs of the true-positive rates (replicates, rates) and of the areas (replicates,)."""
    counts = weights.astype(np.float64)  # Holds every whole number that is met here.
    tpr, auc = np.zeros((weights.shape[1], rates.size)), np.zeros(weights.shape[1])
    for run, curve in enumerate(curves):
        share = repeats[:, run] / len(curves)
        false, true = curve(counts)
        pairs = np.maximum(false[-1], 1) * np.maximum(true[-1], 1)
        area = np.einsum("kb,kb->b", np.diff(false, axis=0), true[1:] + true[:-1]) / (2 * pairs)
        defined = (false[-1] > 0) & (true[-1] > 0)
        auc += share * np.where(defined, area, np.nan)
        read = read_off(false, true, rates * false[-1][:, None]) / np.maximum(true[-1], 1)[:, None]
        tpr += share[:, None] * np.where(defined[:, None], read, np.nan)
    return tpr, auc
