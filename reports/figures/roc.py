"""ROC curves with confidence bands: a panel for each class, the areas in the corner that curves leave free."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evalkit.comparisons.cells import count_cases
from evalkit.figures.files import FigureData
from reports.figure_style import COLUMN
from reports.figures.sheet import (
    THIN,
    backbone_entries,
    describe_cases,
    draw_unit_square,
    entitle,
    list_values,
    looks,
    make_sheet,
    percent,
    say_undefined,
)
from reports.numbers import format_interval, format_number

#: Panels side by side, and inches: height of a panel with its titles, and width of what is inside its axes.
_COLUMNS, _HEIGHT, _INSIDE = 3, 2.62, 1.85

#: Bands of many curves lie over each other; the more, the lighter each.
_DARKEST, _LIGHTEST = 0.22, 0.08

#: Of an area.
_DECIMALS = 3


def draw_roc(data: FigureData) -> Figure:
    """Draw every class's curves."""
    facts = data.facts
    panels = facts["panels"]
    single = len(panels) == 1
    figure, axes = make_sheet(
        len(panels),
        columns=_COLUMNS,
        panel_height=_HEIGHT if not single else COLUMN + 0.2,
        facts=facts,
        legend=backbone_entries(facts),
        notes=_notes(facts),
    )
    inside = COLUMN - 0.6 if single else _INSIDE
    for number, (axis, panel) in enumerate(zip(axes, panels, strict=True)):
        rows = data.frame[data.frame["target"] == panel["target"]]
        _draw_panel(axis, panel, rows, facts, width=inside)
        if number % _COLUMNS == 0:
            axis.set_ylabel("Sensitivity")
        if number + _COLUMNS >= len(panels) and not panel["status"]:
            axis.set_xlabel("1 \N{MINUS SIGN} specificity")
    return figure


def _draw_panel(
    axis: Axes, panel: Mapping[str, Any], rows: pd.DataFrame, facts: Mapping[str, Any], *, width: float
) -> None:
    counts = f"{panel['positives']:,} positive of {count_cases(panel['cases'], facts['unit'])}"
    axis.set_box_aspect(1)
    entitle(axis, panel["target"], counts, width=width)
    if panel["status"]:
        say_undefined(axis, panel["status"], width=width)
        return
    draw_unit_square(axis)
    light = max(_LIGHTEST, min(_DARKEST, 0.5 / max(1, len(panel["curves"]))))
    areas = {each["backbone"]: each for each in panel["curves"]}
    for key, _, look in looks(facts):
        own = rows[rows["backbone"] == key]
        axis.fill_between(own["fpr"], own["low"], own["high"], color=look.colour, alpha=light, linewidth=0, step="post")
        # From the corner, for the first point of the curve is where it has risen to without a false positive.
        along, up = [0, *own["fpr"]], [0, *own["tpr"]]
        axis.plot(along, up, color=look.colour, linestyle=look.dashes, linewidth=THIN, drawstyle="steps-post")
    title = f"AUC ({percent(facts['confidence_level'])} CI)"
    list_values(axis, {key: _area(each) for key, each in areas.items()}, facts, title=title, corner="lower right")


def _area(curve: Mapping[str, Any]) -> str:
    area = format_number(curve["auc"], _DECIMALS)
    if curve["low"] is None:
        return area
    return f"{area} ({format_interval(curve['low'], curve['high'], _DECIMALS)})"


def _notes(facts: Mapping[str, Any]) -> list[str]:
    runs = max((curve["runs"] for panel in facts["panels"] for curve in panel["curves"]), default=1)
    level, resamples = percent(facts["confidence_level"]), f"{facts['resamples']:,}"
    if runs > 1:
        how = (
            f"Curves are means of {runs} runs at each specificity. Bands: {level} at each specificity by itself, "
            f"from a bootstrap of runs and of patients, {resamples} replicates"
        )
    else:
        how = f"Bands: {level} at each specificity by itself, from a bootstrap of patients, {resamples} replicates"
    return [f"{how}; the intervals of the AUC are from the same. {describe_cases(facts)}"]
