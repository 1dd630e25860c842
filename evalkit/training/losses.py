"""Losses over labels of which some are missing."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def masked_bce(logits: Tensor, targets: Tensor, *, labelled: int | None = None) -> Tensor:
    """Binary cross-entropy, averaged over the entries that have a label.

    Parameters
    ----------
    logits : Tensor, shape (images, classes)
    targets : Tensor, shape (images, classes)
        1, 0 or NaN for a missing label.
    labelled : int, optional
        Divide by this number instead of the labelled entries found here. A batch that is worked through in parts
        gives the whole batch's number with each part: the parts then add up to the whole batch's mean.

    Returns
    -------
    Tensor, scalar
        Zero, with its graph, where nothing is labelled; not finite where a logit is not, labelled or not.
    """
    known = ~torch.isnan(targets)
    entries = functional.binary_cross_entropy_with_logits(logits, targets.nan_to_num(0.0), reduction="none")
    total = (entries * known).sum()
    return total / (known.sum().clamp(min=1) if labelled is None else max(labelled, 1))


def weighted_cross_entropy(logits: Tensor, targets: Tensor, class_weights: Tensor, *, total: float) -> Tensor:
    """Cross-entropy over classes, averaged with a weight for each image's class.

    Parameters
    ----------
    logits : Tensor, shape (images, classes)
    targets : Tensor, shape (images, classes)
        1 for an image's class, 0 for the others.
    class_weights : Tensor, shape (classes,)
    total : float
        Divide by this number, the weights of the whole batch added up: its parts then add up to its mean.

    Returns
    -------
    Tensor, scalar
        For a whole batch what `torch.nn.functional.cross_entropy` with `weight` gives.
    """
    entries = functional.cross_entropy(logits, targets, weight=class_weights, reduction="none")
    return entries.sum() / max(total, torch.finfo(logits.dtype).tiny)
