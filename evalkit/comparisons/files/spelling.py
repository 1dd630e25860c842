"""What a cell of a table means: a number, a class, or nothing."""

from __future__ import annotations

import math
import re

import numpy as np
import pandas as pd

from evalkit.comparisons.cells import Floats
from evalkit.comparisons.files.reading import Table, is_blank, such_rows
from evalkit.errors import InputError

#: Words for 1 and 0. Others (yes, positive) need a decision, which is the user's.
_TRUTH_VALUES = {"true": "1", "false": "0"}
_UNDECIDED = {"yes", "no", "y", "n", "positive", "negative", "pos", "neg"}
_NOTHING = {"", "nan", "na", "n/a", "none", "null", "<na>", "nat"}
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+")

#: Larger whole numbers are not told apart by float64.
_LARGEST = 2.0**53


def as_text(column: pd.Series) -> pd.Series:
    """Classes as text: whole numbers in one spelling, true and false as 1 and 0, nothing where nothing stands."""
    text = _words(column)
    number = pd.to_numeric(text, errors="coerce")
    whole = number.notna() & (number.abs() < _LARGEST) & (number == np.floor(number))
    return text.mask(whole, number.where(whole, 0).astype(np.int64).astype(str))


def to_numbers(column: pd.Series) -> pd.Series:
    """Numbers, NaN where there is none. True and false are 1 and 0; where all are per cent they are divided by 100."""
    if pd.api.types.is_numeric_dtype(column.dtype):
        return pd.Series(column.to_numpy(np.float64, na_value=np.nan), column.index)
    text = _words(column)
    if is_percentage(column):
        return pd.to_numeric(text.str.rstrip("%"), errors="coerce").astype(np.float64) / 100
    return pd.to_numeric(text, errors="coerce").astype(np.float64)


def is_percentage(column: pd.Series) -> bool:
    """Whether every value of a column ends in a per cent sign."""
    if pd.api.types.is_numeric_dtype(column.dtype):
        return False
    text = _words(column)
    text = text[text != ""]
    return bool(len(text)) and bool(text.str.endswith("%").all())


def read_numbers(table: Table, name: str, what: str) -> tuple[Floats, list[str]]:
    """A number in every row, infinite ones like any other; and what to know of their spelling.

    Raises
    ------
    InputError
        Some row has none.
    """
    column = table.frame[name]
    values = to_numbers(column)
    wrong = values.isna()
    if wrong.any():
        found = "" if is_blank(column)[wrong].iloc[0] else str(column[wrong].iloc[0])
        raise InputError(
            f"{table.place(wrong)}: the {what} {name!r} is {found!r} {such_rows(wrong)}",
            "a number in every row",
            _remedy(found.strip()),
        )
    percentage = f"{name!r} is in per cent and was divided by 100"
    return values.to_numpy(), [percentage] if is_percentage(column) else []


def how_to_map(value: str) -> str:
    """What to do about a word that stands for 1 or 0; empty for any other."""
    return f"write 1 and 0 in place of {value!r} and the like" if value.strip().casefold() in _UNDECIDED else ""


def has_fraction(text: str) -> bool:
    """Whether a value is a number that is not whole."""
    try:
        number = float(text)
    except ValueError:
        return False
    return not math.isnan(number) and not number.is_integer()


def sort_classes(classes: set[str]) -> list[str]:
    """In the order of numbers where all are numbers, else of the alphabet."""
    try:
        return sorted(classes, key=float)
    except ValueError:
        return sorted(classes)


def _words(column: pd.Series) -> pd.Series:
    text = column.astype(str).str.strip().mask(is_blank(column), "")
    lowered = text.str.lower()
    return text.mask(lowered.isin(_TRUTH_VALUES), lowered.map(_TRUTH_VALUES))


def _remedy(found: str) -> str:
    if found.casefold() in _NOTHING:
        return "predict these cases, or remove them from every file"
    if _DECIMAL_COMMA.fullmatch(found):
        return "write decimal points in all rows (commas are read as such in whole columns, not separated by commas)"
    if found.endswith("%"):
        return "write all of them in per cent, or none"
    return how_to_map(found) or "correct it, or rename the column if it holds no predictions"
