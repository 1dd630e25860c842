"""Files of called classes: one of several classes for each case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evalkit.comparisons.cells import Cell
from evalkit.comparisons.estimation.classes import ClassCases
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

#: The columns of our own multi-class predictions.
_TARGET, _PREDICTED = "target", "predicted"


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


def find_class_column(labels: pd.DataFrame, first: pd.DataFrame, columns: Columns, *, as_scores: bool) -> str | None:
    """The one column of labels that holds classes, for which the predictions hold classes too; else ``None``.

    Labels of 1 and 0 are classes only where the predictions are 1 and 0 as well and are not asked to be taken
    `as_scores`; predictions with a fraction are scores whatever the labels are.
    """
    column = _label_column(labels, first, columns)
    if column is None:
        return None
    truth = set(_as_text(labels[column])) - {""}
    if _columns_of_scores(first, truth, columns):
        return None if truth <= {"0", "1"} else column
    predicted = _prediction_column(first, column, columns)
    if predicted is None:
        return None
    called = set(_as_text(first[predicted]))
    if truth <= {"0", "1"}:
        return column if called <= {"0", "1"} and not as_scores else None
    return None if any(_has_fraction(value) for value in called) else column


def join_classes(
    labels_path: Path,
    labels: pd.DataFrame,
    files: Sequence[tuple[Path, pd.DataFrame]],
    column: str,
    columns: Columns,
) -> JoinedClasses:
    """Join true and called classes by id.

    Parameters
    ----------
    labels_path : pathlib.Path
    labels : DataFrame
        The id and a column of classes (text or whole numbers), possibly groups. Cases without a class are left out.
    files : sequence of (pathlib.Path, DataFrame)
        The same ids and a column of classes, or a column of scores for each class, of which the highest is called.
    column : str
        The labels' column of classes, from `find_class_column`.
    columns : Columns

    Raises
    ------
    InputError
        Something cannot be joined; the message says the file, the row and what to do.
    """
    truth = _as_text(labels[column])
    kept = (truth != "").to_numpy()
    if not kept.any():
        raise InputError(f"{labels_path}: {column} is empty in every row", "a class for the cases", "fill it in")
    groups, notes = read_groups(labels_path, labels, columns.group)
    if not kept.all():
        notes.append(f"{int((~kept).sum())} of {len(kept)} cases have no {column} and are left out")
    called: dict[str, pd.Series] = {}
    for name, (path, frame) in zip(name_models([path for path, _ in files]), files, strict=True):
        calls, note = _read_calls(path, frame, column, set(truth) - {""}, columns)
        called[name] = calls.iloc[order_by(path, frame[columns.id], labels_path, labels[columns.id])]
        notes += [note] if note else []
    classes = _sorted(set(truth[kept]).union(*(set(calls[kept]) for calls in called.values())))
    strangers = [each for each in classes if each not in set(truth[kept])]
    if strangers:
        notes.append(f"called, but no case's {column}: {', '.join(strangers)}")
    index = pd.Index(classes)
    _, patients = np.unique(groups[kept], return_inverse=True)
    cases = ClassCases(tuple(classes), index.get_indexer(pd.Index(truth[kept])), patients, "image")
    cells = [one_run(name, index.get_indexer(pd.Index(calls[kept]))) for name, calls in called.items()]
    return JoinedClasses(cases, cells, list(dict.fromkeys(notes)))


def _label_column(labels: pd.DataFrame, first: pd.DataFrame, columns: Columns) -> str | None:
    if any(name.startswith(TARGET) for name in labels.columns):
        return None
    others = columns.others(labels)
    if _TARGET in others:
        return _TARGET
    shared = [name for name in others if name in columns.others(first)]
    candidates = shared or others
    return candidates[0] if len(candidates) == 1 else None


def _prediction_column(frame: pd.DataFrame, label_column: str, columns: Columns) -> str | None:
    others = [name for name in columns.others(frame) if not name.startswith((TARGET, SCORE))]
    for known in (_PREDICTED, label_column):
        if known in others:
            return known
    return others[0] if len(others) == 1 else None


def _columns_of_scores(frame: pd.DataFrame, truth: set[str], columns: Columns) -> dict[str, str]:
    """Columns of scores, one for each class, where no column of called classes is there."""
    of_class = columns.classes(frame, SCORE)
    return of_class if _PREDICTED not in frame and len(of_class) > 1 and truth <= set(of_class) else {}


def _read_calls(
    path: Path, frame: pd.DataFrame, column: str, truth: set[str], columns: Columns
) -> tuple[pd.Series, str]:
    """The class called for each row, and what to know of it."""
    of_class = _columns_of_scores(frame, truth, columns)
    if of_class:
        scores = np.column_stack([read_numbers(path, frame[name], "score") for name in of_class.values()])
        names: NDArray[Any] = np.array(list(of_class), dtype=object)
        return pd.Series(names[scores.argmax(axis=1)]), "the class with the highest score was taken as the one called"
    name = _prediction_column(frame, column, columns)
    if name is None:
        raise InputError(
            f"{path} has the columns {', '.join(frame.columns)}",
            f"one column of classes called {column!r} or {_PREDICTED!r}, or a column of scores for each class",
            "rename the column, or remove the others",
        )
    blank = is_blank(frame[name])
    if blank.any():
        raise InputError(
            f"{place(path, blank)}: {name} is empty ({blank.sum()} such rows)",
            "a class for every case",
            "predict these cases, or remove them from every file",
        )
    return _as_text(frame[name]), ""


def _as_text(column: pd.Series) -> pd.Series:
    """Classes as text, whole numbers in one spelling, nothing where nothing stands."""
    text = column.astype(str).str.strip().mask(is_blank(column), "")
    number = pd.to_numeric(text, errors="coerce")
    whole = number.notna() & np.isfinite(number) & (number == np.floor(number))
    return text.mask(whole, number.where(whole, 0).astype(np.int64).astype(str))


def _has_fraction(text: str) -> bool:
    try:
        return not float(text).is_integer()
    except (ValueError, OverflowError):
        return False


def _sorted(classes: set[str]) -> list[str]:
    """In the order of numbers where all are numbers, else of the alphabet."""
    try:
        return sorted(classes, key=float)
    except ValueError:
        return sorted(classes)
