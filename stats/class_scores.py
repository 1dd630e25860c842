"""Accuracy, precision, recall and F1 of called classes: the numbers themselves, and their bootstrap replicates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stats.bootstrap import replicates_of
from stats.called_classes import OF_CLASSES, ClassMeasure, number_classes
from stats.inputs import group_index
from stats.resampling import seed_from
from stats.results import Result

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ClassScores(Result):
    """How well one model calls the classes of its cases.

    Attributes
    ----------
    categories : list
        The classes; the arrays have one value for each. Their plain means are the macro averages.
    n_true : ndarray of int (classes,)
        Cases of each class.
    accuracy : float
        Share of cases whose class was called.
    precision, recall, f1 : ndarray (classes,)
        TP / (TP + FP), TP / (TP + FN) and 2 TP / (2 TP + FP + FN) of each class against all others.
    """

    categories: list[Any]
    n_true: NDArray[np.int64]
    accuracy: float
    precision: Floats
    recall: Floats
    f1: Floats


def class_scores(y: ArrayLike, called: ArrayLike, *, categories: Sequence[Any] | None = None) -> ClassScores:
    """Measure how well a model calls the classes of its cases.

    Parameters
    ----------
    y, called : array_like (n,)
        True and called classes: integers, booleans or strings.
    categories : sequence, optional
        The classes that can occur. Without it those of y, in sorted order; what else is called is wrong, and no class
        of its own.

    Returns
    -------
    ClassScores
        A class that is never called has precision 0 and F1 0, as scikit-learn has by default. A class without a case
        has NaN for all three, where scikit-learn has 0: nothing can be known of it, and a mean that counts it as 0
        is lower by what was not in the test set. A mean over classes is then NaN too.

    Raises
    ------
    ValueError
        Lengths that differ, no case, a missing label, one outside `categories`, numbers beside text.
    """
    true, runs, classes = _numbered(y, called, categories)
    if np.ndim(called) != 1:
        raise ValueError(f"called has shape {np.shape(called)}; expected ({true.size},), one class per case")
    everyone = np.zeros(true.size, np.intp)
    measure = ClassMeasure(tuple(OF_CLASSES), true, runs, len(classes), everyone, 1)
    values = _by_name(measure(np.ones((1, 1)), np.ones((1, 1), np.int64)), len(classes))
    return ClassScores(
        categories=classes,
        n_true=np.bincount(true, minlength=len(classes)),
        accuracy=float(values["accuracy"][0, 0]),
        precision=values["precision"][0],
        recall=values["recall"][0],
        f1=values["f1"][0],
    )


def class_replicates(
    y: ArrayLike,
    called: ArrayLike,
    *,
    categories: Sequence[Any] | None = None,
    groups: ArrayLike | None = None,
    n_resamples: int = 10000,
    rng: int | np.random.Generator = 0,
) -> dict[str, Floats]:
    """Bootstrap replicates of all measures of called classes at the cost of one.

    Parameters
    ----------
    y : array_like (n,)
    called : array_like (n,) or (repeats, n)
        What one model called, in one run or in several, over which the replicates are means.
    categories
        As in `class_scores`.
    groups, n_resamples, rng
        As in `bootstrap_replicates`, with whose replicates of each measure these agree.

    Returns
    -------
    dict of str to ndarray
        "accuracy": (n_resamples, 1); "precision", "recall" and "f1": (n_resamples, classes), NaN for a class without a
        case in the resample.

    Raises
    ------
    ValueError
        As `class_scores`; fewer than two replicates.
    """
    true, runs, classes = _numbered(y, called, categories)
    group, n_groups = group_index(groups, true.size)
    measure = ClassMeasure(tuple(OF_CLASSES), true, runs, len(classes), group, n_groups)
    return _by_name(replicates_of([measure], n_resamples, seed_from(rng))[0], len(classes))


def _numbered(
    y: ArrayLike, called: ArrayLike, categories: Sequence[Any] | None
) -> tuple[NDArray[np.intp], NDArray[np.intp], list[Any]]:
    given, shape = np.shape(y), np.shape(called)
    if len(given) != 1 or len(shape) not in (1, 2) or shape[-1:] != given or 0 in shape:
        raise ValueError(
            f"called has shape {shape} beside y of shape {given}; expected y (n,) with at least one case, and called "
            "(n,) or (repeats, n)"
        )
    return number_classes(y, called, categories, "called")


def _by_name(values: Floats, n_classes: int) -> dict[str, Floats]:
    """Take the columns of `OF_CLASSES` apart: one of accuracy, then those of the classes for each other measure."""
    columns = np.cumsum([1 if name == "accuracy" else n_classes for name in OF_CLASSES])[:-1]
    return dict(zip(OF_CLASSES, np.split(values, columns, axis=1), strict=True))
