"""Data sets with boxes: which images can be used, and the manifest of those."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from evalkit.config.datasets import BoxedEntry
from evalkit.datasets.boxes import count_boxes, fit_boxes
from evalkit.datasets.building import build_manifest
from evalkit.datasets.labels import LabelPolicy
from evalkit.datasets.manifest import Manifest, Unit
from evalkit.datasets.reading import parse_ages, parse_sexes
from evalkit.errors import InputError
from evalkit.headers import ImageHeader, read_image_headers

_SHOWN = 3
_LISTED = 20
_NO_FILE, _DAMAGED = "missing image files", "unreadable image files"
_NO_SIZE, _BAD_BOXES = "images of another size than their boxes were drawn on", "images with wrong boxes"
_EXPECTED = {
    _NO_FILE: ("a file for every image listed", "complete the folder"),
    _DAMAGED: ("files that can be read", "fetch them again"),
    _NO_SIZE: ("the files that the boxes were drawn on", "put them there, or scale the boxes"),
    _BAD_BOXES: ("boxes with an area that lie in their images", "correct the boxes"),
}


@dataclass(frozen=True)
class UsableImages:
    """The images of a data set that can be used.

    Attributes
    ----------
    images : DataFrame
        The rows that can be used, on the index they came with, and what their headers say: header_patient, age (years
        or NaN), sex and view.
    boxes : DataFrame
        Their boxes, within the images.
    cut : int
        Boxes that stuck out a little and were cut.
    left_out : dict of str to list of str
        By reason, the ids of the images that cannot be used.
    """

    images: pd.DataFrame
    boxes: pd.DataFrame
    cut: int
    left_out: dict[str, list[str]]


def find_usable(
    images: pd.DataFrame,
    boxes: pd.DataFrame,
    root: Path,
    entry: BoxedEntry,
    *,
    source: Path,
    drawn_on: Mapping[str, tuple[int, int]] | None = None,
) -> UsableImages:
    """Look at each image's header, and hold its boxes against its size.

    Parameters
    ----------
    images : DataFrame
        image_id, each once, and path: below `root`, or missing where there is no file.
    boxes : DataFrame
        image_id, label, x, y, width, height in pixels of the file.
    root : pathlib.Path
        The data set's folder.
    entry : BoxedEntry
        Whether images that cannot be used are refused or left out.
    source : pathlib.Path
        The table to name in messages.
    drawn_on : mapping of str to tuple of int, optional
        Width and height that the annotations say an image has.

    Raises
    ------
    InputError
        Images have no file, files cannot be read, have another size than `drawn_on` says or wrong boxes, and `entry`
        does not exclude them; or a path leads out of `root`.
    """
    left_out: dict[str, list[str]] = {}
    total = len(images)

    def drop(images: pd.DataFrame, reasons: Mapping[str, str], what: str) -> pd.DataFrame:
        setting: Literal["unreadable", "bad_boxes"] = "unreadable" if what in (_NO_FILE, _DAMAGED) else "bad_boxes"
        if reasons and getattr(entry, setting) == "fail":
            raise _refuse(reasons, what, setting, total, source)
        left_out[what] = list(reasons)
        return images[~images["image_id"].isin(reasons)]

    absent = images.loc[images["path"].isna(), "image_id"]
    images = drop(images, dict.fromkeys(absent, "there is no such file"), _NO_FILE)
    headers, damaged = read_image_headers(root, images["path"].tolist())
    by_path = dict(zip(images["path"], images["image_id"], strict=True))
    images = drop(images, {by_path[path]: reason for path, reason in damaged.items()}, _DAMAGED)
    images = _with_headers(images, headers)
    sizes = images.set_index("image_id")[["width", "height"]]
    if drawn_on is not None:
        images = drop(images, _other_sizes(sizes, drawn_on), _NO_SIZE)
    fitted = fit_boxes(boxes[boxes["image_id"].isin(images["image_id"])], sizes)
    images = drop(images, fitted.problems, _BAD_BOXES)
    images = images.drop(columns=["width", "height"]).astype({"path": "str"})
    return UsableImages(images, fitted.boxes, fitted.cut, left_out)


def build_boxed_manifest(
    usable: UsableImages,
    raw: pd.DataFrame,
    *,
    entry: BoxedEntry,
    default_labels: Sequence[str],
    box_labels: Sequence[str],
    unit: Unit,
    report: dict[str, Any],
    source: Path,
) -> Manifest:
    """Put the manifest of a data set with boxes together, with their counts in its report and footnote.

    Parameters
    ----------
    usable : UsableImages
        With the columns of a manifest.
    raw : DataFrame of float64
        Labels, on the index of all images; those of `usable` are taken.
    box_labels : sequence of str
        The labels that boxes have.

    Other parameters are as of `build_manifest`, and so are the errors.
    """
    left_out = {**{reason: len(ids) for reason, ids in usable.left_out.items()}, **report.get("left_out", {})}
    manifest = build_manifest(
        usable.images,
        raw.loc[usable.images.index],
        policy=LabelPolicy(),
        default_labels=default_labels,
        unit=unit,
        patients=entry.patients,
        report={**report, "left_out": left_out},
        source=source,
        boxes=usable.boxes,
    )
    assert manifest.boxes is not None
    counts = {**count_boxes(manifest.boxes, box_labels, images=len(manifest.images)), "cut_to_the_image": usable.cut}
    named = {reason: ids[:_LISTED] for reason, ids in usable.left_out.items() if ids}
    footnote = f"{manifest.report['footnote']} {_say_boxes(counts)}"
    return replace(
        manifest, report={**manifest.report, "boxes": counts, "left_out_images": named, "footnote": footnote}
    )


def _with_headers(images: pd.DataFrame, headers: Mapping[str, ImageHeader]) -> pd.DataFrame:
    table = pd.DataFrame([headers[path] for path in images["path"]], columns=ImageHeader._fields, index=images.index)
    # A header is filled in by a device or by hand; what it says oddly of age or sex is not known.
    age = table["age"].where(table["age"].str.fullmatch(r"\d+[YMWD]?"), "").astype("str")
    sex = table["sex"].str.upper().where(table["sex"].str.upper().isin(["M", "F"]), "").astype("str")
    return images.assign(
        width=table["width"].astype("int64"),
        height=table["height"].astype("int64"),
        header_patient=table["patient_id"].astype("str"),
        age=parse_ages(age, Path()),
        sex=parse_sexes(sex, Path()),
        view=table["view"].astype("str"),
    )


def _other_sizes(sizes: pd.DataFrame, drawn_on: Mapping[str, tuple[int, int]]) -> dict[str, str]:
    return {
        row.Index: f"the file has {row.width} x {row.height} pixels, the annotations {' x '.join(map(str, said))}"
        for row in sizes.itertuples()
        if (said := drawn_on[row.Index]) != (row.width, row.height)
    }


def _refuse(reasons: Mapping[str, str], what: str, setting: str, total: int, source: Path) -> InputError:
    listed = "".join(f"\n  - {image}: {reason}" for image, reason in list(reasons.items())[:_SHOWN])
    more = f"\n  - and {len(reasons) - _SHOWN:,} more" if len(reasons) > _SHOWN else ""
    expected, remedy = _EXPECTED[what]
    return InputError(
        f"{source} lists {total:,} images; {len(reasons):,} {what}:{listed}{more}",
        expected,
        f"{remedy}, or set '{setting}: exclude' to leave these images out and count them",
    )


def _say_boxes(counts: Mapping[str, Any]) -> str:
    empty = counts["images_without_boxes"]
    return f"Boxes: {counts['boxes']:,} on {counts['images_with_boxes']:,} images" + (
        f"; {empty:,} images without a box are kept." if empty else "."
    )
