"""Effect sizes of a table's differences in words, with the p-values of the tests beside the decisive one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from reports.labels import SHORT_TESTS
from reports.numbers import format_interval, format_number, format_pvalue

#: What a column's rows have in common.
_OF_PLACES = ("subgroup", "metric", "setting", "target")

#: Digits after the point.
_DECIMALS = 2


@dataclass(frozen=True)
class Effects:
    """How large one backbone's differences are, in each column a few texts; none where it is not compared."""

    label: str
    cells: tuple[tuple[str, ...], ...]


class EffectSizes:
    """Effect sizes of a table's first policy.

    Parameters
    ----------
    rows : DataFrame
        Tidy rows of one table.
    context : mapping
        The facts beside them: ``effects`` holds the sizes where there are any.
    """

    def __init__(self, rows: pd.DataFrame, context: Mapping[str, Any]) -> None:
        first = context["policies"][0]
        self._sizes = {
            (tuple(each[name] for name in _OF_PLACES), each["backbone"]): each
            for each in context.get("effects", [])
            if each["policy"] == first
        }
        self._beside: dict[tuple[tuple[str, ...], str], list[Any]] = {}
        tested = rows[(rows["role"] != "primary") & (rows["policy"] == first) & rows["p_adjusted"].notna()]
        for row in tested.itertuples(index=False):
            place = tuple(getattr(row, name) for name in _OF_PLACES)
            self._beside.setdefault((place, str(row.backbone)), []).append(row)

    def lines(self, labels: Mapping[str, str], places: Sequence[tuple[str, ...]]) -> tuple[Effects, ...]:
        """Each backbone's texts in some columns, given by subgroup, metric, setting and target."""
        lines = []
        for backbone, label in labels.items():
            cells = tuple(self._tell(tuple(place), backbone) for place in places)
            if any(cells):
                lines.append(Effects(label, cells))
        return tuple(lines)

    def _tell(self, place: tuple[str, ...], backbone: str) -> tuple[str, ...]:
        found = self._sizes.get((place, backbone))
        if found is None:
            return ()
        # JSON has no NaN.
        sizes = {name: math.nan if value is None else value for name, value in found.items()}
        interval = format_interval(sizes["low"], sizes["high"], _DECIMALS, signed=True)
        dz, correlation = (format_number(sizes[name], _DECIMALS, signed=True) for name in ("dz", "rank_biserial"))
        return (
            *([f"d {dz} ({interval})" if interval else f"d {dz}"] if dz else []),
            *([f"r {correlation}"] if correlation else []),
            *(
                f"{SHORT_TESTS[row.test]} {format_pvalue(row.p_adjusted)}"
                for row in self._beside.get((place, backbone), ())
            ),
        )
