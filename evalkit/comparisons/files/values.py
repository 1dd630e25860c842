"""Files of measured values, one row for each case or repeat: PSNR of each image, AUC of each fold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from evalkit.comparisons.cells import Cell, Floats
from evalkit.comparisons.estimation.values import ValueCases
from evalkit.comparisons.files.reading import (
    SCORE,
    TARGET,
    Columns,
    is_blank,
    name_models,
    one_run,
    order_by,
    place,
    read_groups,
    read_numbers,
)
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


def join_values(files: Sequence[tuple[Path, pd.DataFrame]], columns: Columns) -> JoinedValues:
    """Join values by id.

    Parameters
    ----------
    files : sequence of (pathlib.Path, DataFrame)
        The same ids and one or more columns of numbers of the same names; with one column each, of any names.
        Columns of text are left aside.
    columns : Columns
        Groups are read from the first file.

    Raises
    ------
    InputError
        Something cannot be joined or is no number, or the files are predictions, which need labels.
    """
    first_path, first = files[0]
    if any(name.startswith((TARGET, SCORE)) for name in first.columns):
        raise InputError(
            f"{first_path} holds scores of classes, and no labels are given",
            "a file of labels to compare them with",
            "name it with --labels; predictions of this project hold the labels too: --labels " + str(first_path),
        )
    numeric = {path: _numeric_columns(path, frame, columns) for path, frame in files}
    quantities = numeric[first_path]
    single = all(len(each) == 1 for each in numeric.values())
    groups, notes = read_groups(first_path, first, columns.group)
    aside = [name for name in columns.others(first) if name not in quantities]
    if aside:
        notes.append(f"columns of {first_path.name} that hold no numbers were left aside: {', '.join(aside)}")
    by_model = {}
    for name, (path, frame) in zip(name_models([path for path, _ in files]), files, strict=True):
        if not single and set(numeric[path]) != set(quantities):
            raise InputError(
                f"{path} has the numbers {', '.join(numeric[path]) or '(none)'}",
                f"{', '.join(quantities)}, as in {first_path}",
                "give every file the same columns",
            )
        position = order_by(path, frame[columns.id], first_path, first[columns.id])
        own = numeric[path] if single else quantities
        by_model[name] = {
            quantity: _finite(path, frame[column])[position] for quantity, column in zip(quantities, own, strict=True)
        }
    unit = "repeat" if columns.id.lower() in _OF_REPEATS else columns.id.removesuffix("_id") or "case"
    cells = {
        quantity: [one_run(name, values[quantity]) for name, values in by_model.items()] for quantity in quantities
    }
    return JoinedValues(ValueCases(groups, unit), cells, notes)


def _numeric_columns(path: Path, frame: pd.DataFrame, columns: Columns) -> list[str]:
    """Columns in which some number stands; a column without any is text."""
    found = [
        name
        for name in columns.others(frame)
        if pd.to_numeric(frame[name].mask(is_blank(frame[name])), errors="coerce").notna().any()
    ]
    if not found:
        raise InputError(
            f"{path} has the columns {', '.join(frame.columns)}, and none of them holds numbers",
            f"a column of numbers beside {columns.id}",
            "add the values, or name the file of labels with --labels",
        )
    return found


def _finite(path: Path, column: pd.Series) -> Floats:
    values = read_numbers(path, column, "value")
    infinite = pd.Series(~np.isfinite(values))
    if infinite.any():
        raise InputError(
            f"{place(path, infinite)}: the value {column.name!r} is {values[infinite][0]} ({infinite.sum()} such rows)",
            "a finite number in every row: means and t tests have no answer for others",
            "leave these cases out of every file, or say what they stand for (the PSNR of a perfect copy is infinite)",
        )
    return values
