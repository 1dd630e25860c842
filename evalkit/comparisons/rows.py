"""Tidy rows: what every results table is made of, and the one CSV format it is written in."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pandas as pd

from evalkit.tidy import Kind, RowFormat

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
        The estimate; its standard deviation (ddof 1) over repeats or, of values measured for each case, over cases.
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
_FORMAT = RowFormat(
    {field.name: cast(Kind, field.type) for field in dataclasses.fields(Row)}, maker="python -m evalkit.comparisons"
)


def to_frame(rows: Iterable[Row]) -> pd.DataFrame:
    """Lay rows out as a table with the columns `COLUMNS`; counts are nullable integers, missing floats NaN."""
    return _FORMAT.to_frame([dataclasses.asdict(row) for row in rows])


def write_rows(path: Path, frame: pd.DataFrame) -> None:
    """Write tidy rows as CSV, whole or not at all; see `evalkit.tidy.RowFormat.write`."""
    _FORMAT.write(path, frame)


def read_rows(path: Path) -> pd.DataFrame:
    """Read tidy rows back, bit for bit as they were written.

    Raises
    ------
    InputError
        The file is missing, or has other columns than tidy rows have.
    """
    return _FORMAT.read(path)
