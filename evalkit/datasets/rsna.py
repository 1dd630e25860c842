"""RSNA pneumonia detection challenge (2018), stage 2, as distributed by Kaggle: DICOM files in one folder, and tables.

The images are from NIH ChestX-ray14. Kaggle's patientId is one image's id; RSNA's own list of where each image is from,
``pneumonia-challenge-dataset-mappings_2018.json``, tells the NIH patients, and is used where it lies in the folder.
"""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from evalkit.config.datasets import RsnaEntry
from evalkit.datasets.boxed import build_boxed_manifest, find_usable
from evalkit.datasets.manifest import Manifest
from evalkit.datasets.reading import describe_files, read_columns, refuse_first, refuse_first_of
from evalkit.errors import InputError

#: The label of boxes: 1 for an image that has one.
OPACITY = "opacity"
#: An image's class, and what the table of classes calls it.
CLASSES = {"Lung Opacity": OPACITY, "No Lung Opacity / Not Normal": "not normal", "Normal": "normal"}

_LABELS, _CLASSES = "stage_2_train_labels.csv", "stage_2_detailed_class_info.csv"
_MAPPING = "pneumonia-challenge-dataset-mappings_2018.json"
_CORNERS = ["x", "y", "width", "height"]


def read_rsna(entry: RsnaEntry, root: Path) -> Manifest:
    """Read a folder in the layout of RSNA's pneumonia challenge.

    Parameters
    ----------
    entry : RsnaEntry
        Which patients to keep, and what images that cannot be used do.
    root : pathlib.Path
        The folder that holds stage_2_train_images/ and stage_2_train_labels.csv. The table of classes
        (stage_2_detailed_class_info.csv) and RSNA's list of origins are read where they are there.

    Returns
    -------
    Manifest
        Labels: 'opacity', and with the table of classes 'not normal' and 'normal'; one of the three is then 1. Boxes
        are in pixels of the DICOM file, with the label 'opacity'. The patient is NIH's number with RSNA's list, else
        the image.

    Raises
    ------
    InputError
        A table or a column is missing, rows of one image disagree, tables or list do not fit together, or images cannot
        be used and `entry` does not exclude them.
    """
    table, classes, mapping = (root / name for name in (_LABELS, _CLASSES, _MAPPING))
    image_ids, boxes = _read_boxes(table)
    raw = pd.DataFrame({OPACITY: image_ids.isin(boxes["image_id"]).astype("float64")})
    if classes.exists():
        raw = _read_classes(classes, image_ids, raw[OPACITY])
    patients = _read_origins(mapping, image_ids) if mapping.exists() else image_ids
    paths = [f"stage_2_train_images/{image}.dcm" for image in image_ids]
    images = pd.DataFrame(
        {
            "image_id": image_ids,
            "patient_id": patients,
            "study_id": image_ids,
            "path": [path if (root / path).is_file() else None for path in paths],
            "split": "",
        }
    )
    usable = find_usable(images, boxes, root, entry, source=table)
    told = (
        "Patients are NIH's, by RSNA's list of origins."
        if mapping.exists()
        else "Each image counts as a patient of its own, as RSNA's list of origins is not in the folder."
    )
    return build_boxed_manifest(
        usable,
        raw,
        entry=entry,
        default_labels=[OPACITY],
        box_labels=[OPACITY],
        unit="image",
        report={
            "format": "rsna",
            "files": describe_files([path for path in (table, classes, mapping) if path.exists()], root),
            "test_set": "patients drawn at random",
            "footnote": f"RSNA pneumonia challenge, images of NIH ChestX-ray14. {told} "
            "Test set: patients drawn at random, as the labels of the challenge's test set are not public.",
        },
        source=table,
    )


