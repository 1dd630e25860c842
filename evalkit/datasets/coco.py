"""Any images with boxes, described by one file in COCO's format.

Regions that hold any number of objects (``iscrowd: 1``) are no boxes: they are left out and counted. Their image has
the category's label all the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from evalkit.config.datasets import CocoEntry
from evalkit.datasets.boxed import build_boxed_manifest, find_usable
from evalkit.datasets.boxes import make_boxes
from evalkit.datasets.building import ID_COLUMNS
from evalkit.datasets.manifest import Manifest
from evalkit.datasets.reading import describe_files
from evalkit.errors import InputError
from evalkit.images import locate_image

_PARTS = ("images", "annotations", "categories")
Record = Mapping[str, Any]


def read_coco(entry: CocoEntry, root: Path) -> Manifest:
    """Read images described by a file in COCO's format.

    Parameters
    ----------
    entry : CocoEntry
        The file, the folder of the images, and what images that cannot be used do.
    root : pathlib.Path
        The data set's folder.

    Returns
    -------
    Manifest
        A label per category, by its name, in the order of the categories' ids: 1 for an image with an annotation of it.
        The image id is COCO's, as text. The patient is the image's ``patient_id`` where images have one, else the
        image.

    Raises
    ------
    InputError
        The file is not of this format, an annotation names an image or a category that is not there, ids or names
        repeat, a path leads out of the folder, or images cannot be used (one of another size than the file says among
        them) and `entry` does not exclude them.
    """
    source = root / entry.annotations
    for path in (entry.annotations, entry.images):
        locate_image(root, path)
    parts = _load(source)
    names = _read_categories(parts["categories"], source)
    images, sizes = _read_images(parts["images"], source, entry.images, root)
    boxes, crowds = _read_annotations(parts["annotations"], set(images["image_id"]), names, source)
    present = {label: set(boxes.loc[boxes["label"] == label, "image_id"]) for label in names.values()}
    raw = pd.DataFrame(
        {label: images["image_id"].isin(held).astype("float64") for label, held in present.items()}, index=images.index
    )
    usable = find_usable(
        images, boxes[~boxes["crowd"]].drop(columns="crowd"), root, entry, source=source, drawn_on=sizes
    )
    grouped = any("patient_id" in image for image in parts["images"])
    sentences = [
        f"Images and boxes of {source.name}.",
        "" if grouped else "Each image counts as a patient of its own, as the file gives no patient_id.",
        f"Left out: {crowds:,} boxes around any number of objects (iscrowd)." if crowds else "",
        "Test set: patients drawn at random.",
    ]
    return build_boxed_manifest(
        usable,
        raw,
        entry=entry,
        default_labels=list(names.values()),
        box_labels=list(names.values()),
        unit="image",
        report={
            "format": "coco",
            "files": describe_files([source], root),
            "crowd_boxes": crowds,
            "test_set": "patients drawn at random",
            "footnote": " ".join(filter(None, sentences)),
        },
        source=source,
    )


def _load(source: Path) -> dict[str, Sequence[Record]]:
    try:
        data = json.loads(source.read_bytes())
    except OSError as error:
        raise _refuse(source, f"cannot be read: {error.strerror}", "a file in COCO's format") from None
    except (ValueError, RecursionError) as error:
        raise _refuse(source, f"is not readable as JSON: {error}", "a file in COCO's format") from None
    if not isinstance(data, dict) or not all(isinstance(data.get(part), list) for part in _PARTS):
        raise _refuse(source, "is not in COCO's format", f"a dictionary with the lists {', '.join(_PARTS)}")
    for part in _PARTS:
        for place, record in enumerate(data[part]):
            if not isinstance(record, dict):
                raise _refuse(source, f"has {record!r:.100} at {part}[{place}]", "a dictionary")
    return {part: data[part] for part in _PARTS}


def _read_categories(records: Sequence[Record], source: Path) -> dict[int | str, str]:
    """The name of each category, in the order of their ids."""
    names: dict[int | str, str] = {}
    for place, record in enumerate(records):
        where = f"categories[{place}]"
        category = _take(record, "id", where, source, _is_id, "a whole number or text")
        name = _take(record, "name", where, source, _is_name, _NAME_RULE)
        if category in names or name in names.values():
            raise _refuse(source, f"has a second category {name!r} with the id {category!r} at {where}", "each once")
        names[category] = name
    if not names:
        raise _refuse(source, "has no categories", "one or more")
    return dict(sorted(names.items(), key=lambda item: (str(type(item[0])), item[0])))


def _read_images(
    records: Sequence[Record], source: Path, folder: str, root: Path
) -> tuple[pd.DataFrame, dict[str, tuple[int, int]]]:
    """The images, and width and height that the file gives each."""
    rows, sizes = [], {}
    grouped = any("patient_id" in record for record in records)
    for place, record in enumerate(records):
        where = f"images[{place}]"
        image = str(_take(record, "id", where, source, _is_id, "a whole number or text"))
        if image in sizes:
            raise _refuse(source, f"has the image id {image!r} a second time at {where}", "each image once")
        name = _take(record, "file_name", where, source, _is_text, "a path below the folder of the images")
        patient = _take(record, "patient_id", where, source, _is_id, "the patient of every image") if grouped else image
        sizes[image] = tuple(
            _take(record, side, where, source, _is_length, "a number of pixels") for side in ("width", "height")
        )
        path = (PurePosixPath(folder) / name).as_posix()
        there = locate_image(root, path).is_file()
        rows.append((image, str(patient), image, path if there else None, ""))
    columns = ["image_id", "patient_id", "study_id", "path", "split"]
    if not rows:
        raise _refuse(source, "has no images", "one or more")
    return pd.DataFrame(rows, columns=columns), sizes


def _read_annotations(
    records: Sequence[Record], images: set[str], names: Mapping[int | str, str], source: Path
) -> tuple[pd.DataFrame, int]:
    """Boxes, marked whether they are crowds, and how many of them are."""
    rows = []
    for place, record in enumerate(records):
        where = f"annotations[{place}]"
        image = _take(record, "image_id", where, source, _is_id, "the id of an image")
        category = _take(record, "category_id", where, source, _is_id, "the id of a category")
        if str(image) not in images:
            raise _refuse(source, f"has a box on the unknown image {image!r} at {where}", "the id of an image")
        if category not in names:
            listed = ", ".join(f"{each!r} ({name})" for each, name in names.items())
            raise _refuse(source, f"has a box of the unknown category {category!r} at {where}", f"one of {listed}")
        box = _take(record, "bbox", where, source, _is_box, "[x, y, width, height], four numbers")
        crowd = record.get("iscrowd", 0)
        if crowd not in (0, 1):
            raise _refuse(source, f"has iscrowd {crowd!r:.100} at {where}", "0 or 1")
        rows.append((str(image), names[category], *map(float, box), bool(crowd)))
    boxes = make_boxes([row[:-1] for row in rows])
    boxes["crowd"] = pd.Series([row[-1] for row in rows], dtype="bool")
    return boxes, int(boxes["crowd"].sum())


def _take(record: Record, key: str, where: str, source: Path, right: Callable[[Any], bool], expected: str) -> Any:
    """A value of a record, checked."""
    if key not in record:
        raise _refuse(source, f"has no {key!r} at {where}", expected)
    value = record[key]
    if not right(value):
        raise _refuse(source, f"has the {key} {value!r:.100} at {where}", expected)
    return value


def _is_id(value: Any) -> bool:
    return type(value) is int or _is_text(value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip()) and value.isprintable()


_NAME_RULE = f"a name, printable, not beginning with 'raw:', none of {', '.join(ID_COLUMNS)}, without a space at an end"


def _is_name(value: Any) -> bool:
    return _is_text(value) and value == value.strip() and value not in ID_COLUMNS and not value.startswith("raw:")


def _is_length(value: Any) -> bool:
    return type(value) is int and 0 < value < 1_000_000


def _is_box(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 4
        and all(type(each) in (int, float) and abs(each) < 1e9 for each in value)
    )


def _refuse(source: Path, found: str, expected: str) -> InputError:
    return InputError(f"{source} {found}", expected, "correct the file, or export the annotations again")
