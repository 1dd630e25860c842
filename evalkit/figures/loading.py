"""The runs a figure shows: one setting's predictions, or a table's rows with the runs behind them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import stats
from evalkit.comparisons.cells import ALL
from evalkit.comparisons.external import describe_external
from evalkit.comparisons.gathering import Gathered, gather_runs
from evalkit.comparisons.runs import Selection
from evalkit.comparisons.sections import Section, TableRuns
from evalkit.config.loading import Study
from evalkit.config.tables import CalibrationFigure, ConfusionFigure, RocFigure
from evalkit.errors import InputError

#: Figures of one setting of an evaluation.
OfSetting = RocFigure | ConfusionFigure | CalibrationFigure


def load_setting(study: Study, name: str, figure: OfSetting) -> Gathered:
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


def describe_setting(runs: Gathered) -> dict[str, Any]:
    """The facts of a figure of one setting: what was trained and tested, and on how many cases."""
    selection, test_set = runs.selection, runs.test_set
    return {
        "evaluation": selection.evaluation,
        "dataset": runs.tested,
        "setting": selection.settings[0],
        "unit": test_set.unit,
        "cases": len(test_set.targets),
        "images": len(runs.images),
        "patients": test_set.n_patients,
        "external": "" if selection.test_on is None else describe_external(runs),
    }


def iterate_everyone(table: TableRuns) -> Iterator[tuple[Section, Any]]:
    """A table's sections of all cases, metric by metric and setting by setting, each with its numbers."""
    for section in table.sections():
        if section.place.subgroup == ALL:
            yield section, section.estimates(stats)
