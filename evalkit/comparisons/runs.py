"""A table's runs as they lie on disk: what is there, what is missing, and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from evalkit.comparisons.cells import Cell, Outcome
from evalkit.comparisons.questions import shown_backbones, shown_settings
from evalkit.config.loading import Study
from evalkit.errors import InputError
from evalkit.layout import PREDICTIONS, external_predictions
from evalkit.plan import Run, count_repeats
from evalkit.records import read_record

DONE = "done"


@dataclass(frozen=True)
class Selection:
    """Which runs a table or figure shows, and what they were tested on.

    Attributes
    ----------
    report : str
        The file that is made of them, below ``reports/``: ``table7.csv``.
    evaluation : str
    settings, backbones : tuple of str
        In the order they are shown in.
    test_on : str or None
        Another data set; the evaluation's own where there is none.
    """

    report: str
    evaluation: str
    settings: tuple[str, ...]
    backbones: tuple[str, ...]
    test_on: str | None = None

    @property
    def predictions(self) -> str:
        """The file of each run that holds what is shown."""
        return PREDICTIONS if self.test_on is None else external_predictions(self.test_on)


def select_runs(study: Study, table: str) -> Selection:
    """The runs of a table."""
    return Selection(
        report=f"{table}.csv",
        evaluation=study.table(table).evaluation,
        settings=tuple(shown_settings(study, table)),
        backbones=tuple(shown_backbones(study, table)),
        test_on=study.table(table).test_on,
    )


@dataclass(frozen=True)
class FoundRun:
    """One run that a table or figure needs.

    Attributes
    ----------
    run : Run
    record : dict
        Its run.json; empty where the run has not been made, has not been tested on what is shown, or is out of date.
    out_of_date : bool
        It was made with other labels, another recipe or other steps than the study's, and counts as missing.
    """

    run: Run
    record: dict[str, Any]
    out_of_date: bool = False

    @property
    def outcome(self) -> str:
        """``done``, what ended it (``diverged``, ``undefined: ...``, ``unavailable: ...``), or empty if missing."""
        return str(self.record.get("outcome", ""))

    @property
    def failure(self) -> str:
        """The outcome of a run that gave no predictions, as a status; empty for any other."""
        if self.outcome in ("", DONE):
            return ""
        return self.outcome if self.outcome.startswith(("undefined", "unavailable")) else f"failed: {self.outcome}"


@dataclass(frozen=True, eq=False)
class Gathered:
    """The runs of a selection that belong together, and what is known of how they came about.

    Attributes
    ----------
    study : Study
    selection : Selection
    found : list of FoundRun
    reports : dict of str to dict
        The report of reading each data set, trained or tested on; empty where nothing has been run.
    splits : dict
        The report of dividing the data set; empty where nothing has been run.
    labels : list of str
        The classes.
    labels_known : bool
        Whether these are all; else they are the ones that were asked for.
    """

    study: Study
    selection: Selection
    found: list[FoundRun]
    reports: dict[str, dict[str, Any]]
    splits: dict[str, Any]
    labels: list[str]
    labels_known: bool

    @property
    def multiclass(self) -> bool:
        """Whether each case has exactly one class."""
        return self.study.evaluation(self.selection.evaluation).task == "multiclass"

    @property
    def tested(self) -> str:
        """The data set that the cases are from."""
        return self.selection.test_on or self.study.evaluation(self.selection.evaluation).dataset

    @property
    def remedy(self) -> str:
        """What a user can do about predictions that do not match."""
        return (
            "remove the run folders that are out of date and run: "
            f"snakemake --cores 8 --config study={self.study.source} -- reports/{self.selection.report}"
        )

    def count_runs(self, setting: str) -> int:
        """How many runs each of a setting's cells should have."""
        return count_repeats(self.study.evaluation(self.selection.evaluation), setting)

    def by_setting(self) -> dict[str, list[FoundRun]]:
        """The runs of each setting, backbone by backbone."""
        runs = {setting: list(some) for setting, some in groupby(self.found, key=lambda each: each.run.setting)}
        return {setting: runs[setting] for setting in self.selection.settings}


def find_runs(study: Study, selection: Selection) -> list[FoundRun]:
    """Every run of a selection, by setting, backbone and repeat."""
    evaluation = selection.evaluation
    runs = [
        Run(evaluation, setting, backbone, repeat)
        for setting in selection.settings
        for backbone in selection.backbones
        for repeat in range(count_repeats(study.evaluation(evaluation), setting))
    ]
    return [FoundRun(run, _read_record(study, selection, run)) for run in runs]


def _read_record(study: Study, selection: Selection, run: Run) -> dict[str, Any]:
    record = read_record(study.layout.run(*run))
    untested = record.get("outcome") == DONE and selection.predictions not in record.get("outputs", {})
    return {} if selection.test_on is not None and untested else record


def require_complete(study: Study, selection: Selection, found: Sequence[FoundRun]) -> None:
    """Refuse to make a table from part of its runs. A run that failed counts as made: its failure is a result.

    Raises
    ------
    InputError
        A run is missing, or was not tested on what is shown; the first ones are named.
    """
    missing = [each.run for each in found if not each.record]
    if missing:
        first = "".join(f"\n  - {study.layout.run(*run)}" for run in missing[:3])
        more = f"\n  - and {len(missing) - 3} more" if len(missing) > 3 else ""
        named = "" if selection.test_on is None else f" that names {selection.predictions}"
        raise InputError(
            f"{len(missing)} of {len(found)} runs of {selection.report} are missing:{first}{more}",
            f"a run.json in each of these folders{named}",
            f"snakemake --cores 8 --config study={study.source} -- reports/{selection.report} makes them; "
            f"evalkit tables {study.source} --partial shows what is there",
        )


def load_cells(study: Study, found: Sequence[FoundRun], read: Callable[[Path], Outcome]) -> list[Cell[Outcome]]:
    """Load one setting's predictions.

    Parameters
    ----------
    study : Study
    found : sequence of FoundRun
        The setting's runs, backbone by backbone.
    read : callable
        Reads the predictions in one run's folder and checks that every run was tested on the same cases.

    Returns
    -------
    list of Cell
        One for each backbone, in order.

    Raises
    ------
    InputError
        Predictions that are missing, broken or do not match.
    """
    cells = []
    for backbone in dict.fromkeys(each.run.backbone for each in found):
        runs = [each for each in found if each.run.backbone == backbone]
        done = [each.run for each in runs if each.outcome == DONE]
        outcomes = [read(study.layout.run(*run)) for run in done]
        cells.append(
            Cell(
                backbone=backbone,
                label=study.backbone(backbone).label,
                expected=len(runs),
                repeats=tuple(run.repeat for run in done),
                outcomes=tuple(outcomes),
                missing="" if done else _why_missing(study, backbone, runs),
            )
        )
    return cells


def _why_missing(study: Study, backbone: str, runs: Sequence[FoundRun]) -> str:
    failures = [each.failure for each in runs if each.failure]
    if failures:
        return failures[0]
    if any(each.out_of_date for each in runs):
        return "out of date"
    weights = study.layout.weights(backbone).with_suffix(".json")
    return "not run" if study.backbone(backbone).is_scratch or weights.exists() else "unavailable: weights"
