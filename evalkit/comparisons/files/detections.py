"""COCO files: annotations of the test images and the detections of several models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.comparisons.cells import Cell
from evalkit.comparisons.estimation.detections import DetectionCases
from evalkit.comparisons.files.coco import read_coco_detections, read_coco_truth
from evalkit.comparisons.files.joining import name_models, one_run
from evalkit.errors import InputError


@dataclass(frozen=True, eq=False)
class JoinedDetections:
    """Ground truth and the detections of several models on the same images.

    Attributes
    ----------
    cases : DetectionCases
    cells : list of Cell
        One run of each model.
    notes : list of str
    """

    cases: DetectionCases
    cells: list[Cell[list[dict[str, Any]]]]
    notes: list[str]


def join_detections(labels_path: Path, paths: Sequence[Path], *, group_key: str | None) -> JoinedDetections:
    """Read COCO annotations and detections.

    Parameters
    ----------
    labels_path : pathlib.Path
        Ground truth: a dictionary with images, annotations and categories.
    paths : sequence of pathlib.Path
        Results: lists of dictionaries with image_id, category_id, bbox and score.
    group_key : str or None
        The key of the images' dictionaries that says which are one patient's.

    Raises
    ------
    InputError
        A file cannot be read or is something else.
    """
    truth, checked = read_coco_truth(labels_path)
    groups, notes = _read_groups(labels_path, truth["images"], group_key)
    cells = []
    for name, path in zip(name_models(paths), paths, strict=True):
        detections = read_coco_detections(path, checked, labels_path)
        if not detections:
            notes.append(f"{path.name} has no detection")
        cells.append(one_run(name, detections))
    return JoinedDetections(DetectionCases(truth, groups), cells, [*notes, *checked.notes])


def _read_groups(
    path: Path, images: Sequence[Mapping[str, Any]], key: str | None
) -> tuple[dict[Any, str] | None, list[str]]:
    """The patient of each image, and a note where patients seem to have been forgotten."""
    if key is None:
        patients = [str(image["patient_id"]) for image in images if "patient_id" in image]
        hint = "patient_id repeats, and images were taken as independent; --group patient_id takes patients as clusters"
        return None, [hint] if len(set(patients)) < len(patients) else []
    lacking = [image["id"] for image in images if image.get(key) in (None, "")]
    if lacking:
        raise InputError(
            f"{path}: the image {lacking[0]!r} has no {key!r} ({len(lacking)} of {len(images)} images have none)",
            "the patient of every image",
            "name the key with --group, or add it",
        )
    return {image["id"]: str(image[key]) for image in images}, []
