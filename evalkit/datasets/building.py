"""Putting a manifest together from what a reader found, and every check of one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from evalkit.datasets.labels import LabelPolicy, count_labels
from evalkit.datasets.manifest import Manifest, Unit
from evalkit.errors import InputError

#: The columns every manifest begins with; the labels follow.
ID_COLUMNS = ("image_id", "patient_id", "study_id", "path", "split", "age", "sex", "view")
BOX_COLUMNS = ("image_id", "label", "x", "y", "width", "height")
SPLITS = ("train", "valid", "test")

_UNSAFE_PATH = r"^$|^/|^[A-Za-z]:|\\|\x00|(?:^|/)\.\.(?:/|$)"


def build_manifest(
    images: pd.DataFrame,
    raw: pd.DataFrame,
    *,
    policy: LabelPolicy,
    default_labels: Sequence[str],
    unit: Unit,
    patients: tuple[float, float],
    report: dict[str, Any],
    source: Path,
    boxes: pd.DataFrame | None = None,
) -> Manifest:
    """Put a manifest together from what a reader found; every check of one is made here.

    Parameters
    ----------
    images : DataFrame
        The columns of `ID_COLUMNS`.
    raw : DataFrame of float64
        The labels as the files have them (1, 0, -1 or NaN), on the same index.
    policy : LabelPolicy
        What uncertain and blank labels become. An uncertain label of an image in the split 'test' is missing whatever
        the policy says: a guess is something to train on, not a truth to test against.
    default_labels : sequence of str
        The classes an evaluation takes when it names none.
    unit : {'image', 'study'}
        What the data set's own protocol scores.
    patients : tuple of float
        The range of `patient_position` that is kept: [first, second).
    report : dict
        What the reader has to say: ``format``, ``files``, ``left_out`` (counts by reason), ``test_set``,
        ``footnote``, and whatever else is worth recording. Counts are added here, and to the footnote what became
        of uncertain labels of test images.
    source : pathlib.Path
        The file to name in messages.
    boxes : DataFrame, optional
        The columns of `BOX_COLUMNS`; boxes of images that are not kept are dropped.

    Returns
    -------
    Manifest

    Raises
    ------
    InputError
        An image id twice, an id that is empty, a path that leaves the data set's folder, a patient in two splits,
        a study with two patients, or no image left.
    """
    labels = [str(label) for label in raw]
    policy.check(labels)
    _check_rows(images, source)
    kept = select_patients(images["patient_id"], patients)
    if not kept.any():
        raise InputError(
            f"{source}: no image is left; {report.get('left_out') or 'nothing'} left out before, and patients outside "
            f"[{patients[0]:g}, {patients[1]:g}) leave out the other {len(images):,}",
            "at least one image",
            "widen the data set's settings, or check its folder",
        )
    left_out = {**report.get("left_out", {}), "patients outside the range": int((~kept).sum())}
    images, raw = images[kept].reset_index(drop=True), raw[kept].reset_index(drop=True)
    _check_groups(images, source)
    tested = images["split"] == "test"
    uncertain = raw == -1
    read = policy.apply(raw).mask(uncertain.mul(tested, axis=0))
    withheld = int(uncertain[tested].to_numpy().sum())
    guessed = 0 if tested.any() else int((uncertain & read.notna()).to_numpy().sum())
    changed = [label for label in labels if not read[label].equals(raw[label])]
    columns = [images[list(ID_COLUMNS)], read, raw[changed].add_prefix("raw:")]
    return Manifest(
        images=pd.concat(columns, axis=1),
        labels=labels,
        default_labels=list(default_labels),
        unit=unit,
        boxes=None if boxes is None else _boxes_of(boxes, images),
        report={
            **report,
            "left_out": {reason: count for reason, count in left_out.items() if count},
            "patients": list(patients),
            "counts": {**_count(images), "splits": {name: _count(part) for name, part in _parts(images)}},
            "labels": count_labels(raw),
            "policies": policy.describe(),
            "uncertain_test_labels": withheld,
            "footnote": " ".join(filter(None, (report.get("footnote"), _say_uncertain(withheld, guessed)))),
        },
    )


def patient_position(patient_id: str) -> float:
    """Place a patient in [0, 1), by SHA-256 of the id: the same everywhere, and unrelated to the order of ids."""
    return (int.from_bytes(hashlib.sha256(patient_id.encode()).digest()[:8], "big") >> 11) / 2**53


def select_patients(patient_ids: pd.Series, patients: tuple[float, float]) -> pd.Series:
    """Mark the rows whose patient's position falls in [first, second)."""
    first, second = patients
    if (first, second) == (0.0, 1.0):
        return pd.Series(True, index=patient_ids.index)
    positions = {patient: patient_position(patient) for patient in patient_ids.unique()}
    return patient_ids.map(positions).between(first, second, inclusive="left")


