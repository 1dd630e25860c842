"""How a network is scored on validation images, which decides what of a run is kept."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Score(NamedTuple):
    """A validation score; higher is better.

    Attributes
    ----------
    value : float
    kind : str
        ``mean auc``, ``mean recall`` or ``negative loss``. It depends on task and labels only, so it is the same
        throughout a run.
    """

    value: float
    kind: str


def score_labels(targets: NDArray[np.float32], logits: NDArray[np.float32]) -> Score:
    """Score predictions by the mean AUC over the classes that have one.

    A class has an AUC if both values occur among its known labels. If no class has one, the score is the negative
    masked binary cross-entropy; with no label at all it is 0, and the first network is kept. It is NaN if a logit is.

    Parameters
    ----------
    targets : array, shape (images, classes)
        1, 0 or NaN for a missing label.
    logits : array, shape (images, classes)
    """
    if not np.isfinite(logits).all():
        return Score(float("nan"), "not finite")
    aucs = []
    for target, logit in zip(targets.T, logits.T, strict=True):
        known = ~np.isnan(target)
        if len(np.unique(target[known])) == 2:
            aucs.append(_auc(target[known] == 1, logit[known]))
    if aucs:
        return Score(float(np.mean(aucs)), "mean auc")
    known = ~np.isnan(targets)
    truth, value = targets[known].astype(np.float64), logits[known].astype(np.float64)
    loss = np.logaddexp(0, value) - truth * value
    return Score(-float(loss.mean()) if loss.size else 0.0, "negative loss")


def score_classes(targets: NDArray[np.float32], logits: NDArray[np.float32]) -> Score:
    """Score predictions of one class for each image by the mean recall (balanced accuracy).

    A class without an image does not count. The score is NaN if a logit is.

    Parameters
    ----------
    targets : array, shape (images, classes)
        1 for an image's class, 0 for the others.
    logits : array, shape (images, classes)
    """
    if not np.isfinite(logits).all():
        return Score(float("nan"), "not finite")
    hits = targets[np.arange(len(targets)), logits.argmax(axis=1)] == 1
    images = targets.sum(axis=0)
    recalls = (targets * hits[:, None]).sum(axis=0)[images > 0] / images[images > 0]
    return Score(float(recalls.mean()), "mean recall")


def _auc(positive: NDArray[np.bool_], score: NDArray[np.float32]) -> float:
    """Share of pairs of a positive and a negative that are in the right order, ties counting half (Mann-Whitney).

    Kept here although others have it: scikit-learn takes longer to import than a short run to validate, and an edit
    of this project's statistics must not retrain networks.
    """
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    midranks = np.cumsum(count) - (count - 1) / 2
    n_positive = int(positive.sum())
    rank_sum = float(midranks[place[positive]].sum())
    return (rank_sum - n_positive * (n_positive + 1) / 2) / (n_positive * (len(positive) - n_positive))
