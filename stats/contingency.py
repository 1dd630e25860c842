"""Two models' labels of the same images, read as a square table of counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stats.inputs import number_array

# More distinct labels than this are no classes: somebody passed scores or image identifiers.
MOST_CATEGORIES = 1000
# Integers within a span of this many are used as they are, counted from the lowest; others are looked up.
NARROW_SPAN = 100

Codes = NDArray[np.intp]


def square_table(table: ArrayLike, size: int | None = None) -> NDArray[np.int64]:
    """Return a square table of counts, of a given size where one is given.

    Raises
    ------
    ValueError
        A shape that is not square, an entry that is no count, a table without any row counted.
    """
    counts = number_array(table, "table")
    wanted = "a square table of counts" if size is None else f"a {size} x {size} table of counts"
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or size not in (None, counts.shape[0]):
        raise ValueError(f"table has shape {counts.shape}; expected {wanted}, or one vector for each of the two models")
    broken = ~(np.isfinite(counts) & (counts >= 0) & (counts == np.floor(counts)))
    if broken.any():
        row, column = np.argwhere(broken)[0].tolist()
        raise ValueError(
            f"table is {counts[row, column]:g} at row {row}, column {column}; expected a count: a whole number from 0"
        )
    if not counts.any():
        raise ValueError(f"table of shape {counts.shape} counts no row; expected at least one")
    return counts.astype(np.int64)


def table_of_codes(codes_a: Codes, codes_b: Codes, size: int) -> NDArray[np.int64]:
    """Count the pairs of codes: rows a, columns b."""
    return np.bincount(codes_a * size + codes_b, minlength=size * size).reshape(size, size)


def label_codes(
    labels_a: ArrayLike, labels_b: ArrayLike, categories: Sequence[Any] | None = None
) -> tuple[Codes, Codes, int]:
    """Number the labels of two models.

    Parameters
    ----------
    labels_a, labels_b : array_like (n,)
        Integers, booleans or strings.
    categories : sequence, optional
        The labels that can occur; without it, those that do.

    Returns
    -------
    codes_a, codes_b : ndarray (n,)
        Place of each label among the categories (without them: among the labels found).
    size : int
        Number of categories.

    Raises
    ------
    ValueError
        Lengths that differ, no row, a missing label, a label outside `categories`, numbers compared with text.
    """
    a, b = _labels(labels_a, "labels_a"), _labels(labels_b, "labels_b")
    n = a.size
    if b.size != n:
        raise ValueError(f"labels_b has {b.size} labels; expected {n}, one for each of labels_a")
    if not n:
        raise ValueError("labels_a and labels_b are empty; expected at least one row")
    if _is_text(a) != _is_text(b):
        raise ValueError(f"labels_a starts with {a[:1].tolist()} and labels_b with {b[:1].tolist()}: numbers and text")
    codes, found = _distinct(np.concatenate([a, b]))
    if categories is not None:
        codes, size = _placed(codes, found, list(categories))
    else:
        size = len(found)
    if size > MOST_CATEGORIES:
        raise ValueError(f"there are {size} different labels; expected classes, at most {MOST_CATEGORIES}")
    return codes[:n], codes[n:], size


def _labels(values: ArrayLike, name: str) -> NDArray[Any]:
    labels: NDArray[Any] = np.asarray(values)
    if labels.ndim != 1:
        raise ValueError(f"{name} has shape {labels.shape}; expected one dimension, one label per row")
    if labels.dtype.kind not in "biufUSO" or (labels.dtype.kind in "US" and not isinstance(values, np.ndarray)):
        # numpy turns a NaN, or a number, within a list of strings into a string without a word.
        labels = np.array(values, dtype=object)
    if labels.dtype.kind == "O":
        missing = [_is_missing(label) for label in dict.fromkeys(labels.tolist())]
        rows = [_is_missing(label) for label in labels.tolist()] if any(missing) else []
    else:
        rows = np.isnan(labels) if labels.dtype.kind == "f" else []
    if np.any(rows):
        row = int(np.argmax(rows))
        raise ValueError(f"{name} is missing ({labels[row]}) at row {row} ({int(np.sum(rows))} missing in all)")
    return labels


def _is_missing(label: Any) -> bool:
    try:
        return label is None or bool(label != label)
    except TypeError:  # pandas.NA has no truth value.
        return True


def _is_text(labels: NDArray[Any]) -> bool:
    return labels.dtype.kind in "US" or isinstance(labels[0], str)


def _distinct(labels: NDArray[Any]) -> tuple[Codes, list[Any]]:
    """Number labels by a list of labels, some of which may not occur."""
    if labels.dtype.kind in "biu":
        low, high = int(labels.min()), int(labels.max())
        if high - low < NARROW_SPAN:
            return (labels - low if low else labels).astype(np.intp, copy=False), list(range(low, high + 1))
    row_labels = labels.tolist()  # hashing is faster than numpy's sorting of strings
    found = list(dict.fromkeys(row_labels))
    place = {label: code for code, label in enumerate(found)}
    return np.fromiter(map(place.__getitem__, row_labels), np.intp, len(row_labels)), found


def _placed(codes: Codes, found: list[Any], categories: list[Any]) -> tuple[Codes, int]:
    """Renumber codes of labels found by their place among the categories."""
    place = {label: position for position, label in enumerate(categories)}
    if len(place) != len(categories):
        raise ValueError(f"categories are {categories!r}; expected each label once")
    occurs = np.bincount(codes, minlength=len(found))
    outside = [code for code, label in enumerate(found) if occurs[code] and label not in place]
    if outside:
        at = int(np.argmax(np.isin(codes, outside)))
        n = codes.size // 2
        name, row = ("labels_a", at) if at < n else ("labels_b", at - n)
        raise ValueError(f"{name} is {found[codes[at]]!r} at row {row}, which is not one of categories {categories!r}")
    return np.array([place.get(label, -1) for label in found], np.intp)[codes], len(categories)
