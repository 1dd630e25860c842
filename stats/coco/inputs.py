"""Ground truth and detections in COCO's format, checked and turned into arrays."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stats.inputs import group_index, number_array, refuse_nan, vector

# COCO's area range "all", in square pixels: whatever lies outside is ignored.
LARGEST_AREA = 1e5**2

Source = Mapping[str, Any] | Sequence[Mapping[str, Any]] | str | os.PathLike[str]
Integers = NDArray[np.intp]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """Boxes of a test set.

    Attributes
    ----------
    image_ids, category_ids : list
        In sorted order; their places number images and categories below.
    image, category : ndarray of int (boxes,)
    box : ndarray (boxes, 4)
        x, y, width, height.
    crowd : ndarray of bool (boxes,)
        A region that may hold any number of objects.
    ignored : ndarray of bool (boxes,)
        What counts neither when found nor when missed: crowds, and areas outside COCO's range "all".
    notes : tuple of str
        What a reader of results on this set must know.
    """

    image_ids: list[Any]
    category_ids: list[Any]
    image: Integers
    category: Integers
    box: NDArray[np.float64]
    crowd: Flags
    ignored: Flags
    notes: tuple[str, ...]

    def count_boxes(self) -> NDArray[np.float64]:
        """How many boxes of each category each image has that count; (categories, images)."""
        counts = np.zeros((len(self.category_ids), len(self.image_ids)))
        np.add.at(counts, (self.category[~self.ignored], self.image[~self.ignored]), 1)
        return counts


@dataclass(frozen=True, eq=False)
class Detections:
    """Scored boxes in the order given, images and categories numbered as in the ground truth."""

    image: Integers
    category: Integers
    box: NDArray[np.float64]
    score: NDArray[np.float64]

    def equal(self, other: Detections) -> bool:
        """Whether the other detections are the same, in the same order."""
        return all(np.array_equal(getattr(self, f.name), getattr(other, f.name)) for f in fields(self))


def read_ground_truth(ground_truth: Source) -> GroundTruth:
    """Check a COCO data set.

    Parameters
    ----------
    ground_truth : dict or path
        images (id), annotations (image_id, category_id, bbox; optional id, iscrowd and area) and categories (id).
        As in pycocotools and faster-coco-eval an annotation's own `ignore` has no effect, only `iscrowd`.

    Raises
    ------
    ValueError
        Something missing, repeated, or not what it should be; no box that counts.
    FileNotFoundError
    """
    name = "ground_truth"
    data = _loaded(ground_truth, name)
    if not isinstance(data, Mapping):
        raise ValueError(f"{name} is a {type(data).__name__}; expected a dict of images, annotations and categories")
    for part in ("images", "annotations", "categories"):
        if part not in data:
            raise ValueError(f"{name} has no {part!r}; it holds {', '.join(map(str, data)) or 'nothing'}")
    image_ids = _sorted_ids(data["images"], f"{name}['images']")
    category_ids = _sorted_ids(data["categories"], f"{name}['categories']")

    name = f"{name}['annotations']"
    rows = _rows(data["annotations"], name)
    image, category, box = _placed_boxes(rows, image_ids, category_ids, name)
    _refuse_repeated([row["id"] for row in rows if "id" in row], name)
    crowd = vector([row.get("iscrowd", 0) for row in rows], f"iscrowd of {name}")
    _refuse_where((crowd != 0) & (crowd != 1), crowd, f"iscrowd of {name}", "0 or 1")
    area = vector([row.get("area", 0.0) for row in rows], f"area of {name}")
    refuse_nan(area, f"area of {name}")
    ignored = (crowd == 1) | (area < 0) | (area > LARGEST_AREA)
    if ignored.all():
        raise ValueError(f"{name} has no box that counts ({crowd.size} in all, all ignored); expected at least one")

    notes = []
    flagged = sum(bool(row.get("ignore")) and not row.get("iscrowd") for row in rows)
    if flagged:
        notes.append(
            f"{flagged} annotations say `ignore` without `iscrowd`: they count as ordinary boxes, as in pycocotools"
        )
    empty = np.flatnonzero(np.bincount(category[~ignored], minlength=len(category_ids)) == 0)
    if empty.size:
        notes.append(
            f"{empty.size} of {len(category_ids)} categories have no box and are left out of the mean, as in "
            f"pycocotools: {', '.join(str(category_ids[k]) for k in empty)}"
        )
    return GroundTruth(image_ids, category_ids, image, category, box, crowd == 1, ignored, tuple(notes))


def read_detections(detections: Source, truth: GroundTruth, name: str) -> Detections:
    """Check COCO results: a list of dicts (image_id, category_id, bbox, score), possibly empty, or a path.

    Raises
    ------
    ValueError
        An image or category that the ground truth lacks, something missing or not what it should be.
    FileNotFoundError
    """
    rows = _rows(_loaded(detections, name), name)
    image, category, box = _placed_boxes(rows, truth.image_ids, truth.category_ids, name)
    score = vector(_column(rows, "score", name), f"score of {name}")
    refuse_nan(score, f"score of {name}")
    return Detections(image, category, box, score)


def patients_of_images(groups: Mapping[Any, Any] | None, image_ids: list[Any]) -> tuple[Integers, int]:
    """Number the patients: patient of each image, and how many there are; None makes every image its own."""
    if groups is None:
        return group_index(None, len(image_ids))
    if not hasattr(groups, "items"):
        raise ValueError(f"groups is a {type(groups).__name__}; expected a mapping of image id to patient")
    groups = dict(groups.items())
    missing = [image for image in image_ids if image not in groups]
    if missing:
        raise ValueError(
            f"groups has no patient for image {missing[0]!r} ({len(missing)} of {len(image_ids)} images missing); "
            "expected one for every image of the ground truth"
        )
    return group_index([groups[image] for image in image_ids], len(image_ids))


def _loaded(source: Source, name: str) -> Any:
    """Return what a path's JSON holds, and anything else as it is."""
    if not isinstance(source, str | os.PathLike):
        return source
    try:
        return json.loads(Path(source).read_bytes())
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{name}: there is no file {source}; expected a COCO JSON") from error
    except IsADirectoryError as error:
        raise ValueError(f"{name}: {source} is a folder; expected a COCO JSON file") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{name}: {source} is not JSON that can be read ({error}); expected a COCO JSON") from error


