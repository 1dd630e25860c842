"""Curves of detectors: precision against recall, and sensitivity against false positives per image."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from evalkit.comparisons.cells import count_cases
from evalkit.figures.files import FigureData
from reports.figure_style import COLUMN, measure_text
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
from reports.numbers import format_interval, format_number

#: Panels side by side, and inches: height of a panel with its titles, and width of what is inside its axes.
_COLUMNS, _HEIGHT, _INSIDE = 3, 2.62, 1.85

#: Inches: a line of a list of values, and what stands beside a value.
_LINE, _HANDLE = 0.118, 0.28

#: Bands of many curves lie over each other; the more, the lighter each.
_DARKEST, _LIGHTEST = 0.22, 0.08

#: Of a score.
_DECIMALS = 3

#: False positives per image, as they stand below the axis.
_RATES = {0.125: "1/8", 0.25: "1/4", 0.5: "1/2", 1: "1", 2: "2", 4: "4", 8: "8"}


class _Kind(NamedTuple):
    """What is drawn against what."""

    along: str
    up: str
    score: str
    step: Literal["pre", "post"]
    labels: tuple[str, str]
    place: str
    heading: str
    corners: tuple[Corner, ...]
    set_axes: Callable[[Axes], None]


def draw_precision_recall(data: FigureData) -> Figure:
    """Draw every class's precision-recall curves."""
    note = (
        "At each of 101 recalls, the highest precision at this recall or above; AP is the mean of these (COCO). A "
        f"detection is true where it overlaps (IoU) a box by {data.facts['iou']:.12g} or more."
    )
    return _draw(data, _PRECISION_RECALL, note)


def draw_froc(data: FigureData) -> Figure:
    """Draw every class's FROC curves."""
    note = (
        f"Sensitivity is the share of boxes that a detection overlaps (IoU) by {data.facts['iou']:.12g} or more; all "
        "other detections of the class are false positives. FROC score: mean sensitivity at 1/8, 1/4, 1/2, 1, 2, 4 and "
        "8 false positives per image (as defined for LUNA16)."
    )
    return _draw(data, _FROC, note)


def _draw(data: FigureData, kind: _Kind, note: str) -> Figure:
    facts, panels = data.facts, data.facts["panels"]
    single = len(panels) == 1
    width = COLUMN - 0.6 if single else _INSIDE
    rows = {panel["target"]: data.frame[data.frame["target"] == panel["target"]] for panel in panels}
    bounded = single or all(_find_corner(rows[panel["target"]], panel, kind, width)[1] == 0 for panel in panels)
    legend = backbone_entries(facts)
    if single:
        values = _spell_scores(panels[0], kind)
        legend = [
            Entry(entry.handle, f"{entry.label}: {kind.heading} {values[key]}" if key in values else entry.label)
            for entry, (key, _, _) in zip(legend, looks(facts), strict=True)
        ]
    figure, axes = make_sheet(
        len(panels),
        columns=_COLUMNS,
        panel_height=_HEIGHT if not single else COLUMN + 0.2,
        facts=facts,
        legend=legend,
        notes=[note, _say_bands(facts, kind, bounded=bounded)],
    )
    for number, (axis, panel) in enumerate(zip(axes, panels, strict=True)):
        axis.set_box_aspect(1)
        boxes = f"{panel['boxes']:,} {'box' if panel['boxes'] == 1 else 'boxes'}"
        entitle(axis, panel["target"], f"{boxes} in {count_cases(panel['images_with'], facts['unit'])}", width=width)
        if panel["status"]:
            say_undefined(axis, panel["status"], width=width)
        else:
            own = rows[panel["target"]]
            _draw_panel(axis, panel, own, facts, kind)
            if not single:
                values = _spell_scores(panel, kind, bounded=bounded)
                title = f"{kind.heading} ({percent(facts['confidence_level'])} CI)" if bounded else kind.heading
                corner, _ = _find_corner(own, panel, kind, width, bounded=bounded)
                list_values(axis, values, facts, title=title, corner=corner)
        if number % _COLUMNS == 0:
            axis.set_ylabel(kind.labels[1])
        if number + _COLUMNS >= len(panels) and not panel["status"]:
            axis.set_xlabel(kind.labels[0])
    return figure


