"""Lists of boxes that a table holds as the text of a Python literal. They are read as literals and never executed."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pandas as pd

from evalkit.datasets.reading import refuse_first

_CORNERS = ("x", "y", "width", "height")
#: Longer than any list of boxes, and short enough for nothing in it to exhaust the parser.
_LONGEST = 10_000


def parse_box_list(text: pd.Series, image_ids: pd.Series, source: Path) -> pd.DataFrame:
    """Read a column of lists of boxes, ``[{'x': 1.5, 'y': 2, 'width': 3, 'height': 4}, ...]``; blank is none.

    Parameters
    ----------
    text : Series of str
    image_ids : Series of str
        The image of each row.
    source : pathlib.Path
        The table, for messages.

    Returns
    -------
    DataFrame
        image_id, x, y, width, height; one row per box.

    Raises
    ------
    InputError
        A text is no such list; the first row with one is named.
    """
    lists = text.map(_parse)
    expected = "a list of dictionaries with the numbers x, y, width and height, or nothing"
    refuse_first(lists.isna(), text.str.slice(0, 100), "the list of boxes", expected, source)
    rows = [(image, *box) for image, boxes in zip(image_ids, lists, strict=True) for box in boxes]
    table = pd.DataFrame(rows, columns=["image_id", *_CORNERS])
    return table.astype({"image_id": "str", **dict.fromkeys(_CORNERS, "float64")})


def _parse(text: str) -> list[tuple[float, ...]] | None:
    """The boxes of one text, or None where it is something else."""
    if not text.strip():
        return []
    if len(text) > _LONGEST:
        return None
    try:
        value = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
    if not isinstance(value, list) or not all(map(_is_box, value)):
        return None
    return [tuple(float(box[name]) for name in _CORNERS) for box in value]


def _is_box(value: Any) -> bool:
    if not isinstance(value, dict) or set(value) != set(_CORNERS):
        return False
    # A comparison with NaN is false.
    return all(type(number) in (int, float) and abs(number) < 1e9 for number in value.values())
