"""Rows of a table of counts, and the CSV they are written in."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pandas as pd

from evalkit.tidy import Kind, RowFormat

#: The class of rows that count all images of a split.
ALL = "all"
#: What serves for nothing, beside the splits train, validation and test.
UNUSED = "set aside"
#: What rows of images with boxes say in column ``value``.
WITH_BOX, WITHOUT_BOX = "with a box", "without a box"


@dataclass(frozen=True)
class CountRow:
    """One row; the fields are the CSV's columns, in their order (``class_`` is ``class``).

    Attributes
    ----------
    table, study, dataset, evaluation : str
        Where the count belongs. `dataset` is the one that is counted, which may be one to test on as well.
    setting : str
        What decides which images these are: ``trainset=undersampled``, ``fraction=0.1``; empty where they are the same
        in every setting. How a backbone is used (regime) is not part of it, for it changes no image.
    split : str
        train, validation, test, or ``set aside``.
    class_ : str
        A class, or ``all``.
    value : str
        What the label says of the images counted: positive, negative or missing; empty for ``all``. For a multi-class
        task only positive, the images of the class. For a detection ``with a box`` of the class or, for ``all``, of
        any, and ``without a box``.
    images, patients : float
        Images, and patients with at least one of them; the mean where there are several draws. NaN if unknown.
    images_sd : float
        Standard deviation (ddof 1) of the images over draws, NaN where there is one.
    n_draws : int or None
        Draws; 1 where nothing is drawn.
    status : str
        ``ok``, ``absent`` (there is no such image), ``absent in 3/10 draws``, or why nothing is known.
    boxes : float
        Boxes on these images, of the class or of any. Only tables of detections have this column.
    """

    table: str
    study: str
    dataset: str
    evaluation: str
    setting: str
    split: str
    class_: str
    value: str
    images: float
    patients: float
    images_sd: float = math.nan
    n_draws: int | None = 1
    status: str = "ok"
    boxes: float = math.nan


_KINDS: dict[str, Kind] = {"images": "count", "patients": "count", "boxes": "count"}
_WITH_BOXES = RowFormat(
    {field.name.rstrip("_"): _KINDS.get(field.name, cast(Kind, field.type)) for field in dataclasses.fields(CountRow)},
    maker="python -m evalkit.counting",
)
COLUMNS = tuple(name for name in _WITH_BOXES.columns if name != "boxes")
_FORMAT = RowFormat({name: _WITH_BOXES.columns[name] for name in COLUMNS}, maker=_WITH_BOXES.maker)


def write_counts(path: Path, rows: Iterable[CountRow]) -> None:
    """Write rows as CSV, whole or not at all; with the column ``boxes`` where some row has them."""
    rows = list(rows)
    form = _FORMAT if all(math.isnan(row.boxes) for row in rows) else _WITH_BOXES
    values = [dict(zip(_WITH_BOXES.columns, dataclasses.astuple(row), strict=True)) for row in rows]
    form.write(path, form.to_frame(values))


def read_counts(path: Path) -> pd.DataFrame:
    """Read rows back as they were written.

    Raises
    ------
    InputError
        The file is missing, or has other columns.
    """
    return (_WITH_BOXES if _has_boxes(path) else _FORMAT).read(path)


def _has_boxes(path: Path) -> bool:
    try:
        with path.open(encoding="utf-8") as file:
            return file.readline().rstrip("\n").endswith(",boxes")
    except (OSError, ValueError):
        return False  # Reading it says what is wrong with it.
