"""Swapping two models patient by patient: the null distribution of differences that change sign with every swap."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]

# Swaps (times patients) that are tried at once. The random ones depend on it.
SWAPS_AT_ONCE = 2**21
# What is smaller than this share of a distribution's largest probability is left out; it is far below rounding.
NEGLIGIBLE = 1e-40
# Equal statistics of different swaps differ by rounding; this much below the observed one still counts as equal.
TIE = 1e-9


def sizes_of(differences: Whole) -> tuple[Whole, Whole]:
    """Return the distinct absolute values above 0, in order, and how many of each there are."""
    sizes, counts = np.unique(np.abs(differences[differences != 0]), return_counts=True)
    return sizes, counts


def swap_log2_tails(sizes: Whole, counts: Whole, observed: int) -> tuple[float, float]:
    """Exact tails of a sum of whole numbers of which each changes its sign with probability 1/2.

    The distribution is that of the sum tilted so that its mean is what was observed (exponential tilting, as in
    a saddlepoint approximation, but then convolved in full): binomials of the numbers of equal size, convolved over
    the sizes. All terms are positive, so that the tails are right to rounding however small they are.

    Parameters
    ----------
    sizes, counts : ndarray of int (k,)
        Absolute values, above 0, and how many of the numbers have each (see `sizes_of`).
    observed : int
        |s|, where s is a sum that these numbers can have.

    Returns
    -------
    beyond, at : float
        log2 P(|S| > |s|) and log2 P(|S| = |s|). Of the two the smaller may be -inf where it is less than 1e-40 of the
        larger (a single number as large as all others together).
    """
    largest = int(sizes @ counts)
    both_sides = 1.0 if observed else 0.0
    if observed == largest:
        return -math.inf, both_sides - int(counts.sum())
    tilt = _tilt(sizes, counts, observed)
    # What is convolved is the sum of the sizes that got a plus: s = 2 plus - largest.
    first, tilted = 0, np.ones(1)
    for size, count in zip(sizes.tolist(), counts.tolist(), strict=True):
        least, binomial = _binomial(count, 2 * tilt * size)
        first += least * size
        convolved = np.zeros(tilted.size + size * (binomial.size - 1))
        for start in range(min(size, tilted.size)):
            convolved[start::size] = np.convolve(tilted[start::size], binomial)
        tilted = convolved
    upwards = tilted[(observed + largest) // 2 - first :]
    upwards = upwards * np.exp(-2 * tilt * np.arange(upwards.size))
    beyond, at = (math.log2(p) if p else -math.inf for p in (float(upwards[1:].sum()), float(upwards[0])))
    undo_tilt = (float(counts @ _log_cosh(tilt * sizes)) - tilt * observed) / math.log(2)
    return undo_tilt + 1 + beyond, undo_tilt + both_sides + at


def swap_pvalue_of_quadratic(
    differences: Whole, whitening: Floats, n_resamples: int, generator: np.random.Generator
) -> tuple[float, bool]:
    """p-value of |sum of patients' vectors|^2, each vector's sign changed with probability 1/2.

    Parameters
    ----------
    differences : ndarray of int (patients, K)
        Without vectors of zeros.
    whitening : ndarray (K, rank)
        The statistic of a sum d is |d whitening|^2.
    n_resamples : int
        B, the number of random swaps.

    Returns
    -------
    pvalue : float
        With all swaps: their share with at least the observed statistic. With random ones: (1 + count) / (B + 1).
    enumerated : bool
        Whether all swaps were taken. They are where they are no more than B; since a swap and its opposite have the
        same statistic the first patient is kept, and 2^(patients - 1) are all.
    """
    total = differences.sum(axis=0)
    least = _squares(total[None], whitening)[0] * (1 - TIE)
    n_patients = differences.shape[0]
    enumerated = 2 ** (n_patients - 1) <= n_resamples
    batches = _all_swaps(n_patients) if enumerated else _random_swaps(n_patients, n_resamples, generator)
    # Sums of whole numbers below 2^24 are exact in float32; twice the differences are subtracted.
    exact: Any = np.float32 if 2 * np.abs(differences).sum() < 2**24 else np.float64
    subtracted = (2 * differences).astype(exact)
    count = 0
    for swapped in batches:
        sums = total - swapped.astype(exact) @ subtracted
        count += int(np.count_nonzero(_squares(sums, whitening) >= least))
    if enumerated:
        return count / 2 ** (n_patients - 1), True
    return (1 + count) / (n_resamples + 1), False


def _squares(sums: NDArray[Any], whitening: Floats) -> Floats:
    return np.square(sums.astype(np.float64) @ whitening).sum(axis=1)


def _all_swaps(n_patients: int) -> Iterator[NDArray[np.uint8]]:
    """Yield every way (rows) to swap some patients (columns), the first always kept, in batches."""
    n_swaps, at_once = 2 ** (n_patients - 1), max(1, SWAPS_AT_ONCE // n_patients)
    for start in range(0, n_swaps, at_once):
        swaps = np.arange(start, min(start + at_once, n_swaps))
        yield (swaps[:, None] << 1 >> np.arange(n_patients) & 1).astype(np.uint8)


def _random_swaps(n_patients: int, n_resamples: int, generator: np.random.Generator) -> Iterator[NDArray[np.uint8]]:
    """Yield random swaps (rows) of the patients (columns) in batches."""
    n_bytes, at_once = -(-n_patients // 8), max(1, SWAPS_AT_ONCE // n_patients)
    for start in range(0, n_resamples, at_once):
        size = (min(at_once, n_resamples - start), n_bytes)
        yield np.unpackbits(generator.integers(256, size=size, dtype=np.uint8), axis=1, count=n_patients)


def _tilt(sizes: Whole, counts: Whole, observed: int) -> float:
    """Tilt with which the mean of the sum is `observed`, below the largest sum; it need not be exact."""
    low, high = 0.0, 50.0  # At 50 the mean is less than 2 below the largest sum, and the next lower sum at least 2.
    if observed == 0:
        return low
    for _ in range(60):
        middle = (low + high) / 2
        if (sizes * counts) @ np.tanh(middle * sizes) < observed:
            low = middle
        else:
            high = middle
    return low


def _log_cosh(x: NDArray[np.floating]) -> NDArray[np.floating]:
    """log(cosh(x)) for x >= 0, right to rounding also where it is near 0."""
    near = np.log1p(2 * np.sinh(np.minimum(x, 1) / 2) ** 2)
    return np.where(x < 1, near, x + np.log1p(np.exp(-2 * x)) - math.log(2))


def _binomial(n: int, log_odds: float) -> tuple[int, Floats]:
    """Binomial probabilities, from the first that is not negligible, and its place.

    By ratios from the mode outwards: exact to rounding, where scipy.special has the cumulated ones only.
    """
    mode = min(n, int((n + 1) * float(expit(log_odds))))
    above, below = np.arange(mode, n), np.arange(mode, 0, -1)
    upwards = np.cumprod((n - above) / (above + 1) * math.exp(min(log_odds, 700)))
    downwards = np.cumprod(below / (n - below + 1) * math.exp(-log_odds))
    relative = np.concatenate([downwards[::-1], [1.0], upwards])
    kept = np.flatnonzero(relative > NEGLIGIBLE)
    first, last = int(kept[0]), int(kept[-1])
    probabilities = relative[first : last + 1]
    return first, probabilities / probabilities.sum()
