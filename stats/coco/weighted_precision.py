"""COCO's average precision of many resamples at once, exactly, from the multiplicities of images.

Detections are matched and sorted once. A resample in which an image was drawn w times is a data set with w copies of
it side by side; what it changes are weights. Precision is needed at true detections only: the place where a recall is
first reached and the highest precision from there on both lie on them, and of the copies of one detection on the
last, since precision rises along them. All counts are whole numbers, hence the precision of the copied data set.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from stats.coco.inputs import Flags, Integers
from stats.weighted_ranks import Weights, cumulate_rows

# As COCO computes them: 35 * .01 is above 35 / 100, for one, and a recall of 35 / 100 does not reach it.
RECALL_THRESHOLDS = np.linspace(0, 1, 101)
# Copies of an image that are laid out from the start; a resample with more is rare (one image in a million).
USUAL_COPIES = 8


class _Curve(NamedTuple):
    """One IoU threshold: source and step of each true detection, sources of the ignored and how many come before."""

    source: Integers
    step: Integers
    ignored_source: Integers
    ignored_before: Integers


class WeightedPrecision:
    """Average precision of one category, averaged over IoU thresholds.

    Parameters
    ----------
    image : ndarray of int (n,)
        Image of each detection, sorted by score (highest first), image, and rank within the image.
    score : ndarray (n,)
    true, ignored : ndarray of bool (n, thresholds)
    n_images : int
    """

    def __init__(self, image: Integers, score: NDArray[np.float64], true: Flags, ignored: Flags, n_images: int) -> None:
        self._image, self._true, self._ignored, self._n_images = image, true, ignored, n_images
        self._block = _blocks(image, score)
        self._mixed = _mixed_blocks(self._block, true, ignored)[self._block]
        self._arrange(USUAL_COPIES)

    def _arrange(self, n_copies: int) -> None:
        """Lay out the detections in the order of a data set with up to n_copies of an image, each with a source.

        The weight of a source is the multiplicity of an image or, for copy c of a mixed block, 1 where the image was
        drawn at least c times. Steps are the detections that are true at some threshold.
        """
        self._n_copies = n_copies
        row = np.repeat(np.arange(self._image.size), np.where(self._mixed, n_copies, 1))
        copy = np.arange(row.size) - np.searchsorted(row, row)
        order = np.lexsort((row, copy, self._block[row]))
        row, copy = row[order], copy[order]

        source, single = self._image[row], self._mixed[row]
        singles, place = np.unique(source[single] * n_copies + copy[single], return_inverse=True)
        source[single] = self._n_images + place
        self._single_image, self._single_copy = np.divmod(singles, n_copies)

        true, ignored = self._true[row], self._ignored[row]
        steps = np.flatnonzero(true.any(axis=1))
        step = np.searchsorted(steps, np.arange(row.size))
        used = step < steps.size
        shape = (steps.size, self._n_images + singles.size)
        self._called = csr_matrix((np.ones(int(used.sum()), np.float32), (step[used], source[used])), shape=shape)
        self._curves = []
        for hits, misses in zip(true.T, ignored.T, strict=True):
            at, left_out = np.flatnonzero(hits), np.flatnonzero(misses)
            self._curves.append(_Curve(source[at], step[at], source[left_out], np.searchsorted(left_out, at)))

    @property
    def n_rows(self) -> int:
        """Rows of the largest array of weights or counts."""
        return max(self._called.shape)

    def __call__(self, weights: Weights, n_boxes: Integers) -> NDArray[np.float64]:
        """Return the average precision of every column of weights (images, replicates), given the boxes in each."""
        areas = [_area(*steps) for steps in self._steps(weights, n_boxes)]
        return sum(areas, np.zeros(weights.shape[1])) / len(self._curves)

    def interpolate(self, weights: Weights, n_boxes: Integers) -> NDArray[np.float64]:
        """Return the precision at each recall threshold (replicates, 101), whose mean is the average precision."""
        curves = [_curve(*steps) for steps in self._steps(weights, n_boxes)]
        return sum(curves, np.zeros((weights.shape[1], RECALL_THRESHOLDS.size))) / len(self._curves)

    def _steps(self, weights: Weights, n_boxes: Integers) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.float64]]]:
        """For each IoU threshold with a true detection, what `_rise` says of every replicate."""
        largest = int(weights.max())
        if largest > self._n_copies and self._mixed.any():
            self._arrange(largest)
        if self._single_image.size:
            drawn = weights[self._single_image] > self._single_copy[:, None]
            weights = np.concatenate([weights, drawn.astype(weights.dtype)])
        called = cumulate_rows(self._called @ weights)
        reached, first = _recalls_reached(n_boxes)
        for curve in self._curves:
            if curve.source.size:
                yield _rise(curve, weights, called, reached, first)


def _rise(
    curve: _Curve, weights: Weights, called: Weights, reached: NDArray[np.uint8], first: Integers
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """For each true detection, how many recall thresholds it is the first to reach, and the highest precision from it.

    Both (steps, replicates).
    """
    found, counted = cumulate_rows(weights[curve.source]), called[curve.step]
    if curve.ignored_source.size:
        left_out = np.zeros((curve.ignored_source.size + 1, weights.shape[1]), weights.dtype)
        left_out[1:] = weights[curve.ignored_source]
        counted -= cumulate_rows(left_out)[curve.ignored_before]
    precision = np.divide(found, np.maximum(counted, 1, out=counted), dtype=np.float64)
    cumulate_rows(precision[::-1], np.maximum)  # the highest from here on
    so_far = reached[found.astype(np.intp) + first]
    newly = so_far.copy()
    newly[1:] -= so_far[:-1]
    return newly, precision


def _area(newly: NDArray[np.uint8], precision: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over recall thresholds of the highest precision from where the threshold is reached, 0 if it is not."""
    return np.einsum("kb,kb->b", newly, precision) / RECALL_THRESHOLDS.size


