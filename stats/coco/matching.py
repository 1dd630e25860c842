"""COCO's greedy matching of detections to ground truth, all images and IoU thresholds together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from stats.coco.inputs import LARGEST_AREA, Detections, Flags, GroundTruth, Integers

# Detections of one image and category that count, the highest scores.
MAX_DETECTIONS = 100
# Candidate pairs whose overlap is computed at once: 16 MiB for each of a few arrays.
PAIRS_AT_ONCE = 2**21


@dataclass(frozen=True, eq=False)
class Matches:
    """What became of each detection, sorted by category, score (highest first), image, and rank within the image.

    Attributes
    ----------
    category, image : ndarray of int (n,)
    score : ndarray (n,)
    true : ndarray of bool (n, thresholds)
        Matched to a box that counts.
    ignored : ndarray of bool (n, thresholds)
        Counts neither as true nor as false.
    row : ndarray of int (n,)
        Place among the detections given; those beyond `MAX_DETECTIONS` are left out.
    found : ndarray of bool (boxes, thresholds)
        Whether a box of the ground truth was matched.
    """

    category: Integers
    image: Integers
    score: NDArray[np.float64]
    true: Flags
    ignored: Flags
    row: Integers
    found: Flags

    def split(self, n_categories: int) -> list[slice]:
        """The detections of each category."""
        return [slice(*ends) for ends in pairwise(np.searchsorted(self.category, np.arange(n_categories + 1)).tolist())]


def match_detections(truth: GroundTruth, detections: Detections, iou_thresholds: NDArray[np.float64]) -> Matches:
    """Match the detections of every image and category to its ground truth (COCOeval.evaluateImg of pycocotools).

    Detections choose in order of their score, equal scores in the order given: the box of highest overlap, the last
    of equals, among those still free that reach the threshold; an ignored box only where no other can be had, and a
    crowd as often as wanted. Overlap with a crowd is intersection over the detection's area.

    All images and categories are worked through side by side: what is sequential is only the list of candidate pairs
    of one image and category, and a round takes the next pair of each.

    Parameters
    ----------
    truth : GroundTruth
    detections : Detections
    iou_thresholds : ndarray (thresholds,)

    Returns
    -------
    Matches
    """
    n_images = len(truth.image_ids)
    unit = detections.category * n_images + detections.image
    order = np.lexsort((-detections.score, unit))
    order = order[_places_within(unit[order]) < MAX_DETECTIONS]
    unit, box = unit[order], detections.box[order]

    matched = np.zeros((order.size, iou_thresholds.size), bool)
    ignored = np.zeros_like(matched)
    taken = np.zeros((truth.image.size, iou_thresholds.size), bool)
    detection, target, overlap = _candidates(truth, unit, box, iou_thresholds.min())
    for pairs in _rounds(unit[detection]):
        seeker, found = detection[pairs], target[pairs]
        free = ~taken[found] | truth.crowd[found][:, None]
        hit = free & ~matched[seeker] & (overlap[pairs][:, None] >= iou_thresholds)
        matched[seeker] |= hit
        taken[found] |= hit
        ignored[seeker] |= hit & truth.ignored[found][:, None]
    with np.errstate(over="ignore"):
        too_large = box[:, 2] * box[:, 3] > LARGEST_AREA
    ignored |= too_large[:, None] & ~matched

    category, image, score = detections.category[order], detections.image[order], detections.score[order]
    ranked = np.lexsort((-score, category))
    return Matches(
        category=category[ranked],
        image=image[ranked],
        score=score[ranked],
        true=(matched & ~ignored)[ranked],
        ignored=ignored[ranked],
        row=order[ranked],
        found=taken,
    )


def _candidates(
    truth: GroundTruth, unit: Integers, box: NDArray[np.float64], least_iou: float
) -> tuple[Integers, Integers, NDArray[np.float64]]:
    """Pairs (detection, box of its unit) of at least the least overlap, in the order in which they are considered."""
    unit_of_target = truth.category * len(truth.image_ids) + truth.image
    targets = np.argsort(unit_of_target, kind="stable")
    first = np.searchsorted(unit_of_target[targets], unit, "left")
    count = np.searchsorted(unit_of_target[targets], unit, "right") - first
    kept = [(np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0))]
    for rows in _slices(count):
        detection = np.repeat(np.arange(rows.start, rows.stop), count[rows])
        target = targets[np.repeat(first[rows], count[rows]) + _places_within(detection)]
        overlap = _overlap(box[detection], truth.box[target], truth.crowd[target])
        reached = overlap >= least_iou
        kept.append((detection[reached], target[reached], overlap[reached]))
    detection, target, overlap = (np.concatenate(parts) for parts in zip(*kept, strict=True))
    order = np.lexsort((-target, -overlap, truth.ignored[target], detection))
    return detection[order], target[order], overlap[order]


def _overlap(box: NDArray[np.float64], target: NDArray[np.float64], crowd: Flags) -> NDArray[np.float64]:
    """Intersection over union, over the detection's area for a crowd; the operations in the order of COCO's C code."""
    with np.errstate(over="ignore", invalid="ignore"):  # areas beyond the largest float: no overlap, as in C
        corner = np.minimum(box[:, :2] + box[:, 2:], target[:, :2] + target[:, 2:])
        width, height = (corner - np.maximum(box[:, :2], target[:, :2])).T
        shared = np.where((width > 0) & (height > 0), width * height, 0.0)
        area = box[:, 2] * box[:, 3]
        together = np.where(crowd, area, area + target[:, 2] * target[:, 3] - shared)
        return np.divide(shared, together, out=np.zeros_like(shared), where=shared > 0)


def _places_within(run: Integers) -> Integers:
    """Place of each element within its run of equal values: 0, 1, ..."""
    starts = np.flatnonzero(np.diff(run, prepend=-1))
    return np.arange(run.size) - np.repeat(starts, np.diff(starts, append=run.size))


def _rounds(unit: Integers) -> Iterator[Integers]:
    """Yield, round by round, the next pair of every unit that has one left."""
    place = _places_within(unit)
    yield from np.split(np.argsort(place, kind="stable"), np.cumsum(np.bincount(place))[:-1])


def _slices(count: Integers) -> Iterator[slice]:
    """Cut rows into stretches of about PAIRS_AT_ONCE pairs, at least one row each."""
    before = np.cumsum(count) - count
    cuts = np.flatnonzero(np.diff(before // PAIRS_AT_ONCE, prepend=-1))
    for start, stop in pairwise([*cuts.tolist(), count.size]):
        yield slice(start, stop)