def _read_boxes(table: Path) -> tuple[pd.Series, pd.DataFrame]:
    """Image ids in the table's order, and boxes: a row per box, and one for an image without any."""
    rows = read_columns(table, ("patientId", *_CORNERS, "Target"))
    image_ids, target = rows["patientId"].str.strip(), rows["Target"].str.strip()
    refuse_first(~image_ids.str.fullmatch(r"[\w-]+"), rows["patientId"], "the id", "letters and digits", table)
    refuse_first(~target.isin(["0", "1"]), rows["Target"], "the target", "1 for a box, or 0", table)
    corners = rows[_CORNERS].apply(lambda column: pd.to_numeric(column, errors="coerce").astype("float64"))
    blank = rows[_CORNERS].apply(lambda column: column.str.strip() == "").all(axis=1)
    boxed = target == "1"
    lacking = boxed & corners.isna().any(axis=1)
    refuse_first_of(lacking, rows[_CORNERS], "a box with target 1", "four numbers", table)
    expected = "blank fields, as the image has no box"
    refuse_first_of(~boxed & ~blank, rows[_CORNERS], "a box with target 0", expected, table)
    both = boxed.groupby(image_ids).transform("nunique") > 1
    refuse_first(both, rows["patientId"], "an image with and without a box", "one target for each image", table)
    repeated = ~boxed & image_ids.duplicated()
    refuse_first(repeated, rows["patientId"], "an image without a box listed twice", "one row for it", table)
    boxes = corners[boxed].assign(image_id=image_ids[boxed], label=OPACITY).reset_index(drop=True)
    return pd.Series(image_ids.unique(), dtype="str"), boxes


def _read_classes(table: Path, image_ids: pd.Series, opacity: pd.Series) -> pd.DataFrame:
    """The labels of each image, from a table that names its class once for each of its boxes."""
    rows = read_columns(table, ("patientId", "class"))
    names = rows["class"].str.strip().map(CLASSES)
    refuse_first(names.isna(), rows["class"], "the class", f"one of {', '.join(CLASSES)}", table)
    once = pd.DataFrame({"image": rows["patientId"].str.strip(), "class": names}).drop_duplicates()
    refuse_first(once["image"].duplicated(), once["image"], "an image of two classes", "one class each", table)
    found = image_ids.map(dict(zip(once["image"], once["class"], strict=True)))
    _refuse_absent(image_ids[found.isna()], table, "the class of every image", "put the tables of one release there")
    labels = pd.DataFrame({name: (found == name).astype("float64") for name in CLASSES.values()})
    differing = image_ids[labels[OPACITY] != opacity]
    if len(differing):
        raise InputError(
            f"{table} and {_LABELS} disagree about {len(differing):,} images, for example {differing.iloc[0]!r}",
            "boxes in images of the class 'Lung Opacity' and in no others",
            "put the tables of one release there",
        )
    return labels


def _read_origins(path: Path, image_ids: pd.Series) -> pd.Series:
    """The NIH patient of each image; NIH's file names begin with the patient's number."""
    try:
        rows = json.loads(path.read_bytes())
        origins = {str(row["subset_img_id"]): str(row["img_id"]) for row in rows}
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise InputError(
            f"{path} is not RSNA's list of origins: {type(error).__name__}: {error}",
            "a JSON list of dictionaries with subset_img_id and img_id",
            "put RSNA's own file there, or take it away to count each image as a patient",
        ) from None
    found = image_ids.map(origins)
    remedy = "put RSNA's own file there, or take it away to count each image as a patient"
    _refuse_absent(image_ids[found.isna()], path, "the origin of every image", remedy)
    patients = found.str.extract(r"^0*(\d+)_\d+(?:\.png)?$")[0]
    refuse_first(patients.isna(), found, "the origin", "a file name of NIH ChestX-ray14, 00000001_000.png", path)
    return patients.astype("str")


def _refuse_absent(image_ids: pd.Series, path: Path, expected: str, remedy: str) -> None:
    if len(image_ids):
        raise InputError(f"{path} lacks {len(image_ids):,} images, for example {image_ids.iloc[0]!r}", expected, remedy)
