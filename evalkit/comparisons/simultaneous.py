"""Intervals and p-values that allow for the reference having been chosen on the same data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from evalkit.comparisons.cells import Cell
from evalkit.comparisons.estimation.base import Estimates, quietly
from evalkit.comparisons.procedure import Procedure
from evalkit.comparisons.questions import BOOTSTRAPS
from evalkit.comparisons.rows import Row
from evalkit.comparisons.subgroups import EVERYONE
from stats import compare_with_best

#: The adjustment that is made here; others are made of p-values alone.
MAX_T = "max_t"


@dataclass(frozen=True)
class AgainstBest:
    """One column's differences from its best backbone: (low, high, adjusted p) of each, for a family of all pairs."""

    bounds: Mapping[str, tuple[float, float, float]]
    pairs: int

    def adjust(self, row: Row) -> Row:
        """Put the simultaneous interval and p-value in a row that compares with the best by bootstrap."""
        if row.policy != "best" or row.test not in BOOTSTRAPS or row.backbone not in self.bounds:
            return row
        low, high, p = self.bounds[row.backbone]
        place = (row.table, row.metric, row.setting, row.target, name_subgroup(row), row.policy)
        column = "/".join(filter(None, place))
        return replace(
            row,
            difference_ci_low=low,
            difference_ci_high=high,
            p_adjusted=p,
            adjustment=MAX_T,
            family=f"{column}/all pairs",
            family_size=self.pairs,
        )


def name_subgroup(row: Row) -> str:
    """A row's subgroup as the names of families have it: none for everyone."""
    return "" if row.subgroup == EVERYONE else row.subgroup


def compare_column_with_best(
    estimates: Estimates, cells: Sequence[Cell], target: str, values: Mapping[str, float], procedure: Procedure
) -> AgainstBest | None:
    """Compare a column's complete cells with the best of them, where the procedure asks for it.

    Parameters
    ----------
    estimates : Estimates
    cells : sequence of Cell
    target : str
    values : mapping of backbone to float
        The column's estimates.
    procedure : Procedure

    Returns
    -------
    AgainstBest or None
        ``None`` where another adjustment is asked for, fewer than two backbones can be compared, or there is nothing
        to resample. Backbones of which a run is missing do not share the others' resamples and take no part.
    """
    complete = [cell for cell in cells if cell.status == "ok" and not np.isnan(values[cell.backbone])]
    if procedure.adjustment != MAX_T or len(complete) < 2 or estimates.why_not_resampled(target):
        return None
    replicates = np.column_stack([estimates.replicates(cell, target) for cell in complete])
    result = quietly(
        lambda: compare_with_best(
            [values[cell.backbone] for cell in complete],
            replicates,
            higher_is_better=procedure.metric.higher_is_better,
            confidence_level=procedure.confidence_level,
            names=[cell.backbone for cell in complete],
        )
    )
    columns = zip(result.low.tolist(), result.high.tolist(), result.pvalues.tolist(), strict=True)
    return AgainstBest(dict(zip(result.names, columns, strict=True)), len(complete) * (len(complete) - 1) // 2)
