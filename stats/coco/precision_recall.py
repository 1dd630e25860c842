"""Precision-recall curves of detectors as COCO draws them, with confidence bands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stats.coco.bands import trace_bands
from stats.coco.froc import checked_iou, checked_runs
from stats.coco.inputs import Source, read_detections, read_ground_truth
from stats.coco.matching import match_detections
from stats.coco.weighted_precision import RECALL_THRESHOLDS, WeightedPrecision
from stats.results import Result

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PrecisionRecallBand(Result):
    """A precision-recall curve of one category.

    Attributes
    ----------
    category_id : int or str
    recall : ndarray (101,)
        0, .01, ..., 1.
    precision, low, high : ndarray (101,)
        The highest precision at a recall at least as high, 0 where that is not reached; and its interval, which holds
        for each point by itself and not for all at once.
    ap, ap_low, ap_high : float
        Average precision, the mean of `precision`, with its percentile interval.
    n_boxes : int
        Boxes that count.
    n_resamples : int
        Replicates in which the category has a box.
    confidence_level : float
    warnings : tuple of str
    """

    category_id: Any
    recall: Floats
    precision: Floats
    low: Floats
    high: Floats
    ap: float
    ap_low: float
    ap_high: float
    n_boxes: int
    n_resamples: int
    confidence_level: float
    warnings: tuple[str, ...] = ()


def precision_recall_bands(
    ground_truth: Source,
    runs: Sequence[Source],
    *,
    iou: float = 0.5,
    groups: Mapping[Any, Any] | None = None,
    n_resamples: int = 2000,
    rng: int | np.random.Generator = 0,
    confidence_level: float = 0.95,
) -> list[PrecisionRecallBand]:
    """Trace COCO's precision-recall curve of every category, as the mean of several runs where there are several.

    Precision is interpolated at 101 recalls (Lin et al. 2014, ECCV, and the COCO API), so that its mean is the AP of
    `average_precision` at this overlap. Images, or patients with all their images, are drawn with replacement, and
    runs independently of them; a replicate is what the COCO API answers on the images drawn.

    Parameters
    ----------
    ground_truth, runs, iou, groups, n_resamples, rng, confidence_level
        As in `froc_bands`.

    Returns
    -------
    list of PrecisionRecallBand
        One for each category, in the order of their ids. All numbers are NaN for a category without a box that counts;
        replicates without one are left out and told in `warnings`. One image or patient: no intervals.

    Raises
    ------
    ValueError
        As `average_precision`; no run, or an overlap that is none.
    FileNotFoundError
    """
    truth = read_ground_truth(ground_truth)
    n_images, n_categories = len(truth.image_ids), len(truth.category_ids)
    curves: list[list[WeightedPrecision]] = [[] for _ in range(n_categories)]
    for detections in checked_runs(runs):
        matches = match_detections(truth, read_detections(detections, truth, "runs"), checked_iou(iou))
        for own, part in zip(curves, matches.split(n_categories), strict=True):
            own.append(
                WeightedPrecision(
                    matches.image[part], matches.score[part], matches.true[part], matches.ignored[part], n_images
                )
            )
    bands = trace_bands(
        truth,
        [[curve.interpolate for curve in own] for own in curves],
        lambda values: values.mean(axis=1),
        groups=groups,
        n_rows=max(curve.n_rows for own in curves for curve in own),
        n_resamples=n_resamples,
        rng=rng,
        confidence_level=confidence_level,
    )
    return [
        PrecisionRecallBand(
            category_id=category,
            recall=RECALL_THRESHOLDS,
            precision=band.values,
            low=band.low,
            high=band.high,
            ap=band.score,
            ap_low=band.score_low,
            ap_high=band.score_high,
            n_boxes=band.n_boxes,
            n_resamples=band.n_resamples,
            confidence_level=confidence_level,
            warnings=band.warnings,
        )
        for category, band in zip(truth.category_ids, bands, strict=True)
    ]
