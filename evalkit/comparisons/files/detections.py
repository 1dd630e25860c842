"""COCO files: annotations of the test images and the detections of several models."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.comparisons.cells import Cell
from evalkit.comparisons.estimation.detections import DetectionCases
from evalkit.comparisons.files.reading import name_models, one_run
from evalkit.errors import InputError
from stats.coco.inputs import read_detections, read_ground_truth


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
    truth = _read(labels_path)
    if not isinstance(truth, dict) or not {"images", "annotations", "categories"} <= truth.keys():
        raise InputError(
            f"{labels_path} is no COCO ground truth",
            "a dictionary with the lists images, annotations and categories",
            "give the annotations with --labels, and the detections of each model as the other files",
        )
    images, notes = truth["images"], []
    groups = None
    if group_key is not None:
        lacking = [image.get("id") for image in images if image.get(group_key) in (None, "")]
        if lacking:
            raise InputError(
                f"{labels_path}: the image {lacking[0]!r} has no {group_key!r} ({len(lacking)} such images)",
                "the patient of every image",
                "name the key with --group, or add it",
            )
        groups = {image["id"]: str(image[group_key]) for image in images}
    else:
        patients = [image["patient_id"] for image in images if "patient_id" in image]
        if len(set(map(str, patients))) < len(patients):
            notes.append(
                "patient_id repeats, and images were taken as independent; "
                "--group patient_id takes patients as clusters"
            )
    try:
        checked = read_ground_truth(truth)
    except ValueError as error:
        raise InputError(f"{labels_path}: {error}", "COCO's annotations", "correct the file") from None
    classes = [each.get("name") for each in truth["categories"]]
    if len(set(map(str, classes))) < len(classes) or None in classes:
        raise InputError(f"{labels_path} has the categories {classes}", "a different name for each", "rename them")
    cells = []
    for name, path in zip(name_models(paths), paths, strict=True):
        detections = _read(path)
        if not isinstance(detections, list):
            raise InputError(
                f"{path} is no list of COCO detections",
                "a list of dictionaries with image_id, category_id, bbox and score",
                "export the detections in COCO's results format",
            )
        try:
            read_detections(detections, checked, "detections")
        except ValueError as error:
            raise InputError(f"{path}: {error}", f"detections on the images of {labels_path}", "correct it") from None
        cells.append(one_run(name, detections))
    return JoinedDetections(DetectionCases(truth, groups), cells, [*notes, *checked.notes])


def _read(path: Path) -> Any:
    if path.suffix != ".json":
        raise InputError(
            f"{path} ends in {path.suffix!r} beside COCO files", "files ending in .json", "convert it, or leave it out"
        )
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read: {error}", "a readable JSON file", "check it") from None
