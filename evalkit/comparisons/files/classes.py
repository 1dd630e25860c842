"""Files of called classes: one of several classes for each case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evalkit.comparisons.cells import Cell
from evalkit.comparisons.estimation.classes import ClassCases
from evalkit.comparisons.files.columns import Recognised, Source
from evalkit.comparisons.files.joining import name_models, one_run, read_groups
from evalkit.comparisons.files.names import Columns
from evalkit.comparisons.files.notes import Notes
from evalkit.comparisons.files.reading import Table, is_blank, such_rows
from evalkit.comparisons.files.spelling import as_text, how_to_map, read_numbers, sort_classes
from evalkit.errors import InputError

Texts = NDArray[np.object_]

#: How many classes a message names.
_SHOWN = 8


@dataclass(frozen=True, eq=False)
class JoinedClasses:
    """True classes and those that several models called.

    Attributes
    ----------
    cases : ClassCases
    cells : list of Cell
        One run of each model.
    notes : list of str
    """

    cases: ClassCases
    cells: list[Cell[NDArray[np.intp]]]
    notes: list[str]


def join_classes(labels: Table, files: Sequence[Table], recognised: Recognised, columns: Columns) -> JoinedClasses:
    """Put true and called classes side by side.

    Parameters
    ----------
    labels : Table
        Its one column of classes holds text or whole numbers. Cases without a class are left out.
    files : sequence of Table
        With the rows of `labels`: a column of classes, or one of scores for each class, of which the highest is called.
    recognised : Recognised
        Where they stand.
    columns : Columns

    Raises
    ------
    InputError
        A case has no called class, or a model calls none of the classes that occur; the message says where.
    """
    ((name, column),) = recognised.labels.items()
    truth: Texts = as_text(labels.frame[column]).to_numpy(object)
    kept = truth != ""
    groups, hints = read_groups(labels, columns.group)
    notes = Notes()
    if not kept.all():
        hints.append(f"{int((~kept).sum())} of {len(kept)} cases have no {name} and are left out")
    occurring = set(truth[kept])
    called: dict[str, Texts] = {}
    for model, table, sources in zip(
        name_models([each.path for each in files]), files, recognised.sources, strict=True
    ):
        calls, told = _read_calls(table, sources[name])
        notes.add(table, told)
        called[model] = calls[kept]
        strange = set(calls[kept])
        if not occurring & strange:
            raise InputError(
                f"{table.path} calls {_some(strange)}, and {name} in {labels.path} is {_some(occurring)}: "
                "no class of the one occurs in the other",
                "the same names of classes in every file",
                _remedy(occurring, strange),
            )
    classes = sort_classes(occurring.union(*map(set, called.values())))
    strangers = [each for each in classes if each not in occurring]
    if strangers:
        hints.append(f"called, but no case's {name}: {', '.join(strangers)}")
    index = pd.Index(classes)
    _, patients = np.unique(groups[kept], return_inverse=True)
    cases = ClassCases(tuple(classes), index.get_indexer(pd.Index(truth[kept])), patients, "image")
    cells = [one_run(model, index.get_indexer(pd.Index(calls))) for model, calls in called.items()]
    return JoinedClasses(cases, cells, [*hints, *notes.sentences()])


def _read_calls(table: Table, source: Source) -> tuple[Texts, list[str]]:
    """The class called for each row, and what to know of it."""
    if isinstance(source, dict):
        read = [read_numbers(table, column, "score") for column in source.values()]
        names: NDArray[Any] = np.array(list(source), dtype=object)
        notes = [note for _, told in read for note in told]
        return names[np.column_stack([scores for scores, _ in read]).argmax(axis=1)], notes
    column = table.frame[source]
    blank = is_blank(column)
    if blank.any():
        raise InputError(
            f"{table.place(blank)}: {source} is empty {such_rows(blank)}",
            "a class for every case",
            "predict these cases, or remove them from every file",
        )
    return as_text(column).to_numpy(object), []


def _remedy(occurring: set[str], strange: set[str]) -> str:
    mapped = next(filter(None, map(how_to_map, sort_classes(occurring | strange))), "")
    if mapped or {each.casefold() for each in occurring} & {each.casefold() for each in strange}:
        return mapped or "write the names in the same case, upper or lower"
    numbered = any(each.isdigit() for each in occurring | strange)
    known = "; what a number stands for is known only to whoever gave it" if numbered else ""
    return f"replace the names in one of the files{known}"


def _some(classes: set[str]) -> str:
    shown = sort_classes(classes)
    return ", ".join(shown[:_SHOWN]) + (f", ... ({len(shown)} in all)" if len(shown) > _SHOWN else "")
