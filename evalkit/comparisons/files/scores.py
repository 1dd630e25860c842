"""Files of scores of binary labels, one column for each class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evalkit.comparisons.cells import Cell, Floats, TestSet
from evalkit.comparisons.files.columns import Recognised
from evalkit.comparisons.files.joining import name_models, one_run, read_groups
from evalkit.comparisons.files.names import Columns
from evalkit.comparisons.files.notes import Notes
from evalkit.comparisons.files.reading import Table, is_blank
from evalkit.comparisons.files.spelling import how_to_map, read_numbers, to_numbers
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
        What to know of them.
    """

    test_set: TestSet
    cells: list[Cell[Floats]]
    notes: list[str]


def join_scores(labels: Table, files: Sequence[Table], recognised: Recognised, columns: Columns) -> JoinedScores:
    """Put labels and scores side by side.

    Parameters
    ----------
    labels : Table
        Its columns of labels hold 1, 0 or nothing.
    files : sequence of Table
        With the rows of `labels`, and a column of scores for each class.
    recognised : Recognised
        Where they stand.
    columns : Columns

    Raises
    ------
    InputError
        Something is no label or score; the message says the file, the row and what to do.
    """
    targets = np.column_stack([_label_values(labels, column) for column in recognised.labels.values()])
    groups, hints = read_groups(labels, columns.group)
    notes = Notes()
    cells = []
    for model, table, sources in zip(
        name_models([each.path for each in files]), files, recognised.sources, strict=True
    ):
        read = [read_numbers(table, str(sources[name]), "score") for name in recognised.labels]
        cells.append(one_run(model, np.column_stack([scores for scores, _ in read])))
        notes.add(table, [note for _, told in read for note in told])
    return JoinedScores(
        TestSet(tuple(recognised.labels), targets, groups, "image"), cells, [*hints, *notes.sentences()]
    )


def _label_values(table: Table, name: str) -> Floats:
    """1, 0, or NaN where nothing stands."""
    column = table.frame[name]
    blank = is_blank(column)
    values = to_numbers(column.mask(blank))
    wrong = ~blank & ~values.isin([0, 1])
    if wrong.any():
        found = str(column[wrong].iloc[0])
        raise InputError(
            f"{table.place(wrong)}: the label {name!r} is {found!r}, and the predictions are scores",
            "1 (positive), 0 (negative) or nothing (not known)",
            how_to_map(found)
            or "write 1 for the class that the scores are of, 0 for the other, and nothing for cases "
            "that are not to count; uncertain labels need a decision, which is yours",
        )
    return values.to_numpy()