def _draw_panel(
    axis: Axes, panel: Mapping[str, Any], rows: pd.DataFrame, facts: Mapping[str, Any], kind: _Kind
) -> None:
    kind.set_axes(axis)
    light = max(_LIGHTEST, min(_DARKEST, 0.5 / max(1, len(panel["curves"]))))
    for key, _, look in looks(facts):
        own = rows[rows["backbone"] == key]
        band: dict[str, Any] = {"color": look.colour, "alpha": light, "linewidth": 0}
        axis.fill_between(own[kind.along], own["low"], own["high"], step=kind.step, **band)
        line = {"color": look.colour, "linestyle": look.dashes, "linewidth": THIN, "drawstyle": f"steps-{kind.step}"}
        axis.plot(own[kind.along], own[kind.up], **line)


def _find_corner(
    rows: pd.DataFrame, panel: Mapping[str, Any], kind: _Kind, width: float, *, bounded: bool = True
) -> tuple[Corner, int]:
    """The corner in which a list of the scores hides the least of the curves, and how much that is."""
    if not panel["curves"]:
        return kind.corners[0], 0
    values = _spell_scores(panel, kind, bounded=bounded)
    hidden = {corner: _count_hidden(rows, kind, values, corner, width) for corner in kind.corners}
    best = min(kind.corners, key=lambda corner: hidden[corner])
    return best, hidden[best]


def _count_hidden(rows: pd.DataFrame, kind: _Kind, values: Mapping[str, str], corner: Corner, width: float) -> int:
    """How many steps of the curves would lie below a list of values in a corner, about."""
    across = (_HANDLE + max(measure_text(each) for each in values.values())) / width
    down = _LINE * (len(values) + 1.5) / width
    hidden = 0
    for key in values:
        own = rows[rows["backbone"] == key]
        along, up = own[kind.along].to_numpy(), own[kind.up].to_numpy()
        if kind.step == "post":
            along = np.log2(along / along[0]) / np.log2(along[-1] / along[0])
        beside = along > 1 - across if "right" in corner else along < across
        # A step is as high as its ends.
        low, high = np.minimum(up, np.append(up[1:], up[-1])), np.maximum(up, np.append(up[1:], up[-1]))
        level = high > 1 - down if "upper" in corner else low < down
        hidden += int((beside & level).sum())
    return hidden


def _spell_scores(panel: Mapping[str, Any], kind: _Kind, *, bounded: bool = True) -> dict[str, str]:
    """Each backbone's score, with its interval if there is room and if there is one."""
    scores = {}
    for curve in panel["curves"]:
        scores[curve["backbone"]] = format_number(curve[kind.score], _DECIMALS)
        if bounded and curve["low"] is not None:
            scores[curve["backbone"]] += f" ({format_interval(curve['low'], curve['high'], _DECIMALS)})"
    return scores


def _say_bands(facts: Mapping[str, Any], kind: _Kind, *, bounded: bool) -> str:
    runs = max((curve["runs"] for panel in facts["panels"] for curve in panel["curves"]), default=1)
    level, sampled = percent(facts["confidence_level"]), "patients" if facts["patients"] < facts["cases"] else "images"
    of_runs = f"Curves are means of {runs} runs at each {kind.place}. " if runs > 1 else ""
    drawn = f"runs and of {sampled}" if runs > 1 else sampled
    intervals = f"; the {level} intervals of the {kind.heading} are from the same" if bounded else ""
    return (
        f"{of_runs}Bands: {level} at each {kind.place} by itself, from a bootstrap of {drawn}, "
        f"{facts['resamples']:,} replicates{intervals}. {describe_cases(facts)}"
    )


def _set_recall(axis: Axes) -> None:
    draw_unit_square(axis, diagonal=False)


def _set_rates(axis: Axes) -> None:
    axis.set_xscale("log", base=2)
    axis.set_xlim(2**-3.1, 2**3.1)
    axis.xaxis.set_minor_locator(NullLocator())
    axis.set_xticks(list(_RATES), list(_RATES.values()))
    axis.set_ylim(*UNIT_LIMITS)
    axis.set_yticks(*UNIT_TICKS)


_PRECISION_RECALL = _Kind(
    along="recall",
    up="precision",
    score="ap",
    step="pre",
    labels=("Recall", "Precision"),
    place="recall",
    heading="AP",
    corners=("lower left", "upper right"),
    set_axes=_set_recall,
)
_FROC = _Kind(
    along="false_positives",
    up="sensitivity",
    score="score",
    step="post",
    labels=("False positives per image", "Sensitivity"),
    place="rate of false positives",
    heading="FROC score",
    corners=("lower right", "upper left"),
    set_axes=_set_rates,
)
