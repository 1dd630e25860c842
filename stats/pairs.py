"""Paired values: checked, averaged within patients, subtracted and ranked."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stats.inputs import group_index, vector

Floats = NDArray[np.float64]


def paired_values(x: ArrayLike, y: ArrayLike, groups: ArrayLike | None = None) -> tuple[Floats, Floats]:
    """Return paired values as two vectors, averaged within a group first where groups are given.

    Parameters
    ----------
    x, y : array_like (n,)
        Finite numbers, at least one pair.
    groups : array_like (n,), optional
        One label per row.

    Returns
    -------
    x, y : ndarray (n,) or (groups,)
        Groups in the sorted order of their labels.

    Raises
    ------
    ValueError
        No pair, lengths that differ, a value that is NaN or infinite.
    """
    first = vector(x, "x")
    second = vector(y, "y", first.size)
    if not first.size:
        raise ValueError("x and y are empty; expected at least one pair")
    for name, values in (("x", first), ("y", second)):
        broken = ~np.isfinite(values)
        if broken.any():
            row = int(np.argmax(broken))
            raise ValueError(
                f"{name} is {values[row]} at row {row} ({int(broken.sum())} in all); expected finite numbers"
            )
    if groups is None:
        return first, second
    index, count = group_index(groups, first.size)
    size = np.bincount(index, minlength=count)
    return (
        np.bincount(index, weights=first, minlength=count) / size,
        np.bincount(index, weights=second, minlength=count) / size,
    )


def subtraction_rounding(x: Floats, y: Floats) -> Floats:
    """Bound of what rounding does to each x - y: the subtraction of two doubles is off by this much at most."""
    return 4 * np.finfo(float).eps * np.maximum(np.abs(x), np.abs(y))


def signed_differences(x: Floats, y: Floats) -> Floats:
    """Return x - y without the rounding of the subtraction, so that ties and zeros can be told by equality.

    A difference within its own rounding is 0. Neighbours in the order of size are equal where they lie no further
    apart than the larger of their roundings; all of them get the size of the smallest. (.3 - .2 and .2 - .1 differ as
    doubles and are tied here; in R they are not, unless `digits.rank` is given.)
    """
    differences, rounding = x - y, subtraction_rounding(x, y)
    zero = np.abs(differences) <= rounding
    differences[zero] = rounding[zero] = 0.0

    order = np.argsort(np.abs(differences))
    sizes, noise = np.abs(differences)[order], rounding[order]
    starts = np.append(True, np.diff(sizes) > np.maximum(noise[1:], noise[:-1]))
    differences[order] = np.copysign(sizes[starts][np.cumsum(starts) - 1], differences[order])
    return differences


def doubled_midranks(sizes: Floats) -> NDArray[np.int64]:
    """Return twice the midranks (1 = smallest), which are whole numbers."""
    _, run, length = np.unique(sizes, return_inverse=True, return_counts=True)
    return (2 * np.cumsum(length) - length + 1)[run]