def _curve(newly: NDArray[np.uint8], precision: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same without the mean (replicates, 101)."""
    curve = np.zeros((newly.shape[1], RECALL_THRESHOLDS.size))
    there = np.arange(RECALL_THRESHOLDS.size) < newly.sum(axis=0, dtype=np.intp)[:, None]
    curve[there] = np.repeat(precision.T.ravel(), newly.T.ravel())
    return curve


def _recalls_reached(n_boxes: Integers) -> tuple[NDArray[np.uint8], Integers]:
    """How many recall thresholds each number of true detections reaches, in every replicate.

    Returns
    -------
    reached : ndarray
        For 0, 1, ... n_boxes true detections of the first replicate (0 and 1 if it has no box), then of the next.
    first : ndarray (replicates,)
        Where the numbers of a replicate begin.
    """
    threshold = RECALL_THRESHOLDS[:, None]
    divisor = np.maximum(n_boxes, 1)
    needed = np.ceil(threshold * divisor)
    needed -= (needed - 1) / divisor >= threshold
    needed += needed / divisor < threshold
    enough_for = (np.vstack([needed[1:], divisor + 1]) - needed).astype(np.intp)
    n_reached = np.arange(1, RECALL_THRESHOLDS.size + 1, dtype=np.uint8)
    reached = np.repeat(np.tile(n_reached, n_boxes.size), enough_for.T.ravel())
    return reached, np.cumsum(divisor + 1) - (divisor + 1)


def _blocks(image: Integers, score: NDArray[np.float64]) -> Integers:
    """Number the runs of equal scores within one image."""
    starts = np.ones(image.size, bool)
    starts[1:] = (image[1:] != image[:-1]) | (score[1:] != score[:-1])
    return np.cumsum(starts) - 1


def _mixed_blocks(block: Integers, true: Flags, ignored: Flags) -> Flags:
    """Which blocks hold both a true and a false detection at one threshold.

    The copies of such a block follow one another as wholes, true, false, true, false, and not true, true, false, false.
    """
    starts = np.flatnonzero(np.diff(block, prepend=-1))
    if not starts.size:
        return np.zeros(0, bool)
    some_true, some_false = (np.logical_or.reduceat(flags, starts) for flags in (true, ~(true | ignored)))
    return np.logical_or.reduce(some_true & some_false, axis=1)
