"""What every kind of prediction must answer for its rows to be made."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np

from evalkit.comparisons.cells import Cell, Floats, Outcome, count_cases

NAN = math.nan
R = TypeVar("R")


@dataclass(frozen=True)
class Estimate:
    """One backbone's number for one target; `status` says why there is none."""

    value: float = NAN
    sd: float = NAN
    low: float = NAN
    high: float = NAN
    ci_method: str = ""
    n: int | None = None
    n_clusters: int | None = None
    status: str = "ok"


@dataclass(frozen=True)
class Effect:
    """How large a paired difference is, free of units.

    Attributes
    ----------
    dz, low, high : float
        Cohen's d_z, the mean difference in standard deviations of the differences, with its confidence interval.
    rank_biserial : float
        Of the signed ranks, from -1 to 1: what Wilcoxon's test is about.
    """

    dz: float
    low: float
    high: float
    rank_biserial: float


@dataclass(frozen=True)
class Difference:
    """A backbone minus its reference, tested; `status` says why a number is missing, `notes` what to know of it.

    `log10_p` is there where the p-value is, and finite also where the p-value underflows. `effect` is there for
    measured values.
    """

    value: float = NAN
    low: float = NAN
    high: float = NAN
    statistic: float = NAN
    df: float = NAN
    p_value: float = NAN
    log10_p: float = NAN
    status: str = "ok"
    notes: tuple[str, ...] = ()
    effect: Effect | None = None


class Estimates(Protocol[Outcome]):
    """The numbers of one setting, each computed once."""

    @property
    def unit(self) -> str:
        """What estimates are made of: repeats, or cases of the test set."""
        ...

    def primary_test(self, target: str) -> str:
        """The test whose rows are primary for a target."""
        ...

    def further_tests(self, target: str) -> list[tuple[str, str]]:
        """The tests shown beside it, each with its role: paper or secondary."""
        ...

    def why_undefined(self, target: str) -> str:
        """Why a target has no number on this test set, as a status; empty where it has one."""
        ...

    def why_not_resampled(self, target: str) -> str:
        """Why resamples of the cases say nothing of a target, as a status; empty where they do."""
        ...

    def estimate(self, cell: Cell[Outcome], target: str) -> Estimate:
        """Estimate a cell's number for one target."""
        ...

    def compare(self, cell: Cell[Outcome], reference: Cell[Outcome], target: str, test: str) -> Difference:
        """Compare a cell with its reference by one test."""
        ...

    def replicates(self, cell: Cell[Outcome], target: str) -> Floats:
        """Bootstrap replicates of a cell's estimate (resamples,), on resamples that complete cells share."""
        ...


def common_runs(cell: Cell[Outcome], reference: Cell[Outcome]) -> tuple[list[int], str]:
    """The repeats that both cells have, and the status of a comparison that rests on them."""
    common = [repeat for repeat in cell.repeats if repeat in reference.repeats]
    status = cell.status if len(common) == len(cell.repeats) else f"{len(common)}/{cell.expected} repeats in common"
    return common, status


def from_result(result: Any, level: float) -> Difference:
    """Take over a result of `stats` (or of R), with its interval where it has one."""
    if hasattr(result, "confidence_interval"):
        low, high = result.confidence_interval(level)
    else:
        low, high = getattr(result, "low", NAN), getattr(result, "high", NAN)
    notes = tuple(getattr(result, "warnings", ()))
    undefined = math.isnan(result.pvalue)
    reason = notes[0].partition(":")[0] if undefined and notes else "no p-value"
    return Difference(
        value=getattr(result, "difference", NAN),
        low=low,
        high=high,
        statistic=getattr(result, "statistic", NAN),
        df=getattr(result, "df", NAN),
        p_value=result.pvalue,
        log10_p=result.log10_pvalue,
        status=f"undefined: {reason}" if undefined else "ok",
        notes=() if undefined else notes,
    )


def why_alone(n: int, unit: str = "patient") -> str:
    """Why nothing is known of other cases than these, as a status; empty where there are two or more.

    All resamples of a single case are alike: its interval would have no width, and its p-value be the smallest.
    """
    return f"undefined: {count_cases(n, unit)}" if n < 2 else ""


def percentiles(replicates: Floats, level: float) -> tuple[float, float]:
    """The percentile interval of bootstrap replicates, those that are not defined left out."""
    defined = replicates[~np.isnan(replicates)]
    if not defined.size:
        return NAN, NAN
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2]).tolist()
    return low, high


def quietly(function: Callable[[], R]) -> R:
    """Call a function of `stats`, whose warnings also stand in its result and reach the reader from there."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return function()