def _rows(rows: Any, name: str) -> Sequence[Mapping[str, Any]]:
    if not isinstance(rows, list | tuple):
        raise ValueError(f"{name} is a {type(rows).__name__}; expected a list of dicts")
    for place, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise ValueError(f"{name}[{place}] is a {type(row).__name__}; expected a dict")
    return rows


def _column(rows: Sequence[Mapping[str, Any]], key: str, name: str) -> list[Any]:
    try:
        return [row[key] for row in rows]
    except KeyError:
        place = next(place for place, row in enumerate(rows) if key not in row)
        found = ", ".join(map(str, rows[place])) or "nothing"
        raise ValueError(f"{name}[{place}] has no {key!r}; it holds {found}") from None


def _sorted_ids(rows: Any, name: str) -> list[Any]:
    ids = _column(_rows(rows, name), "id", name)
    _refuse_repeated(ids, name)
    try:
        return sorted(ids)
    except TypeError as error:
        raise ValueError(f"ids of {name} cannot be sorted ({error}); expected all numbers or all text") from error


def _refuse_repeated(ids: list[Any], name: str) -> None:
    seen: set[Any] = set()
    for identity in ids:
        if not isinstance(identity, int | np.integer | str):
            raise ValueError(f"{name} has the id {identity!r}; expected a whole number or text")
        if identity in seen:
            raise ValueError(f"{name} has the id {identity!r} more than once; expected each id once")
        seen.add(identity)


def _placed_boxes(
    rows: Sequence[Mapping[str, Any]], image_ids: list[Any], category_ids: list[Any], name: str
) -> tuple[Integers, Integers, NDArray[np.float64]]:
    """Image, category and box of every row."""
    image = _places(_column(rows, "image_id", name), image_ids, f"{name}: image_id", "images")
    category = _places(_column(rows, "category_id", name), category_ids, f"{name}: category_id", "categories")
    return image, category, _boxes(_column(rows, "bbox", name), name)


def _places(ids: list[Any], known: list[Any], name: str, part: str) -> Integers:
    place_of = {identity: place for place, identity in enumerate(known)}
    places = [place_of.get(identity, -1) if isinstance(identity, int | np.integer | str) else -1 for identity in ids]
    if -1 in places:
        row = places.index(-1)
        raise ValueError(
            f"{name} is {ids[row]!r} at row {row} ({places.count(-1)} such rows); expected an id of "
            f"ground_truth[{part!r}]"
        )
    return np.array(places, np.intp)


def _boxes(boxes: list[Any], name: str) -> NDArray[np.float64]:
    for row, box in enumerate(boxes):
        if not isinstance(box, list | tuple | np.ndarray) or len(box) != 4:
            raise ValueError(f"bbox of {name} is {box!r} at row {row}; expected [x, y, width, height]")
    array = number_array(boxes, f"bbox of {name}") if boxes else np.empty((0, 4))
    if array.ndim != 2:
        raise ValueError(f"bbox of {name} has shape {array.shape}; expected ({len(boxes)}, 4)")
    for wrong, expected in (
        (~np.logical_and.reduce(np.isfinite(array), axis=1), "four finite numbers"),
        ((array[:, 2] < 0) | (array[:, 3] < 0), "a width and a height that are not negative"),
    ):
        _refuse_where(wrong, array, f"bbox of {name}", expected)
    return array


def _refuse_where(wrong: Flags, values: NDArray[np.float64], name: str, expected: str) -> None:
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(
            f"{name} is {values[row].tolist()} at row {row} ({int(wrong.sum())} such rows); expected {expected}"
        )
