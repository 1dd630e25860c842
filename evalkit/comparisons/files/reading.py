"""Reading tables of labels and predictions from csv and parquet files, and saying where in them a mistake is."""

from __future__ import annotations

import csv
import io
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from evalkit.config.strict import nearest
from evalkit.errors import InputError

#: Text files by their endings, each with the separator that is tried first.
_TEXT = {".csv": ",", ".tsv": "\t", ".txt": "\t"}
_SEPARATORS = ",;\t|"

#: What a column without a name is called: here, by pandas when it reads csv, and by pandas in parquet.
_UNNAMED = re.compile(r"\(column \d+\)|Unnamed: \d+|__index_level_\d+__|")
#: What it calls one that was made a column.
_COUNTED = ("index", "level_0")

_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?\s*%?")
_WHOLE = re.compile(r"[+-]?\d+\s*%?")


@dataclass(frozen=True, eq=False)
class Table:
    """A file's rows.

    Attributes
    ----------
    path : pathlib.Path
    frame : DataFrame
        Its index counts the rows as they stand in the file, in whatever order the rows are now.
    notes : tuple of str
        What was decided in reading them.
    """

    path: Path
    frame: pd.DataFrame
    notes: tuple[str, ...] = ()

    def place(self, rows: pd.Series) -> str:
        """Where the first marked row is: the line of a text file (its header is line 1), the row of any other."""
        first = int(self.frame.index[rows.to_numpy(bool)].min())
        return f"{self.path}, line {first + 2}" if is_text(self.path) else f"{self.path}, row {first + 1}"

    def list_columns(self) -> str:
        """The names of all columns, for a message."""
        return ", ".join(self.frame.columns)


def is_text(path: Path) -> bool:
    """Whether a file is text by its ending."""
    return path.suffix.lower() in _TEXT


def is_json(path: Path) -> bool:
    """Whether a file is JSON by its ending."""
    return path.suffix.lower() == ".json"


def read_table(path: Path, id_column: str) -> Table:
    """Read a table with its ids as text; each id once, none empty.

    Parameters
    ----------
    path : pathlib.Path
        Text with columns separated by commas, semicolons, tabs or ``|`` (.csv, .tsv, .txt), or parquet.
    id_column : str

    Raises
    ------
    InputError
        The file cannot be read, has no row, no such column or the same column twice, or an id is empty or repeated.
    """
    if is_text(path):
        frame, notes = _read_text(path, id_column)
    elif path.suffix.lower() == ".parquet":
        frame, notes = _read_parquet(path, id_column), []
    else:
        raise InputError(
            f"{path} ends in {path.suffix!r}",
            "a file ending in .csv, .tsv, .txt or .parquet (or .json for COCO annotations and detections)",
            "convert the file",
        )
    _refuse_repeated_names(path, frame.columns)
    frame, dropped = _without_index(frame, id_column)
    table = Table(path, frame, (*notes, *dropped))
    if id_column not in frame.columns:
        raise InputError(
            f"{path} has no column {id_column!r}{nearest(id_column, frame.columns)}; it has "
            f"{table.list_columns() or 'none with a name'}",
            "the column that joins the files",
            "name it with --id" + (", or give the column without a name this one" if dropped else ""),
        )
    if frame.empty:
        raise InputError(f"{path} has no row", "a row for each case", "check how the file was written")
    _check_ids(table, id_column)
    return table


