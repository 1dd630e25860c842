"""What a network is trained for: the loss, the score on validation, and what its outputs mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax
from torch import Tensor

from evalkit.training.losses import masked_bce, weighted_cross_entropy
from evalkit.training.selection import Score, score_classes, score_labels


class Objective(Protocol):
    """One kind of task; targets and logits have the shape (images, classes)."""

    def weigh(self, targets: NDArray[np.float32]) -> NDArray[np.float64]:
        """How much each image counts in a mean over images, shape (images,)."""
        ...

    def loss(self, logits: Tensor, targets: Tensor, *, total: float) -> Tensor:
        """The loss of some images of a batch whose weights add up to `total`; those of its parts add up to its own."""
        ...

    def score(self, targets: NDArray[np.float32], logits: NDArray[np.float32]) -> Score:
        """Score predictions on validation images."""
        ...

    def probabilities(self, logits: NDArray[np.float32]) -> NDArray[np.float64]:
        """Probabilities of the classes."""
        ...


@dataclass(frozen=True)
class MultilabelObjective:
    """Any of the labels may hold: binary cross-entropy of those that are known, and the mean AUC on validation."""

    def weigh(self, targets: NDArray[np.float32]) -> NDArray[np.float64]:
        """Known labels of each image."""
        return (~np.isnan(targets)).sum(axis=1).astype(np.float64)

    def loss(self, logits: Tensor, targets: Tensor, *, total: float) -> Tensor:
        """Binary cross-entropy."""
        return masked_bce(logits, targets, labelled=int(total))

    def score(self, targets: NDArray[np.float32], logits: NDArray[np.float32]) -> Score:
        """Mean AUC."""
        return score_labels(targets, logits)

    def probabilities(self, logits: NDArray[np.float32]) -> NDArray[np.float64]:
        """Each label's own."""
        values: NDArray[np.float64] = expit(logits.astype(np.float64))
        return values


@dataclass(frozen=True)
class MulticlassObjective:
    """Exactly one class holds: cross-entropy, and on validation the mean recall (balanced accuracy).

    Attributes
    ----------
    class_weights : tuple of float
        What an image of each class counts in the loss.
    """

    class_weights: tuple[float, ...]

    def weigh(self, targets: NDArray[np.float32]) -> NDArray[np.float64]:
        """The weight of each image's class."""
        return targets.astype(np.float64) @ np.array(self.class_weights)

    def loss(self, logits: Tensor, targets: Tensor, *, total: float) -> Tensor:
        """Cross-entropy."""
        return weighted_cross_entropy(logits, targets, targets.new_tensor(self.class_weights), total=total)

    def score(self, targets: NDArray[np.float32], logits: NDArray[np.float32]) -> Score:
        """Mean recall."""
        return score_classes(targets, logits)

    def probabilities(self, logits: NDArray[np.float32]) -> NDArray[np.float64]:
        """Adding up to 1."""
        values: NDArray[np.float64] = softmax(logits.astype(np.float64), axis=1)
        return values


def choose_objective(task: str, class_weights: str, targets: NDArray[np.float32]) -> Objective:
    """The objective of a task.

    Parameters
    ----------
    task : {"multilabel", "multiclass"}
    class_weights : {"none", "balanced"}
        Of a multi-class task; balanced: images / (classes x images of the class), as scikit-learn has it. A class
        without an image has the weight 0, which nothing meets.
    targets : array, shape (images, classes)
        Of the training images.
    """
    if task == "multilabel":
        return MultilabelObjective()
    counts: NDArray[np.float64] = targets.sum(axis=0, dtype=np.float64)
    if class_weights == "none":
        return MulticlassObjective((1.0,) * len(counts))
    weights = np.divide(counts.sum(), len(counts) * counts, out=np.zeros_like(counts), where=counts > 0)
    return MulticlassObjective(tuple(weights.tolist()))
