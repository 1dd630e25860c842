"""Reliability diagrams: how often an event happens among cases given a probability, with Wilson's intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from stats.inputs import group_index, number_array, refuse_nan, refuse_other_labels
from stats.probabilities import bins_of
from stats.results import Result, checked_level

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Reliability(Result):
    """Probabilities in bins of equal width, beside what happened.

    Attributes
    ----------
    edges : ndarray (bins + 1,)
    predicted, observed : ndarray (bins,)
        Mean probability, and share of cases in which the event happened; NaN for a bin without a case.
    low, high : ndarray (bins,)
        Wilson's interval of `observed`.
    cases, groups : ndarray (bins,)
        Cases and patients of a run in each bin: a mean where there are several runs.
    ece : float
        Expected calibration error with these bins, as `expected_calibration_error` has it; the mean over runs.
    """

    edges: Floats
    predicted: Floats
    observed: Floats
    low: Floats
    high: Floats
    cases: Floats
    groups: Floats
    ece: float


def reliability(
    y: ArrayLike,
    score: ArrayLike,
    *,
    n_bins: int = 10,
    groups: ArrayLike | None = None,
    confidence_level: float = 0.95,
) -> Reliability:
    """Compare probabilities with what happened, bin by bin.

    Wilson's interval counts patients and not cases. A patient's cases may all be alike; where they are, patients are
    what the share is made of, and where they are not, the interval is too wide rather than too narrow. A bootstrap
    would give a bin of five cases, none of them positive, an interval of no width.

    Parameters
    ----------
    y : array_like (n,) or (runs, n)
        Whether the event happened: 1 or 0. It differs between runs where the event is that a run's call is right.
    score : array_like (n,) or (runs, n)
        Its probabilities. Runs are pooled in each bin, and count as one run in the interval, which therefore holds
        for these runs and other patients.
    n_bins : int
        See `bins_of`.
    groups : array_like (n,), optional
        Patient of each case.
    confidence_level : float

    Raises
    ------
    ValueError
        Shapes that do not belong together, no case, labels other than 1 and 0, scores that are no probabilities.

    References
    ----------
    Bröcker and Smith (2007), Weather and Forecasting 22:651 (diagram); Wilson (1927), JASA 22:209 (interval).
    """
    scores = np.atleast_2d(number_array(score, "score"))
    given = number_array(y, "y")
    if scores.ndim != 2 or not scores.size or given.shape not in (scores.shape, scores.shape[1:]):
        raise ValueError(
            f"y has shape {given.shape} and score {np.shape(score)}; expected (n,) or (runs, n), with at least one case"
        )
    refuse_nan(given, "y")
    refuse_nan(scores, "score")
    refuse_other_labels(given)
    if not ((scores >= 0) & (scores <= 1)).all():
        raise ValueError("score holds something else than probabilities from 0 to 1")
    checked_level(confidence_level)
    happened = np.broadcast_to(given, scores.shape)
    n_runs, n_cases = scores.shape
    group, n_groups = group_index(groups, n_cases)

    bins = bins_of(scores, n_bins)
    place = bins + n_bins * np.arange(n_runs)[:, None]

    def total(values: Floats) -> Floats:
        sums = np.asarray(np.bincount(place.ravel(), values.ravel(), minlength=n_runs * n_bins), np.float64)
        return sums.reshape(n_runs, n_bins)

    cases, events, probabilities = total(np.ones(scores.shape)), total(happened), total(scores)
    patients = np.unique(place * n_groups + group) // n_groups
    mean_groups = np.bincount(patients % n_bins, minlength=n_bins) / n_runs
    pooled = np.where(cases.sum(axis=0) > 0, cases.sum(axis=0), np.nan)
    observed = events.sum(axis=0) / pooled
    low, high = _wilson(observed, mean_groups, confidence_level)
    return Reliability(
        edges=np.arange(n_bins + 1) / n_bins,
        predicted=probabilities.sum(axis=0) / pooled,
        observed=observed,
        low=low,
        high=high,
        cases=cases.mean(axis=0),
        groups=mean_groups,
        ece=float(np.abs(events - probabilities).sum() / scores.size),
    )


def _wilson(share: Floats, n: Floats, level: float) -> tuple[Floats, Floats]:
    """Wilson's score interval of a share of n, which need not be a whole number; NaN where the share is."""
    z = ndtri((1 + level) / 2)
    n = np.where(n > 0, n, np.nan)
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return np.clip(middle - half, 0, share), np.clip(middle + half, share, 1)
