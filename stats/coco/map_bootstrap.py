"""COCO mAP of detectors, and the paired bootstrap of its differences over images or patients."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stats.bootstrap import result_of_one, summary_of_replicates
from stats.coco.inputs import GroundTruth, Source, patients_of_images, read_detections, read_ground_truth
from stats.coco.matching import match_detections
from stats.coco.weighted_precision import WeightedPrecision
from stats.resampling import WHOLE_IN_FLOAT32, batch_size, group_weights, seed_from
from stats.results import BootstrapResult, Result, announce, checked_level
from stats.weighted_ranks import Weights

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
# Places among the IoU thresholds.
METRICS = {"AP": slice(None), "AP50": slice(0, 1), "AP75": slice(5, 6)}

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class AveragePrecision(Result):
    """COCO's average precision of one detector.

    Attributes
    ----------
    mean : float
        Unweighted mean over the categories that have a box that counts.
    category_ids : list
        In sorted order; `per_class` has one value for each.
    per_class : ndarray (categories,)
        NaN for a category without a box (COCO's -1).
    metric : str
        "AP", "AP50" or "AP75".
    warnings : tuple of str
    """

    mean: float
    category_ids: list[Any]
    per_class: Floats
    metric: str
    warnings: tuple[str, ...] = ()


def average_precision(ground_truth: Source, detections: Source, *, metric: str = "AP") -> AveragePrecision:
    """COCO's average precision of one detector: boxes of any area, up to 100 detections per image and category.

    For each category and IoU threshold the mean, over 101 recall thresholds, of the highest precision at a recall at
    least as high; then the mean over IoU thresholds and categories (Lin et al. 2014, ECCV, and the COCO API).
    Our own because the bootstrap reuses the matches, which faster-coco-eval keeps to itself, and because the COCO API
    takes a match with an annotation of id 0 for no match and passes over detections of unknown categories.

    Parameters
    ----------
    ground_truth : dict or path
        COCO's images, annotations and categories, or a JSON file of them. Crowds (`iscrowd`) count neither when found
        nor when missed; `ignore` has no effect, as in the COCO API.
    detections : list of dict or path
        COCO results: image_id, category_id, bbox [x, y, width, height] and score. An empty list has AP 0.
    metric : {"AP", "AP50", "AP75"}
        Mean over the IoU thresholds .50, .55, ... .95, or one of them.

    Returns
    -------
    AveragePrecision

    Raises
    ------
    ValueError
        What is not in COCO's format, an image or category that the ground truth lacks, a score or box that is NaN, a
        negative width or height, ids that repeat; no box that counts.
    FileNotFoundError
    """
    truth = read_ground_truth(ground_truth)
    measure = _Measure(truth, detections, "detections", metric, None)
    per_class = measure.on_the_data()
    mean = float(_mean_of_present(per_class[None])[0])
    return AveragePrecision(mean, truth.category_ids, per_class, metric, announce(truth.notes))


def map_replicates(
    ground_truth: Source,
    detections: Source,
    *,
    metric: str = "AP",
    groups: Mapping[Any, Any] | None = None,
    n_resamples: int = 1000,
    rng: int | np.random.Generator = 0,
    per_class: bool = False,
) -> Floats:
    """Bootstrap replicates of one detector's mAP, on the same resamples for every detector of the test set.

    k detectors are compared pair by pair at the cost of k bootstraps: with the same ground truth, groups,
    `n_resamples` and integer `rng`, replicates of two detectors are differenced by `difference_from_replicates`.

    Parameters
    ----------
    ground_truth, detections, metric
        As in `average_precision`.
    groups, n_resamples, rng
        As in `map_bootstrap`; a Generator is advanced, so detectors that are to share resamples need an integer.
    per_class : bool
        Keep the categories apart instead of averaging them.

    Returns
    -------
    ndarray (n_resamples,), or (n_resamples, categories)
        NaN for a category without a box that counts in the replicate, and for a replicate without any.

    Raises
    ------
    ValueError, FileNotFoundError
        As `map_bootstrap`.
    """
    truth = read_ground_truth(ground_truth)
    measure = _Measure(truth, detections, "detections", metric, groups)
    replicates = _replicates([measure], n_resamples, seed_from(rng))[0]
    return replicates if per_class else _mean_of_present(replicates)


def map_bootstrap(
    ground_truth: Source,
    detections_a: Source,
    detections_b: Source,
    *,
    metric: str = "AP",
    groups: Mapping[Any, Any] | None = None,
    n_resamples: int = 1000,
    rng: int | np.random.Generator = 0,
    confidence_level: float = 0.95,
) -> BootstrapResult:
    """Bootstrap the difference of two detectors' COCO mAP over the images, or patients, of one test set.

    A replicate equals the COCO API's answer on a data set in which every image appears as often as it was drawn (its
    copies side by side, images in the order of their ids). Detections are matched once; a replicate changes weights
    only, so that a thousand take seconds.

    Parameters
    ----------
    ground_truth, metric
        As in `average_precision`.
    detections_a, detections_b : list of dict or path
        COCO results of either detector.
    groups : mapping of image id to patient, optional
        Patients are then drawn, each with all its images. Images outside the ground truth are passed over.
    n_resamples : int
        Replicates.
    rng : int or Generator
        Seed; with an integer the same call gives the same answer.
    confidence_level : float

    Returns
    -------
    BootstrapResult
        Percentile interval. Identical detections: difference 0, p 1, interval [0, 0]. A category without a box that
        counts in a replicate is left out of that replicate's mean, as the COCO API does, and told in `warnings`; a
        replicate without any such box is left out and not counted in `n_resamples`. One image (or patient): the
        difference, NaN for the rest unless the detections are identical, and a warning.

    Raises
    ------
    ValueError
        As `average_precision`; an image without a patient, fewer than two replicates.
    FileNotFoundError
    """
    checked_level(confidence_level)
    truth = read_ground_truth(ground_truth)
    measures = [
        _Measure(truth, detections, name, metric, groups)
        for detections, name in ((detections_a, "detections_a"), (detections_b, "detections_b"))
    ]
    first, second = _replicates(measures, n_resamples, seed_from(rng))
    estimate_a, estimate_b = _mean_of_present(np.array([measure.on_the_data() for measure in measures])).tolist()
    result = summary_of_replicates(
        estimate_a - estimate_b, _mean_of_present(first), _mean_of_present(second), confidence_level
    )
    if measures[0].n_groups < 2:
        identical = measures[0].detections.equal(measures[1].detections)
        result = result_of_one(result, "image" if len(truth.image_ids) == 1 else "patient", identical)
    notes = (*truth.notes, *_absence_notes(first, truth.category_ids), *result.warnings)
    return dataclasses.replace(result, warnings=announce(notes))


class _Measure:
    """Average precision of each category, on resamples given as multiplicities of images or patients."""

    def __init__(
        self, truth: GroundTruth, detections: Source, name: str, metric: str, groups: Mapping[Any, Any] | None
    ) -> None:
        if metric not in METRICS:
            raise ValueError(f"metric is {metric!r}; expected one of {', '.join(METRICS)}")
        self._patient, self.n_groups = patients_of_images(groups, truth.image_ids)
        n_images, n_categories = len(truth.image_ids), len(truth.category_ids)
        self._boxes = truth.count_boxes()

        self.detections = read_detections(detections, truth, name)
        matches = match_detections(truth, self.detections, IOU_THRESHOLDS[METRICS[metric]])
        self._categories = [
            WeightedPrecision(matches.image[own], matches.score[own], matches.true[own], matches.ignored[own], n_images)
            for own in matches.split(n_categories)
        ]
        self._detections = np.bincount(matches.image, minlength=n_images).astype(np.float64)
        self.n_rows = max(category.n_rows for category in self._categories)

    def __call__(self, weights: NDArray[np.float32]) -> Floats:
        """Evaluate on every column of weights (groups, replicates); (replicates, categories)."""
        of_images: Weights = weights[self._patient]
        if float((self._detections @ of_images).max()) >= WHOLE_IN_FLOAT32:
            of_images = of_images.astype(np.float64)
        n_boxes = (self._boxes @ of_images).astype(np.intp)
        values = np.array([one(of_images, n) for one, n in zip(self._categories, n_boxes, strict=True)])
        return np.where(n_boxes > 0, values, np.nan).T

    def on_the_data(self) -> Floats:
        """Evaluate on the data as they are, by the path replicates take, so that rounding agrees; (categories,)."""
        return self(np.ones((self.n_groups, 1), np.float32))[0]


def _replicates(measures: list[_Measure], n_resamples: int, seed: int) -> list[Floats]:
    """Replicates (n_resamples, categories) of measures that share ground truth and groups."""
    if n_resamples < 2:
        raise ValueError(f"n_resamples is {n_resamples}; expected at least 2, and 1000 for a table")
    batch = batch_size(max(measure.n_rows for measure in measures))
    parts: list[list[Floats]] = [[] for _ in measures]
    for _, weights in group_weights(measures[0].n_groups, n_resamples, seed, batch):
        for values, measure in zip(parts, measures, strict=True):
            values.append(measure(weights))
    return [np.concatenate(values) for values in parts]


def _mean_of_present(replicates: Floats) -> Floats:
    """Mean over the categories that a replicate has, NaN where it has none."""
    present = ~np.isnan(replicates)
    total = np.where(present, replicates, 0.0).sum(axis=1)
    n_present = present.sum(axis=1)
    return np.where(n_present > 0, total / np.maximum(n_present, 1), np.nan)


def _absence_notes(replicates: Floats, category_ids: list[Any]) -> list[str]:
    """Say so where a category of the set has no box in some replicates."""
    n_absent = np.isnan(replicates).sum(axis=0)
    n_absent[n_absent == len(replicates)] = 0  # of the whole set: told by the ground truth's own note
    if not n_absent.any():
        return []
    worst = int(np.argmax(n_absent))
    return [
        f"{int((n_absent > 0).sum())} of {len(category_ids)} categories have no box in some replicates (category "
        f"{category_ids[worst]} in {int(n_absent[worst])} of {len(replicates)}): the mean there is over the others"
    ]
