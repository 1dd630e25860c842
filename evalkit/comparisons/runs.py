"""A table's runs as they lie on disk: what is there, what is missing, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from evalkit.comparisons.alignment import Alignment
from evalkit.comparisons.cells import Cell
from evalkit.comparisons.procedure import shown_backbones, shown_settings
from evalkit.config.loading import Study
from evalkit.errors import InputError
from evalkit.plan import Run, count_repeats
from evalkit.records import read_record

DONE = "done"


@dataclass(frozen=True)
class FoundRun:
    """One run that a table needs.

    Attributes
    ----------
    run : Run
    record : dict
        Its run.json; empty where the run has not been made, or is out of date.
    out_of_date : bool
        It was made with other labels, another recipe or other steps than the study's, and counts as missing.
    """

    run: Run
    record: dict[str, Any]
    out_of_date: bool = False

    @property
    def outcome(self) -> str:
        """``done``, what ended it (``diverged``, ``out of memory``, ``undefined: ...``), or empty if it is missing."""
        return str(self.record.get("outcome", ""))

    @property
    def failure(self) -> str:
        """The outcome of a run that gave no predictions, as a status; empty for any other."""
        if self.outcome in ("", DONE):
            return ""
        return self.outcome if self.outcome.startswith("undefined") else f"failed: {self.outcome}"


def find_runs(study: Study, table: str) -> list[FoundRun]:
    """Every run of a table, by setting, backbone and repeat, in the study's order."""
    evaluation = study.table(table).evaluation
    runs = [
        Run(evaluation, setting, backbone, repeat)
        for setting in shown_settings(study, table)
        for backbone in shown_backbones(study, table)
        for repeat in range(count_repeats(study.evaluation(evaluation), setting))
    ]
    return [FoundRun(run, read_record(study.layout.run(*run))) for run in runs]


def require_complete(study: Study, table: str, found: Sequence[FoundRun]) -> None:
    """Refuse to make a table from part of its runs. A run that failed counts as made: its failure is a result.

    Raises
    ------
    InputError
        A run is missing; the first ones are named.
    """
    missing = [each.run for each in found if not each.record]
    if missing:
        first = "".join(f"\n  - {study.layout.run(*run)}" for run in missing[:3])
        more = f"\n  - and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise InputError(
            f"{len(missing)} of {len(found)} runs of table {table} are missing:{first}{more}",
            "a run.json in each of these folders",
            f"snakemake --cores 8 --config study={study.source} -- reports/{table}.csv makes them; "
            f"evalkit tables {study.source} --partial shows what is there",
        )


def load_cells(study: Study, found: Sequence[FoundRun], alignment: Alignment) -> list[Cell]:
    """Load one setting's predictions.

    Parameters
    ----------
    study : Study
    found : sequence of FoundRun
        The setting's runs, backbone by backbone.
    alignment : Alignment
        Checks that every run of the table was tested on the same cases.

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
        scores = [alignment.read(study.layout.run(*run) / "predictions.parquet") for run in done]
        cells.append(
            Cell(
                backbone=backbone,
                label=study.backbone(backbone).label,
                expected=len(runs),
                repeats=tuple(run.repeat for run in done),
                outcomes=tuple(scores),
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
