"""One threshold for a detector's scores, and what is right and wrong at it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stats.coco.froc import checked_iou
from stats.coco.inputs import Flags, Source, read_detections, read_ground_truth
from stats.coco.matching import match_detections
from stats.results import Result


@dataclass(frozen=True)
class OperatingPoint(Result):
    """Where F1 is highest.

    Attributes
    ----------
    threshold : float
        Detections of at least this score are called.
    f1, precision, recall : float
        Of all categories together.
    """

    threshold: float
    f1: float
    precision: float
    recall: float


@dataclass(frozen=True, eq=False)
class BoxMatches:
    """What became of detections and boxes, in the order given.

    Attributes
    ----------
    true : ndarray of bool (detections,)
        Found a box that counts.
    ignored : ndarray of bool (detections,)
        Counts neither as true nor as false: it is matched to a crowd, or beyond the 100 of its image and category.
    found : ndarray of bool (boxes,)
    """

    true: Flags
    ignored: Flags
    found: Flags


def best_operating_point(ground_truth: Source, detections: Source, *, iou: float = 0.5) -> OperatingPoint | None:
    """Find the threshold of highest F1, the harmonic mean of precision and recall over all categories together.

    Parameters
    ----------
    ground_truth, detections
        As in `average_precision`.
    iou : float
        As in `froc_bands`; matching is COCO's.

    Returns
    -------
    OperatingPoint or None
        Of several thresholds with the same F1 the highest. None where no detection finds a box: F1 is then 0
        throughout.

    Raises
    ------
    ValueError
        As `froc_bands`.
    FileNotFoundError
    """
    truth = read_ground_truth(ground_truth)
    matches = match_detections(truth, read_detections(detections, truth, "detections"), checked_iou(iou))
    counted = ~matches.ignored[:, 0]
    score, true = matches.score[counted], matches.true[counted, 0]
    if not true.any():
        return None
    order = np.argsort(-score, kind="stable")
    last = np.flatnonzero(np.append(np.diff(score[order]) < 0, True))  # Equal scores are called together.
    found, called = np.cumsum(true[order])[last], last + 1
    n_boxes = int((~truth.ignored).sum())
    best = int(np.argmax(2 * found / (called + n_boxes)))
    return OperatingPoint(
        threshold=float(score[order][last[best]]),
        f1=float(2 * found[best] / (called[best] + n_boxes)),
        precision=float(found[best] / called[best]),
        recall=float(found[best] / n_boxes),
    )


def match_boxes(ground_truth: Source, detections: Source, *, iou: float = 0.5) -> BoxMatches:
    """Tell true detections from false ones, and boxes that were found from those that were missed.

    Parameters and errors as `best_operating_point`. All detections take part: leave out beforehand those below a
    threshold.
    """
    truth = read_ground_truth(ground_truth)
    found = read_detections(detections, truth, "detections")
    matches = match_detections(truth, found, checked_iou(iou))
    true, ignored = np.zeros(found.score.size, bool), np.ones(found.score.size, bool)
    true[matches.row], ignored[matches.row] = matches.true[:, 0], matches.ignored[:, 0]
    return BoxMatches(true, ignored, matches.found[:, 0])
