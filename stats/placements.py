"""Placements of images among the other class, and what DeLong's variance is made of."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stats.inputs import group_index

Floats = NDArray[np.float64]
Whole = NDArray[Any]  # of int32, or int64 where that is too small


@dataclass(frozen=True, eq=False)
class Components:
    """Structural components of k AUCs, summed by patient and centred.

    They are kept in units in which they are whole numbers, so that models which rank all pairs of images alike differ
    by exactly 0, whatever the rounding elsewhere.

    Attributes
    ----------
    auc : ndarray (k,)
    pairs_twice : ndarray (k,)
        Twice the number of correctly ordered pairs (positive, negative), a tie counting half.
    positive, negative : ndarray (k, patients with a positive), (k, patients with a negative)
        Centred sums over a patient's positives and negatives.
    both : pair of ndarray
        Columns in `positive` and in `negative` of the patients that have both.
    factors : tuple of float
        What sums of positive^2, negative^2 and positive * negative are multiplied by in the variance; NaN where a
        variance needs more patients than there are.
    n_positive, n_negative, n_clusters : int
    """

    auc: Floats
    pairs_twice: Floats
    positive: Floats
    negative: Floats
    both: tuple[NDArray[np.intp], NDArray[np.intp]]
    factors: tuple[float, float, float]
    n_positive: int
    n_negative: int
    n_clusters: int

    def covariance(self, positive: Floats, negative: Floats) -> Floats:
        """Covariance matrix of AUCs, or of differences of AUCs, from their components in rows."""
        of_positive, of_negative, crossed = self.factors
        matrix = of_positive * (positive @ positive.T) + of_negative * (negative @ negative.T)
        if self.both[0].size:
            cross = positive[:, self.both[0]] @ negative[:, self.both[1]].T
            matrix = matrix + crossed * (cross + cross.T)
        return matrix

    def variance(self, positive: Floats, negative: Floats) -> float:
        """Variance of one AUC, or of one difference, exactly 0 where the components leave none.

        Components that are all 0 give 0. Where every patient has both classes the two sums can also cancel; what is
        then left is rounding of the sums it came from.
        """
        of_positive, of_negative, crossed = self.factors
        squares = of_positive * float(positive @ positive) + of_negative * float(negative @ negative)
        variance = squares + 2 * crossed * float(positive[self.both[0]] @ negative[self.both[1]])
        return 0.0 if variance <= 1e-12 * squares else variance


def components(positive: NDArray[np.bool_], scores: Floats, groups: ArrayLike | None) -> Components:
    """Rank every model once and reduce it to components.

    Obuchowski's variance (1997, Biometrics 53:567) is S10/m + S01/n + 2 S11/(m n), with S10 = I10 / ((I10 - 1) m)
    sum u_i^2 over the I10 patients with a positive, S01 alike over those with a negative, and S11 = I / (I - 1)
    sum u_i v_i over all I patients; u_i (v_i) is the sum of the patient's centred components of positives (negatives).
    With one image per patient no patient has both, and it is DeLong's variance without any further factor.

    Parameters
    ----------
    positive : ndarray of bool (n,)
    scores : ndarray (k, n)
        Without NaN.
    groups : array_like (n,) or None
        Patient of each image.
    """
    m = int(positive.sum())
    n = positive.size - m
    order = np.concatenate([np.flatnonzero(positive), np.flatnonzero(~positive)])
    counts = np.empty(scores.shape)
    for score, row in zip(scores, counts, strict=True):
        write_placements(score[order], m, out=row)
    pairs_twice = counts[:, :m].sum(axis=1)

    # With u_i = U_i / (2 m n), U_i = m (sum of the patient's counts) - m_i (sum of all counts) is a whole number.
    none = np.empty(0, np.intp)
    of_positive, of_negative, n_clusters, both = counts[:, :m], counts[:, m:], positive.size, (none, none)
    if groups is None:
        of_positive *= m
        of_positive -= pairs_twice[:, None]
        of_negative *= n
        of_negative -= pairs_twice[:, None]
    else:
        index, n_clusters = group_index(groups, positive.size)
        cluster = index[order]
        of_positive, with_positive = _centred_sums(of_positive, cluster[:m], pairs_twice)
        of_negative, with_negative = _centred_sums(of_negative, cluster[m:], pairs_twice)
        both = np.intersect1d(with_positive, with_negative, assume_unique=True, return_indices=True)[1:]

    unit = 1 / (2.0 * m * n) ** 2
    return Components(
        auc=pairs_twice / (2.0 * m * n),
        pairs_twice=pairs_twice,
        positive=of_positive,
        negative=of_negative,
        both=both,
        factors=(
            _unbiased(of_positive.shape[1]) * unit / m**2,
            _unbiased(of_negative.shape[1]) * unit / n**2,
            _unbiased(n_clusters) * unit / (m * n),
        ),
        n_positive=m,
        n_negative=n,
        n_clusters=n_clusters,
    )


def _unbiased(n: int) -> float:
    return n / (n - 1) if n > 1 else math.nan


def _centred_sums(counts: Floats, cluster: NDArray[np.intp], total: Floats) -> tuple[Floats, NDArray[np.intp]]:
    """Sum one class's counts by patient and centre them; also say which patients have that class."""
    present, column, images = np.unique(cluster, return_inverse=True, return_counts=True)
    sums = np.array([np.bincount(column, weights=row, minlength=present.size) for row in counts])
    return counts.shape[1] * sums - total[:, None] * images, present


def write_placements(score: NDArray[np.float64], n_positive: int, out: NDArray[np.float64]) -> None:
    """Write twice the number of correctly ordered pairs each row takes part in, a tie counting half a pair.

    One sort, and no more than a few passes beside it. The counts are whole numbers, exact in float64.

    Parameters
    ----------
    score : ndarray (n,)
        Scores, the `n_positive` positive rows first. Infinities are ranks like any other.
    n_positive : int
    out : ndarray (n,)
        Of a positive row: 2 #{negatives below} + #{negatives equal}; of a negative row:
        2 #{positives above} + #{positives equal}.
    """
    n = score.size
    order = np.argsort(score)
    ranked = score[order]
    is_positive = order < n_positive
    # numpy accumulates 32-bit integers more than ten times faster than 64-bit ones; 2 n must fit.
    whole: Any = np.int32 if n < 2**30 else np.int64
    positives: Whole = np.cumsum(is_positive, dtype=whole)
    negatives: Whole = np.arange(1, n + 1, dtype=whole) - positives

    changes = ranked[1:] != ranked[:-1]
    if changes.all():
        negatives_twice, positives_twice = 2 * negatives, 2 * positives
    else:
        last = np.append(np.flatnonzero(changes), n - 1)  # of each set of equal scores
        length = np.diff(last, prepend=-1)
        negatives_twice = np.repeat(_below_plus_upto(negatives[last]), length)
        positives_twice = np.repeat(_below_plus_upto(positives[last]), length)
    out[order] = np.where(is_positive, negatives_twice, 2 * n_positive - positives_twice)


def _below_plus_upto(cumulated: Whole) -> Whole:
    twice = cumulated.copy()
    twice[1:] += cumulated[:-1]
    return twice