def _check_rows(images: pd.DataFrame, source: Path) -> None:
    for column in ("image_id", "patient_id", "study_id"):
        empty = images[column].isna() | (images[column] == "")
        if empty.any():
            raise InputError(
                f"{source}: {int(empty.sum()):,} images have no {column}, the first is {_first(images, empty)!r}",
                f"a {column} for every image; splits are made by patient",
                "fill in the column",
            )
    twice = images["image_id"].duplicated()
    if twice.any():
        raise InputError(
            f"{source}: the image {images['image_id'][twice].iloc[0]!r} is listed more than once",
            "each image once",
            "keep one row of it",
        )
    unsafe = images["path"].str.contains(_UNSAFE_PATH, regex=True)
    if unsafe.any():
        raise InputError(
            f"{source}: the path {_first(images, unsafe)!r} is not a path below the data set's folder",
            "relative paths with slashes and without '..'",
            "move the images below the folder and write their paths relative to it",
        )
    unknown = ~images["split"].isin(["", *SPLITS])
    if unknown.any():
        raise InputError(
            f"{source}: the split of {_first(images, unknown)!r} is {images['split'][unknown].iloc[0]!r}",
            f"one of {', '.join(SPLITS)}",
            "correct the column 'split', or leave it out to have patients divided at random",
        )


def _check_groups(images: pd.DataFrame, source: Path) -> None:
    splits = images[["patient_id", "split"]].drop_duplicates()
    twice = splits["patient_id"].duplicated()
    if twice.any():
        patient = splits["patient_id"][twice].iloc[0]
        among = sorted(splits["split"][splits["patient_id"] == patient])
        raise InputError(
            f"{source}: {int(twice.sum()):,} patients are in two splits; {patient!r} is in "
            + " and ".join(repr(split) for split in among),
            "all images of a patient in one split",
            "move each of these patients into one split",
        )
    blank = images["split"] == ""
    if blank.any() and not blank.all():
        raise InputError(
            f"{source}: {int(blank.sum()):,} images have no split and the others have one; the first without is "
            f"{_first(images, blank)!r}",
            "a split for every image, or for none",
            "fill in the column 'split', or leave it out to have patients divided at random",
        )
    studies = images[["study_id", "patient_id"]].drop_duplicates()
    shared = studies["study_id"].duplicated()
    if shared.any():
        raise InputError(
            f"{source}: the study {studies['study_id'][shared].iloc[0]!r} has images of more than one patient",
            "a study_id that belongs to one patient",
            "write it as patient/study, for example p17/study1",
        )


def _first(images: pd.DataFrame, mask: pd.Series) -> str:
    return str(images.loc[mask, "path"].iloc[0])


def _boxes_of(boxes: pd.DataFrame, images: pd.DataFrame) -> pd.DataFrame:
    return boxes.loc[boxes["image_id"].isin(images["image_id"]), list(BOX_COLUMNS)].reset_index(drop=True)


def _count(images: pd.DataFrame) -> dict[str, int]:
    return {
        "images": len(images),
        "patients": int(images["patient_id"].nunique()),
        "studies": int(images["study_id"].nunique()),
    }


def _parts(images: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    return [(name, images[images["split"] == name]) for name in SPLITS if (images["split"] == name).any()]


def _say_uncertain(withheld: int, guessed: int) -> str:
    if withheld:
        return f"Uncertain labels of test images are missing whatever the policy: {withheld:,}."
    if guessed:
        return (
            "Test images are drawn from the same rows, so the policy decides the truth of their uncertain labels too "
            f"({guessed:,} in all rows)."
        )
    return ""
