"""Placements of images among the other class, and what DeLong's variance is made of."""

from __future__ import annotations

import math
from collections.abc import Sequence
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


def components(positive: NDArray[np.bool_], scores: Sequence[Floats], groups: ArrayLike | None) -> Components:
    """Rank every model once and reduce it to components.

    Obuchowski's variance (1997, Biometrics 53:567) is S10/m + S01/n + 2 S11/(m n), with S10 = I10 / ((I10 - 1) m)
    sum u_i^2 over the I10 patients with a positive, S01 alike over those with a negative, and S11 = I / (I - 1)
    sum u_i v_i over all I patients; u_i (v_i) is the sum of the patient's centred components of positives (negatives).
    With one image per patient no patient has both, and it is DeLong's variance without any further factor.

    Parameters
    ----------
    positive : ndarray of bool (n,)
    scores : k ndarrays (n,)
        Without NaN.
    groups : array_like (n,) or None
        Patient of each image.
    """
    order = np.concatenate([np.flatnonzero(positive), np.flatnonzero(~positive)])
    m = int(np.count_nonzero(positive))
    n = positive.size - m
    counts = np.empty((len(scores), positive.size))
    for score, row in zip(scores, counts, strict=True):
        score.take(order, out=row, mode="clip")  # the mode in which numpy needs no copy of its own
        scores_to_placements(row, m)
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


def scores_to_placements(row: Floats, n_positive: int) -> None:
    """Replace scores by twice the number of correctly ordered pairs each takes part in, a tie counting half a pair.

    One sort, and no more than a few passes beside it; in place, since to touch new memory costs as much as a pass.

    Parameters
    ----------
    row : ndarray (n,), contiguous
        In: scores without NaN, the `n_positive` positive rows first; infinities are ranks like any other.
        Out: of a positive row 2 #{negatives below} + #{negatives equal}, of a negative row
        2 #{positives above} + #{positives equal}, whole numbers that are exact in float64.
    n_positive : int
    """
    n = row.size
    bits = sortable_bits(row)
    order = ascending(bits)
    ranked = bits.take(order)
    changes = ranked[1:] != ranked[:-1]
    is_positive = order < n_positive
    # numpy accumulates 32-bit integers more than ten times faster than 64-bit ones; 2 n must fit.
    whole: Any = np.int32 if n < 2**30 else np.int64
    positives: Whole = np.cumsum(is_positive, dtype=whole)

    # With p twice the positives below a row (ties half), and q twice the negatives, a negative row gets 2 m - p and a
    # positive one q = (p + q - 2 m) + (2 m - p): adding that costs less than to choose between the two.
    if changes.all():
        count: Whole = np.arange(1 - n_positive, n + 1 - n_positive, dtype=whole)
        count *= is_positive
        count -= positives
        count += n_positive
        count *= 2
    else:
        last = np.append(np.flatnonzero(changes), n - 1)  # of each set of equal scores
        length = np.diff(last, prepend=-1)
        below_twice, positives_twice = _below_plus_upto(last.astype(whole) + 1), _below_plus_upto(positives[last])
        count = np.repeat(below_twice - 2 * n_positive, length)
        count *= is_positive
        count -= np.repeat(positives_twice, length)
        count += 2 * n_positive
    row[order] = count.astype(np.float64)


def sortable_bits(row: Floats) -> NDArray[np.int64]:
    """Turn scores without NaN, in place, into whole numbers that rise with them and are equal for equal ones.

    They are the bits of the doubles, but those below the sign turned over where it is negative.
    """
    row += 0.0  # no negative zero
    bits = row.view(np.int64)
    bits ^= (bits >> 63) & np.int64(2**63 - 1)
    return bits


def ascending(whole: NDArray[np.int64]) -> NDArray[np.intp]:
    """Order of whole numbers, equal ones as they come.

    Their 16-bit digits are sorted one after the other from the lowest by numpy's stable sort, a radix sort at that
    width. On 100,000 numbers that takes half as long as numpy.argsort, and less than numpy.sort.
    """
    digits = whole.astype("<i8", copy=False).view("<u2").reshape(-1, 4)
    order = digits[:, 0].argsort(kind="stable")
    for place in (1, 2):
        order = order.take(digits[:, place].take(order).argsort(kind="stable"))
    with_sign = digits[:, 3].view("<i2")
    return order.take(with_sign.take(order).argsort(kind="stable"))


def _below_plus_upto(cumulated: Whole) -> Whole:
    twice = cumulated.copy()
    twice[1:] += cumulated[:-1]
    return twice
