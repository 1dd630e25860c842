"""The metrics of results tables, and which way of each is up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stats.delong import auc

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Metric:
    """A number that says how good predictions are.

    Attributes
    ----------
    name : str
        As in the study file and in column ``metric``; also the name `stats.bootstrap_replicates` knows it by.
    label : str
        As printed.
    higher_is_better : bool
        Decides what is best.
    """

    name: str
    label: str
    higher_is_better: bool


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
        ("ece", "calibration error", False),
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
        ("fid", "FID", False),
        ("dice", "Dice", True),
    )
}

#: Metrics of one class's scores: (y, score), each (n,), to float; y holds both 1 and 0, and no missing label.
SCORE_METRICS: dict[str, Callable[[Floats, Floats], float]] = {"auc": auc, "auprc": average_precision}


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
        NaN for a class without a positive or without a negative case.
    """
    values = np.full(targets.shape[1], np.nan)
    for column in range(targets.shape[1]):
        labelled = ~np.isnan(targets[:, column])
        y = targets[labelled, column]
        if (y == 1).any() and (y == 0).any():
            values[column] = SCORE_METRICS[metric.name](y, scores[labelled, column])
    return values
