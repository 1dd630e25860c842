"""Two models' labels of the same images, read as a square table of counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stats.inputs import number_array
from stats.labels import Codes, number_labels, read_labels

# More distinct labels than this are no classes: somebody passed scores or image identifiers.
MOST_CATEGORIES = 1000
# What the tests call the vectors that they take in place of a table.
LABELS = ("labels_a", "labels_b")
CORRECTNESS = ("correct_a", "correct_b")


def table_or_vectors(
    table: ArrayLike | None, first: ArrayLike | None, second: ArrayLike | None, names: tuple[str, str]
) -> tuple[ArrayLike, ArrayLike | None]:
    """Tell a table from two models' vectors, however they were passed.

    Parameters
    ----------
    table : array_like or None
        The first argument by place, which is a table, or the first vector if there is a second one.
    first, second : array_like or None
        The vectors by their names; the second one also by place.
    names : (str, str)
        What `first` and `second` are called.

    Returns
    -------
    table, None or first, second

    Raises
    ------
    TypeError
        Neither a table nor two vectors, or both.
    """
    expected = f"expected a table alone, or {names[0]} and {names[1]}"
    if first is None:
        if table is None:
            raise TypeError(f"{'nothing' if second is None else f'only {names[1]}'} was given; {expected}")
        return table, second
    if table is not None:
        raise TypeError(f"a table, or a vector by place, was given beside {names[0]}; {expected}")
    if second is None:
        raise TypeError(f"only {names[0]} was given; {expected}")
    return first, second


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
        Lengths that differ, no row, a missing label, a label outside `categories`, numbers beside text.
    """
    vectors = {name: read_labels(values, name) for name, values in zip(LABELS, (labels_a, labels_b), strict=True)}
    n, n_other = map(len, vectors.values())
    if n_other != n:
        raise ValueError(f"labels_b has {n_other} labels; expected {n}, one for each of labels_a")
    if not n:
        raise ValueError("labels_a and labels_b are empty; expected at least one row")
    (codes_a, codes_b), found = number_labels(vectors)
    size = len(found)
    if categories is not None:
        codes_a, codes_b = place_codes(dict(zip(LABELS, (codes_a, codes_b), strict=True)), found, list(categories))
        size = len(categories)
    if size > MOST_CATEGORIES:
        raise ValueError(f"there are {size} different labels; expected classes, at most {MOST_CATEGORIES}")
    return codes_a, codes_b, size


def place_codes(codes: dict[str, Codes], found: list[Any], categories: list[Any]) -> list[Codes]:
    """Renumber codes of labels found by their place among the categories; raise where one is none of them."""
    place = {label: position for position, label in enumerate(categories)}
    if len(place) != len(categories):
        raise ValueError(f"categories are {categories!r}; expected each label once")
    placed = np.array([place.get(label, -1) for label in found], np.intp)
    for name, of_vector in codes.items():
        outside = placed[of_vector] < 0
        if outside.any():
            row = int(np.argmax(outside))
            raise ValueError(
                f"{name} is {found[of_vector[row]]!r} at row {row}, which is not one of categories {categories!r}"
            )
    return [placed[of_vector] for of_vector in codes.values()]
