"""Tidy rows as CSV: written whole, and read back bit for bit."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from evalkit.atomic import replacing
from evalkit.errors import InputError

#: What a column holds. A count is a whole number, or a mean of such; it is written without a point where it is whole.
Kind = Literal["str", "bool", "float", "int | None", "count"]

_DTYPES = {"str": "str", "bool": "bool", "float": "float64", "int | None": "Int64", "count": "float64"}


@dataclass(frozen=True)
class RowFormat:
    """The columns of a kind of table.

    Attributes
    ----------
    columns : mapping of str to Kind
        Names, in order, and what each holds.
    maker : str
        What writes such tables, for messages.
    """

    columns: Mapping[str, Kind]
    maker: str

    def to_frame(self, rows: list[dict[str, Any]]) -> pd.DataFrame:
        """Lay rows out with the columns in their order; counts are nullable integers, missing floats NaN."""
        frame = pd.DataFrame(rows, columns=list(self.columns))
        return frame.astype({name: _DTYPES[kind] for name, kind in self.columns.items()})

    def write(self, path: Path, frame: pd.DataFrame) -> None:
        """Write rows as CSV, whole or not at all.

        Floats are written in the shortest form that reads back as the same number, missing values as nothing.
        """
        kinds = list(self.columns.values())
        with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(self.columns)
            for values in frame[list(self.columns)].itertuples(index=False):
                writer.writerow([_spell(value, kind) for value, kind in zip(values, kinds, strict=True)])

    def read(self, path: Path) -> pd.DataFrame:
        """Read rows back as they were written.

        Raises
        ------
        InputError
            The file is missing, or has other columns.
        """
        try:
            # As text first: a class may well be called "NA", and pandas' own reading of floats is not exact everywhere.
            frame = pd.read_csv(path, dtype=str, keep_default_na=False)
        except (OSError, ValueError) as error:
            raise self._refuse(path, f"cannot be read: {error}") from None
        if tuple(frame.columns) != tuple(self.columns):
            raise self._refuse(path, f"has the columns {', '.join(frame.columns)}")
        try:
            return pd.DataFrame({name: _parse(frame[name], kind) for name, kind in self.columns.items()})
        except ValueError as error:
            raise self._refuse(path, f"holds something else than its columns should: {error}") from None

    def _refuse(self, path: Path, found: str) -> InputError:
        return InputError(
            f"{path} {found}",
            f"tidy rows, as `{self.maker}` writes them: {', '.join(self.columns)}",
            "make the table again",
        )


def _parse(column: pd.Series, kind: Kind) -> pd.Series:
    if kind == "bool":
        return column == "True"
    if kind in ("float", "count"):
        return pd.Series([float(text or "nan") for text in column], dtype="float64")
    if kind == "int | None":
        return pd.Series([int(text) if text else None for text in column], dtype="Int64")
    return column


def _spell(value: Any, kind: Kind) -> str:
    if value is pd.NA or value is None:
        return ""
    if isinstance(value, float):
        whole = kind == "count" and value.is_integer()
        return "" if math.isnan(value) else str(int(value)) if whole else repr(float(value))
    return str(value)
