"""Wilcoxon's signed-rank test, with its exact null distribution under ties and zeros."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from stats.pairs import doubled_midranks, paired_values, signed_differences
from stats.results import Interval, Result, checked_alternative, checked_level
from stats.tails import log10_pvalue, normal_log_tail, normal_pvalue
from stats.walsh import hodges_lehmann, walsh_average, walsh_count

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]

EXACT_BY_DEFAULT = 50
EXACT_AT_MOST = 1000  # 2^-n must not underflow


@dataclass(frozen=True)
class WilcoxonResult(Result):
    """Wilcoxon's signed-rank test on paired differences.

    Attributes
    ----------
    statistic : float
        V, the sum of the ranks of the positive differences.
    pvalue : float
    zstatistic : float
        V standardised by its conditional mean and standard deviation, less the continuity correction if asked for; 0
        where all differences are 0. The asymptotic p-value comes from it.
    hodges_lehmann : float
        Estimate of the pseudo-median of x - y.
    n, n_zero : int
        Pairs (patients, where groups were given), and how many of them differ by 0.
    method : str
        "exact" or "asymptotic", whichever was used.
    alternative, zero_method : str
    correct : bool
    confidence_level : float
        Level of `confidence_interval()` without an argument.
    warnings : tuple of str
        Empty: whatever the data, the answer has no reservation to tell.
    """

    statistic: float
    pvalue: float
    zstatistic: float
    hodges_lehmann: float
    n: int
    n_zero: int
    method: str
    alternative: str
    zero_method: str
    correct: bool
    confidence_level: float
    _ordered: Floats = field(
        repr=False, compare=False, kw_only=True
    )  # the differences that the estimate and its interval rest on
    warnings: tuple[str, ...] = ()

    @property
    def difference(self) -> float:
        """The Hodges-Lehmann estimate, under the name all comparisons share."""
        return self.hodges_lehmann

    @property
    def log10_pvalue(self) -> float:
        """Decimal logarithm of the p-value, finite where the p-value itself underflows (the exact one does not)."""
        if self.method == "exact":
            return math.log10(self.pvalue)
        return log10_pvalue(self.pvalue, partial(normal_log_tail, abs(self.zstatistic)), self.alternative)

    def confidence_interval(self, level: float | None = None) -> Interval:
        """Interval of the pseudo-median; open to one side where the alternative is.

        The shifts that the test does not reject, which lie between two Walsh averages of the differences. With
        "exact" their places come from the null distribution without ties, as in R; in discrete data the closed
        interval then covers at least as often as it says (Noether 1967, JASA 62:184). With "asymptotic" they come
        from the normal distribution, with the variance of whatever differences are equal: the limit of R's interval
        as its `tol.root` goes to 0. A bound that no data of this size can give at this level is infinite; R lowers
        the level instead and warns.

        Parameters
        ----------
        level : float, optional
            Between 0 and 1.

        Returns
        -------
        Interval
        """
        level = checked_level(self.confidence_level if level is None else level)
        tail = (1 - level) / 2 if self.alternative == "two-sided" else 1 - level
        n = self._ordered.size
        place = _exact_place(n, tail) if self.method == "exact" else _normal_place(self._ordered, tail, self.correct)
        bounded = place >= 1
        last = walsh_count(n) + 1
        low = walsh_average(self._ordered, place) if bounded and self.alternative != "less" else -math.inf
        high = walsh_average(self._ordered, last - place) if bounded and self.alternative != "greater" else math.inf
        return Interval(low, high)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields and log10_pvalue as plain numbers and strings."""
        return {name: value for name, value in super().to_dict().items() if name != "_ordered"}


