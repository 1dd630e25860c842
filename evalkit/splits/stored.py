"""Splits as they are kept: a table of images with their roles and ranks, and a report beside it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evalkit.atomic import write_json, write_parquet
from evalkit.damage import refusing_damage
from evalkit.errors import InputError

Role = Literal["train", "validation", "test"]
ROLES: tuple[Role, ...] = ("train", "validation", "test")
#: The role of images that are in none, since others of their patients or of their split were picked.
SET_ASIDE = ""
#: Training sets that are all training images; for 'balanced', `evalkit.balancing` adds copies.
_WHOLE = ("full", "balanced")


def count_drawn(fraction: float, patients: int) -> int:
    """How many patients a fraction takes: the nearest whole number, at least one."""
    return max(1, round(fraction * patients))


@dataclass(frozen=True)
class Splits:
    """Who is in which role and draw.

    Attributes
    ----------
    images : DataFrame
        image_id, patient_id, study_id, role ('train', 'validation', 'test', or `SET_ASIDE`), and for each repeat
        ``order-<repeat>``: the patient's rank in it from 0, or -1 where the role is not drawn from. For a multi-class
        task also class, and ``trainset-undersampled`` and ``trainset-modified`` where the evaluation has them:
        whether a training image is among theirs.
    report : dict
        labels (the evaluation's classes, in order), counts per role, training set and draw, what was set aside,
        redraws, draws kept although they lack a class, classes absent from a role, the leakage check, and sentences
        for a footnote.
    """

    images: pd.DataFrame
    report: dict[str, Any]

    @property
    def labels(self) -> list[str]:
        """The evaluation's classes, in order."""
        return list(self.report["labels"])

    def image_ids(
        self, role: Role, fraction: float = 1.0, repeat: int = 0, trainset: str = "full"
    ) -> NDArray[np.object_]:
        """The images of a role, or those of them that a draw or a training set takes.

        Parameters
        ----------
        role : {'train', 'validation', 'test'}
            The test images, and validation images where validation is fixed, are the same for every draw.
        fraction : float
            The share of the role's patients, in (0, 1].
        repeat : int
            Which draw, from 0.
        trainset : {'full', 'undersampled', 'modified', 'balanced'}
            Which training images; other roles are the same for all. Those of 'balanced' are those of 'full', without
            the copies, which `evalkit.balancing` makes.

        Returns
        -------
        ndarray of str
            Image ids, in the order of `images`.

        Raises
        ------
        InputError
            There is no such repeat, or no such training set.
        """
        taken = (self.images["role"] == role).to_numpy()
        if fraction < 1 and role in self.report["drawn_roles"]:
            taken = taken & (self._ranks(repeat) < count_drawn(fraction, self.report["roles"][role]["patients"]))
        if role == "train" and trainset not in _WHOLE:
            taken = taken & self._members(trainset)
        return self.images["image_id"].to_numpy(dtype=object)[taken]

    def _members(self, trainset: str) -> NDArray[np.bool_]:
        if f"trainset-{trainset}" not in self.images:
            raise InputError(
                f"the splits have no training set {trainset!r}",
                f"one of {', '.join([*_WHOLE, *(name for name in self.report['trainsets'] if name not in _WHOLE)])}",
                "add it to the evaluation's settings.trainset and make the splits again",
            )
        return self.images[f"trainset-{trainset}"].to_numpy()

    def _ranks(self, repeat: int) -> NDArray[np.int32]:
        if f"order-{repeat}" not in self.images:
            raise InputError(
                f"the splits have no repeat {repeat}",
                f"a repeat from 0 to {self.report['repeats'] - 1}",
                "raise the evaluation's 'repeats' and make the splits again",
            )
        return self.images[f"order-{repeat}"].to_numpy()


def write_splits(splits: Splits, path: Path) -> None:
    """Write splits to `path` (parquet), and the report beside it as JSON."""
    write_parquet(path, splits.images)
    write_json(path.with_suffix(".json"), splits.report)


def load_splits(path: Path) -> Splits:
    """Read splits back.

    Raises
    ------
    InputError
        They have not been made yet, or are damaged.
    """
    again = "python -m evalkit.splits --study STUDY --evaluation EVALUATION"
    missing = [file for file in (path, path.with_suffix(".json")) if not file.exists()]
    if missing:
        raise InputError(
            f"{missing[0]} does not exist",
            "the splits of an evaluation",
            f"make them: {again}",
        )
    expected, remedy = "splits as this program wrote them", f"make them again: {again}"
    with refusing_damage(path, expected=expected, remedy=remedy):
        images = pd.read_parquet(path)
    with refusing_damage(beside := path.with_suffix(".json"), expected=expected, remedy=remedy):
        report = dict(json.loads(beside.read_text(encoding="utf-8")))
    return Splits(images, report)
