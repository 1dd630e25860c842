"""Which backbone another one is compared with."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

from evalkit.comparisons.procedure import Procedure


def find_best(
    estimates: Mapping[str, float], *, higher_is_better: bool, complete: Collection[str] | None = None
) -> str | None:
    """The best backbone of a column.

    Parameters
    ----------
    estimates : mapping of str to float
        In the study's order, which decides between equals; NaN takes no part.
    higher_is_better : bool
    complete : collection of str, optional
        Backbones of which no run is missing. They come first: a lucky few runs are no basis to measure others by.

    Returns
    -------
    str or None
        ``None`` where there is no estimate at all.
    """
    there = {key: value for key, value in estimates.items() if not math.isnan(value)}
    finished = {key: value for key, value in there.items() if complete is None or key in complete}
    candidates = finished or there
    if not candidates:
        return None
    return (max if higher_is_better else min)(candidates, key=lambda key: candidates[key])


def choose_reference(policy: str, backbone: str, best: str | None, procedure: Procedure) -> str | None:
    """The reference of one backbone under one policy.

    Parameters
    ----------
    policy : str
        best, named or baseline.
    backbone : str
    best : str or None
        The best backbone of the column.
    procedure : Procedure

    Returns
    -------
    str or None
        The backbone itself where it is the reference; ``None`` where there is none.
    """
    if policy == "best":
        return best
    if policy == "named":
        return procedure.reference
    return procedure.baselines.get(backbone)
