"""Training sets that take fewer images of some classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evalkit.config.design import Design
from evalkit.config.strict import nearest
from evalkit.errors import InputError
from evalkit.splits.picking import pick_per_class


def pick_trainsets(
    training: pd.DataFrame, labels: Sequence[str], evaluation: Design, *, seed: int
) -> dict[str, NDArray[np.bool_]]:
    """Pick the images of the training sets 'undersampled' and 'modified', as far as the evaluation has them.

    Both take images in one random order of patients, so that of two training sets the one with fewer images of a class
    has none of that class which the other has not.

    Parameters
    ----------
    training : DataFrame
        image_id, patient_id and class of the training images.
    labels : sequence of str
        The classes.
    evaluation : Design
        The training sets, and the counts of 'modified'.
    seed : int
        The study's seed.

    Returns
    -------
    dict of str to ndarray of bool, shape (images,)

    Raises
    ------
    InputError
        A class has no training image or fewer than it is to have, or 'modified' does not have the classes.
    """
    there = training["class"].value_counts().reindex(list(labels), fill_value=0)
    counts: dict[str, dict[str, int]] = {}
    if "undersampled" in evaluation.trainsets:
        counts["undersampled"] = dict.fromkeys(labels, _rarest(there))
    if evaluation.modified is not None:
        _check_modified(evaluation.modified, there)
        counts["modified"] = evaluation.modified
    return {
        name: pick_per_class(training, wanted, purpose="trainset", dataset=evaluation.dataset, seed=seed)
        for name, wanted in counts.items()
    }


def _rarest(there: pd.Series) -> int:
    if there.min() == 0:
        raise InputError(
            f"no training image is of class {', '.join(there.index[there == 0])}, and 'undersampled' takes as many of "
            "each class as the rarest has",
            "training images of each class",
            "leave the class out of 'labels', or 'undersampled' out of settings.trainset",
        )
    return int(there.min())


def _check_modified(modified: dict[str, int], there: pd.Series) -> None:
    mistakes = [f"has {label!r}{nearest(label, there.index)}" for label in modified if label not in there]
    mistakes += [f"lacks {label!r}" for label in there.index if label not in modified]
    if mistakes:
        raise InputError(
            f"'modified' {', and '.join(mistakes)}",
            "a count for each of the evaluation's classes, and for no other",
            "correct 'modified' in the study file",
        )
    short = [
        f"{label} is to have {count:,} and there are {there[label]:,}"
        for label, count in modified.items()
        if count > there[label]
    ]
    if short:
        raise InputError(
            f"'modified' asks for more training images than there are: {'; '.join(short)}",
            "counts that the training images allow",
            "lower these counts, or hold fewer images out for validation and test",
        )
