"""Order statistics of the Walsh averages (d_i + d_j) / 2, i <= j, without holding all of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Columns = NDArray[np.intp]

FEW = 1 << 16  # so many averages are formed and partitioned at once


def hodges_lehmann(ordered: Floats) -> float:
    """Median of the Walsh averages of differences in ascending order (Hodges and Lehmann 1963)."""
    count = walsh_count(ordered.size)
    low = walsh_average(ordered, (count + 1) // 2)
    if count % 2:
        return low
    rows = np.arange(ordered.size)
    above = _first_column(ordered, rows, np.full_like(rows, rows.size), np.greater, 2 * low)
    if int((above - rows).sum()) > count // 2:
        return low
    rows = rows[above < rows.size]
    high = float((ordered[rows] + ordered[above[rows]]).min()) / 2
    return (low + high) / 2


def walsh_count(n: int) -> int:
    """Number of Walsh averages of n differences."""
    return n * (n + 1) // 2


def walsh_average(ordered: Floats, k: int) -> float:
    """k-th smallest Walsh average, k = 1 .. n (n + 1) / 2.

    Johnson and Mizoguchi (1978, SIAM J. Comput. 7:147): each row i of the matrix d_i + d_j keeps a window of columns
    in which the answer can lie; the weighted median of the windows' middles shrinks all windows at once, by a quarter
    at least. O(n) memory, O(n log^2 n) time.

    Parameters
    ----------
    ordered : ndarray (n,)
        Differences in ascending order.
    k : int
    """
    n = ordered.size
    rows = np.arange(n)
    start, stop = rows.copy(), np.full(n, n)
    while True:
        width = stop - start
        candidates = int(width.sum())
        below = int((start - rows).sum())
        if candidates <= n + FEW:
            row = np.repeat(rows, width)
            column = np.arange(candidates) - np.repeat(np.cumsum(width) - width, width) + np.repeat(start, width)
            sums = ordered[row] + ordered[column]
            return float(np.partition(sums, k - below - 1)[k - below - 1]) / 2
        pivot = _weighted_median(ordered, start, width)
        reaching = _first_column(ordered, start, stop, np.greater_equal, pivot)
        if k <= int((reaching - rows).sum()):
            stop = reaching
            continue
        above = _first_column(ordered, reaching, stop, np.greater, pivot)
        if k <= int((above - rows).sum()):
            return pivot / 2
        start = above


def _weighted_median(ordered: Floats, start: Columns, width: Columns) -> float:
    """Median of the middles of the rows' windows, each weighted by the window's width."""
    live = np.flatnonzero(width)
    middles = ordered[live] + ordered[start[live] + width[live] // 2]
    order = np.argsort(middles)
    reached = np.cumsum(width[live][order])
    return float(middles[order][np.searchsorted(reached, (reached[-1] + 1) // 2)])


def _first_column(ordered: Floats, start: Columns, stop: Columns, passes: np.ufunc, value: float) -> Columns:
    """First column of each row's window whose sum passes (np.greater, or np.greater_equal) a value."""
    low, high = start.copy(), stop.copy()
    for _ in range(int((stop - start).max()).bit_length()):
        middle = (low + high) // 2
        true = passes(ordered + ordered[np.minimum(middle, ordered.size - 1)], value)
        true |= low == high
        high = np.where(true, middle, high)
        low = np.where(true, low, middle + 1)
    return low
