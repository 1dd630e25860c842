"""Which images train, validate and test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evalkit.config.design import Design
from evalkit.errors import InputError
from evalkit.splits.drawing import shuffle
from evalkit.splits.picking import Unit, pick_per_class
from evalkit.splits.stored import SET_ASIDE, Role, count_drawn

#: What a data set calls the images of a role.
_SPLITS: dict[Role, str] = {"train": "train", "validation": "valid", "test": "test"}


@dataclass(frozen=True)
class Roles:
    """Roles of images.

    Attributes
    ----------
    names : ndarray of str, shape (images,)
        train, validation, test or `SET_ASIDE`.
    set_aside : dict of str to ndarray of bool
        For each role of which so many images of each class were picked, the images that may serve for nothing else
        because of it.
    """

    names: NDArray[np.object_]
    set_aside: dict[Role, NDArray[np.bool_]]


def assign_roles(images: pd.DataFrame, labels: Sequence[str], evaluation: Design, *, seed: int) -> Roles:
    """Divide images into training, validation and test.

    First the test images are held out, then the validation images. Each is the data set's own split where it has one;
    else a share of the remaining patients, or so many images of each class in a random order of patients. A patient
    of whom an image is picked is taken: what else there is of the patient is set aside, in no role at all. Where the
    data set has a split of its own, so many images of each class are picked within it and the rest of it is set
    aside, for what somebody else held out is not to be trained on.

    With ``split_by: image`` validation is divided from training image by image, never test from the rest.

    Parameters
    ----------
    images : DataFrame
        image_id, patient_id, split and, for a multi-class task, class. The order of its rows does not matter.
    labels : sequence of str
        The classes.
    evaluation : Design
        Shares or counts, and the unit.
    seed : int
        The study's seed.

    Raises
    ------
    InputError
        A patient is in two splits of the manifest, there are too few patients or too few images of a class, or images
        are to be divided which the data set has divided.
    """
    _check_splits(images, evaluation)
    division = _Division(images, labels, evaluation, seed)
    division.hold_out("test", "patient")
    division.hold_out("validation", evaluation.split_by)
    if not (division.names == "train").any():
        raise InputError(
            "no patient is left for training", "training patients besides test and validation", "mend the splits"
        )
    return Roles(division.names, division.set_aside)


def has_own(images: pd.DataFrame, role: Role) -> bool:
    """Whether the data set itself says which images have a role."""
    return bool((images["split"] == _SPLITS[role]).any())


def images_per_class(evaluation: Design, role: Role) -> int | None:
    """How many images of each class are to be in a held-out role, where the study says so."""
    return evaluation.test_per_class if role == "test" else evaluation.validation_per_class


def share_of(evaluation: Design, role: Role) -> float:
    """Which share of what is left is to be in a held-out role."""
    return evaluation.test_share if role == "test" else evaluation.validation_share


class _Division:
    """The roles while images are divided; what is not held out is for training."""

    def __init__(self, images: pd.DataFrame, labels: Sequence[str], evaluation: Design, seed: int) -> None:
        self._images, self._labels, self._evaluation, self._seed = images, labels, evaluation, seed
        roles = {split: role for role, split in _SPLITS.items()}
        self.names = images["split"].map(roles).fillna("train").to_numpy(dtype=object)
        self.set_aside: dict[Role, NDArray[np.bool_]] = {}

    def hold_out(self, role: Role, unit: Unit) -> None:
        """Give a role to the images that are to have it."""
        own, per_class = has_own(self._images, role), images_per_class(self._evaluation, role)
        if own and unit == "image":
            raise InputError(
                f"the evaluation has 'split_by: image', and {self._evaluation.dataset!r} has {role} images of its own",
                "images that are not divided yet",
                f"leave 'split_by' out, or leave the split {_SPLITS[role]!r} out of the data set's table",
            )
        pool = np.flatnonzero(self.names == (role if own else "train"))
        if per_class is not None:
            self._pick(role, unit, pool, per_class, own=own)
        elif not own:
            self._draw_share(role, unit, pool)

    def _draw_share(self, role: Role, unit: Unit, pool: NDArray[np.intp]) -> None:
        codes, different = pd.factorize(self._images[f"{unit}_id"].iloc[pool], sort=True)
        share, count = share_of(self._evaluation, role), len(different)
        chosen = count_drawn(share, count)
        if chosen >= count:
            raise InputError(
                f"{count:,} {unit}s are left to divide, and {share:g} of them are to be the {role} {unit}s",
                f"at least one {unit} on each side",
                f"use more {unit}s, or change '{role}_share'",
            )
        order = shuffle(count, purpose=_purpose(role, unit), dataset=self._evaluation.dataset, seed=self._seed)
        self.names[pool[np.isin(codes, order[:chosen])]] = role

    def _pick(self, role: Role, unit: Unit, pool: NDArray[np.intp], per_class: int, *, own: bool) -> None:
        images = self._images.iloc[pool]
        _check_counts(images, self._labels, role, per_class, own=own)
        picked = pick_per_class(
            images,
            dict.fromkeys(self._labels, per_class),
            purpose=_purpose(role, unit),
            dataset=self._evaluation.dataset,
            seed=self._seed,
            unit=unit,
        )
        taken = images["patient_id"].isin(images["patient_id"][picked]).to_numpy()
        left = pool[~picked & (own | (taken & (unit == "patient")))]
        self.names[pool[picked]], self.names[left] = role, SET_ASIDE
        self.set_aside[role] = np.isin(np.arange(len(self.names)), left)


def _purpose(role: Role, unit: Unit) -> str:
    return role if unit == "patient" else f"{role} by image"


def _check_counts(images: pd.DataFrame, labels: Sequence[str], role: Role, per_class: int, *, own: bool) -> None:
    counts = images["class"].value_counts().reindex(list(labels), fill_value=0)
    short = counts[counts < per_class]
    if len(short):
        where = f"the data set's own {role} split has" if own else "what is left to divide has"
        raise InputError(
            f"the {role} set is to have {per_class:,} images of each class, and {where} "
            + ", ".join(f"{count:,} of {label}" for label, count in short.items()),
            f"{per_class:,} or more of each class" + ("" if own else ", and others to train on"),
            f"lower '{role}_per_class', or leave the rare classes out",
        )


def _check_splits(images: pd.DataFrame, evaluation: Design) -> None:
    splits = images.groupby("patient_id", sort=True)["split"]
    torn = splits.nunique() > 1
    if torn.any():
        patient = torn.index[torn][0]
        raise InputError(
            f"{int(torn.sum()):,} patients are in two splits of the manifest; {patient!r} is in "
            + " and ".join(map(repr, sorted(set(splits.get_group(patient))))),
            "all images of a patient in one split",
            f"read the data set again: python -m evalkit.datasets --study STUDY --dataset {evaluation.dataset}",
        )
