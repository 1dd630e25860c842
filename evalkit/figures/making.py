"""A study's figure: from its runs on disk, or the rows of its tables, to the rows it is drawn from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evalkit.comparisons.cells import Cell
from evalkit.comparisons.external import describe_seen
from evalkit.comparisons.kinds.detections import Detected
from evalkit.comparisons.kinds.scores import Scores
from evalkit.comparisons.kinds.values import Measured
from evalkit.comparisons.sections import gather_table
from evalkit.config.loading import Study
from evalkit.config.tables import (
    BoxesFigure,
    CalibrationFigure,
    FractionsFigure,
    GeneratorFigure,
    InversionsFigure,
    PrecisionRecallFigure,
    RanksFigure,
    RocFigure,
)
from evalkit.errors import InputError
from evalkit.figures.blocks import note_shared_origins, read_block, resample
from evalkit.figures.calibration import measure_calibration
from evalkit.figures.confusion import count_calls
from evalkit.figures.convergence import trace_convergence
from evalkit.figures.detection_curves import trace_froc, trace_precision_recall
from evalkit.figures.facts import describe_figure, note_gaps
from evalkit.figures.files import FigureData, write_figure_data
from evalkit.figures.fractions import collect_points
from evalkit.figures.generator import show_training
from evalkit.figures.inversions import show_inversions
from evalkit.figures.loading import (
    OfDetections,
    OfInversions,
    OfSetting,
    describe_setting,
    iterate_everyone,
    load_detections,
    load_inversions,
    load_setting,
    read_table,
)
from evalkit.figures.pictures import Pixels, show_boxes
from evalkit.figures.ranks import FEWEST_BLOCKS, rank_backbones, require_independent
from evalkit.figures.roc import trace_curves
from evalkit.seeds import seed_from


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
    if isinstance(figure, OfInversions):
        return _of_inversions(study, name, figure)
    if isinstance(figure, GeneratorFigure):
        return _of_generator(study, name, figure)
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


def _of_inversions(study: Study, name: str, figure: OfInversions) -> FigureData:
    runs = load_inversions(study, name, figure)
    cells = runs.cells[runs.gathered.selection.settings[0]]
    pictures: tuple[Pixels, ...] = ()
    if isinstance(figure, InversionsFigure):
        rows, own, pictures = show_inversions(study, figure, runs)
    else:
        rows, own = trace_convergence(study, figure, runs)
    return FigureData(rows, _join_facts(study, name, runs, cells, own), pictures)


def _of_generator(study: Study, name: str, figure: GeneratorFigure) -> FigureData:
    rows, own, pictures = show_training(study, figure)
    general = describe_figure(study, name, backbones=[], datasets=[own["dataset"]])
    return FigureData(rows, {**general, **own}, pictures)


def _join_facts(
    study: Study, name: str, runs: Scores | Detected | Measured, cells: Sequence[Cell[Any]], own: dict[str, Any]
) -> dict[str, Any]:
    """The facts of a figure of one setting: those that all have, and its own."""
    shown, datasets = [cell.backbone for cell in cells if cell.repeats], runs.gathered.reports
    general = describe_figure(study, name, backbones=shown, datasets=datasets)
    notes = [*own["notes"], *describe_seen(study, shown, datasets)]
    return {**general, **describe_setting(runs), **own, "notes": notes}


def _of_fractions(study: Study, name: str, figure: FractionsFigure) -> FigureData:
    table = gather_table(study, figure.table)
    rows = read_table(study, figure.table)
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
    blocks = [read_block(study, table) for table in figure.tables]
    # Before anything is computed.
    require_independent(blocks)
    if len(blocks) < FEWEST_BLOCKS:
        blocks = [resample(study, block) for block in blocks]
    labels = {
        key: study.backbone(key).label for key in study.backbones if any(key in block.estimates for block in blocks)
    }
    rows, own = rank_backbones(blocks, labels)
    datasets = [each for block in blocks for each in (block.dataset, study.evaluation(block.evaluation).dataset)]
    own["notes"] += note_shared_origins(study, [block.dataset for block in blocks])
    own["notes"] += describe_seen(study, own["shown"], datasets)
    general = describe_figure(study, name, backbones=own["shown"], datasets=datasets)
    return FigureData(rows, {**general, **own})
