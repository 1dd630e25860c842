"""McNemar's comparison of two models' accuracies on the same images, or on patients with several images."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from stats.chisquare import chi2_log10_pvalue, chi2_pvalue
from stats.contingency import CORRECTNESS, square_table, table_or_vectors
from stats.inputs import group_index, refuse_nan, vector
from stats.results import Interval, Result, announce, checked_level, interval_around
from stats.swapping import sizes_of, swap_log2_tails

METHODS = ("exact", "midp", "chi2", "chi2_cc")


@dataclass(frozen=True)
class McnemarResult(Result):
    """Two accuracies on one test set, compared.

    Attributes
    ----------
    statistic : float
        min(n12, n21) for "exact" and "midp", else the chi-square statistic with one degree of freedom.
    pvalue, log10_pvalue : float
        Two-sided p-value and its decimal logarithm, finite where the p-value itself underflows.
    difference, se : float
        Accuracy of a - accuracy of b and its standard error (Wald; from patients where groups were given).
    odds_ratio : float
        n12 / n21; infinite where only n21 is 0, NaN where both are.
    n12, n21, n : int
        Images that only a has right, that only b has right, and all images.
    n_clusters : int
        Patients (images where no groups were given).
    method : str
    warnings : tuple of str
    """

    statistic: float
    pvalue: float
    log10_pvalue: float
    difference: float
    se: float
    odds_ratio: float
    n12: int
    n21: int
    n: int
    n_clusters: int
    method: str
    warnings: tuple[str, ...] = ()

    def confidence_interval(self, level: float = 0.95) -> Interval:
        """Wald interval of the difference."""
        quantile = float(ndtri((1 + checked_level(level)) / 2))
        return interval_around(self.difference, self.se, quantile, "two-sided")


@dataclass(frozen=True, eq=False)
class _Counts:
    """What the test rests on: counts of images, and |n12 - n21| of the patients that are not 0."""

    n12: int
    n21: int
    n: int
    n_clusters: int
    sizes: NDArray[np.int64]  # the distinct |n12 - n21|
    patients: NDArray[np.int64]  # and how many patients have each
    variance: float  # of the sum of n12 - n21


def mcnemar(
    table: ArrayLike | None = None,
    correct_b: ArrayLike | None = None,
    *,
    correct_a: ArrayLike | None = None,
    method: str = "exact",
    groups: ArrayLike | None = None,
) -> McnemarResult:
    """Test that two models have the same accuracy (McNemar 1947, Psychometrika 12:153).

    Parameters
    ----------
    table : array_like (2, 2)
        Counts, rows a and columns b, in the order correct, wrong.
    correct_a, correct_b : array_like (n,)
        In place of a table: for each image whether either model is correct (1 or True). By place they are the first
        two arguments.
    method : {"exact", "midp", "chi2", "chi2_cc"}
        With D = n12 - n21 and D* the same after swapping the two models at random: P(|D*| >= |D|), exactly (the
        binomial test of n12 among n12 + n21); the same less half of P(|D*| = |D|) (Fagerland, Lydersen and Laake
        2013, BMC Med Res Methodol 13:91); D^2 / (n12 + n21) under a chi-square distribution; the same with the
        continuity correction max(|D| - 1, 0)^2.
    groups : array_like (n,), optional
        Patient of each image. The models are then swapped patient by patient, so that D is a sum of the patients'
        differences d_g with random signs: "exact" and "midp" take its exact distribution, "chi2" is
        D^2 / sum d_g^2 (Durkalski et al. 2003, Stat Med 22:2417, with images instead of patients weighted alike: the
        two agree where patients have equally many images), and "chi2_cc" takes from |D| half the distance between
        neighbouring values of D*, the greatest common divisor of the d_g. The standard error is that of a ratio of
        sums over patients, sqrt(sum (d_g - n_g D / n)^2) / n with n_g images of patient g, without a small-sample
        factor. With one image per patient all are as without groups.

    Returns
    -------
    McnemarResult
        No discordant image (or no patient on whom the models differ): p 1. All images discordant the same way: a
        standard error of 0 and a warning.

    Raises
    ------
    ValueError
        A table that is not 2 x 2 counts or is empty, a value other than 0 and 1, lengths that differ, groups with a
        table, an unknown method.
    TypeError
        Neither a table nor the vectors of two models, or both.

    Notes
    -----
    statsmodels' mcnemar answers p 0 (corrected) or NaN where no pair is discordant, subtracts 1 from |D| = 0 too
    (R and this function do not), and has neither mid-p nor groups.
    """
    if method not in METHODS:
        raise ValueError(f"method is {method!r}; expected one of {', '.join(METHODS)}")
    given, correct_b = table_or_vectors(table, correct_a, correct_b, CORRECTNESS)
    if correct_b is None:
        if groups is not None:
            raise ValueError("groups were given with a table; they need the two models' vectors, one value per image")
        (n11, n12), (n21, n22) = square_table(given, 2).tolist()
        counts = _from_images(n12, n21, n11 + n12 + n21 + n22)
    else:
        a, b = correct_images(given, correct_b)
        n12, n21 = int((a & ~b).sum()), int((b & ~a).sum())
        counts = _from_images(n12, n21, a.size) if groups is None else _from_patients(a, b, groups)

    n12, n21, n = counts.n12, counts.n21, counts.n
    statistic, pvalue, log10_pvalue = _tested(counts, method)
    difference, se = (n12 - n21) / n, math.sqrt(counts.variance) / n
    notes = []
    if se == 0 and difference:
        notes.append(f"the difference ({difference:.6g}) has a variance of 0: its interval has no width")
    return McnemarResult(
        statistic=statistic,
        pvalue=pvalue,
        log10_pvalue=log10_pvalue,
        difference=difference,
        se=se,
        odds_ratio=n12 / n21 if n21 else math.inf if n12 else math.nan,
        n12=n12,
        n21=n21,
        n=n,
        n_clusters=counts.n_clusters,
        method=method,
        warnings=announce(notes),
    )


def correct_images(correct_a: ArrayLike, correct_b: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Read for each image whether either model is correct; at least one image, all values 0 or 1."""
    a = _correctness(correct_a, "correct_a")
    b = _correctness(correct_b, "correct_b", a.size)
    if not a.size:
        raise ValueError("correct_a and correct_b are empty; expected at least one image")
    return a, b


