"""The metrics of results tables, and which way of each is up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stats.delong import auc
from stats.probabilities import (
    brier_score,
    called_calibration_error,
    expected_calibration_error,
    multiclass_brier_score,
    sensitivity,
)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Metric:
    """A number that says how good predictions are.

    Attributes
    ----------
    name : str
        As in the study file and in column ``metric``.
    label : str
        As printed.
    higher_is_better : bool
        Decides what is best.
    """

    name: str
    label: str
    higher_is_better: bool


class ScoreMetric(NamedTuple):
    """How a metric is computed from labels and scores.

    Attributes
    ----------
    value : callable
        (y, score) to float. Of one class: each (n,), without missing labels; of all classes: each (n, classes).
    statistic : str
        The name `stats.bootstrap_replicates` knows it by.
    needs : tuple of int
        Labels of which there must be a case.
    """

    value: Callable[[Floats, Floats], float]
    statistic: str
    needs: tuple[int, ...] = ()


def average_precision(y: Floats, score: Floats) -> float:
    """Area under the precision-recall curve: sum over distinct scores of recall gained times precision there."""
    # Imported here: it costs a second, and most tables show the AUC only.
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(y, score))


#: Every metric a table can show, by name.
METRICS = {
    name: Metric(name, label, higher_is_better)
    for name, label, higher_is_better in (
        ("auc", "AUC", True),
        ("auprc", "AUPRC", True),
        ("sensitivity95", "sensitivity at 95 % specificity", True),
        ("brier", "Brier score", False),
        ("ece", "ECE", False),
        ("accuracy", "accuracy", True),
        ("precision", "precision", True),
        ("recall", "recall", True),
        ("f1", "F1", True),
        ("ap", "AP", True),
        ("ap50", "AP50", True),
        ("ap75", "AP75", True),
        ("psnr", "PSNR", True),
        ("ssim", "SSIM", True),
        ("rmse", "RMSE", False),
        ("lpips", "LPIPS", False),
        ("ms_ssim", "MS-SSIM", True),
        ("identity", "identity", True),
        ("fid", "FID", False),
        ("dice", "Dice", True),
    )
}

#: Metrics of one class's scores. For sensitivity95 the scores are calls (1 or 0), made at thresholds from validation.
SCORE_METRICS = {
    "auc": ScoreMetric(auc, "auc", needs=(1, 0)),
    "auprc": ScoreMetric(average_precision, "auprc", needs=(1, 0)),
    "sensitivity95": ScoreMetric(sensitivity, "sensitivity", needs=(1,)),
    "brier": ScoreMetric(brier_score, "brier"),
    "ece": ScoreMetric(expected_calibration_error, "ece"),
}

#: Metrics of the scores of all classes together, where each case has exactly one class.
OVERALL_METRICS = {
    "brier": ScoreMetric(multiclass_brier_score, "multiclass_brier"),
    "ece": ScoreMetric(called_calibration_error, "called_ece"),
}

#: Metrics of called classes, where each case has exactly one class; the first is of all classes together.
CLASS_METRICS = ("accuracy", "precision", "recall", "f1")

#: Metrics of detections, as COCO defines them.
DETECTION_METRICS = ("ap50", "ap", "ap75")

#: Metrics of single images, measured when they are reconstructed.
IMAGE_METRICS = ("psnr", "ssim", "rmse", "lpips", "ms_ssim", "identity")


def measure_classes(metric: Metric, targets: Floats, scores: Floats) -> Floats:
    """Evaluate a metric for each class.

    Parameters
    ----------
    metric : Metric
        One of `SCORE_METRICS`.
    targets : ndarray (n, classes)
        1, 0, or NaN where a case has no label and does not count for the class.
    scores : ndarray (n, classes)
        Higher means more positive.

    Returns
    -------
    ndarray (classes,)
        NaN for a class without a labelled case, or without a positive or negative one where the metric needs it.
    """
    measure = SCORE_METRICS[metric.name]
    values = np.full(targets.shape[1], np.nan)
    for column in range(targets.shape[1]):
        labelled = ~np.isnan(targets[:, column])
        y = targets[labelled, column]
        if y.size and all((y == label).any() for label in measure.needs):
            values[column] = measure.value(y, scores[labelled, column])
    return values
