"""Ranks over several tables: a critical-difference diagram, or with few tables each one's ranks with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evalkit.comparisons.cells import ALL, MEAN, count_cases
from evalkit.figures.files import FigureData
from evalkit.metrics import METRICS
from reports.figure_style import GREY, WIDTH, wrap_text
from reports.figures.sheet import entitle, looks, make_sheet, percent
from reports.labels import label_target
from reports.numbers import format_pvalue

#: Inches: room for a name beside the diagram, and for a line of it.
_NAME, _LINE = 1.9, 0.17


def draw_ranks(data: FigureData) -> Figure:
    """Draw the diagram, or where there are too few tables for it, ranks with intervals."""
    return _draw_intervals(data) if data.facts["friedman"] is None else _draw_diagram(data.facts)


def _draw_intervals(data: FigureData) -> Figure:
    """Draw each table's ranks beside each other."""
    facts, blocks = data.facts, data.facts["blocks"]
    names = ["\n".join(wrap_text(label, _NAME)) for _, label, _ in looks(facts)]
    lines = sum(name.count("\n") + 1 for name in names)
    figure, axes = make_sheet(
        len(blocks),
        columns=len(blocks),
        panel_height=1.3 + _LINE * lines,
        facts=facts,
        legend=[],
        notes=_notes_of_intervals(facts),
        width=WIDTH,
    )
    inside = (WIDTH - _NAME) / len(blocks) - 0.2
    for number, (axis, block) in enumerate(zip(axes, blocks, strict=True)):
        rows = data.frame[data.frame["table"] == block["table"]].set_index("backbone")
        for place, (key, _, look) in enumerate(looks(facts)):
            own = rows.loc[key]
            axis.hlines(place, own["low"], own["high"], color=look.colour, linewidth=1.2)
            axis.plot(own["rank"], place, color=look.colour, marker=look.marker, markersize=5)
        count = len(names)
        axis.set_yticks(range(count), names if number == 0 else [])
        axis.tick_params(axis="y", length=0)
        axis.set_ylim(count - 0.5, -0.5)
        axis.set_xlim(0.7, count + 0.3)
        axis.set_xticks(range(1, count + 1))
        axis.grid(axis="x", color=GREY, alpha=0.25, linewidth=0.4)
        axis.set_xlabel("Rank (1 is best)")
        entitle(axis, block["table"], _describe(block), width=inside)
    return figure


def _draw_diagram(facts: Mapping[str, Any]) -> Figure:
    """Draw a critical-difference diagram, the best to the left."""
    ranks = facts["friedman"]["average_ranks"]
    labels = {key: label for key, label, _ in looks(facts)}
    ordered = sorted(ranks, key=lambda key: ranks[key])
    half = -(-len(ordered) // 2)
    bars = [(ranks[group[0]], ranks[group[-1]]) for group in facts["friedman"]["alike"]]
    levels = _stack(bars)
    top, deep = 0.75, _LINE * (1 + max(levels, default=-1) + 1)
    height = top + deep + 2 * _LINE * half
    figure, (axis,) = make_sheet(
        1, columns=1, panel_height=height + 0.1, facts=facts, legend=[], notes=_notes_of_diagram(facts), width=WIDTH
    )
    axis.set_axis_off()
    # In inches across and down, from the axis of ranks.
    axis.set_xlim(0, WIDTH)
    axis.set_ylim(height - top, -top)
    left, right = _NAME + 0.3, WIDTH - _NAME - 0.3

    def across(rank: float) -> float:
        return left + (rank - 1) / (len(ordered) - 1) * (right - left)

    _draw_scale(axis, across, len(ordered), facts["friedman"]["critical_difference"])
    for (first, last), level in zip(bars, levels, strict=True):
        down = _LINE * (level + 0.7)
        axis.plot([across(first) - 0.04, across(last) + 0.04], [down, down], color="black", linewidth=2.5)
    for place, key in enumerate(ordered):
        on_left = place < half
        down = deep + 2 * _LINE * (place if on_left else len(ordered) - 1 - place) + _LINE
        end = left - 0.15 if on_left else right + 0.15
        axis.plot([across(ranks[key])] * 2 + [end], [0, down, down], color="black", linewidth=0.7)
        name = "\n".join(wrap_text(f"{labels[key]} ({ranks[key]:.2f})", _NAME + 0.1))
        axis.text(end + (-0.05 if on_left else 0.05), down, name, ha="right" if on_left else "left", va="center")
    return figure


def _draw_scale(axis: Axes, across: Any, count: int, critical_difference: float) -> None:
    """Draw the axis of ranks and, above it, the critical difference."""
    axis.plot([across(1), across(count)], [0, 0], color="black", linewidth=0.8)
    for rank in range(1, count + 1):
        axis.plot([across(rank)] * 2, [0, -0.07], color="black", linewidth=0.8)
        axis.text(across(rank), -0.1, str(rank), ha="center", va="bottom")
    axis.text(across(count) + 0.15, -0.1, "Mean rank\n(1 is best)", va="center")
    # A difference wider than the scale is drawn as wide as the scale and says so.
    wide = min(critical_difference, count - 1.0)
    axis.plot([across(1), across(1 + wide)], [-0.42, -0.42], color="black", linewidth=1.5)
    for end in (1, 1 + wide):
        axis.plot([across(end)] * 2, [-0.46, -0.38], color="black", linewidth=1)
    beyond = " (beyond the scale)" if critical_difference > wide else ""
    text = f"Critical difference {critical_difference:.2f}{beyond}"
    axis.text(across(1), -0.5, text, va="bottom")


def _stack(bars: Sequence[tuple[float, float]]) -> list[int]:
    """The level of each bar, so that bars which overlap do not lie over each other."""
    ends: list[float] = []
    levels = []
    for first, last in bars:
        level = next((each for each, end in enumerate(ends) if end < first), len(ends))
        ends[level : level + 1] = [last]
        levels.append(level)
    return levels


def _describe(block: Mapping[str, Any]) -> str:
    label, target = METRICS[block["metric"]].label, block["target"]
    of = label_target(target).lower() if target in (ALL, MEAN) else target
    return f"{label[0].upper()}{label[1:]}, {of}; {block['dataset']}, {block['setting']}"


def _notes_of_intervals(facts: Mapping[str, Any]) -> list[str]:
    count = len(facts["blocks"])
    return [
        f"Ranks of the tables' estimates, with {percent(facts['confidence_level'])} intervals: ranks within each "
        f"resample of a table's test patients. {count_cases(count, 'block')} {'is' if count == 1 else 'are'} too few "
        f"for a critical difference (Friedman, Nemenyi), which takes {facts['fewest_blocks']} or more."
    ]


def _notes_of_diagram(facts: Mapping[str, Any]) -> list[str]:
    result, blocks = facts["friedman"], facts["blocks"]
    places = "; ".join(f"{block['table']} ({_describe(block)})" for block in blocks)
    rejects = result["p_value"] < result["alpha"]
    meaning = (
        "Bars join backbones whose mean ranks do not differ by more than the critical difference."
        if rejects
        else "Friedman's test does not reject that all are alike, so no difference is claimed."
    )
    return [
        f"Mean ranks over {len(blocks)} blocks. Friedman's test: \N{GREEK SMALL LETTER CHI}\N{SUPERSCRIPT TWO} = "
        f"{result['statistic']:.2f}, {result['df']} df, {format_pvalue(result['p_value'])}; critical difference by "
        f"Nemenyi at {result['alpha']:g}. {meaning}",
        f"Blocks: {places}.",
    ]
