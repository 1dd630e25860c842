"""Reading the tables that come with a data set: as text first, so that nothing is guessed and nothing is lost."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from evalkit.config.strict import nearest
from evalkit.errors import InputError
from evalkit.fingerprints import file_sha256

_SEXES = {"M": "M", "MALE": "M", "F": "F", "FEMALE": "F", "": "", "U": "", "UNKNOWN": "", "O": "", "OTHER": ""}


def read_header(path: Path) -> list[str]:
    """The column names of a CSV file, as written.

    Raises
    ------
    InputError
        The file is missing, empty or not UTF-8.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = next(csv.reader(file), None)
    except OSError as error:
        raise InputError(
            f"{path}: {error.strerror}", "a CSV file with a header", "check the data set's root and the file's name"
        ) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} is not readable as CSV: {error}", "UTF-8 text", "save it as CSV, UTF-8") from None
    if not header:
        raise InputError(f"{path} is empty", "a CSV file with a header", "put the data set's own file there")
    return header


def read_columns(path: Path, required: Sequence[str], *, optional: Sequence[str] = ()) -> pd.DataFrame:
    """Read some columns of a CSV file as text; what is blank is the empty string.

    Parameters
    ----------
    path : pathlib.Path
        A CSV file in UTF-8, with a header.
    required, optional : sequence of str
        The columns to read; others are left aside.

    Returns
    -------
    DataFrame
        The columns that exist, in the order asked for.

    Raises
    ------
    InputError
        The file is missing or malformed, or lacks a required column.
    """
    header = read_header(path)
    missing = [column for column in required if column not in header]
    if missing:
        raise InputError(
            f"{path} has no column {missing[0]!r}{nearest(missing[0], header)}"
            + (f", nor {', '.join(map(repr, missing[1:]))}" if missing[1:] else ""),
            f"the columns {', '.join(required)}",
            "put the data set's own file there, or name the columns so",
        )
    wanted = list(dict.fromkeys([*required, *(column for column in optional if column in header)]))
    rows = _read_rows(path, header, wanted)
    if not rows:
        raise InputError(f"{path} has a header and no rows", "one row for each image", "put the whole file there")
    return pd.DataFrame(dict(zip(wanted, zip(*rows, strict=True), strict=True)), dtype="str")


def parse_labels(frame: pd.DataFrame, labels: Sequence[str], source: Path) -> pd.DataFrame:
    """Turn label columns of text into numbers.

    Returns
    -------
    DataFrame of float64
        1, 0, -1 (uncertain), or NaN where the text was blank.

    Raises
    ------
    InputError
        Another value; the first one is named by row and column.
    """
    parsed = {}
    for label in labels:
        text = frame[label].str.strip()
        values = pd.to_numeric(text, errors="coerce").astype("float64")
        wrong = ~(values.isin([1.0, 0.0, -1.0]) | (text == ""))
        refuse_first(wrong, frame[label], f"the label {label!r}", "1, 0, -1 (uncertain) or nothing", source)
        parsed[label] = values
    return pd.DataFrame(parsed, index=frame.index)


def parse_ages(text: pd.Series, source: Path) -> pd.Series:
    """Turn ages into years.

    Parameters
    ----------
    text : Series of str
        ``58``, or as DICOM writes it: ``058Y``, ``018M``, ``012D``; blank is missing.
    """
    parts = text.str.strip().str.extract(r"^(\d+(?:\.\d+)?)([YMWD]?)$")
    refuse_first(parts[0].isna() & (text.str.strip() != ""), text, "the age", "a number of years", source)
    years = parts[1].map({"M": 12.0, "W": 52.1775, "D": 365.25}).astype("float64").fillna(1.0)
    return pd.to_numeric(parts[0]).astype("float64") / years


def parse_sexes(text: pd.Series, source: Path) -> pd.Series:
    """Turn sexes into ``M``, ``F`` or nothing; they are read in either case and as whole words too."""
    sexes = text.str.strip().str.upper().map(_SEXES)
    refuse_first(sexes.isna(), text, "the sex", "M, F, U (unknown), O (other) or nothing", source)
    return sexes


def refuse_first(wrong: pd.Series, values: pd.Series, what: str, expected: str, source: Path) -> None:
    """Raise an `InputError` naming the first row where `wrong` holds; do nothing where there is none.

    Rows are counted from 1, the header not among them.
    """
    rows = np.flatnonzero(wrong.to_numpy(dtype=bool))
    if len(rows):
        also = f" (and {len(rows) - 1:,} rows more)" if len(rows) > 1 else ""
        raise InputError(
            f"{source}, data row {rows[0] + 1:,}: {what} is {values.iloc[rows[0]]!r}{also}",
            expected,
            "correct the value, or leave the column out",
        )


def refuse_first_of(wrong: pd.Series, rows: pd.DataFrame, what: str, expected: str, source: Path) -> None:
    """As `refuse_first`, for a value that is written in several columns; they are named joined by commas."""
    if wrong.any():
        refuse_first(wrong, rows.agg(", ".join, axis=1), what, expected, source)


def describe_files(paths: Iterable[Path], root: Path) -> list[dict[str, Any]]:
    """Name, size and SHA-256 of the tables a manifest was made from."""
    return [
        {"path": path.relative_to(root).as_posix(), "size": path.stat().st_size, "sha256": file_sha256(path)}
        for path in paths
    ]


def _read_rows(path: Path, header: Sequence[str], wanted: Sequence[str]) -> list[tuple[str, ...]]:
    """Pick columns from every row below the header; a row with too few fields or too many is refused."""
    # Empty fields at the end, as some copies have them in the header, in the rows or in both, do no harm.
    fields = max(position for position, name in enumerate(header, start=1) if name)
    positions = [header.index(column) for column in wanted]
    rows = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            next(reader)
            for row in reader:
                if not row:
                    continue
                if len(row) < fields or any(row[fields:]):
                    raise InputError(
                        f"{path}, line {reader.line_num:,}, has {len(row)} fields",
                        f"{fields} fields, as in the header",
                        "mend the row; a text with a comma in it is put in quotation marks",
                    )
                rows.append(tuple(row[position] for position in positions))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} is not readable as CSV: {error}", "UTF-8 text", "save it as CSV, UTF-8") from None
    return rows
