"""Ranks of backbones over several tables: a critical-difference diagram or, with few tables, each one's intervals."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata

import stats
from evalkit.comparisons.cells import Floats
from evalkit.comparisons.estimation.base import percentiles
from evalkit.errors import InputError
from evalkit.figures.files import COLUMNS

#: With fewer blocks than this, Friedman's and Nemenyi's tests find next to nothing and are not shown.
FEWEST_BLOCKS = 5

ALPHA = 0.05


@dataclass(frozen=True, eq=False)
class Block:
    """One table's decisive column.

    Attributes
    ----------
    table, evaluation, dataset, setting, target, metric : str
        Where its numbers come from; `dataset` is the one tested on.
    higher_is_better : bool
    estimates : mapping of str to float
        By backbone; NaN where there is none.
    replicates : mapping of str to ndarray (resamples,)
        Bootstrap replicates of the estimates, on resamples that the backbones share; empty where they are not needed.
    confidence_level : float
        Of intervals of ranks.
    """

    table: str
    evaluation: str
    dataset: str
    setting: str
    target: str
    metric: str
    higher_is_better: bool
    estimates: Mapping[str, float]
    replicates: Mapping[str, Floats]
    confidence_level: float = 0.95

    def with_replicates(self, replicates: Mapping[str, Floats]) -> Block:
        """The same block with replicates."""
        return dataclasses.replace(self, replicates=replicates)


def rank_backbones(blocks: Sequence[Block], labels: Mapping[str, str]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Rank backbones in each block, and compare their mean ranks where there are enough blocks.

    Parameters
    ----------
    blocks : sequence of Block
        On different data sets or evaluations.
    labels : mapping of str to str
        Printed names of the backbones, in the order of the study.

    Returns
    -------
    rows : DataFrame
        For each block and backbone estimate, rank (1 is best; equals share their mean) and, where there are fewer
        than `FEWEST_BLOCKS`, the percentile interval of its rank over bootstrap resamples of the test patients.
    facts : dict
        ``blocks``; ``friedman``: the tests' results, or nothing with few blocks; ``notes``.

    Raises
    ------
    InputError
        Blocks that are not independent, or fewer than two backbones with a number in each of them.
    """
    require_independent(blocks)
    shown = [key for key in labels if all(not np.isnan(block.estimates.get(key, np.nan)) for block in blocks)]
    if len(shown) < 2:
        raise InputError(
            f"{len(shown)} of {len(labels)} backbones have a number in each of the tables "
            f"{', '.join(block.table for block in blocks)}",
            "at least two, for ranks to mean something",
            "name other tables, or complete these",
        )
    few = len(blocks) < FEWEST_BLOCKS
    parts = [_rank_block(block, shown, labels, with_intervals=few) for block in blocks]
    left_out = [labels[key] for key in labels if key not in shown]
    facts = {
        "blocks": [_describe(block) for block in blocks],
        "fewest_blocks": FEWEST_BLOCKS,
        "confidence_level": blocks[0].confidence_level,
        "shown": shown,
        "friedman": None if few else _compare(blocks, shown),
        "notes": [
            *([f"Left out, for want of a number in some table: {', '.join(left_out)}."] if left_out else []),
            *_note_dependence(blocks),
        ],
    }
    return pd.concat(parts, ignore_index=True)[list(COLUMNS["cd"])], facts


def require_independent(blocks: Sequence[Block]) -> None:
    """Refuse two tables on one evaluation and data set: they would count the same evidence twice.

    Raises
    ------
    InputError
        Names the two tables.
    """
    seen: dict[tuple[str, str], str] = {}
    for block in blocks:
        other = seen.setdefault((block.evaluation, block.dataset), block.table)
        if other != block.table:
            raise InputError(
                f"tables {other} and {block.table} both show evaluation {block.evaluation} on data set {block.dataset}",
                "tables on different data sets or evaluations; repeats, fractions, classes and metrics of one are no "
                "independent blocks",
                "leave one of them out of the figure",
            )


def _rank_block(block: Block, shown: Sequence[str], labels: Mapping[str, str], *, with_intervals: bool) -> pd.DataFrame:
    sign = -1 if block.higher_is_better else 1
    estimates = np.array([block.estimates[key] for key in shown])
    bounds = np.full((len(shown), 2), np.nan)
    if with_intervals:
        replicates = np.column_stack([block.replicates[key] for key in shown])
        ranks = rankdata(sign * replicates[~np.isnan(replicates).any(axis=1)], axis=1)
        bounds = np.array([percentiles(ranks[:, column], block.confidence_level) for column in range(len(shown))])
    return pd.DataFrame(
        {
            "table": block.table,
            "backbone": shown,
            "label": [labels[key] for key in shown],
            "estimate": estimates,
            "rank": rankdata(sign * estimates),
            "low": bounds[:, 0],
            "high": bounds[:, 1],
        }
    )


def _compare(blocks: Sequence[Block], shown: Sequence[str]) -> dict[str, Any]:
    scores = [
        [block.estimates[key] if block.higher_is_better else -block.estimates[key] for key in shown] for block in blocks
    ]
    result = stats.friedman_nemenyi(scores, alpha=ALPHA)
    return {
        "average_ranks": dict(zip(shown, result.average_ranks.tolist(), strict=True)),
        "critical_difference": result.critical_difference,
        "statistic": result.statistic,
        "df": result.df,
        "p_value": result.pvalue,
        "alpha": result.alpha,
        "alike": [[shown[k] for k in group] for group in group_alike(result.average_ranks, result.critical_difference)],
    }


def group_alike(average_ranks: Floats, critical_difference: float) -> list[list[int]]:
    """The largest groups of neighbours in rank that do not differ: the bars of a critical-difference diagram.

    Returns
    -------
    list of list of int
        Positions in `average_ranks`, from the best; groups of one, and groups within another, are left out.
    """
    order = np.argsort(average_ranks, kind="stable")
    ranks = average_ranks[order]
    ends = np.searchsorted(ranks, ranks + critical_difference, "right")
    return [
        order[start:end].tolist()
        for start, end in enumerate(ends)
        if end - start > 1 and (start == 0 or end > ends[start - 1])
    ]


def _describe(block: Block) -> dict[str, Any]:
    names = ("table", "evaluation", "dataset", "setting", "target", "metric", "higher_is_better")
    return {name: getattr(block, name) for name in names}


def _note_dependence(blocks: Sequence[Block]) -> list[str]:
    """Blocks that are allowed to stand beside each other and still share something."""
    notes = []
    for shared, what in (
        ("dataset", "are evaluations of the same data set, {}, and share its patients"),
        ("evaluation", "test the same trained networks, those of {}, on different data sets"),
    ):
        for value in dict.fromkeys(getattr(block, shared) for block in blocks):
            tables = [block.table for block in blocks if getattr(block, shared) == value]
            if len(tables) > 1:
                notes.append(f"Not fully independent: {_join(tables)} {what.format(value)}.")
    return notes


def _join(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}"
