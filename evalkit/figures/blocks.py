"""Blocks of ranks: a table's decisive column, and what several of them share."""

from __future__ import annotations

from itertools import combinations

from evalkit.comparisons.cells import ALL, MEAN
from evalkit.comparisons.external import find_origins
from evalkit.comparisons.sections import gather_table
from evalkit.config.loading import Study
from evalkit.datasets.overlap import describe_overlap
from evalkit.figures.loading import iterate_everyone, read_table
from evalkit.figures.ranks import Block
from evalkit.settings import read_setting


def read_block(study: Study, table: str) -> Block:
    """A table's decisive column: its first metric with all labels, of all classes or the mean over them if it has that.

    All labels are the largest share; of several settings with it (ways of training, training sets) it is the first.
    """
    rows = read_table(study, table)
    rows = rows[(rows["role"] == "primary") & (rows["subgroup"] == ALL)]
    rows = rows[rows["metric"] == rows["metric"].iloc[0]]
    setting = max(dict.fromkeys(rows["setting"]), key=lambda each: read_setting(each).fraction)
    targets = list(dict.fromkeys(rows["target"]))
    target = next((each for each in (ALL, MEAN) if each in targets), targets[0])
    column = rows[(rows["setting"] == setting) & (rows["target"] == target)]
    first = column.iloc[0]
    return Block(
        table=table,
        evaluation=first["evaluation"],
        dataset=first["dataset"],
        setting=setting,
        target=target,
        metric=first["metric"],
        higher_is_better=bool(first["higher_is_better"]),
        estimates=dict(zip(column["backbone"], column["estimate"].tolist(), strict=True)),
        replicates={},
        confidence_level=study.table(table).confidence_level,
    )


def resample(study: Study, block: Block) -> Block:
    """The block with bootstrap replicates of its estimates."""
    for section, estimates in iterate_everyone(gather_table(study, block.table)):
        if (section.procedure.metric.name, section.place.setting) == (block.metric, block.setting):
            defined = [cell for cell in section.cells if cell.repeats and not estimates.why_undefined(block.target)]
            return block.with_replicates({cell.backbone: estimates.replicates(cell, block.target) for cell in defined})
    raise AssertionError("a table's rows are of its sections")


def note_shared_origins(study: Study, datasets: list[str]) -> list[str]:
    """Say of which data sets images or patients may be the same."""
    notes = []
    for one, other in combinations(dict.fromkeys(datasets), 2):
        overlap = describe_overlap(study.dataset(one), study.dataset(other))
        origins = sorted(find_origins(study, one) & find_origins(study, other))
        if overlap or origins:
            why = f"both have {overlap}" if overlap else f"both stem from {', '.join(origins)}"
            notes.append(f"Not fully independent: {one} and {other}, for {why}.")
    return notes
