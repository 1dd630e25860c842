"""Everything a table or figure is computed from: runs on disk that belong together, and what they predicted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evalkit.comparisons.agreement import require_agreement
from evalkit.comparisons.kinds import KINDS
from evalkit.comparisons.kinds.base import Predictions
from evalkit.comparisons.runs import Gathered, Selection, find_runs, require_complete
from evalkit.config.loading import Study
from evalkit.errors import InputError


def gather_runs(
    study: Study, selection: Selection, *, classes: Sequence[str] = (), partial: bool = False
) -> Predictions:
    """Find, check, read and align the runs of a selection.

    Parameters
    ----------
    study : Study
    selection : Selection
    classes : sequence of str
        All that is known of the classes where nothing has been read yet.
    partial : bool
        Take the runs there are.

    Raises
    ------
    InputError
        A run is missing or out of date (unless `partial`), runs were not made alike, or predictions do not match each
        other or the task.
    """
    evaluation = study.evaluation(selection.evaluation)
    found = find_runs(study, selection)
    if not partial:
        require_complete(study, selection, found)
    needed = any(each.record for each in found)
    reports = {
        dataset: _read_report(
            study.layout.manifest(dataset),
            needed=needed,
            command=f"python -m evalkit.datasets --study {study.source} --dataset {dataset}",
        )
        for dataset in (evaluation.dataset, *([selection.test_on] if selection.test_on else []))
    }
    splits = _read_report(
        study.layout.splits(selection.evaluation),
        needed=needed,
        command=f"python -m evalkit.splits --study {study.source} --evaluation {selection.evaluation}",
    )
    known = evaluation.labels or splits.get("labels") or reports[evaluation.dataset].get("default_labels")
    labels = list(known or dict.fromkeys(classes))
    found = require_agreement(study, selection, found, labels, partial=partial)
    return KINDS[evaluation.task].read(Gathered(study, selection, found, reports, splits, labels, bool(known)))


def _read_report(path: Path, *, needed: bool, command: str) -> dict[str, Any]:
    """Read the report beside a data set or its splits; empty where it is not there and nothing has been run."""
    path = path.with_suffix(".json")
    try:
        report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        if not needed:
            return {}
        raise InputError(
            f"{path} does not exist", "the report that says what the runs were made on", f"make it: {command}"
        ) from None
    return report
