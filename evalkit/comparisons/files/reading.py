"""Reading tables of labels and predictions: what is in which column, who belongs to whom, and where a mistake is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evalkit.comparisons.cells import Cell, Floats
from evalkit.config.strict import nearest
from evalkit.errors import InputError
from evalkit.predictions import IDS

#: Columns of our own predictions.
TARGET, SCORE = "target:", "score:"


@dataclass(frozen=True)
class Columns:
    """Which columns are no label and no prediction.

    Attributes
    ----------
    id : str
        What joins the files.
    group : str or None
        What says which cases are one patient's.
    """

    id: str
    group: str | None

    def others(self, frame: pd.DataFrame) -> list[str]:
        """A table's columns that may hold labels or predictions."""
        return [name for name in frame.columns if name not in {self.id, self.group, *IDS}]

    def classes(self, frame: pd.DataFrame, prefix: str) -> dict[str, str]:
        """Classes of a table and the columns that hold them: those with our prefix or, where none has it, all."""
        prefixed = {name.removeprefix(prefix): name for name in frame.columns if name.startswith(prefix)}
        others = {name: name for name in self.others(frame) if not name.startswith((TARGET, SCORE))}
        return prefixed or others


def read_table(path: Path, id_column: str) -> pd.DataFrame:
    """Read a table with its ids as text; each id once, none empty.

    Raises
    ------
    InputError
        The file cannot be read, has no row, no such column or the same column twice, or an id is empty or repeated.
    """
    try:
        if path.suffix == ".csv":
            # As text: 0012 is an id, and what is no number is to be shown as it stands.
            frame = pd.read_csv(path, dtype=str, keep_default_na=False)
        elif path.suffix == ".parquet":
            frame = pd.read_parquet(path)
        else:
            raise InputError(
                f"{path} ends in {path.suffix!r}",
                "a file ending in .csv or .parquet (or .json for COCO annotations and detections)",
                "convert the file",
            )
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}", "a readable csv or parquet file", "check it") from None
    frame.columns = [str(name).strip() for name in frame.columns]
    repeated = frame.columns[frame.columns.duplicated()]
    if len(repeated):
        raise InputError(f"{path} has the column {repeated[0]!r} twice", "different column names", "rename one")
    if id_column not in frame.columns:
        raise InputError(
            f"{path} has no column {id_column!r}{nearest(id_column, frame.columns)}; it has {', '.join(frame.columns)}",
            "the column that joins the files",
            "name it with --id",
        )
    if frame.empty:
        raise InputError(f"{path} has no row", "a row for each case", "check how the file was written")
    ids = frame[id_column]
    empty = is_blank(ids)
    if empty.any():
        raise InputError(f"{place(path, empty)}: {id_column} is empty", "an id in every row", "fill it in")
    frame[id_column] = ids.astype(str).str.strip()
    twice = frame[id_column].duplicated()
    if twice.any():
        raise InputError(
            f"{place(path, twice)}: {id_column} {frame[id_column][twice].iloc[0]!r} is there a second time",
            "each id once",
            "keep one row of each, for example the mean of the scores",
        )
    return frame


def order_by(path: Path, ids: pd.Series, first_path: Path, wanted: pd.Series) -> NDArray[np.intp]:
    """Positions of the first file's ids in another file, which must have the same ids.

    Raises
    ------
    InputError
        An id is in one of the files only.
    """
    more = ~ids.isin(wanted)
    if more.any():
        raise InputError(
            f"{place(path, more)}: {ids.name} {ids[more].iloc[0]!r} is not in {first_path} ({more.sum()} such rows)",
            "the same cases in every file: models are compared on the same cases",
            f"add it to {first_path.name} (an empty label will do), or remove these rows",
        )
    fewer = ~wanted.isin(ids)
    if fewer.any():
        raise InputError(
            f"{path} has no row for {ids.name} {wanted[fewer].iloc[0]!r} of {first_path} ({fewer.sum()} are missing)",
            "the same cases in every file: models are compared on the same cases",
            "predict the missing cases, or remove them from every file",
        )
    return pd.Index(ids).get_indexer(pd.Index(wanted))


def read_groups(path: Path, frame: pd.DataFrame, column: str | None) -> tuple[NDArray[np.intp], list[str]]:
    """Number the patient of each case, and say so where patients seem to have been forgotten."""
    if column is None:
        repeats = "patient_id" in frame and frame["patient_id"].duplicated().any()
        hint = "patient_id repeats, and cases were taken as independent; --group patient_id takes patients as clusters"
        return np.arange(len(frame)), [hint] if repeats else []
    if column not in frame:
        raise InputError(
            f"{path} has no column {column!r}{nearest(column, frame.columns)}",
            "the column that says which cases are one patient's",
            "name it with --group",
        )
    empty = is_blank(frame[column])
    if empty.any():
        raise InputError(f"{place(path, empty)}: {column} is empty", "a group in every row", "fill it in")
    return pd.factorize(frame[column].astype(str).str.strip(), sort=True)[0], []


def read_numbers(path: Path, column: pd.Series, what: str) -> Floats:
    """A number in every row; infinite ones are numbers like any other."""
    values = pd.to_numeric(column, errors="coerce").astype(np.float64)
    wrong = values.isna()
    if wrong.any():
        found = str(column[wrong].iloc[0])
        raise InputError(
            f"{place(path, wrong)}: the {what} {column.name!r} is {found!r} ({wrong.sum()} such rows)",
            "a number in every row",
            "predict these cases, or remove them from every file",
        )
    return values.to_numpy()


def one_run(name: str, outcome: object) -> Cell:
    """A model of which there is one run."""
    return Cell(backbone=name, label=name, expected=1, repeats=(0,), outcomes=(outcome,))


def is_blank(column: pd.Series) -> pd.Series:
    """Where nothing stands."""
    return column.isna() | (column.astype(str).str.strip() == "")


def place(path: Path, rows: pd.Series) -> str:
    """Where the first marked row is: the line of a csv file (its header is line 1), the row of any other."""
    first = int(np.argmax(rows.to_numpy()))
    return f"{path}, line {first + 2}" if path.suffix == ".csv" else f"{path}, row {first + 1}"


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
