"""A study's table: from its runs on disk to tidy rows and the facts a rendering needs beside them."""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path
from typing import Any, cast

from evalkit.atomic import write_json
from evalkit.comparisons.agreement import require_agreement
from evalkit.comparisons.alignment import Alignment, Unit
from evalkit.comparisons.cells import TestSet
from evalkit.comparisons.comparing import MEAN, ComparedRow, Place, compare_setting
from evalkit.comparisons.context import describe_table
from evalkit.comparisons.families import adjust_families
from evalkit.comparisons.procedure import make_procedure, shown_settings
from evalkit.comparisons.rows import to_frame, write_rows
from evalkit.comparisons.runs import find_runs, load_cells, require_complete
from evalkit.config.loading import Study
from evalkit.config.strict import nearest
from evalkit.errors import InputError
from evalkit.plan import count_repeats


def write_table(study: Study, name: str, *, partial: bool = False) -> Path:
    """Compare a table's runs and write its rows, with the facts for its renderings beside them.

    Parameters
    ----------
    study : Study
    name : str
        The table's key in the study file.
    partial : bool
        Use the runs there are and say what is missing. The files then go to ``reports/partial/``, so that they are
        never taken for the complete table.

    Returns
    -------
    pathlib.Path
        The CSV file; the facts are in the ``.json`` of the same name.

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
        cast(Unit, evaluation.unit or manifest.get("unit", "image")),
        classes=labels,
        remedy="remove the run folders that are out of date and run: "
        f"snakemake --cores 8 --config study={study.source} -- reports/{name}.csv",
    )

    cells = {
        setting: load_cells(study, list(runs), alignment)
        for setting, runs in groupby(found, key=lambda each: each.run.setting)
    }
    test_set = alignment.test_set()
    targets = _choose_targets(study, name, test_set)
    compared: list[ComparedRow] = []
    for setting in shown_settings(study, name):
        place = Place(name, study.name, evaluation.dataset, table.evaluation, setting)
        runs = count_repeats(evaluation, setting)
        compared += compare_setting(place, test_set, cells[setting], targets, procedure, runs=runs)
    rows = adjust_families([each.row for each in compared], adjustment=table.adjustment, family=table.family)

    path = study.layout.report(f"partial/{name}.csv" if partial else f"{name}.csv")
    write_json(
        path.with_suffix(".json"),
        describe_table(
            study,
            name,
            compared=compared,
            found=found,
            manifest=manifest,
            splits=splits,
            test_set=test_set,
            n_images=alignment.n_images,
        ),
    )
    write_rows(path, to_frame(rows))
    return path


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
