"""Labels and scores of any origin: files with an id and columns of numbers, joined by the id and never by position."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evalkit.comparisons.cells import Cell, Floats, TestSet
from evalkit.config.strict import nearest
from evalkit.errors import InputError
from evalkit.predictions import IDS

_PREFIXES = {"labels": "target:", "scores": "score:"}


@dataclass(frozen=True, eq=False)
class Joined:
    """Labels and the scores of several models on the same cases.

    Attributes
    ----------
    test_set : TestSet
    cells : list of Cell
        One run of each model.
    notes : tuple of str
        What was left aside, and what to know of it.
    """

    test_set: TestSet
    cells: list[Cell]
    notes: tuple[str, ...]


def join_files(
    labels_path: Path, prediction_paths: Sequence[Path], *, id_column: str, group_column: str | None
) -> Joined:
    """Read labels and predictions and join them.

    Parameters
    ----------
    labels_path : pathlib.Path
        csv or parquet: the id, one or more columns of 1, 0 or nothing, and possibly groups.
    prediction_paths : sequence of pathlib.Path
        csv or parquet: the same ids, and a column of scores for each class. Columns of our own predictions
        (``target:<class>``, ``score:<class>``) are known; with one class its columns may have any names.
    id_column, group_column : str, str or None
        The columns that join the files, and that say which cases are one patient's.

    Raises
    ------
    InputError
        Something cannot be joined or is no label or score; the message says the file, the row and what to do.
    """
    labels = _read(labels_path, id_column)
    known = {id_column, group_column, *IDS}
    classes = _columns(labels, "labels", known)
    files = [(path, _read(path, id_column)) for path in prediction_paths]
    first_path, first = files[0]
    scored = _columns(first, "scores", known)
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
    groups, notes = _groups(labels_path, labels, group_column)
    ignored = [name for name in classes if name not in named]
    if ignored:
        notes.append(f"columns of {labels_path.name} without scores were left aside: {', '.join(ignored)}")
    cells = []
    for name, (path, frame) in zip(name_models(prediction_paths), files, strict=True):
        columns = _columns(frame, "scores", known)
        if single and len(columns) == 1:
            columns = dict(zip(named, columns.values(), strict=True))
        if set(columns) != set(named):
            raise InputError(
                f"{path} has scores of {', '.join(columns) or 'no class'}",
                f"scores of {', '.join(named)}, as in {first_path}",
                "give every file the same columns",
            )
        scores = np.column_stack([_score_values(path, frame[columns[each]]) for each in named])
        scores = scores[_order(path, frame[id_column], labels_path, labels[id_column])]
        cells.append(Cell(backbone=name, label=name, expected=1, repeats=(0,), scores=scores[None]))
    return Joined(TestSet(tuple(named), targets, groups, "image"), cells, tuple(notes))


def name_models(paths: Sequence[Path]) -> list[str]:
    """Name models by what sets their files apart: the stem, or else the folders that differ.

    Raises
    ------
    InputError
        A file is given twice.
    """
    resolved = [path.resolve() for path in paths]
    if len(set(resolved)) < len(resolved):
        twice = next(path for path in resolved if resolved.count(path) > 1)
        raise InputError(f"{twice.name} is given twice", "different files of predictions", "leave one out")
    stems = [path.stem for path in resolved]
    if len(set(stems)) == len(stems):
        return stems
    # Parts are counted from the file upwards; a shorter path has none where others have a folder.
    parts = [[*reversed(path.parts[1:-1])] for path in resolved]
    depth = max(map(len, parts))
    padded = [[*each, *[""] * (depth - len(each))] for each in parts]
    differing = [level for level in reversed(range(depth)) if len({each[level] for each in padded}) > 1]
    tails = stems if len(set(stems)) > 1 else [""] * len(stems)
    return [
        "/".join(filter(None, (*(each[level] for level in differing), tail)))
        for each, tail in zip(padded, tails, strict=True)
    ]


def _read(path: Path, id_column: str) -> pd.DataFrame:
    """Read a file with its ids as text; each id once, none empty."""
    try:
        if path.suffix == ".csv":
            # As text: 0012 is an id, and what is no number is to be shown as it stands.
            frame = pd.read_csv(path, dtype=str, keep_default_na=False)
        elif path.suffix == ".parquet":
            frame = pd.read_parquet(path)
        else:
            raise InputError(f"{path} ends in {path.suffix!r}", "a file ending in .csv or .parquet", "convert the file")
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}", "a readable csv or parquet file", "check it") from None
    frame.columns = [str(name).strip() for name in frame.columns]
    repeated = frame.columns[frame.columns.duplicated()]
    if len(repeated):
        raise InputError(f"{path} has the column {repeated[0]!r} twice", "different column names", "rename one")
    if id_column not in frame.columns:
        raise InputError(
            f"{path} has no column {id_column!r}{nearest(id_column, frame.columns)}",
            "the column that joins labels and predictions",
            "name it with --id",
        )
    if frame.empty:
        raise InputError(f"{path} has no row", "a row for each case", "check how the file was written")
    ids = frame[id_column]
    empty = _is_blank(ids)
    if empty.any():
        raise InputError(f"{_place(path, empty)}: {id_column} is empty", "an id in every row", "fill it in")
    frame[id_column] = ids.astype(str).str.strip()
    twice = frame[id_column].duplicated()
    if twice.any():
        raise InputError(
            f"{_place(path, twice)}: {id_column} {frame[id_column][twice].iloc[0]!r} is there a second time",
            "each id once",
            "keep one row of each, for example the mean of the scores",
        )
    return frame


def _columns(frame: pd.DataFrame, kind: str, known: set[str | None]) -> dict[str, str]:
    """Classes of a file and the columns that hold them: those with our prefix or, where there are none, all others."""
    prefix = _PREFIXES[kind]
    prefixed = {name.removeprefix(prefix): name for name in frame.columns if name.startswith(prefix)}
    others = {name: name for name in frame.columns if name not in known and not name.startswith(("target:", "score:"))}
    return prefixed or others


def _order(path: Path, ids: pd.Series, labels_path: Path, wanted: pd.Series) -> NDArray[np.intp]:
    """Positions of the labels' ids in a file, which must have the same ids."""
    more = ~ids.isin(wanted)
    if more.any():
        raise InputError(
            f"{_place(path, more)}: {ids.name} {ids[more].iloc[0]!r} is not in {labels_path} ({more.sum()} such rows)",
            "predictions for the labelled cases and no others",
            "add their labels (empty ones will do), or remove these rows",
        )
    fewer = ~wanted.isin(ids)
    if fewer.any():
        raise InputError(
            f"{path} has no row for {ids.name} {wanted[fewer].iloc[0]!r} of {labels_path} ({fewer.sum()} are missing)",
            "a score for every labelled case: models are compared on the same cases",
            "predict the missing cases, or remove them from every file",
        )
    return pd.Index(ids).get_indexer(pd.Index(wanted))


