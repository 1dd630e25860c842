"""The classes of an evaluation, and the one class of each image where there is exactly one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from evalkit.config.design import Design
from evalkit.config.strict import nearest
from evalkit.datasets.manifest import Manifest
from evalkit.errors import InputError

#: Names of targets that are no classes.
_TAKEN = {"mean": "the mean over classes", "all": "all cases together"}


def choose_labels(evaluation: Design, manifest: Manifest) -> list[str]:
    """The classes of an evaluation: those it names, else the data set's default; an inversion can do without any.

    Raises
    ------
    InputError
        The data set does not have one of them, or one has a name that tables use for something else.
    """
    labels = evaluation.labels or manifest.default_labels
    if not labels and evaluation.task != "inversion":
        raise InputError(
            f"the data set {evaluation.dataset!r} has no label",
            "one or more columns of labels, for the evaluation to predict",
            "add the labels' columns to its table; without them it serves contrastive pretraining and inversion only",
        )
    for label in labels:
        if label in _TAKEN:
            raise InputError(
                f"the data set {evaluation.dataset!r} has a class called {label!r}",
                f"any other name: tables say {label!r} for {_TAKEN[label]}",
                "rename the class's column or folder",
            )
        if label not in manifest.labels:
            raise InputError(
                f"the evaluation names the class {label!r}, which {evaluation.dataset!r} does not have"
                + nearest(label, manifest.labels),
                "classes of the data set",
                "correct 'labels' in the study file",
            )
    return list(labels)


def check_only(only: Sequence[str], manifest: Manifest, *, dataset: str) -> None:
    """Refuse labels, of which an inversion's images must have one, that the data set does not have.

    Raises
    ------
    InputError
        One is unknown.
    """
    for label in only:
        if label not in manifest.labels:
            raise InputError(
                f"the evaluation's 'only' names {label!r}, which {dataset!r} does not have"
                + nearest(label, manifest.labels),
                f"labels of {', '.join(manifest.labels) or 'a data set that has none'}",
                "correct 'only' in the study file, or leave it out to take all images",
            )


def read_classes(images: pd.DataFrame, labels: Sequence[str], *, dataset: str) -> pd.Series:
    """Read the class of each image of a multi-class task: the one label that is 1.

    Parameters
    ----------
    images : DataFrame
        image_id and one column per label (1, 0 or NaN). A label that is missing counts as not holding: beside a 1, a
        blank cell of somebody's table says no more than a 0 does.
    labels : sequence of str
        The classes.
    dataset : str
        The data set's name, for the message.

    Returns
    -------
    Series of str
        The class, on the index of `images`.

    Raises
    ------
    InputError
        Images have no class or several; they are counted and the first is named with what it has.
    """
    names = list(labels)
    held = (images[names] == 1).to_numpy()
    wrong = np.flatnonzero(held.sum(axis=1) != 1)
    if len(wrong):
        raise InputError(
            f"{len(wrong):,} of the {len(images):,} images of {dataset!r} have no class or several; the first is "
            f"{images['image_id'].iloc[wrong[0]]!r}: {_describe_labels(images[names].iloc[wrong[0]])}",
            f"a 1 for exactly one of {', '.join(names)} in a task with one class for each image",
            "mend the labels of these images, take them out of the data set's table, name the missing class under "
            "'labels', or set 'task: multilabel'",
        )
    return pd.Series(np.array(names, dtype=object)[held.argmax(axis=1)], index=images.index, dtype="str")


def _describe_labels(labels: pd.Series) -> str:
    holding = [str(name) for name, value in labels.items() if value == 1]
    if holding:
        return f"{' and '.join(holding)} are 1"
    missing = [str(name) for name, value in labels.items() if pd.isna(value)]
    if len(missing) == len(labels):
        return "every label is missing"
    return "no label is 1" + (f" ({', '.join(missing)} missing)" if missing else "")
