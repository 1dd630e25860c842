"""Files of scores of binary labels, one column for each class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from evalkit.comparisons.cells import Cell, Floats, TestSet
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
from evalkit.config.strict import nearest
from evalkit.errors import InputError


@dataclass(frozen=True, eq=False)
class JoinedScores:
    """Labels and the scores of several models on the same cases.

    Attributes
    ----------
    test_set : TestSet
    cells : list of Cell
        One run of each model.
    notes : list of str
        What was left aside, and what to know of it.
    """

    test_set: TestSet
    cells: list[Cell[Floats]]
    notes: list[str]


def join_scores(
    labels_path: Path, labels: pd.DataFrame, files: Sequence[tuple[Path, pd.DataFrame]], columns: Columns
) -> JoinedScores:
    """Join labels and scores by id.

    Parameters
    ----------
    labels_path : pathlib.Path
    labels : DataFrame
        The id, one or more columns of 1, 0 or nothing, and possibly groups.
    files : sequence of (pathlib.Path, DataFrame)
        The same ids, and a column of scores for each class. Columns of our own predictions (``target:<class>``,
        ``score:<class>``) are known; with one class its columns may have any names.
    columns : Columns

    Raises
    ------
    InputError
        Something cannot be joined or is no label or score; the message says the file, the row and what to do.
    """
    classes = columns.classes(labels, TARGET)
    first_path, first = files[0]
    scored = columns.classes(first, SCORE)
    if not scored:
        raise InputError(
            f"{first_path} has the columns {', '.join(first.columns)}", "a column of scores beside the id", "add it"
        )
    single = len(classes) == len(scored) == 1
    named = list(classes) if single else [name for name in classes if name in scored]
    unknown = [] if single else [name for name in scored if name not in classes]
    if unknown:
        raise InputError(
            f"{first_path} has scores of {unknown[0]!r}, for which {labels_path} has no labels"
            + nearest(unknown[0], classes),
            "columns of the same names in both files, or one column in each",
            "rename the column, or remove it",
        )

    targets = np.column_stack([_label_values(labels_path, labels[classes[name]]) for name in named])
    groups, notes = read_groups(labels_path, labels, columns.group)
    ignored = [name for name in classes if name not in named]
    if ignored:
        notes.append(f"columns of {labels_path.name} without scores were left aside: {', '.join(ignored)}")
    cells = []
    for name, (path, frame) in zip(name_models([path for path, _ in files]), files, strict=True):
        of_class = columns.classes(frame, SCORE)
        if single and len(of_class) == 1:
            of_class = dict(zip(named, of_class.values(), strict=True))
        if set(of_class) != set(named):
            raise InputError(
                f"{path} has scores of {', '.join(of_class) or 'no class'}",
                f"scores of {', '.join(named)}, as in {first_path}",
                "give every file the same columns",
            )
        scores = np.column_stack([read_numbers(path, frame[of_class[each]], "score") for each in named])
        cells.append(one_run(name, scores[order_by(path, frame[columns.id], labels_path, labels[columns.id])]))
    return JoinedScores(TestSet(tuple(named), targets, groups, "image"), cells, notes)


def _label_values(path: Path, column: pd.Series) -> Floats:
    """1, 0, or NaN where nothing stands."""
    blank = is_blank(column)
    values = pd.to_numeric(column.mask(blank), errors="coerce").astype(np.float64)
    wrong = ~blank & ~values.isin([0, 1])
    if wrong.any():
        raise InputError(
            f"{place(path, wrong)}: the label {column.name!r} is {column[wrong].iloc[0]!r}",
            "1 (positive), 0 (negative) or nothing (not known)",
            "replace it; uncertain labels need a decision, which is yours",
        )
    return values.to_numpy()
