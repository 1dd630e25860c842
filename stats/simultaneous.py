"""Simultaneous intervals for comparisons with the model that came out best on the same data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stats.inputs import number_array, refuse_nan, vector
from stats.results import Result, announce, checked_level

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class BestComparison(Result):
    """Every model compared with the best of them.

    Attributes
    ----------
    names : list
        As given, or 0 .. k-1.
    best : object
        Name of the best model; among equal ones the first.
    differences, se, low, high : ndarray (k,)
        Model - best, the standard deviation of its replicates, and the bounds of the simultaneous interval.
        All are 0 for the best itself.
    pvalues : ndarray (k,)
        Adjusted for all pairs of models; at least 1 / (B + 1). NaN for the best itself, which is not compared.
    critical_value : float
        Half the width of every interval in standard errors; 0 where no pair of models varies.
    n_resamples : int
        B, the replicates used.
    confidence_level : float
        Probability that all intervals, of all pairs, hold together.
    warnings : tuple of str
    """

    names: list[Any]
    best: Any
    differences: Floats
    se: Floats
    low: Floats
    high: Floats
    pvalues: Floats
    critical_value: float
    n_resamples: int
    confidence_level: float
    warnings: tuple[str, ...] = ()


def compare_with_best(
    estimates: ArrayLike,
    replicates: ArrayLike,
    *,
    higher_is_better: bool = True,
    confidence_level: float = 0.95,
    names: Sequence[Any] | None = None,
) -> BestComparison:
    """Compare k models with the best of them, where the best is chosen on the same data.

    The model that came out best owes part of its lead to chance, so tests against it that treat it as named
    beforehand reject too often, even when they are adjusted for their k - 1 comparisons. Here the family is all
    k (k - 1) / 2 pairs. The intervals d_ij -+ c se_ij hold together with the given probability, hence also those of
    the pairs with whichever model came out best. c is the quantile, over replicates, of
    max over i < j of |d*_ij - d_ij| / se_ij, and an adjusted p-value is
    (1 + #{replicates whose maximum is at least |d_ij| / se_ij}) / (B + 1): the single-step max-T procedure.
    c is the ceil(level (B + 1))-th smallest maximum, so that an interval leaves out 0 exactly where the adjusted
    p-value is at most 1 - level.

    Parameters
    ----------
    estimates : array_like (k,)
        The measure of each model on the data as they are.
    replicates : array_like (B, k)
        The same on resamples that all models share: columns from `bootstrap_replicates` with the same y, groups,
        repeats, `n_resamples` and integer `rng`.
    higher_is_better : bool
        False: the lowest estimate is the best.
    confidence_level : float
    names : sequence of k, optional
        Names of the models.

    Returns
    -------
    BestComparison
        Models that agree on every resample: difference 0, interval [0, 0], p 1; such a pair does not count for c.
        A difference that is the same on every resample, and not 0: an interval of no width, the smallest possible p
        and a warning. Resamples on which the measure of some model is NaN are left out for all, and told.

    Raises
    ------
    ValueError
        Fewer than two models, shapes that do not belong together, an estimate that is NaN, an infinite value, names
        that repeat, too few defined replicates for the confidence level (19 at 95 %).

    Notes
    -----
    Sources: Westfall and Young (1993), Resampling-Based Multiple Testing, for max-T; Hothorn, Bretz and Westfall
    (2008), Biometrical Journal 50:346, for the simultaneous intervals that belong to it.

    Hsu's multiple comparisons with the best (1984, Annals of Statistics 12:1136) is the alternative: sharper, since it
    only asks how far each model is from the best of the others. Its interval is pinned at 0 on one side, it concerns
    the unknown best model and not the one observed to be best, and its critical value is tabled for independent,
    equally precise means. Models tested on the same patients are neither, and a table prints the two-sided difference
    from the observed best; for that, all pairs are the family whatever the correlations.
    """
    level = checked_level(confidence_level)
    estimate, given, labels = _checked(estimates, replicates, names)
    defined = ~np.isnan(given).any(axis=0)
    notes = []
    if not defined.all():
        notes.append(
            f"{int((~defined).sum())} of {defined.size} replicates left out: the measure of some model is not defined "
            "on them"
        )
    values = given[:, defined]
    n_resamples = values.shape[1]
    rank = math.ceil(level * (n_resamples + 1) - 1e-9)
    if rank > n_resamples:
        needed = math.ceil(level / (1 - level) - 1e-9)
        raise ValueError(
            f"{n_resamples} replicates defined for all models; a level of {level:g} needs at least {needed}"
        )

    best = int(np.argmax(estimate) if higher_is_better else np.argmin(estimate))
    largest = _largest_statistics(estimate, values)
    critical = float(np.partition(largest, rank - 1)[rank - 1])

    differences = estimate - estimate[best]
    spread = values - values[best]
    rounding = _rounding(estimate, values, best)
    se = _standard_errors(spread, rounding)
    differences[np.abs(differences) <= rounding] = 0.0
    # Equal statistics can differ by rounding, which must not make a p-value smaller.
    reached = np.sort(largest * (1 + 1e-12))
    pvalues = np.ones(estimate.size)
    for model in np.flatnonzero(differences):
        if se[model] > 0:
            as_large = n_resamples - int(np.searchsorted(reached, abs(differences[model]) / se[model], "left"))
        else:
            as_large = 0
            notes.append(
                f"the difference between {labels[model]} and {labels[best]} ({differences[model]:.6g}) is the same on "
                "every resample: its interval has no width"
            )
        pvalues[model] = (1 + as_large) / (n_resamples + 1)
    pvalues[best] = np.nan
    return BestComparison(
        names=labels,
        best=labels[best],
        differences=differences,
        se=se,
        low=differences - critical * se,
        high=differences + critical * se,
        pvalues=pvalues,
        critical_value=critical,
        n_resamples=n_resamples,
        confidence_level=level,
        warnings=announce(notes),
    )


def _checked(
    estimates: ArrayLike, replicates: ArrayLike, names: Sequence[Any] | None
) -> tuple[Floats, Floats, list[Any]]:
    """Estimates (k,), replicates (k, B) and names (k)."""
    estimate = vector(estimates, "estimates")
    if estimate.size < 2:
        raise ValueError(f"estimates holds {estimate.size} models; expected at least two to compare")
    refuse_nan(estimate, "estimates")
    given = number_array(replicates, "replicates")
    if given.ndim != 2 or given.shape[1] != estimate.size:
        raise ValueError(
            f"replicates has shape {given.shape}; expected (B, {estimate.size}), one column per model of estimates"
        )
    for name, array in (("estimates", estimate), ("replicates", given)):
        infinite = np.argwhere(np.isinf(array))
        if infinite.size:
            place = tuple(infinite[0].tolist())
            raise ValueError(f"{name} is infinite at index {place}; expected finite numbers")
    labels = list(range(estimate.size)) if names is None else list(names)
    if len(labels) != estimate.size:
        raise ValueError(f"{len(labels)} names for {estimate.size} models; expected one each")
    if len(set(labels)) < len(labels):
        repeated = next(name for name in labels if labels.count(name) > 1)
        raise ValueError(f"the name {repeated!r} occurs more than once; expected different names")
    return estimate, np.ascontiguousarray(given.T), labels


def _largest_statistics(estimate: Floats, values: Floats) -> Floats:
    """The largest studentised deviation over all pairs, on each replicate (B,); 0 where no pair varies."""
    largest = np.zeros(values.shape[1])
    for i in range(estimate.size - 1):
        spread = values[i + 1 :] - values[i]
        se = _standard_errors(spread, _rounding(estimate, values, i)[i + 1 :])
        varies = se > 0
        deviation = np.abs(spread - (estimate[i + 1 :] - estimate[i])[:, None])[varies] / se[varies, None]
        np.maximum(largest, deviation.max(axis=0, initial=0.0), out=largest)
    return largest


def _rounding(estimate: Floats, values: Floats, reference: int) -> Floats:
    """How far equal measures of each model and the reference can differ by rounding, (k,)."""
    size = np.maximum(np.abs(estimate), np.abs(values).max(axis=1))
    return 8 * np.finfo(float).eps * np.maximum(size, size[reference])


def _standard_errors(spread: Floats, rounding: Floats) -> Floats:
    """Standard deviation of each row, 0 where the row varies by rounding only."""
    constant = np.ptp(spread, axis=1) <= 2 * rounding
    return np.where(constant, 0.0, spread.std(axis=1, ddof=1))
