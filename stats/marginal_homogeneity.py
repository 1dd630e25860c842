"""Whether two models use the classes alike: Stuart and Maxwell's test, Bhapkar's form of it, and Bowker's symmetry."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse.csgraph import connected_components

from stats.chisquare import chi2_log10_pvalue, chi2_pvalue
from stats.contingency import LABELS, label_codes, square_table, table_of_codes, table_or_vectors
from stats.inputs import group_index
from stats.labels import Codes
from stats.resampling import seed_from
from stats.results import Result, announce
from stats.swapping import sizes_of, swap_log2_tails, swap_pvalue_of_quadratic


@dataclass(frozen=True)
class MarginalHomogeneityResult(Result):
    """Two models' labels of the same images, compared.

    Attributes
    ----------
    statistic : float
    df : int
        Rank of the covariance of the compared differences ("bowker": pairs of classes that are not empty).
    pvalue, log10_pvalue : float
        p-value and its decimal logarithm, finite where the p-value itself underflows.
    n, n_clusters : int
        Images, and patients (images where no groups were given).
    method : str
        "stuart", "bhapkar" or "bowker".
    null_distribution : str
        What the p-value was taken from: "chi-square", "all swaps" or "random swaps".
    warnings : tuple of str
    """

    statistic: float
    df: int
    pvalue: float
    log10_pvalue: float
    n: int
    n_clusters: int
    method: str
    null_distribution: str = "chi-square"
    warnings: tuple[str, ...] = ()


def stuart_maxwell(
    table: ArrayLike | None = None,
    labels_b: ArrayLike | None = None,
    *,
    labels_a: ArrayLike | None = None,
    categories: Sequence[Any] | None = None,
    method: str = "stuart",
    groups: ArrayLike | None = None,
    n_resamples: int = 10000,
    rng: int | np.random.Generator = 0,
) -> MarginalHomogeneityResult:
    """Test that two models give every class equally often (Stuart 1955, Biometrika 42:412; Maxwell 1970).

    With d the differences between row and column sums and V_ii = sum_j (n_ij + n_ji) over j other than i,
    V_ij = -(n_ij + n_ji), the statistic is Q = d' V+ d. V is the Laplacian of the graph that joins two classes where
    the models exchange them. Its null space is spanned by the graph's connected components, and d sums to 0 on each
    of them (what leaves a class enters another of the same component), so that Q always exists and its rank is the
    number of classes less that of components.

    Parameters
    ----------
    table : array_like (K, K)
        Counts, rows a and columns b.
    labels_a, labels_b : array_like (n,)
        In place of a table: the labels (integers, booleans, strings) that either model gave to the same images. By
        place they are the first two arguments.
    categories : sequence, optional
        The labels that can occur, to refuse any other; unused ones change nothing.
    method : {"stuart", "bhapkar"}
        Q, or Bhapkar's (1966, JASA 61:228) Q / (1 - Q / N), whose variance is not that under the null hypothesis.
    groups : array_like (n,), optional
        Patient of each image. With d_g the differences within patient g, Q = d' (sum d_g d_g')+ d, N counts patients,
        df is the rank of that matrix, and the p-value is the share of the swaps of the two models, patient by
        patient, with at least this Q: of all swaps where the d_g are multiples of one vector (two classes: McNemar's
        exact test) or where 2^(patients - 1) <= `n_resamples`, else (1 + count) / (B + 1) of B random ones. With one
        image per patient Q and df are as without groups.
    n_resamples, rng : int, int or Generator
        B, and the seed of the random swaps.

    Returns
    -------
    MarginalHomogeneityResult
        Perfect agreement: statistic 0, df 0, p 1. "bhapkar" where no image agrees and the differences have no
        variance: an infinite statistic and a warning.

    Raises
    ------
    ValueError
        A table that is not square counts or is empty, a missing label or one outside `categories`, lengths that
        differ, numbers beside text, groups or categories with a table, an unknown method.
    TypeError
        Neither a table nor the labels of two models, or both.

    Notes
    -----
    statsmodels' SquareTable adds 0.5 to every cell as soon as one is 0, which changes Q and p (unless
    shift_zeros=False), and leaves out the last class and solves, which answers NaN or noise, with df K - 1, where
    a class is unused or the classes fall apart into components. Its p is 1 - cdf.
    """
    if method not in ("stuart", "bhapkar"):
        raise ValueError(f"method is {method!r}; expected 'stuart' or 'bhapkar'")
    given, labels_b = table_or_vectors(table, labels_a, labels_b, LABELS)
    if groups is not None:
        if labels_b is None:
            raise ValueError("groups were given with a table; they need the labels of both models, one per image")
        codes_a, codes_b, size = label_codes(given, labels_b, categories)
        index, n_clusters = group_index(groups, codes_a.size)
        differences = _patient_differences(codes_a, codes_b, size, index, n_clusters)
        statistic, df, pvalue, log10_pvalue, null = _swapped(differences, n_resamples, seed_from(rng))
        notes: list[str] = []
        if method == "bhapkar":
            statistic, notes = _bhapkar(statistic, n_clusters, "patient")
        return MarginalHomogeneityResult(
            statistic, df, pvalue, log10_pvalue, codes_a.size, n_clusters, method, null, announce(notes)
        )

    counts = _counts(given, labels_b, categories)
    statistic, df = _stuart(counts)
    n, notes = int(counts.sum()), []
    if method == "bhapkar":
        statistic, notes = _bhapkar(statistic, n, "image")
    return MarginalHomogeneityResult(
        statistic=statistic,
        df=df,
        pvalue=chi2_pvalue(statistic, df),
        log10_pvalue=chi2_log10_pvalue(statistic, df),
        n=n,
        n_clusters=n,
        method=method,
        warnings=announce(notes),
    )


def bowker(
    table: ArrayLike | None = None,
    labels_b: ArrayLike | None = None,
    *,
    labels_a: ArrayLike | None = None,
    categories: Sequence[Any] | None = None,
) -> MarginalHomogeneityResult:
    """Test that two models exchange any two classes equally often in both directions (Bowker 1948, JASA 43:572).

    The statistic is the sum of (n_ij - n_ji)^2 / (n_ij + n_ji) over the pairs i < j that are not empty, and df their
    number.

    Parameters
    ----------
    table, labels_a, labels_b, categories
        As in `stuart_maxwell`.

    Returns
    -------
    MarginalHomogeneityResult
        Perfect agreement: statistic 0, df 0, p 1.

    Raises
    ------
    ValueError, TypeError
        As `stuart_maxwell`.

    Notes
    -----
    R's mcnemar.test answers NaN where a pair is empty; statsmodels' symmetry counts empty pairs into the df.
    """
    given, labels_b = table_or_vectors(table, labels_a, labels_b, LABELS)
    counts = _counts(given, labels_b, categories)
    upper = np.triu_indices(counts.shape[0], 1)
    one, other = counts[upper], counts.T[upper]
    exchanged = one + other > 0
    one, other = one[exchanged], other[exchanged]
    statistic, df, n = float(np.sum((one - other) ** 2 / (one + other))), int(exchanged.sum()), int(counts.sum())
    pvalue, log10_pvalue = chi2_pvalue(statistic, df), chi2_log10_pvalue(statistic, df)
    return MarginalHomogeneityResult(statistic, df, pvalue, log10_pvalue, n, n, "bowker")


def _counts(given: ArrayLike, labels_b: ArrayLike | None, categories: Sequence[Any] | None) -> NDArray[np.int64]:
    if labels_b is not None:
        return table_of_codes(*label_codes(given, labels_b, categories))
    if categories is not None:
        raise ValueError("categories were given with a table, whose rows and columns are the categories")
    return square_table(given)


def _stuart(table: NDArray[np.int64]) -> tuple[float, int]:
    """Stuart's statistic and its rank."""
    exchanged = (table + table.T).astype(float)
    np.fill_diagonal(exchanged, 0)
    degree = exchanged.sum(axis=1)
    used = degree > 0
    if not used.any():
        return 0.0, 0
    exchanged, scale = exchanged[np.ix_(used, used)], np.sqrt(degree[used])
    difference = (table.sum(axis=1) - table.sum(axis=0))[used]
    n_components, component = connected_components(exchanged, directed=False)
    # Scaled to a diagonal of ones; adding the projector on the null space leaves Q as it is, d having no part in it,
    # and makes the matrix regular.
    null = scale * (component == np.arange(n_components)[:, None])
    null /= np.linalg.norm(null, axis=1, keepdims=True)
    regular = np.eye(scale.size) - exchanged / np.outer(scale, scale) + null.T @ null
    scaled = difference / scale
    return float(scaled @ np.linalg.solve(regular, scaled)), scale.size - n_components


