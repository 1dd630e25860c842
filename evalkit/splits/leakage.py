"""Leakage: a patient, or the very same pixels, on both sides of a split."""

from __future__ import annotations

import pandas as pd

from evalkit.errors import InputError

_SHOWN = 3


def check_roles(images: pd.DataFrame, *, divided_images: bool = False) -> dict[str, int]:
    """Refuse images that share patients or pixels across roles.

    Parameters
    ----------
    images : DataFrame
        image_id, patient_id, role, sha256, low and cap. Images without contrast (low equal to cap) are all black after
        packing; their pixels say nothing and are not compared.
    divided_images : bool
        Training and validation were divided image by image: what they share is counted, and only what either of them
        shares with test is refused.

    Returns
    -------
    dict
        What was looked at: images compared, images without contrast, and images whose pixels occur more than once
        within a role, which is no leakage. And what training and validation share, patients and different images,
        which is nothing unless images were divided.

    Raises
    ------
    InputError
        Patients or pixels are in more than one role; examples are named.
    """
    sides = images.assign(side=images["role"].replace("validation", "train") if divided_images else images["role"])
    patients = sides[["patient_id", "side"]].drop_duplicates()
    shared = patients["patient_id"][patients["patient_id"].duplicated()]
    if len(shared):
        raise InputError(
            f"{shared.nunique():,} patients are in more than one role, for example "
            + ", ".join(map(repr, shared.unique()[:_SHOWN])),
            "each patient in one of train, validation and test",
            "mend the data set's splits",
        )
    seen = _with_contrast(sides)
    once = seen[["sha256", "side"]].drop_duplicates()
    across = once["sha256"][once["sha256"].duplicated()].unique()
    if len(across):
        examples = []
        for digest in across[:_SHOWN]:
            same = seen[seen["sha256"] == digest].drop_duplicates("side")
            examples.append(" = ".join(f"{row.image_id} ({row.role})" for row in same.itertuples()))
        raise InputError(
            f"{len(across):,} images have the same pixels as images in another role: {'; '.join(examples)}",
            "no image in more than one of train, validation and test",
            "take one row of each pair out of the data set's table; or, where the two patients are one person, give "
            "them one patient id",
        )
    return {
        "compared": len(seen),
        "without_contrast": len(images) - len(seen),
        "repeated_within_a_role": int(seen.duplicated(["sha256", "role"], keep=False).sum()),
        "patients_in_training_and_validation": _count_shared(images, "patient_id"),
        "images_in_training_and_validation": _count_shared(seen, "sha256"),
    }


def check_disjoint(first: pd.DataFrame, second: pd.DataFrame, *, names: tuple[str, str], same_ids: bool = True) -> None:
    """Refuse two data sets that share patients or pixels, such as those of pretraining and of an evaluation.

    Parameters
    ----------
    first, second : DataFrame
        The index of a packed data set each, at the same size: image_id, patient_id, sha256, low and cap.
    names : tuple of str
        What to call them.
    same_ids : bool
        Whether equal patient ids are one person; else only images are compared.

    Raises
    ------
    InputError
        They share a patient id or an image; examples are named.
    """
    one, other = names
    patients = sorted(set(first["patient_id"]) & set(second["patient_id"]))
    if patients and same_ids:
        raise InputError(
            f"{len(patients):,} patients are in both {one} and {other}, for example "
            + ", ".join(map(repr, patients[:_SHOWN])),
            "different patients",
            "choose ranges of 'patients' that do not overlap (or, for phantoms, of patient numbers); where equal ids "
            "are different persons, name whose they are: 'patients_of' in both data sets",
        )
    pixels = _with_contrast(first).merge(_with_contrast(second), on="sha256", suffixes=("_one", "_other"))
    if len(pixels):
        examples = [f"{row.image_id_one} = {row.image_id_other}" for row in pixels.head(_SHOWN).itertuples()]
        raise InputError(
            f"{len(pixels):,} images are in both {one} and {other}: {'; '.join(examples)}",
            "different images",
            "take them out of the table of one of the data sets",
        )


def _count_shared(images: pd.DataFrame, column: str) -> int:
    training, validation = (set(images[column][images["role"] == role]) for role in ("train", "validation"))
    return len(training & validation)


def _with_contrast(images: pd.DataFrame) -> pd.DataFrame:
    return images[images["low"] < images["cap"]]