def read_bytes(path: Path, what: str) -> bytes:
    """A file's content; `what` it should be is told where there is none.

    Raises
    ------
    InputError
        It does not exist, is a folder, is empty or may not be read.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder", f"a file: {what}", "name the file in it")
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        where = "" if path.parent.is_dir() else f" (there is no folder {path.parent})"
        raise InputError(f"{path} does not exist{where}", f"a file: {what}", "correct the path") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error}", f"a readable file: {what}", "check it") from None
    if not content.strip():
        raise InputError(f"{path} is empty", what, "check how the file was written")
    return content


def decode(path: Path, content: bytes) -> str:
    """A file's text, without the mark that some editors begin it with.

    Raises
    ------
    InputError
        It is not UTF-8.
    """
    try:
        text = content.decode("utf-8-sig")
        wrong = text.find("\0")
    except UnicodeDecodeError as error:
        text, wrong = "", error.start
    if wrong >= 0:
        line = content[:wrong].count(b"\n") + 1
        raise InputError(
            f"{path}, line {line}: this is not text in UTF-8 (Latin-1, Windows-1252 or UTF-16, perhaps)",
            "text in UTF-8",
            "save it as UTF-8 (in Excel: 'CSV UTF-8')",
        )
    return text


def is_blank(column: pd.Series) -> pd.Series:
    """Where nothing stands."""
    return column.isna() | (column.astype(str).str.strip() == "")


def such_rows(rows: pd.Series) -> str:
    """How many rows are marked, in brackets."""
    return f"({rows.sum()} such row{'' if rows.sum() == 1 else 's'})"


def _read_text(path: Path, id_column: str) -> tuple[pd.DataFrame, list[str]]:
    whole = decode(path, read_bytes(path, "a table with a header and a row for each case"))
    whole = whole.replace("\r\n", "\n").replace("\r", "\n")
    text = whole.lstrip("\n")
    skipped = whole[: len(whole) - len(text)].count("\n")
    try:
        separator, names = _split_header(text, _TEXT[path.suffix.lower()], id_column)
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            # As text: 0012 is an id, and what is no number is to be shown as it stands.
            frame = pd.read_csv(
                io.StringIO(text),
                sep=separator,
                dtype=str,
                keep_default_na=False,
                index_col=False,
                skip_blank_lines=False,
            )
    except pd.errors.ParserWarning:
        raise InputError(
            f"{path}: its rows have more fields than its header has names ({', '.join(names)})",
            "a name for every column",
            "name the first column too (R's write.table leaves it out), or remove separators at the ends of lines",
        ) from None
    except (ValueError, csv.Error) as error:
        raise InputError(f"{path} cannot be read: {error}", "a table with a header", "check it") from None
    _refuse_repeated_names(path, names)
    if len(names) == len(frame.columns):
        # Its own names, since pandas changes those that are repeated.
        frame.columns = pd.Index([name or f"(column {number})" for number, name in enumerate(names, 1)])
    frame.index = frame.index + skipped
    frame = frame[~np.logical_and.reduce([is_blank(frame[name]) for name in frame.columns])]
    return (frame, []) if separator == "," else _with_decimal_points(frame, id_column)


def _split_header(text: str, first: str, id_column: str) -> tuple[str, list[str]]:
    """The separator with which the header has the id, else the one that makes most columns of it; and the names."""
    headers = {}
    for separator in dict.fromkeys(first + _SEPARATORS):
        names = [name.strip(" ") for name in next(csv.reader(io.StringIO(text), delimiter=separator))]
        if id_column in names:
            return separator, names
        headers[separator] = names
    separator = max(headers, key=lambda each: len(headers[each]))
    return separator, headers[separator]


def _with_decimal_points(frame: pd.DataFrame, id_column: str) -> tuple[pd.DataFrame, list[str]]:
    """Write the numbers of a table that commas do not separate with points."""
    changed = []
    for name in frame.columns.drop(id_column, errors="ignore"):
        filled = frame[name].str.strip()[~is_blank(frame[name])]
        commas = filled.str.fullmatch(_DECIMAL_COMMA)
        if commas.any() and (commas | filled.str.fullmatch(_WHOLE)).all():
            frame = frame.assign(**{name: frame[name].str.replace(",", ".", regex=False)})
            changed.append(name)
    return frame, [f"commas in numbers were read as decimal points: {', '.join(changed)}"] if changed else []


def _read_parquet(path: Path, id_column: str) -> pd.DataFrame:
    import pyarrow as pa

    content = read_bytes(path, "a table in parquet's format")
    try:
        frame = pd.read_parquet(io.BytesIO(content))
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise InputError(
            f"{path} cannot be read: {error}", "a file in parquet's format", "check how the file was written"
        ) from None
    named = [level for level in frame.index.names if level is not None and level not in frame.columns]
    if named:
        frame = frame.reset_index(level=named)
    frame = frame.reset_index(drop=True)
    frame.columns = pd.Index([str(name).strip() for name in frame.columns])
    return frame


def _refuse_repeated_names(path: Path, names: Sequence[str] | pd.Index) -> None:
    named = pd.Index([name for name in names if name])
    repeated = named[named.duplicated()]
    if len(repeated):
        raise InputError(f"{path} has the column {repeated[0]!r} twice", "different column names", "rename one")


def _without_index(frame: pd.DataFrame, id_column: str) -> tuple[pd.DataFrame, list[str]]:
    """Leave aside what pandas wrote as an index."""
    unnamed = [_UNNAMED.fullmatch(name) is not None and name != id_column for name in frame.columns]
    counting = [
        name in _COUNTED and name != id_column and frame[name].astype(str).tolist() == [*map(str, range(len(frame)))]
        for name in frame.columns
    ]
    dropped = np.array(unnamed, bool) | np.array(counting, bool)
    note = "columns without a name, or that only count the rows (an index of pandas), were left aside"
    return frame.loc[:, ~dropped].copy(), [note] if dropped.any() else []


def _check_ids(table: Table, id_column: str) -> None:
    """Make the ids text, each of them there and there once."""
    ids = table.frame[id_column]
    empty = is_blank(ids)
    if empty.any():
        raise InputError(f"{table.place(empty)}: {id_column} is empty", "an id in every row", "fill it in")
    table.frame[id_column] = ids = ids.astype(str).str.strip()
    twice = ids.duplicated()
    if twice.any():
        raise InputError(
            f"{table.place(twice)}: {id_column} {ids[twice].iloc[0]!r} is there a second time",
            "each id once",
            "keep one row of each, for example the mean of the scores",
        )
