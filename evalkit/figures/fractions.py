"""A table's metric against the share of labels: estimates with intervals, and each repeat's own number."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from evalkit.comparisons.cells import ALL, MEAN
from evalkit.errors import InputError
from evalkit.figures.files import COLUMNS
from evalkit.settings import read_setting

#: The value of column `repeat` in the row that holds the estimate over all repeats.
ESTIMATE = "mean"

#: By metric, setting, target and backbone: each repeat's number.
Values = Callable[[str, str, str, str], Mapping[int, float]]


def collect_points(rows: pd.DataFrame, values: Values) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Collect what a table says at each share of the labels.

    Parameters
    ----------
    rows : DataFrame
        The table's tidy rows.
    values : callable
        Takes metric, setting, target and backbone; gives the number of each repeat.

    Returns
    -------
    rows : DataFrame
        For each metric, target, regime, share and backbone one row with repeat ``mean``, the table's estimate with its
        interval, and one row for each repeat where there are several.
    facts : dict
        ``panels``: metric, target, and where there is no number why; ``intervals`` by method; ``notes``.

    Raises
    ------
    InputError
        All rows are of one share.
    """
    rows = rows[(rows["role"] == "primary") & (rows["subgroup"] == ALL)]
    targets = list(dict.fromkeys(rows["target"]))
    # The mean stands for its classes; without one, each target has its own panel.
    shown = [target for target in (MEAN, ALL) if target in targets][:1] or targets
    rows = rows[rows["target"].isin(shown)]
    fractions = {setting: read_setting(setting).fraction for setting in rows["setting"].unique()}
    if len(set(fractions.values())) < 2:
        raise InputError(
            f"the table's settings have one share of the labels: {', '.join(fractions)}",
            "two or more, to draw a metric against",
            "name a table with several fractions",
        )
    points, notes = [], []
    for row in rows.itertuples(index=False):
        place = {
            "metric": row.metric,
            "target": row.target,
            "regime": read_setting(row.setting).regime,
            "fraction": fractions[row.setting],
            "backbone": row.backbone,
            "label": row.label,
        }
        points.append(place | {"repeat": ESTIMATE, "value": row.estimate, "low": row.ci_low, "high": row.ci_high})
        own = values(row.metric, row.setting, row.target, row.backbone)
        if len(own) > 1:
            nowhere = {"low": np.nan, "high": np.nan}
            points += [place | {"repeat": str(repeat), "value": value} | nowhere for repeat, value in own.items()]
        if np.isnan(row.estimate):
            notes.append(f"{row.label}, {100 * fractions[row.setting]:.12g} %: {row.status}.")
    panels = rows[["metric", "target"]].drop_duplicates().to_dict("records")
    methods = [method for method in rows["ci_method"].unique() if method]
    frame = pd.DataFrame(points, columns=list(COLUMNS["fractions"]))
    return frame, {"panels": panels, "intervals": methods, "notes": list(dict.fromkeys(notes))}
