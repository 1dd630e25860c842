"""A study's figure: from its runs on disk, or the rows of its tables, to the rows it is drawn from."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd

from evalkit.comparisons.cells import ALL, MEAN, Cell
from evalkit.comparisons.external import describe_seen, find_origins
from evalkit.comparisons.kinds.detections import Detected
from evalkit.comparisons.kinds.scores import Scores
from evalkit.comparisons.rows import read_rows
from evalkit.comparisons.sections import gather_table
from evalkit.config.loading import Study
from evalkit.config.tables import (
    BoxesFigure,
    CalibrationFigure,
    FractionsFigure,
    PrecisionRecallFigure,
    RanksFigure,
    RocFigure,
)
from evalkit.datasets.overlap import describe_overlap
from evalkit.errors import InputError
from evalkit.figures.calibration import measure_calibration
from evalkit.figures.confusion import count_calls
from evalkit.figures.detection_curves import trace_froc, trace_precision_recall
from evalkit.figures.facts import describe_figure, note_gaps
from evalkit.figures.files import FigureData, write_figure_data
from evalkit.figures.fractions import collect_points
from evalkit.figures.loading import (
    OfDetections,
    OfSetting,
    describe_setting,
    iterate_everyone,
    load_detections,
    load_setting,
)
from evalkit.figures.pictures import show_boxes
from evalkit.figures.ranks import FEWEST_BLOCKS, Block, rank_backbones, require_independent
from evalkit.figures.roc import trace_curves
from evalkit.seeds import seed_from
from evalkit.settings import read_setting


def write_figure(study: Study, name: str) -> Path:
    """Compute what a figure shows and write its rows, with the facts beside them.

    Parameters
    ----------
    study : Study
    name : str
        The figure's key in the study file.

    Returns
    -------
    pathlib.Path
        The CSV file in the study's reports; the facts are in the ``.json`` of the same name.

    Raises
    ------
    InputError
        Runs or tables that are missing or do not belong together, or a figure that cannot mean anything.
    """
    path = study.layout.report(f"{name}.csv")
    write_figure_data(path, compute_figure(study, name))
    return path


def compute_figure(study: Study, name: str) -> FigureData:
    """Compute what a figure shows; as `write_figure`, without writing."""
    figure = study.figure(name)
    if isinstance(figure, FractionsFigure):
        return _of_fractions(study, name, figure)
    if isinstance(figure, RanksFigure):
        return _of_ranks(study, name, figure)
    if isinstance(figure, OfDetections):
        return _of_detections(study, name, figure)
    return _of_setting(study, name, figure)


def _of_setting(study: Study, name: str, figure: OfSetting) -> FigureData:
    runs = load_setting(study, name, figure)
    cells = runs.cells[runs.gathered.selection.settings[0]]
    if isinstance(figure, RocFigure):
        rows, own = trace_curves(
            runs.test_set,
            cells,
            multiclass=runs.multiclass,
            resamples=figure.resamples,
            confidence_level=figure.confidence_level,
            seed=seed_from(purpose="bootstrap", figure=name, evaluation=figure.evaluation),
        )
    elif isinstance(figure, CalibrationFigure):
        rows, own = measure_calibration(runs.test_set, cells, multiclass=runs.multiclass, bins=figure.bins)
    else:
        rows, own = count_calls(runs.test_set, cells)
    return FigureData(rows, _join_facts(study, name, runs, cells, own))


def _of_detections(study: Study, name: str, figure: OfDetections) -> FigureData:
    runs = load_detections(study, name, figure)
    cells = runs.cells[runs.gathered.selection.settings[0]]
    if isinstance(figure, BoxesFigure):
        rows, own, pictures = show_boxes(study, figure, runs)
    else:
        trace = trace_precision_recall if isinstance(figure, PrecisionRecallFigure) else trace_froc
        pictures = ()
        rows, own = trace(
            runs.cases,
            cells,
            iou=figure.iou,
            resamples=figure.resamples,
            confidence_level=figure.confidence_level,
            seed=seed_from(purpose="bootstrap", figure=name, evaluation=figure.evaluation),
        )
    return FigureData(rows, _join_facts(study, name, runs, cells, own), pictures)


def _join_facts(
    study: Study, name: str, runs: Scores | Detected, cells: Sequence[Cell[Any]], own: dict[str, Any]
) -> dict[str, Any]:
    """The facts of a figure of one setting: those that all have, and its own."""
    shown, datasets = [cell.backbone for cell in cells if cell.repeats], runs.gathered.reports
    general = describe_figure(study, name, backbones=shown, datasets=datasets)
    notes = [*own["notes"], *describe_seen(study, shown, datasets)]
    return {**general, **describe_setting(runs), **own, "notes": notes}


def _of_fractions(study: Study, name: str, figure: FractionsFigure) -> FigureData:
    table = gather_table(study, figure.table)
    rows = _read_table(study, figure.table)
    found: dict[tuple[str, str], Any] = {}
    gaps = []
    for section, estimates in iterate_everyone(table):
        found[section.procedure.metric.name, section.place.setting] = (section, estimates)
        partial = [cell for cell in section.cells if cell.repeats]
        gaps += [f"{section.place.setting}: {note}" for note in note_gaps(partial)]

    def values(metric: str, setting: str, target: str, backbone: str) -> dict[int, float]:
        section, estimates = found[metric, setting]
        cell = next(each for each in section.cells if each.backbone == backbone)
        if not cell.repeats or estimates.why_undefined(target):
            return {}
        return dict(zip(cell.repeats, estimates.values(cell, target).tolist(), strict=True))

    points, own = collect_points(rows, values)
    numbered = set(points["backbone"][points["value"].notna()])
    shown, datasets = [key for key in study.backbones if key in numbered], table.predictions.gathered.reports
    if not shown:
        raise InputError(
            f"no backbone has a number in table {figure.table}: {' '.join(own['notes'])}",
            "one at least, for there to be something to draw",
            "see the runs' logs; snakemake --config retry_failed=true runs those that failed again",
        )
    own["notes"] += [*dict.fromkeys(gaps), *describe_seen(study, shown, datasets)]
    general = describe_figure(study, name, backbones=shown, datasets=datasets)
    entry = study.table(figure.table)
    facts = {"table": figure.table, "evaluation": entry.evaluation, "confidence_level": entry.confidence_level}
    return FigureData(points, {**general, **facts, **own})


def _of_ranks(study: Study, name: str, figure: RanksFigure) -> FigureData:
    blocks = [_read_block(study, table) for table in figure.tables]
    # Before anything is computed.
    require_independent(blocks)
    if len(blocks) < FEWEST_BLOCKS:
        blocks = [_resample(study, block) for block in blocks]
    labels = {
        key: study.backbone(key).label for key in study.backbones if any(key in block.estimates for block in blocks)
    }
    rows, own = rank_backbones(blocks, labels)
    datasets = [each for block in blocks for each in (block.dataset, study.evaluation(block.evaluation).dataset)]
    own["notes"] += _note_shared_origins(study, [block.dataset for block in blocks])
    own["notes"] += describe_seen(study, own["shown"], datasets)
    general = describe_figure(study, name, backbones=own["shown"], datasets=datasets)
    return FigureData(rows, {**general, **own})


def _read_block(study: Study, table: str) -> Block:
    """A table's decisive column: its first metric with all labels, of all classes or the mean over them if it has that.

    All labels are the largest share; of several settings with it (ways of training, training sets) it is the first.
    """
    rows = _read_table(study, table)
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


def _resample(study: Study, block: Block) -> Block:
    """The block with bootstrap replicates of its estimates."""
    for section, estimates in iterate_everyone(gather_table(study, block.table)):
        if (section.procedure.metric.name, section.place.setting) == (block.metric, block.setting):
            defined = [cell for cell in section.cells if cell.repeats and not estimates.why_undefined(block.target)]
            return block.with_replicates({cell.backbone: estimates.replicates(cell, block.target) for cell in defined})
    raise AssertionError("a table's rows are of its sections")


def _read_table(study: Study, table: str) -> pd.DataFrame:
    """A table's rows."""
    path = study.layout.report(f"{table}.csv")
    if not path.exists():
        raise InputError(
            f"{path} does not exist",
            "the rows of a table that the figure shows",
            f"make it: python -m evalkit.comparisons --study {study.source} --table {table}",
        )
    return read_rows(path)


def _note_shared_origins(study: Study, datasets: list[str]) -> list[str]:
    """Say of which data sets images or patients may be the same."""
    notes = []
    for one, other in combinations(dict.fromkeys(datasets), 2):
        overlap = describe_overlap(study.dataset(one), study.dataset(other))
        origins = sorted(find_origins(study, one) & find_origins(study, other))
        if overlap or origins:
            why = f"both have {overlap}" if overlap else f"both stem from {', '.join(origins)}"
            notes.append(f"Not fully independent: {one} and {other}, for {why}.")
    return notes
