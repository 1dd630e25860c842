"""Adjustment of p-values within their families."""

from __future__ import annotations

import dataclasses
import math
from collections import defaultdict
from collections.abc import Sequence

from evalkit.comparisons.rows import Row
from evalkit.comparisons.simultaneous import MAX_T, name_subgroup
from stats.multiplicity import adjust_pvalues


def adjust_families(rows: Sequence[Row], *, adjustment: str, family: str) -> list[Row]:
    """Adjust every p-value for the others of its family.

    A family is all p-values that share table, metric, setting, target, subgroup, policy and test; ``family="table"``
    widens it over settings, targets and subgroups. Policies and roles are never pooled. Rows without a p-value belong
    to none, and rows that were adjusted with their test (max_t) stay as they are.

    Parameters
    ----------
    rows : sequence of Row
    adjustment : str
        As `stats.adjust_pvalues` names it; for max_t, the rows that have no replicates are adjusted by Holm.
    family : {"cell", "table"}

    Returns
    -------
    list of Row
        In the same order, with p_adjusted, adjustment, family and family_size.
    """
    method = "holm" if adjustment == MAX_T else adjustment
    members: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        if not math.isnan(row.p_value) and row.adjustment != MAX_T:
            members[_key(row, family)].append(index)
    adjusted = list(rows)
    for key, indices in members.items():
        values = adjust_pvalues([rows[index].p_value for index in indices], method)
        for index, value in zip(indices, values.tolist(), strict=True):
            adjusted[index] = dataclasses.replace(
                rows[index],
                p_adjusted=value,
                adjustment=method,
                family="/".join(filter(None, key)),
                family_size=len(indices),
            )
    return adjusted


def _key(row: Row, family: str) -> tuple[str, ...]:
    place = (row.setting, row.target, name_subgroup(row)) if family == "cell" else ()
    return (row.table, row.metric, *place, row.policy, row.role, row.test)
