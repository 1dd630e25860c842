"""Tidy rows: what every results table is made of, and the one CSV format it is written in."""

from __future__ import annotations

import csv
import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from evalkit.atomic import replacing
from evalkit.errors import InputError

NAN = math.nan


@dataclass(frozen=True)
class Row:
    """One row of a results table; the fields are the CSV's columns, in their order.

    A number that does not exist is NaN (``None`` for counts), a text that does not apply is empty.

    Attributes
    ----------
    table, study, dataset, evaluation, setting : str
        Where the number belongs.
    backbone, label : str
        The backbone's key and its printed name.
    target : str
        A class, ``mean`` (unweighted over the classes) or ``all``.
    subgroup : str
        ``all``, or for example ``sex=F``.
    metric : str
    higher_is_better : bool
    unit : str
        What `n` counts: repeat, image, study or patient.
    n, n_clusters : int or None
        Units the estimate is made of; patients they come from.
    estimate, sd : float
        The estimate; its standard deviation (ddof 1) over repeats.
    ci_low, ci_high, ci_method : float, float, str
        Confidence interval of the estimate.
    reference : str
        Key of the backbone compared with; the own key in a reference's row.
    policy : str
        How the reference was chosen: best, named or baseline.
    role : str
        primary (what conclusions use, once per cell), paper (what a publication did) or secondary.
    difference, difference_ci_low, difference_ci_high : float
        Backbone minus reference.
    test, statistic, df, p_value : str, float, float, float
    p_adjusted, adjustment, family, family_size : float, str, str, int or None
        The p-value adjusted for its family, which holds `family_size` p-values.
    status : str
        ``ok``, ``reference``, or what is missing.
    """

    table: str
    study: str
    dataset: str
    evaluation: str
    setting: str
    backbone: str
    label: str
    target: str
    subgroup: str
    metric: str
    higher_is_better: bool
    unit: str
    n: int | None
    n_clusters: int | None
    estimate: float
    sd: float
    ci_low: float
    ci_high: float
    ci_method: str
    reference: str
    policy: str
    role: str
    difference: float = NAN
    difference_ci_low: float = NAN
    difference_ci_high: float = NAN
    test: str = ""
    statistic: float = NAN
    df: float = NAN
    p_value: float = NAN
    p_adjusted: float = NAN
    adjustment: str = ""
    family: str = ""
    family_size: int | None = None
    status: str = "ok"


COLUMNS = tuple(field.name for field in dataclasses.fields(Row))
_TYPES = {field.name: str(field.type) for field in dataclasses.fields(Row)}
_DTYPES = {"str": "str", "bool": "bool", "float": "float64", "int | None": "Int64"}


def to_frame(rows: Iterable[Row]) -> pd.DataFrame:
    """Lay rows out as a table with the columns `COLUMNS`; counts are nullable integers, missing floats NaN."""
    frame = pd.DataFrame([dataclasses.asdict(row) for row in rows], columns=list(COLUMNS))
    return frame.astype({name: _DTYPES[_TYPES[name]] for name in COLUMNS})


def write_rows(path: Path, frame: pd.DataFrame) -> None:
    """Write tidy rows as CSV, whole or not at all.

    Floats are written in the shortest form that reads back as the same number, missing values as nothing.
    """
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for values in frame[list(COLUMNS)].itertuples(index=False):
            writer.writerow([_spell(value) for value in values])


def read_rows(path: Path) -> pd.DataFrame:
    """Read tidy rows back, bit for bit as they were written.

    Raises
    ------
    InputError
        The file is missing, or has other columns than tidy rows have.
    """
    try:
        # As text first: a class may well be called "NA", and pandas' own reading of floats is not exact everywhere.
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise _not_rows(path, f"cannot be read: {error}") from None
    if tuple(frame.columns) != COLUMNS:
        raise _not_rows(path, f"has the columns {', '.join(frame.columns)}")
    try:
        return pd.DataFrame({name: _parse(frame[name], _TYPES[name]) for name in COLUMNS})
    except ValueError as error:
        raise _not_rows(path, f"holds something else than its columns should: {error}") from None


def _parse(column: pd.Series, kind: str) -> pd.Series:
    if kind == "bool":
        return column == "True"
    if kind == "float":
        return pd.Series([float(text or "nan") for text in column], dtype="float64")
    if kind == "int | None":
        return pd.Series([int(text) if text else None for text in column], dtype="Int64")
    return column


def _not_rows(path: Path, found: str) -> InputError:
    return InputError(
        f"{path} {found}",
        f"tidy rows, as `python -m evalkit.comparisons` writes them: {', '.join(COLUMNS)}",
        "make the table again",
    )


def _spell(value: Any) -> str:
    if value is pd.NA or value is None:
        return ""
    if isinstance(value, float):
        return "" if math.isnan(value) else repr(float(value))
    return str(value)