def _bhapkar(statistic: float, n: int, unit: str) -> tuple[float, list[str]]:
    """Bhapkar's statistic from Stuart's, and what to say where it is infinite.

    Q is the squared length of a projection of n ones, hence at most n; where it is less, then by at least 1 / K
    for a table (the models disagree with any potential of the classes along some cycle of at most K images).
    """
    if n - statistic <= 1e-10 * n:
        return math.inf, [f"no {unit} without the same difference: Bhapkar's variance is 0 and the statistic infinite"]
    return statistic / (1 - statistic / n), []


def _patient_differences(
    codes_a: Codes, codes_b: Codes, size: int, index: NDArray[np.intp], n_clusters: int
) -> NDArray[np.int64]:
    """How much more often a than b gives each class (columns), for the patients (rows) where that is not all 0."""
    given_a, given_b = (np.bincount(index * size + codes, minlength=n_clusters * size) for codes in (codes_a, codes_b))
    differences = (given_a - given_b).reshape(n_clusters, size)
    return differences[differences.any(axis=1)]


def _swapped(differences: NDArray[np.int64], n_resamples: int, seed: int) -> tuple[float, int, float, float, str]:
    """Stuart's statistic over patients, its rank, and the p-value under swaps with its logarithm and source."""
    if n_resamples < 1:
        raise ValueError(f"n_resamples is {n_resamples}; expected at least 1, and 10000 for a table")
    whole = differences[:, differences.any(axis=0)]
    if not whole.size:
        return 0.0, 0, 1.0, 0.0, "all swaps"
    total = whole.sum(axis=0)
    products = whole.astype(float).T @ whole
    scale = np.sqrt(np.diag(products))
    values, vectors = np.linalg.eigh(products / np.outer(scale, scale))
    kept = values > 1e-10
    whitening = vectors[:, kept] / np.sqrt(values[kept]) / scale[:, None]
    statistic, df = float(np.square(total @ whitening).sum()), int(kept.sum())
    if df == 1:
        along = whole[:, 0]
        log2_pvalue = min(0.0, float(np.logaddexp2(*swap_log2_tails(*sizes_of(along), abs(int(along.sum()))))))
        return statistic, df, 2.0**log2_pvalue, log2_pvalue * math.log10(2), "all swaps"
    pvalue, enumerated = swap_pvalue_of_quadratic(whole, whitening, n_resamples, np.random.default_rng(seed))
    return statistic, df, pvalue, math.log10(pvalue), "all swaps" if enumerated else "random swaps"
