"""Reliability diagrams: observed shares against predicted probabilities, and below how many cases there are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from evalkit.comparisons.cells import ALL, count_cases
from evalkit.figures.files import FigureData
from reports.figure_style import COLUMN
from reports.figures.sheet import (
    THIN,
    UNIT_LIMITS,
    UNIT_TICKS,
    Corner,
    Entry,
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
from reports.numbers import format_number

#: Panels side by side, and inches: height of a panel with its titles, and width of what is inside its axes.
_COLUMNS, _HEIGHT, _INSIDE = 3, 3.3, 1.85

#: Height of the strip of counts, as a share of the panel's.
_STRIP = 0.22

#: Bars of many curves stand close; the more, the lighter each.
_DARKEST, _LIGHTEST = 0.8, 0.3


def draw_calibration(data: FigureData) -> Figure:
    """Draw a panel for each class, or for the called class."""
    facts, panels = data.facts, data.facts["panels"]
    single = len(panels) == 1
    legend = backbone_entries(facts, marker="o", markersize=2.5)
    if single:
        scores = {
            each["backbone"]: f": ECE {_spell(each['ece'])}, Brier {_spell(each['brier'])}"
            for each in panels[0]["curves"]
        }
        legend = [
            Entry(entry.handle, entry.label + scores.get(key, ""))
            for entry, (key, _, _) in zip(legend, looks(facts), strict=True)
        ]
    figure, axes = make_sheet(
        len(panels),
        columns=_COLUMNS,
        panel_height=_HEIGHT if not single else COLUMN + 1.1,
        facts=facts,
        legend=legend,
        notes=_notes(facts),
    )
    for number, (axis, panel) in enumerate(zip(axes, panels, strict=True)):
        rows = data.frame[data.frame["target"] == panel["target"]]
        title, counts = _title(panel, facts)
        width = COLUMN - 0.6 if single else _INSIDE
        spec = axis.get_subplotspec()
        assert spec is not None
        grid = spec.subgridspec(2, 1, height_ratios=(1, _STRIP))
        axis.remove()
        diagram, strip = figure.add_subplot(grid[0]), figure.add_subplot(grid[1])
        entitle(diagram, title, counts, width=width)
        if panel["status"]:
            say_undefined(diagram, panel["status"], width=width)
            strip.set_axis_off()
            continue
        _draw_panel(diagram, strip, rows, facts)
        if not single:
            values = {each["backbone"]: f"{_spell(each['ece'])}, {_spell(each['brier'])}" for each in panel["curves"]}
            list_values(diagram, values, facts, title="ECE, Brier", corner=_find_corner(rows))
        called = panel["target"] == ALL
        strip.set_xlabel("Probability of the called class" if called else "Predicted probability")
        if number % _COLUMNS == 0:
            diagram.set_ylabel("Share called rightly" if called else "Observed share of positives")
            strip.set_ylabel("Cases")
    return figure


def _draw_panel(axis: Axes, strip: Axes, rows: pd.DataFrame, facts: Mapping[str, Any]) -> None:
    """Draw the diagram, and below it how many cases each bin has."""
    draw_unit_square(axis)
    faint = max(_LIGHTEST, min(_DARKEST, 1.6 / len(facts["backbones"])))
    for key, _, look in looks(facts):
        own = rows[(rows["backbone"] == key) & (rows["cases"] > 0)]
        line = {"color": look.colour, "linestyle": look.dashes, "linewidth": THIN}
        axis.vlines(own["predicted"], own["low"], own["high"], color=look.colour, linewidth=0.6, alpha=faint)
        axis.plot(own["predicted"], own["observed"], marker="o", markersize=2.5, **line)
        every = rows[rows["backbone"] == key]
        edges = [*every["bin_low"], every["bin_high"].iloc[-1]]
        strip.stairs(every["cases"], edges, **line)
    axis.set_xticks(UNIT_TICKS[0], [])
    strip.set_xlim(*UNIT_LIMITS)
    strip.set_xticks(*UNIT_TICKS)
    # Room above, so that its highest number is not beside the diagram's lowest.
    strip.set_ylim(0, 1.3 * max(1, rows["cases"].max()))
    strip.yaxis.set_major_locator(MaxNLocator(2, integer=True))


def _find_corner(rows: pd.DataFrame) -> Corner:
    """The corner beside the diagonal that holds fewer points."""
    upper = ((rows["predicted"] < 0.5) & (rows["observed"] > 0.5)).sum()
    lower = ((rows["predicted"] > 0.5) & (rows["observed"] < 0.5)).sum()
    return "upper left" if upper <= lower else "lower right"


def _spell(score: float) -> str:
    return format_number(score, 3)


def _title(panel: Mapping[str, Any], facts: Mapping[str, Any]) -> tuple[str, str]:
    cases = count_cases(panel["cases"], facts["unit"])
    if panel["target"] == ALL:
        return "Called class", cases
    return panel["target"], f"{panel['positives']:,} positive of {cases}"


def _notes(facts: Mapping[str, Any]) -> list[str]:
    runs = max((curve["runs"] for panel in facts["panels"] for curve in panel["curves"]), default=1)
    pooled = f" The cases of {runs} runs are pooled; counts and scores are means over runs." if runs > 1 else ""
    return [
        f"{facts['bins']} bins of equal width. Bars: {percent(facts['confidence_level'])} intervals (Wilson, counting "
        f"patients and not their images).{pooled} ECE: expected calibration error with these bins. "
        f"{describe_cases(facts)}"
    ]
