"""FROC curves of detectors: sensitivity against false positives per image, with confidence bands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stats.coco.bands import trace_bands
from stats.coco.inputs import Flags, Integers, Source, read_detections, read_ground_truth
from stats.coco.matching import match_detections
from stats.curve_steps import CurveSteps, read_off
from stats.inputs import vector
from stats.results import Result

Floats = NDArray[np.float64]

#: The false positives per image whose sensitivities are averaged (LUNA16).
SCORED_RATES = 2.0 ** np.arange(-3, 4)
#: From 1/8 to 8, evenly spaced in the logarithm.
USUAL_RATES = 2.0 ** (np.arange(-96, 97) / 32)


@dataclass(frozen=True, eq=False)
class FrocBand(Result):
    """A FROC curve of one category.

    Attributes
    ----------
    category_id : int or str
    rates : ndarray (k,)
        False positives per image.
    sensitivity, low, high : ndarray (k,)
        Share of the boxes found, and its interval, which holds for each point by itself and not for all at once.
    score, score_low, score_high : float
        Mean sensitivity at 1/8, 1/4, 1/2, 1, 2, 4 and 8 false positives per image, with its percentile interval.
    n_boxes, n_images : int
        Boxes that count, and images with and without them.
    n_resamples : int
        Replicates in which the category has a box.
    confidence_level : float
    warnings : tuple of str
    """

    category_id: Any
    rates: Floats
    sensitivity: Floats
    low: Floats
    high: Floats
    score: float
    score_low: float
    score_high: float
    n_boxes: int
    n_images: int
    n_resamples: int
    confidence_level: float
    warnings: tuple[str, ...] = ()


def froc_bands(
    ground_truth: Source,
    runs: Sequence[Source],
    *,
    iou: float = 0.5,
    rates: ArrayLike | None = None,
    groups: Mapping[Any, Any] | None = None,
    n_resamples: int = 2000,
    rng: int | np.random.Generator = 0,
    confidence_level: float = 0.95,
) -> list[FrocBand]:
    """Trace the free-response ROC curve of every category, as the mean of several runs where there are several.

    At a threshold, sensitivity is the share of the boxes that a detection of at least this score has found, and the
    rate is the number of all other such detections over that of all images, with and without boxes. Detections are
    matched as COCO matches them: in order of their score, each to one box at most, up to 100 of an image and category;
    a second detection of one box is false, where LUNA16 passes over it. The curve rises straight up at a threshold and
    is a line within tied scores, so that it is read off as in LUNA16's evaluation. Where a detector has no more
    detections it goes on level. The score is LUNA16's (Setio et al. 2017, Medical Image Analysis 42:1): the mean of
    the sensitivities at 1/8, 1/4, 1/2, 1, 2, 4 and 8 false positives per image.

    Images, or patients with all their images, are drawn with replacement, and runs independently of them.

    Parameters
    ----------
    ground_truth : dict or path
        As in `average_precision`.
    runs : sequence
        Detections of one run or several, each as in `average_precision`.
    iou : float
        Least overlap, in (0, 1], of a detection with the box that it finds.
    rates : array_like (k,), optional
        Above 0 and rising; by default 193 from 1/8 to 8, evenly spaced in the logarithm.
    groups, n_resamples, rng
        As in `map_bootstrap`.
    confidence_level : float

    Returns
    -------
    list of FrocBand
        One for each category, in the order of their ids. All numbers are NaN for a category without a box that counts;
        replicates without one are left out and told in `warnings`. One image or patient: no intervals.

    Raises
    ------
    ValueError
        As `average_precision`; no run, an overlap or rates that are none.
    FileNotFoundError
    """
    truth = read_ground_truth(ground_truth)
    along = _checked_rates(rates)
    n_images, n_categories = len(truth.image_ids), len(truth.category_ids)
    curves: list[list[_Froc]] = [[] for _ in range(n_categories)]
    n_rows = 1
    for detections in checked_runs(runs):
        matches = match_detections(truth, read_detections(detections, truth, "runs"), checked_iou(iou))
        true, counted = matches.true[:, 0], ~matches.ignored[:, 0]
        for own, part in zip(curves, matches.split(n_categories), strict=True):
            kept = np.flatnonzero(counted[part]) + part.start
            read_at = np.concatenate([along, SCORED_RATES])
            own.append(_Froc(true[kept], matches.score[kept], matches.image[kept], n_images, read_at))
            n_rows = max(n_rows, kept.size)
    bands = trace_bands(
        truth,
        curves,
        lambda values: values[:, along.size :].mean(axis=1),
        groups=groups,
        n_rows=n_rows,
        n_resamples=n_resamples,
        rng=rng,
        confidence_level=confidence_level,
    )
    return [
        FrocBand(
            category_id=category,
            rates=along,
            sensitivity=band.values[: along.size],
            low=band.low[: along.size],
            high=band.high[: along.size],
            score=band.score,
            score_low=band.score_low,
            score_high=band.score_high,
            n_boxes=band.n_boxes,
            n_images=n_images,
            n_resamples=band.n_resamples,
            confidence_level=confidence_level,
            warnings=band.warnings,
        )
        for category, band in zip(truth.category_ids, bands, strict=True)
    ]


class _Froc:
    """One run's curve, read off at rates."""

    def __init__(self, true: Flags, score: Floats, image: Integers, n_images: int, rates: Floats) -> None:
        self._steps, self._rates = CurveSteps(true, score, image, n_images), rates

    def __call__(self, weights: Floats, n_boxes: Integers) -> Floats:
        """Sensitivities (replicates, rates)."""
        false, true = self._steps(weights)
        # What lies beyond the last detection is as it is there.
        allowed = np.minimum(self._rates * weights.sum(axis=0)[:, None], false[-1][:, None])
        return read_off(false, true, allowed) / np.maximum(n_boxes, 1)[:, None]


def checked_iou(iou: float) -> Floats:
    """The overlap as the one threshold to match at."""
    if not 0 < iou <= 1:
        raise ValueError(f"iou is {iou!r}; expected an overlap above 0 and up to 1, such as 0.5")
    return np.array([iou], np.float64)


def checked_runs(runs: Sequence[Source]) -> Sequence[Source]:
    """Several runs' detections, and not those of one alone."""
    if isinstance(runs, str) or not len(runs) or any(isinstance(run, Mapping) for run in runs):
        raise ValueError("runs is not a sequence of one or more runs; expected [detections], or one for each run")
    return runs


def _checked_rates(rates: ArrayLike | None) -> Floats:
    if rates is None:
        return USUAL_RATES
    along = vector(rates, "rates")
    if not along.size or not (along > 0).all() or not np.isfinite(along).all() or (np.diff(along) < 0).any():
        raise ValueError("rates holds something else than false positives per image, above 0 and in rising order")
    return along