def _correctness(values: ArrayLike, name: str, length: int | None = None) -> NDArray[np.bool_]:
    numbers = vector(values, name, length)
    refuse_nan(numbers, name)
    other = (numbers != 0) & (numbers != 1)
    if other.any():
        row = int(np.argmax(other))
        raise ValueError(f"{name} is {numbers[row]:g} at row {row}; expected 1 (correct) or 0 (wrong)")
    return numbers == 1


def _from_images(n12: int, n21: int, n: int) -> _Counts:
    discordant, total = n12 + n21, n12 - n21
    sizes, patients = (np.array([1]), np.array([discordant])) if discordant else sizes_of(np.zeros(0, np.int64))
    return _Counts(n12, n21, n, n, sizes, patients, variance=(n * discordant - total**2) / n)


def _from_patients(a: NDArray[np.bool_], b: NDArray[np.bool_], groups: ArrayLike) -> _Counts:
    n = a.size
    index, n_clusters = group_index(groups, n)
    images = np.bincount(index, minlength=n_clusters)
    only_a, only_b = (np.bincount(index[only], minlength=n_clusters) for only in (a & ~b, b & ~a))
    differences = only_a - only_b
    # n d_g - n_g D is a whole number: what has no variance has exactly none.
    scaled = (n * differences - int(differences.sum()) * images).astype(float)
    variance = float(scaled @ scaled) / n**2
    return _Counts(int(only_a.sum()), int(only_b.sum()), n, n_clusters, *sizes_of(differences), variance)


def _tested(counts: _Counts, method: str) -> tuple[float, float, float]:
    """Statistic, p-value and its decimal logarithm."""
    distance = abs(counts.n12 - counts.n21)
    if method in ("chi2", "chi2_cc"):
        if method == "chi2_cc":
            distance = max(distance - int(np.gcd.reduce(counts.sizes)), 0)
        squares = int(counts.sizes**2 @ counts.patients)
        statistic = distance**2 / squares if squares else 0.0
        return statistic, chi2_pvalue(statistic, 1), chi2_log10_pvalue(statistic, 1)
    statistic = float(min(counts.n12, counts.n21))
    if not counts.sizes.size or (method == "exact" and not distance):
        return statistic, 1.0, 0.0
    beyond, at = swap_log2_tails(counts.sizes, counts.patients, distance)
    log2_pvalue = min(0.0, float(np.logaddexp2(beyond, at if method == "exact" else at - 1)))
    return statistic, 2.0**log2_pvalue, log2_pvalue * math.log10(2)
