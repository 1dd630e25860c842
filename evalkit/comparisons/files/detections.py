"""COCO files: annotations of the test images and the detections of several models."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.comparisons.cells import Cell
from evalkit.comparisons.estimation.detections import DetectionCases
from evalkit.comparisons.files.joining import name_models, one_run
from evalkit.comparisons.files.reading import decode, is_json, read_bytes
from evalkit.errors import InputError
from stats.coco.inputs import GroundTruth, read_detections, read_ground_truth


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
    try:
        checked = read_ground_truth(truth)
    except ValueError as error:
        raise _refusal(labels_path, error, "COCO's annotations", "correct the annotations") from None
    names = [each.get("name") for each in truth["categories"]]
    if len(set(map(str, names))) < len(names) or None in names:
        raise InputError(f"{labels_path} has the categories {names}", "a different name for each", "rename them")
    groups, notes = _read_groups(labels_path, truth["images"], group_key)
    cells = []
    for name, path in zip(name_models(paths), paths, strict=True):
        detections = _read(path)
        if not isinstance(detections, list):
            raise InputError(
                f"{path} is no list of COCO detections",
                "a list of dictionaries with image_id, category_id, bbox and score",
                "export the detections in COCO's results format",
            )
        _refuse_other_types(labels_path, checked, path, detections)
        try:
            read_detections(detections, checked, "detections")
        except ValueError as error:
            raise _refusal(path, error, f"detections on the images of {labels_path}", _remedy(error)) from None
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


def _refuse_other_types(labels_path: Path, truth: GroundTruth, path: Path, detections: Sequence[Any]) -> None:
    """Refuse ids that are text in one of the files and numbers in the other: none of them would be found."""
    for key, known in (("image_id", truth.image_ids), ("category_id", truth.category_ids)):
        found = [each[key] for each in detections if isinstance(each, dict) and key in each]
        if found and known and isinstance(found[0], str) != isinstance(known[0], str):
            here, there = ("text", "numbers") if isinstance(found[0], str) else ("numbers", "text")
            raise InputError(
                f"{path}: {key} is {here} ({found[0]!r}), and {there} ({known[0]!r}) in {labels_path}",
                f"{key} written alike in both files",
                f"write it as {there} in the detections",
            )


def _refusal(path: Path, error: ValueError, expected: str, remedy: str) -> InputError:
    """What `stats` found, and what it expected where it says so."""
    found, _, said = str(error).rpartition("; expected ")
    lacking = re.search(r" has no ('\w+')", str(error))
    if lacking:
        expected = f"{lacking[1]} in each of them"
    return InputError(f"{path}: {found or said}", said if found else expected, remedy)


def _remedy(error: ValueError) -> str:
    """What to do about detections that were refused."""
    message = str(error)
    if "'score'" in message or "score of" in message:
        return "export the scores too: an average precision ranks the detections by them"
    if "bbox" in message:
        return "write boxes as [x, y, width, height] in pixels of the whole image"
    if "id is" in message:
        return "leave out detections on other images, or give the annotations that belong to them"
    return "correct the detections"


def _read(path: Path) -> Any:
    if not is_json(path):
        raise InputError(
            f"{path} ends in {path.suffix!r} beside COCO files", "files ending in .json", "convert it, or leave it out"
        )
    try:
        return json.loads(decode(path, read_bytes(path, "COCO's annotations or detections")))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read: {error}", "a readable JSON file", "check it") from None
