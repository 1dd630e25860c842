"""Labels of rows, such as classes and patients: read without a change of their kind, checked, and numbered."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from itertools import chain, count
from numbers import Number
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Integers within a span of this many are used as they are, counted from the lowest; others are looked up.
NARROW_SPAN = 100
# From here on not every whole number is a double.
WHOLE_IN_FLOAT64 = 2**53

Codes = NDArray[np.intp]
Labels = NDArray[Any] | list[Any]  # an array of numbers without NaN, or of text; anything else as a list


def read_labels(values: ArrayLike, name: str, length: int | None = None) -> Labels:
    """Read labels, one per row: an array of numbers without NaN or of text, or a list of what cannot be one.

    numpy turns a NaN or a number within a list of strings into a string without a word; here they stay what they are.

    Raises
    ------
    ValueError
        Not one dimension, another length than the one given, a NaN among numbers (`number_labels` refuses whatever is
        missing from a list).
    """
    expected = "one dimension" if length is None else f"({length},)"
    if isinstance(values, list | tuple) and values and isinstance(values[0], str):
        labels: Labels = list(values)
        shape: tuple[int, ...] = (len(labels),)
    else:
        try:
            array: NDArray[Any] = np.asarray(values)
        except ValueError as error:
            raise ValueError(f"{name} is no vector ({error}); expected {expected}, one label per row") from error
        labels, shape = _as_given(array, values), array.shape
    if len(shape) != 1 or length not in (None, shape[0]):
        raise ValueError(f"{name} has shape {shape}; expected {expected}, one label per row")
    if isinstance(labels, np.ndarray) and labels.dtype.kind == "f":
        _refuse_missing(np.isnan(labels), labels, name)
    return labels


def number_labels(vectors: Mapping[str, Labels]) -> tuple[list[Codes], list[Any]]:
    """Number the labels of one or more vectors alike.

    Parameters
    ----------
    vectors : mapping of name to what `read_labels` returned
        The names are those that messages use.

    Returns
    -------
    codes : list of ndarray of int
        Place of each label among those found, for each vector.
    found : list
        Different labels, some of which may not occur.

    Raises
    ------
    ValueError
        A label that is missing, numbers beside text.
    """
    dtypes = [labels.dtype for labels in vectors.values() if isinstance(labels, np.ndarray)]
    if len(dtypes) == len(vectors) and _joined_exactly(dtypes):
        joined = np.concatenate(list(vectors.values()))
        codes, found = _numbered_text(joined) if joined.dtype.kind in "US" else _numbered_numbers(joined)
        if codes is not None:
            return _split(codes, vectors), found
    rows = [labels.tolist() if isinstance(labels, np.ndarray) else labels for labels in vectors.values()]
    place: defaultdict[Any, int] = defaultdict(count().__next__)
    try:  # hashing is faster than numpy's sorting of strings
        numbered = np.fromiter(map(place.__getitem__, chain(*rows)), np.intp, sum(map(len, rows)))
    except TypeError as error:
        raise ValueError(f"{' or '.join(vectors)} holds something that is no label: {error}") from error
    of_vectors, found = _split(numbered, vectors), list(place)
    missing = np.array([_is_missing(label) for label in found], dtype=bool)
    if missing.any():
        for name, of_vector, labels in zip(vectors, of_vectors, rows, strict=True):
            _refuse_missing(missing[of_vector], labels, name)
    _refuse_two_kinds(vectors, of_vectors, found)
    return of_vectors, found


def _as_given(array: NDArray[Any], values: ArrayLike) -> Labels:
    """The array if it holds what was given, else a list."""
    given_as_array = hasattr(values, "__array__")
    if array.dtype.kind in "biu" or array.ndim != 1 or (array is values and array.dtype.kind in "US"):
        return array
    if array.dtype.kind == "f" and (given_as_array or not (np.abs(array) >= WHOLE_IN_FLOAT64).any()):
        return array
    if array.dtype.kind in "mM" and np.isnat(array).any():
        return [None if missing else label for label, missing in zip(array.tolist(), np.isnat(array), strict=True)]
    return array.tolist() if given_as_array else list(values)  # type: ignore[arg-type]


def _joined_exactly(dtypes: list[np.dtype[Any]]) -> bool:
    """Whether arrays of these types can be concatenated and stay what they are: no whole number becomes a double."""
    kinds = {dtype.kind for dtype in dtypes}
    return len(kinds) == 1 or (kinds <= set("biu") and np.result_type(*dtypes).kind in "biu")


def _numbered_numbers(labels: NDArray[Any]) -> tuple[Codes, list[Any]]:
    if labels.dtype.kind == "f" and (np.abs(labels) < WHOLE_IN_FLOAT64).all():
        whole = labels.astype(np.int64)
        labels = whole if (whole == labels).all() else labels
    if labels.dtype.kind in "biu" and labels.size:
        low, high = int(labels.min()), int(labels.max())
        if high - low < NARROW_SPAN:
            return (labels - low if low else labels).astype(np.intp, copy=False), list(range(low, high + 1))
    found, codes = np.unique(labels, return_inverse=True)
    return codes, found.tolist()


def _numbered_text(labels: NDArray[Any]) -> tuple[Codes | None, list[Any]]:
    """Number text by a hash of its characters; None in the unlikely case that two texts share one."""
    size = 4 if labels.dtype.kind == "U" else 1
    characters: NDArray[Any] = labels.view(f"u{size}").reshape(labels.size, labels.itemsize // size)
    odd = np.random.default_rng(0).integers(2**63, size=characters.shape[1], dtype=np.uint64) * 2 + 1
    _, first, codes = np.unique(characters @ odd, return_index=True, return_inverse=True)
    found = labels[first]
    return (codes if np.array_equal(found[codes], labels) else None), found.tolist()


def _split(codes: Codes, vectors: Mapping[str, Labels]) -> list[Codes]:
    return np.split(codes, np.cumsum([len(labels) for labels in vectors.values()])[:-1])


def _is_missing(label: Any) -> bool:
    try:
        return label is None or bool(label != label)
    except TypeError:  # pandas.NA has no truth value.
        return True


def _refuse_missing(missing: NDArray[np.bool_], labels: Labels, name: str) -> None:
    if missing.any():
        row = int(np.argmax(missing))
        raise ValueError(f"{name} is missing ({labels[row]}) at row {row} ({int(missing.sum())} missing in all)")


def _kind(label: Any) -> str:
    if isinstance(label, str):
        return "text"
    return "numbers" if isinstance(label, Number | np.bool_) else type(label).__name__


def _refuse_two_kinds(vectors: Mapping[str, Labels], codes: list[Codes], found: list[Any]) -> None:
    """Raise where labels are of different kinds: 1 and "1" are likely the same to whoever wrote them."""
    kinds = [_kind(label) for label in found]
    if len(set(kinds)) < 2:
        return
    other = next(code for code, kind in enumerate(kinds) if kind != kinds[0])
    told = []
    for code in (0, other):
        name, of_vector = next((name, each) for name, each in zip(vectors, codes, strict=True) if (each == code).any())
        told.append(f"{name} is {found[code]!r} at row {int(np.argmax(of_vector == code))}")
    raise ValueError(f"{' and '.join(told)}: {kinds[0]} and {kinds[other]}; expected labels of one kind")
