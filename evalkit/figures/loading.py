"""The runs a figure shows: one setting's predictions, or a table's rows with the runs behind them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

import stats
from evalkit.comparisons.cells import ALL
from evalkit.comparisons.external import describe_external
from evalkit.comparisons.gathering import gather_runs
from evalkit.comparisons.kinds.base import Predictions
from evalkit.comparisons.kinds.detections import Detected
from evalkit.comparisons.kinds.scores import Scores
from evalkit.comparisons.kinds.values import Measured
from evalkit.comparisons.rows import read_rows
from evalkit.comparisons.runs import Selection
from evalkit.comparisons.sections import Section, TableRuns
from evalkit.config.loading import Study
from evalkit.config.tables import (
    BoxesFigure,
    CalibrationFigure,
    ConfusionFigure,
    ConvergenceFigure,
    FrocFigure,
    InversionsFigure,
    PrecisionRecallFigure,
    RocFigure,
)
from evalkit.errors import InputError

#: Figures of one setting of a classification, of a detection, and of an inversion.
OfSetting = RocFigure | ConfusionFigure | CalibrationFigure
OfDetections = PrecisionRecallFigure | FrocFigure | BoxesFigure
OfInversions = InversionsFigure | ConvergenceFigure


def load_setting(study: Study, name: str, figure: OfSetting) -> Scores:
    """Read and align the predictions that a figure of one setting shows.

    Parameters
    ----------
    study : Study
    name : str
        The figure's key in the study file.
    figure : RocFigure, ConfusionFigure or CalibrationFigure

    Raises
    ------
    InputError
        As `gather_runs`; no run gave predictions.
    """
    runs = _gather(study, name, figure)
    assert isinstance(runs, Scores), "the study file's check lets only classifications through"
    return runs


def load_detections(study: Study, name: str, figure: OfDetections) -> Detected:
    """Read the detections that a figure of one setting shows; parameters and errors as `load_setting`."""
    runs = _gather(study, name, figure)
    assert isinstance(runs, Detected), "the study file's check lets only detections through"
    return runs


def load_inversions(study: Study, name: str, figure: OfInversions) -> Measured:
    """Read what was measured on reconstructions in one setting; parameters and errors as `load_setting`."""
    runs = _gather(study, name, figure)
    assert isinstance(runs, Measured), "the study file's check lets only inversions through"
    return runs


def _gather(study: Study, name: str, figure: OfSetting | OfDetections | OfInversions) -> Predictions:
    setting = figure.setting or study.evaluation(figure.evaluation).list_settings()[-1]
    shown = tuple(key for key in study.backbones if figure.backbones is None or key in figure.backbones)
    runs = gather_runs(study, Selection(f"{name}.pdf", figure.evaluation, (setting,), shown, figure.test_on))
    if not any(cell.repeats for cell in runs.cells[setting]):
        outcomes = ", ".join(f"{cell.label}: {cell.status}" for cell in runs.cells[setting])
        raise InputError(
            f"no run of {setting} gave predictions ({outcomes})",
            "a run that was done, for there to be something to draw",
            "see the runs' logs; snakemake --config retry_failed=true runs those that failed again",
        )
    return runs


def describe_setting(runs: Scores | Detected | Measured) -> dict[str, Any]:
    """The facts of a figure of one setting: what was trained and tested, and on how many cases."""
    gathered, selection = runs.gathered, runs.gathered.selection
    cases = np.ones(runs.images.nunique(), bool)
    external = describe_external(gathered, runs.test_set) if isinstance(runs, Scores) and selection.test_on else ""
    return {
        "evaluation": selection.evaluation,
        "dataset": gathered.tested,
        "setting": selection.settings[0],
        "unit": runs.unit,
        "cases": cases.size,
        "images": len(runs.images),
        "patients": runs.count_patients(cases),
        "external": external,
    }


def iterate_everyone(table: TableRuns) -> Iterator[tuple[Section, Any]]:
    """A table's sections of all cases, metric by metric and setting by setting, each with its numbers."""
    for section in table.sections():
        if section.place.subgroup == ALL:
            yield section, section.estimates(stats)


def read_table(study: Study, table: str) -> pd.DataFrame:
    """A table's rows."""
    path = study.layout.report(f"{table}.csv")
    if not path.exists():
        raise InputError(
            f"{path} does not exist",
            "the rows of a table that the figure shows",
            f"make it: python -m evalkit.comparisons --study {study.source} --table {table}",
        )
    return read_rows(path)