def _label_values(path: Path, column: pd.Series) -> Floats:
    """1, 0, or NaN where nothing stands."""
    blank = _is_blank(column)
    values = pd.to_numeric(column.mask(blank), errors="coerce").astype(np.float64)
    wrong = ~blank & ~values.isin([0, 1])
    if wrong.any():
        raise InputError(
            f"{_place(path, wrong)}: the label {column.name!r} is {column[wrong].iloc[0]!r}",
            "1 (positive), 0 (negative) or nothing (not known)",
            "replace it; uncertain labels need a decision, which is yours",
        )
    return values.to_numpy()


def _score_values(path: Path, column: pd.Series) -> Floats:
    """A number in every row; infinite ones are ranks like any other."""
    values = pd.to_numeric(column, errors="coerce").astype(np.float64)
    wrong = values.isna()
    if wrong.any():
        found = str(column[wrong].iloc[0])
        raise InputError(
            f"{_place(path, wrong)}: the score {column.name!r} is {found!r} ({wrong.sum()} such rows)",
            "a number in every row",
            "predict these cases, or remove them from every file",
        )
    return values.to_numpy()


def _is_blank(column: pd.Series) -> pd.Series:
    return column.isna() | (column.astype(str).str.strip() == "")


def _place(path: Path, rows: pd.Series) -> str:
    """Where the first marked row is: the line of a csv file (its header is line 1), the row of any other."""
    first = int(np.argmax(rows.to_numpy()))
    return f"{path}, line {first + 2}" if path.suffix == ".csv" else f"{path}, row {first + 1}"


def _groups(path: Path, labels: pd.DataFrame, column: str | None) -> tuple[NDArray[np.intp], list[str]]:
    """Number the patient of each case, and say so where patients seem to have been forgotten."""
    if column is None:
        repeats = "patient_id" in labels and labels["patient_id"].duplicated().any()
        hint = "patient_id repeats, and cases were taken as independent; --group patient_id takes patients as clusters"
        return np.arange(len(labels)), [hint] if repeats else []
    if column not in labels:
        raise InputError(
            f"{path} has no column {column!r}{nearest(column, labels.columns)}",
            "the column that says which cases are one patient's",
            "name it with --group",
        )
    empty = _is_blank(labels[column])
    if empty.any():
        raise InputError(f"{_place(path, empty)}: {column} is empty", "a group in every row", "fill it in")
    return pd.factorize(labels[column].astype(str).str.strip(), sort=True)[0], []
