"""Files of measured values, one row for each case or repeat: PSNR of each image, AUC of each fold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from evalkit.comparisons.cells import Cell, Floats
from evalkit.comparisons.estimation.values import ValueCases
from evalkit.comparisons.files.joining import align, name_models, one_run, read_groups
from evalkit.comparisons.files.names import BOOKKEEPING, CALLED, SCORE, SCORED, TARGET, TRUTHS, Columns
from evalkit.comparisons.files.notes import Notes
from evalkit.comparisons.files.reading import Table, such_rows
from evalkit.comparisons.files.spelling import read_numbers, to_numbers
from evalkit.errors import InputError

#: Ids that number repeats of a training and not cases.
_OF_REPEATS = ("repeat", "fold", "seed", "run", "split")


@dataclass(frozen=True, eq=False)
class JoinedValues:
    """Values of several models on the same cases.

    Attributes
    ----------
    cases : ValueCases
    cells : dict of str to list of Cell
        By the name of the measured quantity.
    notes : list of str
    """

    cases: ValueCases
    cells: dict[str, list[Cell[Floats]]]
    notes: list[str]


def join_values(files: Sequence[Table], columns: Columns) -> JoinedValues:
    """Join values by id.

    Parameters
    ----------
    files : sequence of Table
        The same ids and one or more columns of numbers of the same names; with one column each, of any names.
        Columns of text, and of folds, seeds and the like, are left aside.
    columns : Columns
        Groups are read from the first file.

    Raises
    ------
    InputError
        Something cannot be joined or is no number, or the files are predictions, which need labels.
    """
    first = files[0]
    tables = [align(first, table, columns.id) for table in files]
    numeric = [_numeric_columns(table, columns) for table in tables]
    for table, names in zip(tables, numeric, strict=True):
        _refuse_predictions(table, names)
    quantities = numeric[0]
    single = all(len(each) == 1 for each in numeric)
    groups, hints = read_groups(first, columns.group)
    notes = Notes()
    by_model = {}
    for model, table, own in zip(name_models([each.path for each in files]), tables, numeric, strict=True):
        if not single and set(own) != set(quantities):
            raise InputError(
                f"{table.path} has the numbers {', '.join(own) or '(none)'}",
                f"{', '.join(quantities)}, as in {first.path}",
                "give every file the same columns",
            )
        names = own if single else quantities
        read = [_finite(table, name) for name in names]
        aside = [name for name in columns.others(table.frame) if name not in names]
        notes.add(table, table.notes)
        notes.add(table, [f"columns without measured numbers left aside: {', '.join(aside)}"] if aside else [])
        notes.add(table, [note for _, told in read for note in told])
        by_model[model] = {quantity: values for quantity, (values, _) in zip(quantities, read, strict=True)}
    unit = "repeat" if columns.id.lower() in _OF_REPEATS else columns.id.removesuffix("_id") or "case"
    cells = {
        quantity: [one_run(name, values[quantity]) for name, values in by_model.items()] for quantity in quantities
    }
    return JoinedValues(ValueCases(groups, unit), cells, [*hints, *notes.sentences()])


def _refuse_predictions(table: Table, numeric: Sequence[str]) -> None:
    """Refuse files of labels and predictions, which would be taken for two measured quantities."""
    ours = any(name.startswith((TARGET, SCORE)) for name in table.frame.columns)
    lowered = {name.lower() for name in table.frame.columns}
    if ours or (lowered & {*TRUTHS} and lowered & {*CALLED, *SCORED}):
        raise InputError(
            f"{table.path} holds predictions ({', '.join(numeric) or table.list_columns()}), and no labels are given",
            "a file of labels to compare them with",
            f"name it with --labels; where the predictions hold the labels too: --labels {table.path}",
        )


def _numeric_columns(table: Table, columns: Columns) -> list[str]:
    """Columns in which some number stands; a column without any is text."""
    found = [name for name in columns.others(table.frame) if to_numbers(table.frame[name]).notna().any()]
    measured = [name for name in found if name.lower() not in BOOKKEEPING] or found
    if not measured:
        raise InputError(
            f"{table.path} has the columns {table.list_columns()}, and none of them holds numbers",
            f"a column of numbers beside {columns.id}",
            "add the values, or name the file of labels with --labels",
        )
    return measured


def _finite(table: Table, name: str) -> tuple[Floats, list[str]]:
    values, notes = read_numbers(table, name, "value")
    infinite = pd.Series(~np.isfinite(values))
    if infinite.any():
        raise InputError(
            f"{table.place(infinite)}: the value {name!r} is {values[infinite][0]} {such_rows(infinite)}",
            "a finite number in every row: means and t tests have no answer for others",
            "leave these cases out of every file, or say what they stand for (the PSNR of a perfect copy is infinite)",
        )
    return values, notes
