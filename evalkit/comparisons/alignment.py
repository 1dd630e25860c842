"""From the predictions of many runs to one test set and scores in its order, by image id and never by position."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evalkit.comparisons.cells import Floats, TestSet
from evalkit.errors import InputError
from evalkit.predictions import classes_of, is_multiclass, read_predictions, targets_of

Unit = Literal["image", "study", "patient"]


class Alignment:
    """Takes one run's predictions after the other; the first decides what the others must match.

    Parameters
    ----------
    unit : {"image", "study", "patient"}
        What is scored. A study's or patient's score is the mean of its images' probabilities; it is positive for a
        class if one of its images is, and has a label if one of its images has.
    classes : sequence of str
        The declared classes, which predictions must have; those of the first predictions where none are declared.
    remedy : str
        What a user can do about predictions that do not match.
    """

    def __init__(self, unit: Unit, *, classes: Sequence[str] = (), remedy: str) -> None:
        self._unit, self._classes, self._remedy = unit, list(classes), remedy
        self._first: pd.DataFrame | None = None
        self._source = Path()
        self._cases: NDArray[np.int64] = np.empty(0, np.int64)

    @property
    def n_images(self) -> int:
        """How many images every run has predictions for."""
        return 0 if self._first is None else len(self._first)

    @property
    def images(self) -> pd.Series:
        """The number of each image's case, 0 .. cases - 1, by image id."""
        ids = [] if self._first is None else self._first["image_id"]
        return pd.Series(self._cases, index=pd.Index(ids, dtype="str"))

    def read(self, source: Path) -> Floats:
        """Read one run's predictions, check them and bring them into the common order.

        Returns
        -------
        ndarray (cases, classes)
            Scores.

        Raises
        ------
        InputError
            The file breaks the contract of predictions, or its images, patients, classes or targets are not those of
            the first run: the comparison would not be paired.
        """
        frame = read_predictions(source).sort_values("image_id", kind="stable", ignore_index=True)
        self._classes = self._classes or classes_of(frame)
        if classes_of(frame) != self._classes:
            raise InputError(
                f"{source} has the classes {', '.join(classes_of(frame))}", ", ".join(self._classes), self._remedy
            )
        scores = frame[[f"score:{name}" for name in self._classes]]
        facts = pd.concat([frame[["image_id", "patient_id", "study_id"]], targets_of(frame)], axis=1)
        if self._first is None:
            cases = _number_cases(facts, self._unit)
            if is_multiclass(frame):
                self._require_one_class(frame["target"].groupby(cases).nunique(), frame, cases)
            self._first, self._source, self._cases = facts, source, cases
        difference = find_difference(self._first, facts)
        if difference:
            raise InputError(
                f"{source} does not match {self._source}: {difference}",
                "the same test images, patients and targets in every run",
                self._remedy,
            )
        return scores.to_numpy() if self._unit == "image" else scores.groupby(self._cases).mean().to_numpy()

    def _require_one_class(self, counts: pd.Series, frame: pd.DataFrame, cases: NDArray[np.int64]) -> None:
        """Refuse a study or patient whose images have different classes: which one is right has no answer."""
        mixed = counts[counts > 1]
        if len(mixed):
            images = frame[cases == mixed.index[0]]
            raise InputError(
                f"{len(mixed):,} cases have images of different classes; the {self._unit} of "
                f"{images['image_id'].iloc[0]!r} has {', '.join(sorted(images['target'].unique()))}",
                f"one class for each {self._unit}",
                "set 'aggregate: image' in the evaluation",
            )

    def test_set(self) -> TestSet:
        """The cases that the scores given back by `read` belong to; none where there were no predictions."""
        if self._first is None:
            targets, patients = np.empty((0, len(self._classes))), np.empty(0, np.intp)
        else:
            labels = self._first[[f"target:{name}" for name in self._classes]]
            targets = labels.groupby(self._cases).max().to_numpy()
            patients = pd.factorize(self._first["patient_id"].groupby(self._cases).first(), sort=True)[0]
        return TestSet(classes=tuple(self._classes), targets=targets, patients=patients, unit=self._unit)


def _number_cases(facts: pd.DataFrame, unit: Unit) -> NDArray[np.int64]:
    """Number the case of each image: in the order of the images, or of the sorted patients and studies."""
    if unit == "image":
        return np.arange(len(facts))
    columns = ["patient_id", "study_id"] if unit == "study" else ["patient_id"]
    return facts.groupby(columns, sort=True).ngroup().to_numpy()


def find_difference(first: pd.DataFrame, second: pd.DataFrame) -> str:
    """What keeps two sets of images, in order of image ids, from being compared; empty if nothing does."""
    more, fewer = set(second["image_id"]) - set(first["image_id"]), set(first["image_id"]) - set(second["image_id"])
    if more or fewer:
        example = f"{min(more)!r} is new" if more else f"{min(fewer)!r} is missing"
        return f"it has {len(more)} other images and lacks {len(fewer)}; {example}"
    for name in first.columns:
        same = (first[name] == second[name]) | (first[name].isna() & second[name].isna())
        if not same.all():
            return f"{name} differs for the image {first['image_id'][~same].iloc[0]!r}"
    return ""
