"""Whether targets are what a detector can learn from."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from evalkit.detection.engine import Target
from evalkit.errors import InputError


def check_targets(images: Sequence[Tensor], targets: Sequence[Target], classes: int) -> None:
    """Refuse targets that would give a wrong loss, or one that is not finite.

    Raises
    ------
    InputError
        Another number of targets than of images, a box without area or with values that are not finite, or a label
        that is no class.
    """
    if len(images) != len(targets) or not images:
        raise InputError(
            f"{len(images)} images and {len(targets)} targets",
            "one target for each image, at least one image",
            "give images without objects a target with no boxes",
        )
    for position, target in enumerate(targets):
        _check_one(target, classes, f"target {position} of the batch")


def _check_one(target: Target, classes: int, place: str) -> None:
    boxes, labels = target["boxes"], target["labels"]
    if boxes.ndim != 2 or boxes.shape[1] != 4 or labels.shape != boxes.shape[:1]:
        raise InputError(
            f"{place} has boxes of shape {tuple(boxes.shape)} and labels of shape {tuple(labels.shape)}",
            "boxes (objects, 4) and labels (objects,); for no object (0, 4) and (0,)",
            "correct what makes the targets",
        )
    bad = ~torch.isfinite(boxes).all(dim=1) | (boxes[:, 2:] <= boxes[:, :2]).any(dim=1)
    if bad.any():
        raise InputError(
            f"{place} has the box {boxes[bad][0].tolist()}",
            "left < right and top < bottom, in pixels",
            "correct or leave out the box in the data set",
        )
    wrong = (labels < 0) | (labels >= classes)
    if wrong.any():
        raise InputError(
            f"{place} has the label {int(labels[wrong][0])}",
            f"0 to {classes - 1}, the detector's classes",
            "count labels from 0, and build the detector with as many classes as the data set has",
        )
