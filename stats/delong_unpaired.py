"""DeLong's comparison of AUCs on two test sets of different patients."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from stats.delong_inputs import read_components, zero_variance_notes
from stats.labels import Codes, number_labels, read_labels
from stats.results import (
    Interval,
    Result,
    announce,
    checked_alternative,
    checked_level,
    interval_around,
    upper_level,
)
from stats.tails import log10_pvalue, t_log_tail, t_pvalue


@dataclass(frozen=True)
class UnpairedDelongResult(Result):
    """Two AUCs on two independent test sets, compared.

    Attributes
    ----------
    auc_a, auc_b, difference : float
        The AUCs and auc_a - auc_b.
    se : float
        Standard error of the difference (NaN where it is not defined).
    statistic, df, pvalue : float
        difference / se and its p-value under Student's t with Welch and Satterthwaite's degrees of freedom.
    alternative : str
        "two-sided", "less" (auc_a < auc_b) or "greater".
    confidence_level : float
        Level of `confidence_interval()` without an argument.
    n_a, n_b : int
        Images of either sample (patients, where groups were given).
    warnings : tuple of str
        What a reader of the numbers must know.
    """

    auc_a: float
    auc_b: float
    difference: float
    se: float
    statistic: float
    df: float
    pvalue: float
    alternative: str
    confidence_level: float
    n_a: int
    n_b: int
    warnings: tuple[str, ...] = ()

    @property
    def log10_pvalue(self) -> float:
        """Decimal logarithm of the p-value, finite where the p-value itself underflows."""
        return log10_pvalue(self.pvalue, partial(t_log_tail, abs(self.statistic), self.df), self.alternative)

    def confidence_interval(self, level: float | None = None) -> Interval:
        """Interval of the difference; open to one side where the alternative is."""
        level = checked_level(self.confidence_level if level is None else level)
        upper = upper_level(level, self.alternative)
        return interval_around(self.difference, self.se, float(stdtrit(self.df, upper)), self.alternative)


def delong_unpaired(
    y_a: ArrayLike,
    a: ArrayLike,
    y_b: ArrayLike,
    b: ArrayLike,
    *,
    alternative: str = "two-sided",
    confidence_level: float = 0.95,
    groups: ArrayLike | tuple[ArrayLike, ArrayLike] | None = None,
    nan_policy: str = "raise",
) -> UnpairedDelongResult:
    """Compare the AUCs of two models on two sets of images that share no patient.

    The variances of the two AUCs (DeLong, DeLong and Clarke-Pearson 1988, Biometrics 44:837) add up. The statistic is
    referred to Student's t with df = (v_a + v_b)^2 / (v_a^2 / (n_a - 1) + v_b^2 / (n_b - 1)), n being all images of
    a sample, as in pROC's roc.test(paired = FALSE). Models seen on the same images belong to `delong_test`.

    Parameters
    ----------
    y_a, a : array_like (n_a,)
        Labels (1 positive, 0 negative) and scores of the first sample; a higher score means more positive.
    y_b, b : array_like (n_b,)
        The same of the second sample.
    alternative : {"two-sided", "less", "greater"}
        "greater": the AUC of `a` is above that of `b`.
    confidence_level : float
        Level of the result's `confidence_interval()`.
    groups : array_like (n_a + n_b,) or pair of array_like (n_a,) and (n_b,), optional
        Patient of each image, the rows of `a` before those of `b`. The variance of each AUC is then Obuchowski's
        (1997, Biometrics 53:567) for clustered data, and n counts patients.
    nan_policy : {"raise", "omit"}
        What to do with a row in which the label or the score is NaN; rows left out are counted in `warnings`.

    Returns
    -------
    UnpairedDelongResult
        Both variances 0 (perfect separation): equal AUCs answer statistic 0 and p 1, others an infinite statistic and
        a warning; df is then its lower limit, min(n_a, n_b) - 1. One positive or one negative (image, or patient) in
        a sample: the difference, NaN for what rests on a variance, and a warning.

    Raises
    ------
    ValueError
        A class without a row, a NaN (unless omitted), a label other than 0 and 1, lengths that differ, a patient in
        both samples.
    """
    checked_alternative(alternative)
    checked_level(confidence_level)
    groups_a, groups_b = (None, None) if groups is None else _of_samples(groups, np.size(y_a), np.size(y_b))
    first, notes = read_components(y_a, {"a": a}, groups_a, nan_policy, "y_a")
    second, notes_of_second = read_components(y_b, {"b": b}, groups_b, nan_policy, "y_b")
    n_a, n_b = first.n_clusters, second.n_clusters

    difference = float(first.auc[0] - second.auc[0])
    variance_a, variance_b = (parts.variance(parts.positive[0], parts.negative[0]) for parts in (first, second))
    variance = variance_a + variance_b
    se = math.sqrt(variance)
    if variance == 0:
        statistic, df = math.copysign(math.inf, difference) if difference else 0.0, float(min(n_a, n_b) - 1)
    elif math.isnan(variance):
        statistic = df = math.nan
    else:
        statistic = difference / se
        df = variance**2 / (variance_a**2 / (n_a - 1) + variance_b**2 / (n_b - 1))
    notes += notes_of_second + zero_variance_notes(difference, se, "a and b")
    return UnpairedDelongResult(
        auc_a=float(first.auc[0]),
        auc_b=float(second.auc[0]),
        difference=difference,
        se=se,
        statistic=statistic,
        df=df,
        pvalue=1.0 if se == 0 == difference else t_pvalue(statistic, df, alternative),
        alternative=alternative,
        confidence_level=float(confidence_level),
        n_a=n_a,
        n_b=n_b,
        warnings=announce(notes),
    )


def _of_samples(groups: Any, n_a: int, n_b: int) -> tuple[Codes, Codes]:
    """Number the patients of either sample, refusing one who is in both."""
    if len(groups) == 2:  # a sample has two rows at least, so that two items are the samples
        of_a, of_b = read_labels(groups[0], "groups of a", n_a), read_labels(groups[1], "groups of b", n_b)
    else:
        joined = read_labels(groups, "groups")
        if len(joined) != n_a + n_b:
            raise ValueError(
                f"groups has shape ({len(joined)},); expected ({n_a + n_b},), one label per row of a and then of b, or "
                f"a pair of arrays ({n_a},) and ({n_b},)"
            )
        of_a, of_b = joined[:n_a], joined[n_a:]

    (index_a, index_b), found = number_labels({"groups of a": of_a, "groups of b": of_b})
    in_both = np.isin(index_b, index_a)
    if in_both.any():
        patient = found[index_b[np.argmax(in_both)]]
        raise ValueError(
            f"patient {patient} is in both samples ({np.unique(index_b[in_both]).size} such patients in all); expected "
            "samples that share none: models seen on the same images are compared by delong_test"
        )
    return index_a, index_b
