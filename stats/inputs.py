"""Checks on what the tests are given: every refusal says what was found, where, and what was expected."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stats.labels import number_labels, read_labels


def number_array(values: ArrayLike, name: str) -> NDArray[np.float64]:
    """Return values as float64, refusing what is not a number."""
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{name} holds something that is not a number: {error}") from error


def vector(values: ArrayLike, name: str, length: int | None = None) -> NDArray[np.float64]:
    """Return a one-dimensional float64 array, of a given length where one is given."""
    array = number_array(values, name)
    if array.ndim != 1:
        raise ValueError(f"{name} has shape {array.shape}; expected one dimension, one value per row")
    if length is not None and array.size != length:
        raise ValueError(f"{name} has {array.size} values; expected {length}, one per row")
    return array


def refuse_nan(array: NDArray[np.float64], name: str, remedy: str = "") -> None:
    """Raise where there is a NaN, saying how many and the first place."""
    missing = np.isnan(array)
    if not missing.any():
        return
    first = np.argwhere(missing)[0].tolist()
    where = f"row {first[0]}" if array.ndim == 1 else f"index {tuple(first)}"
    raise ValueError(
        f"{name} is NaN at {where} ({int(missing.sum())} NaN in all); expected a number everywhere{remedy}"
    )


def refuse_other_labels(y: NDArray[np.float64], name: str = "y") -> None:
    """Raise where a label is neither 0 nor 1 (NaN passes here)."""
    other = ~((y == 0) | (y == 1) | np.isnan(y))
    if other.any():
        first = np.argwhere(other)[0].tolist()
        place = first[0] if y.ndim == 1 else tuple(first)
        raise ValueError(f"{name} is {y[other][0]:g} at row {place}; expected 1 (positive) or 0 (negative)")


def positive_rows(y: ArrayLike, name: str = "y") -> NDArray[np.bool_]:
    """Return which rows are positive; both classes must be present and no label missing."""
    given: NDArray[Any] = np.asarray(y)
    if given.dtype == np.bool_ and given.ndim == 1:
        positive = given
    else:
        labels = vector(given, name)
        refuse_nan(labels, name, "; leave out the rows without a label")
        refuse_other_labels(labels, name)
        positive = labels == 1
    n_positive = int(np.count_nonzero(positive))
    require_both_classes(n_positive, positive.size - n_positive, name)
    return positive


def require_both_classes(n_positive: int, n_negative: int, where: str = "y") -> None:
    """Raise where one class has no row: the AUC is not defined then."""
    if n_positive and n_negative:
        return
    absent = "positive" if not n_positive else "negative"
    raise ValueError(
        f"{where} has no {absent} row ({n_positive} positive, {n_negative} negative); an AUC needs at least one of each"
    )


def score_rows(scores: list[Any], names: list[str], n: int, remedy: str = "") -> list[NDArray[np.float64]]:
    """Return score vectors (n,), refusing NaN; what is float64 already is not copied."""
    rows = [vector(score, name, n) for score, name in zip(scores, names, strict=True)]
    for row, name in zip(rows, names, strict=True):
        refuse_nan(row, name, remedy)
    return rows


def group_index(groups: ArrayLike | None, n: int, name: str = "groups") -> tuple[NDArray[np.intp], int]:
    """Number the groups, in sorted order of their labels.

    Parameters
    ----------
    groups : array_like (n,) or None
        One label per row (strings or integers); None makes every row a group of its own.
    n : int
        Rows.
    name : str
        What messages call `groups`.

    Returns
    -------
    index : ndarray (n,)
        Group of each row, 0 .. count - 1.
    count : int

    Raises
    ------
    ValueError
        Another shape, a label that is missing (None, NaN, pandas.NA), numbers beside text.
    """
    if groups is None:
        return np.arange(n), n
    labels = read_labels(groups, name, n)
    if isinstance(labels, np.ndarray) and labels.dtype.kind not in "US":
        names, index = np.unique(labels, return_inverse=True)
        return index.astype(np.intp), int(names.size)
    (codes,), found = number_labels({name: labels})
    try:
        order = sorted(range(len(found)), key=found.__getitem__)
    except TypeError as error:
        raise ValueError(f"{name} cannot be sorted ({error}); expected numbers or text") from error
    place = np.empty(len(found), np.intp)
    place[order] = np.arange(len(found))
    return place[codes], len(found)
