"""Bringing the rows of several files into one order by their ids, and naming the models and patients in them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import NoReturn

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evalkit.comparisons.cells import Cell
from evalkit.comparisons.files.reading import Table, is_blank, such_rows
from evalkit.config.strict import nearest
from evalkit.errors import InputError

_SAME_CASES = "the same cases in every file: models are compared on the same cases"
_WHOLE = re.compile(r"(\d+)(?:\.0+)?")


def align(first: Table, other: Table, id_column: str) -> Table:
    """Bring a file's rows into the order of the first file, which must have the same ids.

    Ids that are the same as whole numbers only (``12`` and ``0012`` or ``12.0``) are joined as such, with a note.

    Returns
    -------
    Table
        The file with the first one's ids.

    Raises
    ------
    InputError
        An id is in one of the files only.
    """
    wanted, ids = first.frame[id_column], other.frame[id_column]
    if set(wanted) == set(ids):
        return _reordered(other, wanted, ids)
    numbers, wanted_numbers = _as_whole_numbers(ids), _as_whole_numbers(wanted)
    if not numbers or set(numbers) != set(wanted_numbers) or not len(set(numbers)) == len(ids) == len(wanted):
        _refuse_other_ids(first, wanted, other, ids)
    table = _reordered(other, wanted_numbers, numbers)
    own, theirs = next(pair for pair in zip(table.frame[id_column], wanted, strict=True) if pair[0] != pair[1])
    table.frame[id_column] = wanted.to_numpy()
    note = f"{id_column} was joined as a whole number: {own!r} is {theirs!r} in {first.path.name}"
    return replace(table, notes=(*table.notes, note))


def read_groups(table: Table, column: str | None) -> tuple[NDArray[np.intp], list[str]]:
    """Number the patient of each case, and say so where patients seem to have been forgotten."""
    frame = table.frame
    if column is None:
        repeats = "patient_id" in frame and frame["patient_id"].duplicated().any()
        hint = "patient_id repeats, and cases were taken as independent; --group patient_id takes patients as clusters"
        return np.arange(len(frame)), [hint] if repeats else []
    if column not in frame:
        raise InputError(
            f"{table.path} has no column {column!r}{nearest(column, frame.columns)}",
            "the column that says which cases are one patient's",
            "name it with --group",
        )
    empty = is_blank(frame[column])
    if empty.any():
        raise InputError(f"{table.place(empty)}: {column} is empty", "a group in every row", "fill it in")
    return pd.factorize(frame[column].astype(str).str.strip(), sort=True)[0], []


def one_run(name: str, outcome: object) -> Cell:
    """A model of which there is one run."""
    return Cell(backbone=name, label=name, expected=1, repeats=(0,), outcomes=(outcome,))


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


def _reordered(table: Table, wanted: Sequence[object] | pd.Series, ids: Sequence[object] | pd.Series) -> Table:
    return Table(table.path, table.frame.iloc[pd.Index(ids).get_indexer(pd.Index(wanted))].copy(), table.notes)


def _as_whole_numbers(ids: pd.Series) -> list[int]:
    """The ids as whole numbers; empty where one of them is none."""
    matches = [_WHOLE.fullmatch(each) for each in ids]
    return [int(each[1]) for each in matches if each] if all(matches) else []


def _refuse_other_ids(first: Table, wanted: pd.Series, other: Table, ids: pd.Series) -> NoReturn:
    more, fewer = ~ids.isin(wanted), ~wanted.isin(ids)
    if more.all():
        raise InputError(
            f"{other.path} and {first.path} have no {ids.name} in common: {_some(ids)} and {_some(wanted)}"
            f"{_how_they_differ(ids, wanted)}",
            _SAME_CASES,
            "write the ids alike in every file, or name another column with --id",
        )
    if more.any():
        raise InputError(
            f"{other.place(more)}: {ids.name} {ids[more].iloc[0]!r} is not in {first.path} {such_rows(more)}"
            f"{_how_they_differ(ids[more], wanted[fewer])}",
            _SAME_CASES,
            f"add it to {first.path.name} (an empty label will do), or remove these rows",
        )
    raise InputError(
        f"{other.path} has no row for {ids.name} {wanted[fewer].iloc[0]!r} of {first.path} ({fewer.sum()} missing)",
        _SAME_CASES,
        "predict the missing cases, or remove them from every file",
    )


def _some(ids: pd.Series) -> str:
    return ", ".join(map(repr, ids[:2])) + (", ..." if len(ids) > 2 else "")


def _without_zeros(name: str) -> str:
    match = _WHOLE.fullmatch(name)
    return str(int(match[1])) if match else name


def _how_they_differ(ids: pd.Series, wanted: pd.Series) -> str:
    """Say what would make some of the ids equal; empty where nothing known does."""
    rules: list[tuple[str, Callable[[str], str]]] = [
        ("zeros in front or behind a point", _without_zeros),
        ("upper and lower case", str.casefold),
        ("folders", lambda name: PurePosixPath(name.replace("\\", "/")).name),
        ("folders and endings", lambda name: PurePosixPath(name.replace("\\", "/")).stem),
    ]
    for difference, rule in rules:
        common = len(set(map(rule, ids)) & set(map(rule, wanted)))
        if common:
            return f"; {common} would be the same but for {difference}"
    return ""
