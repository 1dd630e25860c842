"""Files in COCO's format, read and checked: annotations of images, and detections on them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evalkit.comparisons.files.reading import decode, is_json, read_bytes
from evalkit.errors import InputError
from stats.coco.inputs import GroundTruth, read_detections, read_ground_truth


def read_coco_truth(path: Path) -> tuple[dict[str, Any], GroundTruth]:
    """Read annotations: as the file has them, and as `stats` takes them.

    Raises
    ------
    InputError
        The file cannot be read or is something else, or two categories have one name.
    """
    truth = _read(path)
    if not isinstance(truth, dict) or not {"images", "annotations", "categories"} <= truth.keys():
        raise InputError(
            f"{path} is no COCO ground truth",
            "a dictionary with the lists images, annotations and categories",
            "give the annotations with --labels, and the detections of each model as the other files",
        )
    try:
        checked = read_ground_truth(truth)
    except ValueError as error:
        raise _refusal(path, error, "COCO's annotations", "correct the annotations") from None
    names = [each.get("name") for each in truth["categories"]]
    if len(set(map(str, names))) < len(names) or None in names:
        raise InputError(f"{path} has the categories {names}", "a different name for each", "rename them")
    return truth, checked


def read_coco_detections(path: Path, truth: GroundTruth, truth_path: Path) -> list[dict[str, Any]]:
    """Read detections on images whose annotations are known.

    Parameters
    ----------
    path : pathlib.Path
        A list of dictionaries with image_id, category_id, bbox and score.
    truth : GroundTruth
    truth_path : pathlib.Path
        Where the annotations are from, for messages.

    Raises
    ------
    InputError
        The file cannot be read, is something else, or names other images or categories.
    """
    detections = _read(path)
    if not isinstance(detections, list):
        raise InputError(
            f"{path} is no list of COCO detections",
            "a list of dictionaries with image_id, category_id, bbox and score",
            "export the detections in COCO's results format",
        )
    _refuse_other_types(truth_path, truth, path, detections)
    try:
        read_detections(detections, truth, "detections")
    except ValueError as error:
        raise _refusal(path, error, f"detections on the images of {truth_path}", _remedy(error)) from None
    return detections


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
