"""Everything a study's table is computed from: its runs on disk, aligned, and the reports of how they came about."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, cast

import stats
from evalkit.comparisons.agreement import require_agreement
from evalkit.comparisons.alignment import Alignment, Unit
from evalkit.comparisons.cells import MEAN, Cell, Floats, TestSet
from evalkit.comparisons.comparing import Place
from evalkit.comparisons.estimation.scores import ScoreEstimates
from evalkit.comparisons.procedure import Procedure, make_procedure, shown_settings
from evalkit.comparisons.runs import FoundRun, find_runs, load_cells, require_complete
from evalkit.config.loading import Study
from evalkit.config.strict import nearest
from evalkit.errors import InputError
from evalkit.plan import count_repeats


@dataclass(frozen=True, eq=False)
class Gathered:
    """A table's predictions and what is known of them.

    Attributes
    ----------
    study : Study
    name : str
        The table.
    procedure : Procedure
    found : list of FoundRun
    manifest, splits : dict
        The reports of reading the data set and of dividing it; empty where nothing has been run.
    test_set : TestSet
    n_images : int
        Test images.
    targets : list of str
        In the order of the rows.
    cells : dict of str to list of Cell
        By setting, in the study's order.
    """

    study: Study
    name: str
    procedure: Procedure
    found: list[FoundRun]
    manifest: dict[str, Any]
    splits: dict[str, Any]
    test_set: TestSet
    n_images: int
    targets: list[str]
    cells: dict[str, list[Cell[Floats]]]

    def place(self, setting: str) -> Place:
        """The columns that say where a setting's rows belong."""
        evaluation = self.study.table(self.name).evaluation
        return Place(self.name, self.study.name, self.study.evaluation(evaluation).dataset, evaluation, setting)

    def estimates(self, setting: str, engine: Any = stats) -> ScoreEstimates:
        """The numbers of one setting, by the tests of an engine."""
        evaluation = self.study.evaluation(self.study.table(self.name).evaluation)
        return ScoreEstimates(self.test_set, self.procedure, count_repeats(evaluation, setting), engine)


def gather_table(study: Study, name: str, *, partial: bool = False) -> Gathered:
    """Find, check, read and align a table's runs.

    Parameters
    ----------
    study : Study
    name : str
        The table's key in the study file.
    partial : bool
        Take the runs there are.

    Raises
    ------
    InputError
        A run is missing or out of date (unless `partial`), runs were not made alike, predictions do not match each
        other, or the table asks for something that it cannot have.
    """
    procedure = make_procedure(study, name)
    table = study.table(name)
    evaluation = study.evaluation(table.evaluation)
    found = find_runs(study, name)
    if not partial:
        require_complete(study, name, found)
    needed = any(each.record for each in found)
    manifest = _read_report(
        study.layout.manifest(evaluation.dataset),
        needed=needed,
        command=f"python -m evalkit.datasets --study {study.source} --dataset {evaluation.dataset}",
    )
    splits = _read_report(
        study.layout.splits(table.evaluation),
        needed=needed,
        command=f"python -m evalkit.splits --study {study.source} --evaluation {table.evaluation}",
    )
    # Where nothing has been read yet, the targets that the table names are all that is known of the classes.
    labels = (
        evaluation.labels
        or splits.get("labels")
        or manifest.get("default_labels")
        or [target for target in table.targets or () if target != MEAN]
    )
    found = require_agreement(study, name, found, labels, partial=partial)
    alignment = Alignment(
        cast(Unit, evaluation.aggregate or manifest.get("unit", "image")),
        classes=labels,
        remedy="remove the run folders that are out of date and run: "
        f"snakemake --cores 8 --config study={study.source} -- reports/{name}.csv",
    )
    by_setting = {
        setting: load_cells(study, list(runs), alignment)
        for setting, runs in groupby(found, key=lambda each: each.run.setting)
    }
    test_set = alignment.test_set()
    return Gathered(
        study=study,
        name=name,
        procedure=procedure,
        found=found,
        manifest=manifest,
        splits=splits,
        test_set=test_set,
        n_images=alignment.n_images,
        targets=_choose_targets(study, name, test_set),
        cells={setting: by_setting[setting] for setting in shown_settings(study, name)},
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


def _choose_targets(study: Study, name: str, test_set: TestSet) -> list[str]:
    targets = study.table(name).targets or [MEAN, *test_set.classes]
    valid = [MEAN, *test_set.classes]
    for target in targets:
        if target not in valid and test_set.classes:
            raise InputError(
                f"{study.source}: tables.{name}.targets names {target!r}, which was not predicted",
                f"a predicted class or {MEAN!r}{nearest(target, valid)}",
                "correct the name",
            )
    return targets
