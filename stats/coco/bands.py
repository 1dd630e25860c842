"""Curves of detectors with pointwise bands: means over runs, resampled over runs and over images or patients."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from stats.coco.inputs import GroundTruth, Integers, patients_of_images
from stats.resampling import batch_size, group_weights, repeat_weights, seed_from
from stats.results import announce, checked_level

Floats = NDArray[np.float64]


class Curve(Protocol):
    """One run's curve of one category."""

    def __call__(self, weights: Floats, n_boxes: Integers) -> Floats:
        """Values (replicates, k), given how often each image was drawn (images, replicates) and the boxes drawn."""
        ...


class Summary(Protocol):
    """From curves to a number each."""

    def __call__(self, curves: Floats) -> Floats:
        """Numbers (replicates,) of curves (replicates, k)."""
        ...


@dataclass(frozen=True, eq=False)
class Band:
    """A curve's values and their summary, with percentile intervals; all NaN for a category without a box.

    Attributes
    ----------
    values, low, high : ndarray (k,)
    score, score_low, score_high : float
    n_boxes : int
        Boxes that count.
    n_resamples : int
        Replicates in which the category has a box.
    warnings : tuple of str
    """

    values: Floats
    low: Floats
    high: Floats
    score: float
    score_low: float
    score_high: float
    n_boxes: int
    n_resamples: int
    warnings: tuple[str, ...]


def trace_bands(
    truth: GroundTruth,
    curves: Sequence[Sequence[Curve]],
    summarise: Summary,
    *,
    groups: Mapping[Any, Any] | None,
    n_rows: int,
    n_resamples: int,
    rng: int | np.random.Generator,
    confidence_level: float,
) -> list[Band]:
    """Average curves over runs and resample them; images (or patients, each with all images) and runs are drawn.

    Parameters
    ----------
    truth : GroundTruth
    curves : sequence of sequences
        For each category the curve of each run, all of k values.
    summarise : callable
    groups : mapping of image id to patient, optional
    n_rows : int
        Rows of the largest array that a curve makes of a replicate.
    n_resamples, rng, confidence_level
        As in `stats.map_replicates`; equal seeds give equal draws, so detectors share their resamples.

    Returns
    -------
    list of Band
        One for each category. One image (or patient) leaves nothing to resample: the intervals are NaN.

    Raises
    ------
    ValueError
        An image without a patient, fewer than two replicates, a level outside (0, 1).
    """
    checked_level(confidence_level)
    if n_resamples < 2:
        raise ValueError(f"n_resamples is {n_resamples}; expected at least 2, and 2000 for a figure")
    patient, n_groups = patients_of_images(groups, truth.image_ids)
    boxes = truth.count_boxes()
    n_runs = len(curves[0])

    def average(weights: NDArray[np.float32], runs: NDArray[np.int64]) -> list[Floats]:
        """Each category's mean over the runs drawn."""
        images = weights[patient].astype(np.float64)  # Holds every whole number that is met here.
        counts = (boxes @ images).astype(np.intp)
        return [_average(own, images, n, runs) for own, n in zip(curves, counts, strict=True)]

    on_the_data = average(np.ones((n_groups, 1), np.float32), np.ones((1, n_runs), np.int64))
    seed = seed_from(rng)
    repeats = repeat_weights(n_runs, n_resamples, seed)
    batch = batch_size(max(n_rows, patient.size))
    parts = [average(weights, repeats[drawn]) for drawn, weights in group_weights(n_groups, n_resamples, seed, batch)]
    return [
        _summarise(values[0], np.concatenate(replicates), summarise, int(n_boxes), n_groups, confidence_level)
        for values, n_boxes, *replicates in zip(on_the_data, boxes.sum(axis=1), *parts, strict=True)
    ]


def _average(curves: Sequence[Curve], images: Floats, n_boxes: Integers, runs: NDArray[np.int64]) -> Floats:
    """Mean over runs, each as often as drawn (replicates, runs); NaN in a replicate without a box."""
    total: Floats = sum(
        (runs[:, [run]] / len(curves) * curve(images, n_boxes) for run, curve in enumerate(curves)), np.zeros(1)
    )
    return np.where(n_boxes[:, None] > 0, total, np.nan)


def _summarise(
    values: Floats, replicates: Floats, summarise: Summary, n_boxes: int, n_groups: int, level: float
) -> Band:
    defined = ~np.isnan(replicates).any(axis=1)
    low, high, notes = np.full(values.size, np.nan), np.full(values.size, np.nan), []
    score_low = score_high = math.nan
    if n_boxes and n_groups == 1:
        notes.append("one image or patient: a bootstrap needs at least two")
    elif defined.any():
        ends = [(1 - level) / 2, (1 + level) / 2]
        low, high = np.quantile(replicates[defined], ends, axis=0)
        score_low, score_high = np.quantile(summarise(replicates[defined]), ends).tolist()
    if n_boxes and not defined.all():
        notes.append(f"{int((~defined).sum())} of {defined.size} replicates left out: they have no box of the category")
    score = float(summarise(values[None])[0])
    return Band(
        values, low, high, score, score_low, score_high, n_boxes, int(defined.sum()), announce(notes, stacklevel=5)
    )
