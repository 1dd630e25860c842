"""AUC and average precision of many resamples at once, exactly, from the multiplicities of groups.

Scores are sorted once. What a resample changes are weights, so that both measures become sums over ranked steps of
products of weighted counts. A step's counts are a sparse matrix (steps x groups) times the weights (groups x
replicates): whole numbers throughout, hence the same AUC as from the resampled rows, ties included.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

Weights = NDArray[np.floating[Any]]


class WeightedAuc:
    """AUC of one class: sum over positives of the weight of negatives below, ties half.

    Positives between the same two negatives are merged into one step, so the number of steps is at most that of the
    smaller class (twice it, plus one, if the negatives are the smaller).

    Parameters
    ----------
    positive : ndarray of bool (n,)
    score : ndarray (n,)
        Without NaN.
    group : ndarray of int (n,)
    n_groups : int
    """

    def __init__(
        self, positive: NDArray[np.bool_], score: NDArray[np.float64], group: NDArray[np.intp], n_groups: int
    ) -> None:
        of_negatives = score[~positive]
        ranked = np.sort(of_negatives)
        levels = np.unique(score[positive])
        placement = np.searchsorted(ranked, levels, "left") + np.searchsorted(ranked, levels, "right")
        step = np.cumsum(np.diff(placement, prepend=placement[0]) > 0, dtype=np.intp)
        n_steps = int(step[-1]) + 1

        self._positives = count_groups(
            step[np.searchsorted(levels, score[positive])], group[positive], n_steps, n_groups
        )
        # Half of a negative's doubled weight lies below the first step at or above it, half below the first one above.
        step = np.append(step, n_steps)
        at_or_above = step[np.searchsorted(levels, of_negatives, "left")]
        above = step[np.searchsorted(levels, of_negatives, "right")]
        both, groups = np.concatenate([at_or_above, above]), np.tile(group[~positive], 2)
        self._negatives_twice = count_groups(both[both < n_steps], groups[both < n_steps], n_steps, n_groups)

    def __call__(self, weights: Weights, n_positive: NDArray[np.float64], n_negative: NDArray[np.float64]) -> Weights:
        """Return the AUC of every column of weights (groups, replicates), given the weighted class sizes."""
        below_twice = cumulate_rows(self._negatives_twice @ weights)
        pairs_twice = np.einsum("kb,kb->b", self._positives @ weights, below_twice, dtype=np.float64)
        return pairs_twice / (2 * n_positive * n_negative)


class WeightedAuprc:
    """Average precision of one class: sum over distinct scores of recall gained times precision there.

    Steps are the distinct scores of positives, from the highest; parameters as `WeightedAuc`.
    """

    def __init__(
        self, positive: NDArray[np.bool_], score: NDArray[np.float64], group: NDArray[np.intp], n_groups: int
    ) -> None:
        levels = np.unique(score[positive])
        n_steps = levels.size
        step = n_steps - 1 - np.searchsorted(levels, score[positive], "left")
        self._positives = count_groups(step, group[positive], n_steps, n_groups)
        # A negative counts against every level up to its own score.
        step = n_steps - np.searchsorted(levels, score[~positive], "right")
        self._negatives = count_groups(step[step < n_steps], group[~positive][step < n_steps], n_steps, n_groups)

    def __call__(self, weights: Weights, n_positive: NDArray[np.float64], n_negative: NDArray[np.float64]) -> Weights:
        """Return the average precision of every column of weights, given the weighted class sizes."""
        gained = self._positives @ weights
        found = cumulate_rows(gained.copy())
        called = cumulate_rows(self._negatives @ weights)
        called += found
        precision = np.divide(found, np.maximum(called, 1), dtype=np.float64)
        return np.einsum("kb,kb->b", gained, precision, dtype=np.float64) / n_positive


def count_groups(step: NDArray[np.integer[Any]], group: NDArray[np.intp], n_steps: int, n_groups: int) -> csr_matrix:
    """Matrix (steps, groups) of how many rows of a group belong to a step."""
    return csr_matrix((np.ones(step.size, np.float32), (step, group)), shape=(n_steps, n_groups))


def cumulate_rows(rows: Weights, combine: np.ufunc = np.add) -> Weights:
    """Cumulative sum (or another accumulation) along the first axis, in place.

    numpy's own runs down one column after the other; combining whole rows, in blocks of about the square root of
    their number, is ten times faster.
    """
    n_rows, width = rows.shape
    length = max(1, math.isqrt(n_rows))
    in_blocks = n_rows - n_rows % length
    blocks = rows[:in_blocks].reshape(-1, length, width)
    for i in range(1, length):
        combine(blocks[:, i], blocks[:, i - 1], out=blocks[:, i])
    for j in range(1, len(blocks)):
        combine(blocks[j], blocks[j - 1, -1], out=blocks[j])
    for k in range(in_blocks, n_rows):
        combine(rows[k], rows[k - 1], out=rows[k])
    return rows
