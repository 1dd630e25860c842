"""Accuracy, precision, recall and F1 of called classes on many resamples at once, from the counts of each group.

What a resample changes is how often each patient counts, so that true, called and rightly called cases of a class are
products of the patients' counts with the resample's multiplicities: whole numbers, hence the same values as from the
resampled rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stats.contingency import MOST_CATEGORIES, place_codes
from stats.labels import Codes, number_labels, read_labels
from stats.resampling import WHOLE_IN_FLOAT32
from stats.weighted_ranks import Weights

Floats = NDArray[np.float64]


def _accuracy(true: Floats, called: Floats, hits: Floats) -> Floats:
    return hits.sum(axis=1, keepdims=True) / true.sum(axis=0)


def _precision(true: Floats, called: Floats, hits: Floats) -> Floats:
    return np.where(true > 0, hits / np.maximum(called, 1), np.nan)


def _recall(true: Floats, called: Floats, hits: Floats) -> Floats:
    return np.where(true > 0, hits / np.maximum(true, 1), np.nan)


def _f1(true: Floats, called: Floats, hits: Floats) -> Floats:
    return np.where(true > 0, 2 * hits / np.maximum(true + called, 1), np.nan)


#: Measures of one class against all others: TP / (TP + FP), TP / (TP + FN) and 2 TP / (2 TP + FP + FN).
OF_EACH_CLASS: dict[str, Callable[[Floats, Floats, Floats], Floats]] = {
    "precision": _precision,
    "recall": _recall,
    "f1": _f1,
}
#: These and the one of all classes, of true (classes, replicates), called and hits (repeats, classes, replicates).
OF_CLASSES = {"accuracy": _accuracy, **OF_EACH_CLASS}


class ClassMeasure:
    """Measures of called classes, exact and vectorised over replicates.

    A class without a case in a resample has no value there (NaN), whatever was called; one that is never called has a
    precision, and an F1, of 0.

    Parameters
    ----------
    names : sequence of str
        Of `OF_CLASSES`; their columns stand side by side: one for the accuracy, else one for each class.
    true : ndarray of int (n,)
        Places of classes.
    called : ndarray of int (repeats, n)
        The same, -1 where what was called is none of them.
    n_classes : int
    group : ndarray (n,)
    n_groups : int
    """

    def __init__(
        self, names: Sequence[str], true: Codes, called: Codes, n_classes: int, group: NDArray[np.intp], n_groups: int
    ) -> None:
        self.n_rows, self.n_groups, self.n_repeats = true.size, n_groups, called.shape[0]
        self._names, self._n_classes = tuple(names), n_classes
        self._images = np.bincount(group, minlength=n_groups).astype(np.float32)

        def count(codes: Codes, kept: NDArray[np.bool_]) -> NDArray[np.float32]:
            places = codes[kept] * n_groups + group[kept]
            counts = np.bincount(places, minlength=n_classes * n_groups)
            return counts.reshape(n_classes, n_groups).astype(np.float32)

        everyone = np.ones(true.size, np.bool_)
        counts = [count(true, everyone), *(count(run, run >= 0) for run in called)]
        counts += [count(run, run == true) for run in called]
        self._counts = np.concatenate(counts)

    def __call__(self, weights: Weights, repeats: NDArray[np.int64]) -> Floats:
        """Evaluate on every column of weights; NaN where a class has no case."""
        # A sum of true and called cases is at most twice the images.
        if 2 * float((self._images @ weights).max()) >= WHOLE_IN_FLOAT32:
            weights = weights.astype(np.float64)
        counted = (self._counts @ weights).astype(np.float64).reshape(-1, self._n_classes, weights.shape[1])
        true, called, hits = counted[0], counted[1 : 1 + self.n_repeats], counted[1 + self.n_repeats :]
        of_repeats = np.concatenate([OF_CLASSES[name](true, called, hits) for name in self._names], axis=1)
        return np.einsum("br,rcb->bc", repeats, of_repeats) / self.n_repeats


def number_classes(
    y: ArrayLike, called: ArrayLike, categories: Sequence[Any] | None, name: str = "score"
) -> tuple[Codes, Codes, list[Any]]:
    """Number true and called classes.

    Parameters
    ----------
    y : array_like (n,)
        Integers, booleans or strings.
    called : array_like (n,) or (repeats, n)
    categories : sequence or None
        The classes that can occur; without it, those of y in sorted order.
    name : str
        What messages call `called`.

    Returns
    -------
    true : ndarray of int (n,)
    called : ndarray of int (repeats, n)
        Places among the categories; -1 for a called class that is not among those of y, where none are given.
    categories : list

    Raises
    ------
    ValueError
        A missing label, one outside `categories`, numbers beside text, more categories than any classes have.
    """
    vectors = {"y": read_labels(y, "y")}
    # A single run as it was given: a NaN within a list of strings is one still.
    runs: Sequence[ArrayLike] = [called] if np.ndim(called) == 1 else list(np.asarray(called))
    for repeat, run in enumerate(runs):
        of_run = name if len(runs) == 1 else f"{name} of repeat {repeat}"
        vectors[of_run] = read_labels(run, of_run, len(vectors["y"]))
    codes, found = number_labels(vectors)
    if categories is None:
        occurring = np.unique(codes[0]).tolist()
        order = sorted(occurring, key=found.__getitem__)
        place = np.full(len(found), -1, np.intp)
        place[order] = np.arange(len(order))
        codes, categories = [place[of_vector] for of_vector in codes], [found[code] for code in order]
    else:
        codes = place_codes(dict(zip(vectors, codes, strict=True)), found, list(categories))
    if len(categories) > MOST_CATEGORIES:
        raise ValueError(f"y has {len(categories)} different labels; expected classes, at most {MOST_CATEGORIES}")
    return codes[0], np.array(codes[1:]), list(categories)
