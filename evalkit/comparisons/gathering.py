"""Everything a table or figure is computed from: runs on disk, aligned, and the reports of how they came about."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, cast

import pandas as pd

from evalkit.comparisons.agreement import require_agreement
from evalkit.comparisons.alignment import Alignment, Unit
from evalkit.comparisons.cells import Cell, Floats, TestSet
from evalkit.comparisons.runs import FoundRun, Selection, find_runs, load_cells, require_complete
from evalkit.config.loading import Study
from evalkit.errors import InputError


@dataclass(frozen=True, eq=False)
class Gathered:
    """The runs of a selection, with their predictions, and what is known of them.

    Attributes
    ----------
    study : Study
    selection : Selection
    found : list of FoundRun
    reports : dict of str to dict
        The report of reading each data set, trained or tested on; empty where nothing has been run.
    splits : dict
        The report of dividing the data set; empty where nothing has been run.
    classes_known : bool
        Whether all classes are known; else those of the test set are the ones that were asked for.
    test_set : TestSet
    images : Series
        Number of each test image's case, by image id.
    cells : dict of str to list of Cell
        By setting; outcomes are scores (n, classes).
    """

    study: Study
    selection: Selection
    found: list[FoundRun]
    reports: dict[str, dict[str, Any]]
    splits: dict[str, Any]
    classes_known: bool
    test_set: TestSet
    images: pd.Series
    cells: dict[str, list[Cell[Floats]]]

    @property
    def multiclass(self) -> bool:
        """Whether each case has exactly one class."""
        return self.study.evaluation(self.selection.evaluation).task == "multiclass"

    @property
    def tested(self) -> str:
        """The data set that the cases are from."""
        return self.selection.test_on or self.study.evaluation(self.selection.evaluation).dataset

    def open_alignment(self) -> Alignment:
        """An alignment of other predictions of the same runs, with their classes and unit."""
        return _open_alignment(self.study, self.selection, self.test_set.classes, cast(Unit, self.test_set.unit))


def gather_runs(study: Study, selection: Selection, *, classes: Sequence[str] = (), partial: bool = False) -> Gathered:
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
    labels = known or list(dict.fromkeys(classes))
    found = require_agreement(study, selection, found, labels, partial=partial)
    tested = reports[selection.test_on or evaluation.dataset]
    unit = cast(Unit, evaluation.aggregate or tested.get("unit", "image"))
    alignment = _open_alignment(study, selection, labels, unit)
    by_setting = {
        setting: load_cells(study, list(runs), alignment.read, selection.predictions)
        for setting, runs in groupby(found, key=lambda each: each.run.setting)
    }
    gathered = Gathered(
        study=study,
        selection=selection,
        found=found,
        reports=reports,
        splits=splits,
        classes_known=bool(known),
        test_set=alignment.test_set(),
        images=alignment.images,
        cells={setting: by_setting[setting] for setting in selection.settings},
    )
    if gathered.multiclass and (gathered.test_set.targets.sum(axis=1) != 1).any():
        raise InputError(
            f"{study.source}: evaluations.{selection.evaluation} is multiclass, and its predictions are not",
            "predictions of exactly one class for each image",
            "remove the run folders and run the study again",
        )
    return gathered


def _open_alignment(study: Study, selection: Selection, classes: Sequence[str], unit: Unit) -> Alignment:
    return Alignment(
        unit,
        classes=classes,
        remedy="remove the run folders that are out of date and run: "
        f"snakemake --cores 8 --config study={study.source} -- reports/{selection.report}",
    )


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