def wilcoxon(
    x: ArrayLike,
    y: ArrayLike,
    *,
    alternative: str = "two-sided",
    method: str = "auto",
    zero_method: str = "wilcox",
    correct: bool = False,
    groups: ArrayLike | None = None,
    confidence_level: float = 0.95,
) -> WilcoxonResult:
    """Wilcoxon's signed-rank test on x - y.

    Parameters
    ----------
    x, y : array_like (n,)
        Paired values.
    alternative : {"two-sided", "less", "greater"}
        "greater": x - y is distributed above 0.
    method : {"auto", "exact", "asymptotic"}
        Exact: V over all 2^n signs of the ranks as they are, with their ties and without the zeros (the conditional
        permutation distribution, by dynamic programming over doubled midranks). Asymptotic: normal, with the variance
        of the same distribution, which contains the correction for ties (and Cureton's for Pratt's zeros). "auto" is
        exact for up to 50 ranked differences.
    zero_method : {"wilcox", "pratt"}
        Differences of 0 are left out before ranking, or after it (Pratt 1959). With "pratt" the estimate and its
        interval count them; with "wilcox" they rest on the other differences alone, as in R.
    correct : bool
        Continuity correction of 1/2 in the asymptotic method (R's default is True).
    groups : array_like (n,), optional
        One label per row; values are averaged within a group first, so that n is the number of groups.
    confidence_level : float
        Level of the result's `confidence_interval()`.

    Returns
    -------
    WilcoxonResult
        All differences 0: statistic 0, p 1, estimate 0. There is no standard error, so `noninferiority` does not
        apply.

    Raises
    ------
    ValueError
        No pair, lengths that differ, a value that is NaN or infinite, an unknown choice, "exact" with more than 1000
        ranked differences.

    Notes
    -----
    Differences that are equal, or 0, up to the rounding of the subtraction are tied, or 0: see
    `stats.pairs.signed_differences`.

    scipy.stats.wilcoxon (1.17) is right for the asymptotic test, and for the exact one without ties and zeros up to n
    of 50 or so; above, its upper tail is 1 - cdf (n = 100, ranks 4 and 41 negative: 0 instead of 2.7e-26). It is
    not used because its two-sided statistic is min(V, n (n + 1) / 2 - V); "exact" takes the distribution without ties
    where there are ties, and counts Pratt's zeros in it; "auto" with ties or zeros is exact up to n = 13 only; all
    differences 0 divide by 0; it ranks the rounding of the subtraction; and it has no estimate and no interval.
    """
    checked_alternative(alternative)
    for name, value, choices in (
        ("method", method, ("auto", "exact", "asymptotic")),
        ("zero_method", zero_method, ("wilcox", "pratt")),
    ):
        if value not in choices:
            raise ValueError(f"{name} is {value!r}; expected one of {', '.join(choices)}")

    differences = signed_differences(*paired_values(x, y, groups))
    n_zero = int(np.sum(differences == 0))
    ranked = differences if zero_method == "pratt" or n_zero == differences.size else differences[differences != 0]
    if method == "auto":
        method = "exact" if ranked.size <= EXACT_BY_DEFAULT else "asymptotic"
    if method == "exact" and ranked.size > EXACT_AT_MOST:
        raise ValueError(
            f"method is 'exact' and there are {ranked.size} ranked differences; expected at most {EXACT_AT_MOST}: "
            "beyond that the asymptotic p-value is as good"
        )

    positive = ranked > 0
    ranks = doubled_midranks(np.abs(ranked))
    rank_sum, ranks = int(ranks[positive].sum()), ranks[ranked != 0]
    zstatistic = _standardised(rank_sum, ranks, correct, alternative)
    ordered = np.sort(ranked)
    return WilcoxonResult(
        statistic=rank_sum / 2,
        pvalue=_pvalue(rank_sum, ranks, zstatistic, method, alternative),
        zstatistic=zstatistic,
        hodges_lehmann=hodges_lehmann(ordered),
        n=differences.size,
        n_zero=n_zero,
        method=method,
        alternative=alternative,
        zero_method=zero_method,
        correct=correct,
        confidence_level=checked_level(confidence_level),
        _ordered=ordered,
    )


def _standardised(rank_sum: int, ranks: Whole, correct: bool, alternative: str) -> float:
    """(V - mean) / sd under random signs: the mean is half the sum of the ranks, sd^2 a quarter of that of squares."""
    if not ranks.size:
        return 0.0
    excess = 2 * rank_sum - int(ranks.sum())  # 4 (V - mean), as the ranks are doubled
    if correct:
        excess -= 2 * {"two-sided": int(np.sign(excess)), "greater": 1, "less": -1}[alternative]
    return excess / float(np.linalg.norm(ranks))


def _pvalue(rank_sum: int, ranks: Whole, zstatistic: float, method: str, alternative: str) -> float:
    if not ranks.size:
        return 1.0
    if method == "asymptotic":
        return normal_pvalue(zstatistic, alternative)
    # The distribution is symmetric: the upper tail at V is the lower one at (sum of ranks) - V.
    opposite = int(ranks.sum()) - rank_sum
    upto = {"less": rank_sum, "greater": opposite, "two-sided": min(rank_sum, opposite)}[alternative]
    tail = float(_null_distribution(ranks, upto).sum())
    return min(1.0, 2 * tail) if alternative == "two-sided" else tail


def _null_distribution(ranks: Whole, upto: int) -> Floats:
    """Probabilities of the sums 0 .. upto of the ranks with a positive sign, all signs being equally likely."""
    count = np.zeros(upto + 1)
    count[0] = 1
    for rank in ranks[ranks <= upto].tolist():
        count[rank:] += count[: count.size - rank]
    return np.ldexp(count, -ranks.size)


def _exact_place(n: int, tail: float) -> int:
    """Place of the lower bound among the Walsh averages: R's qsignrank(tail, n); 0 where none will do."""
    below = np.cumsum(_null_distribution(np.arange(1, n + 1), walsh_count(n)))
    slack = 10 * np.finfo(float).eps
    place = int(np.searchsorted(below, tail - slack))
    return 1 if place == 0 and below[0] <= tail + slack else place


def _normal_place(ordered: Floats, tail: float, correct: bool) -> int:
    """Place of the lower bound: the test crosses its critical value where V has fallen by that many averages."""
    sd = float(np.linalg.norm(doubled_midranks(ordered))) / 4
    count = walsh_count(ordered.size)
    return min(math.ceil(count / 2 - (0.5 if correct else 0) + float(ndtri(tail)) * sd), count)
