"""Test of non-inferiority from a difference and its standard error."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from numbers import Real
from typing import Any

from stats.results import Result, announce
from stats.tails import log10_pvalue, normal_log_tail, normal_pvalue, t_log_tail, t_pvalue


@dataclass(frozen=True)
class NoninferiorityResult(Result):
    """Test that a is worse than b by less than a margin.

    Attributes
    ----------
    statistic : float
        (difference + margin) / se.
    pvalue : float
        One-sided; small where a is not inferior.
    margin, difference, se : float
    df : float
        Degrees of freedom of Student's t; infinite where the normal distribution was used.
    warnings : tuple of str
    """

    statistic: float
    pvalue: float
    margin: float
    difference: float
    se: float
    df: float
    warnings: tuple[str, ...] = ()

    @property
    def log10_pvalue(self) -> float:
        """Decimal logarithm of the p-value, finite where the p-value itself underflows."""
        normal = math.isinf(self.df)
        tail = partial(normal_log_tail, self.statistic) if normal else partial(t_log_tail, self.statistic, self.df)
        return log10_pvalue(self.pvalue, tail, "greater")


def noninferiority(result: Any, *, margin: float) -> NoninferiorityResult:
    """Test that a is not worse than b by `margin` or more: H0 is difference <= -margin.

    The same standard error as in the test of equality, and its distribution: Student's t where the result has
    degrees of freedom (a t test, or two independent AUCs), else the normal one.

    Parameters
    ----------
    result : a result with `.difference` (a - b) and `.se`
        Of `delong_test`, `delong_unpaired`, `ttest_paired`, `ttest_corrected`, a bootstrap and others. Where lower is
        better, exchange a and b in the comparison.
    margin : float
        Largest loss that is acceptable, above 0, in the units of the difference. It is chosen before the data are
        seen.

    Returns
    -------
    NoninferiorityResult
        A standard error of 0: an infinite statistic and p 0 or 1, with a warning; statistic 0 and p 1 where the
        difference is -margin itself. A standard error that is NaN: NaN, with a warning.

    Raises
    ------
    TypeError
        A result without a standard error, as that of `wilcoxon`.
    ValueError
        A margin that is not a positive number.
    """
    missing = [name for name in ("difference", "se") if not hasattr(result, name)]
    if missing:
        raise TypeError(
            f"{type(result).__name__} has no .{' and no .'.join(missing)}; expected a result with a difference and its "
            "standard error, such as that of delong_test, ttest_paired or a bootstrap (a rank test has none)"
        )
    if not isinstance(margin, Real) or not 0 < margin < math.inf:
        raise ValueError(f"margin is {margin!r}; expected a positive number, the largest loss that is acceptable")
    difference, se = float(result.difference), float(result.se)
    df = float(getattr(result, "df", math.inf))
    df = df if math.isfinite(df) else math.inf
    excess, notes = difference + margin, []
    if math.isnan(se):
        statistic = pvalue = math.nan
        notes.append("the standard error of the difference is not defined, so that its non-inferiority is not either")
    elif se == 0:
        statistic = math.copysign(math.inf, excess) if excess else 0.0
        pvalue = 0.0 if excess > 0 else 1.0
        notes.append(f"the difference ({difference:.6g}) has a variance of 0: it is taken as certain")
    else:
        statistic = excess / se
        pvalue = t_pvalue(statistic, df, "greater") if df < math.inf else normal_pvalue(statistic, "greater")
    return NoninferiorityResult(statistic, pvalue, float(margin), difference, se, df, announce(notes))
