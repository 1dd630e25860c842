"""A curve of true against false positives, as counts that the multiplicities of groups change."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stats.weighted_ranks import Weights, count_groups, cumulate_rows

Floats = NDArray[np.float64]

#: Nearer to a whole number of false positives than this, a rate means that whole number.
_WHOLE = 1e-6


class CurveSteps:
    """One run's curve, from the highest score down.

    Neighbouring scores that only true positives have, or only false ones, lie on one line and are one step.

    Parameters
    ----------
    positive : ndarray of bool (n,)
    score : ndarray (n,)
        Without NaN; there may be none.
    group : ndarray of int (n,)
    n_groups : int
    """

    def __init__(self, positive: NDArray[np.bool_], score: Floats, group: NDArray[np.intp], n_groups: int) -> None:
        levels, level = np.unique(-score, return_inverse=True)
        kind = np.bincount(level[positive], minlength=levels.size).astype(bool) + 2 * np.bincount(
            level[~positive], minlength=levels.size
        ).astype(bool)
        new = np.concatenate([[False], (kind[1:] != kind[:-1]) | (kind[1:] == 3)])
        step = np.cumsum(new)[level]
        n_steps = int(new.sum()) + 1
        self._positives = count_groups(step[positive], group[positive], n_steps, n_groups)
        self._negatives = count_groups(step[~positive], group[~positive], n_steps, n_groups)

    def __call__(self, weights: Weights) -> tuple[Floats, Floats]:
        """False and true positives so far (1 + steps, replicates), from none to all."""
        first = np.zeros((1, weights.shape[1]))
        return (
            np.concatenate([first, cumulate_rows(self._negatives @ weights)]),
            np.concatenate([first, cumulate_rows(self._positives @ weights)]),
        )


def read_off(false: Floats, true: Floats, allowed: Floats) -> Floats:
    """True positives where a curve has reached so many false ones.

    Where the curve rises straight up it has its upper value; within a step it is the line between the step's ends.

    Parameters
    ----------
    false, true : ndarray (1 + steps, replicates)
        As `CurveSteps` counts them.
    allowed : ndarray (replicates, k)
        Not more than the last of `false`.

    Returns
    -------
    ndarray (replicates, k)
    """
    n_steps, n_replicates = false.shape
    whole = np.rint(allowed)
    allowed = np.where(np.abs(allowed - whole) < _WHOLE, whole, allowed)
    # One search through all replicates, each in a range of its own.
    apart = (false[-1].max() + 1) * np.arange(n_replicates)[:, None]
    last = np.searchsorted((false.T + apart).ravel(), (allowed + apart).ravel(), "right") - 1
    last = last.reshape(allowed.shape)
    following = np.minimum(last + 1, n_steps * np.arange(1, n_replicates + 1)[:, None] - 1)
    along, up = np.ascontiguousarray(false.T).ravel(), np.ascontiguousarray(true.T).ravel()
    width = along[following] - along[last]
    share = np.where(width > 0, (allowed - along[last]) / np.maximum(width, 1), 0)
    reached: Floats = up[last] + share * (up[following] - up[last])
    return reached
