"""Images with and without a box, and boxes of each class, as runs of a detection use them."""

from __future__ import annotations

from typing import Any

import pandas as pd

from evalkit.config.detection import Detection
from evalkit.config.loading import Study
from evalkit.counting.gathering import Part
from evalkit.counting.rows import ALL, UNUSED, WITH_BOX, WITHOUT_BOX
from evalkit.datasets.manifest import load_manifest
from evalkit.errors import InputError
from evalkit.splits.boxed import drop_empty
from evalkit.splits.stored import ROLES, Splits

#: Parts as a reason for leaving images out names them.
_PARTS = {"train": "training", "validation": "validation", "test": "test"}


def gather_boxed_parts(study: Study, entry: Detection, splits: Splits) -> list[Part]:
    """Count training, validation and test, and the images that are left out since they have no box.

    Parameters
    ----------
    study : Study
    entry : Detection
    splits : Splits
        Of this evaluation.

    Raises
    ------
    InputError
        The manifest has not been made, or has no boxes.
    """
    path = study.layout.manifest(entry.dataset)
    boxes = load_manifest(path).boxes
    if boxes is None:
        raise InputError(
            f"{path} has no boxes", "a data set with boxes", "name another data set, or read this one again"
        )
    boxes = boxes[boxes["label"].isin(splits.labels)]
    boxed, by_id = set(boxes["image_id"]), splits.images.set_index("image_id")
    parts: list[Part] = []
    left_out: dict[str, int] = {}
    dropped: list[str] = []
    for role in ROLES:
        ids = splits.image_ids(role).tolist()
        kept = drop_empty(ids, boxed, entry.empty_images, role)
        parts.append(Part(entry.dataset, "", role, [_count_part(by_id.loc[kept], boxes, splits.labels)]))
        left = sorted(set(ids) - set(kept))
        dropped += left
        left_out |= {_PARTS[role]: len(left)} if left else {}
    if dropped:
        counts = {**_count(by_id.loc[dropped], boxes.iloc[:0]), "classes": {}}
        parts.append(Part(entry.dataset, "", UNUSED, [counts], left_out=left_out))
    return parts


def _count_part(images: pd.DataFrame, boxes: pd.DataFrame, labels: list[str]) -> dict[str, Any]:
    """Counts of some images (by image id): all, of each class, and with and without any box."""
    here = boxes[boxes["image_id"].isin(images.index)]
    classes: dict[str, dict[str, Any]] = {
        label: {WITH_BOX: _count_boxed(images, here[here["label"] == label])} for label in labels
    }
    empty = images[~images.index.isin(here["image_id"])]
    classes[ALL] = {WITH_BOX: _count_boxed(images, here), WITHOUT_BOX: _count(empty, here.iloc[:0])}
    return {**_count(images, here), "classes": classes}


def _count_boxed(images: pd.DataFrame, boxes: pd.DataFrame) -> dict[str, int]:
    return _count(images[images.index.isin(boxes["image_id"])], boxes)


def _count(images: pd.DataFrame, boxes: pd.DataFrame) -> dict[str, int]:
    return {"images": len(images), "patients": int(images["patient_id"].nunique()), "boxes": len(boxes)}
