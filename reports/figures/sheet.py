"""A figure's page: its title, a grid of panels, one legend for all of them, and notes below."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import matplotlib
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D

from evalkit.comparisons.cells import count_cases
from reports.figure_style import COLUMN, DRAWN, GREY, SMALLEST, WIDTH, Look, look_of, measure_text, wrap_text

#: Inches: a line of small text, one of the title, the margin, and what stands beside a name in the legend.
_LINE, _TITLE, _MARGIN, _HANDLE = 0.14, 0.17, 0.06, 0.5

_TITLE_SIZE = SMALLEST + 2

Corner = Literal["upper left", "upper right", "lower left", "lower right"]

#: Points: a line among many.
THIN = 1.0

#: An axis of shares: its limits, and its ticks with their labels.
UNIT_LIMITS = (-0.02, 1.02)
UNIT_TICKS = ((0, 0.25, 0.5, 0.75, 1), ("0", "", "0.5", "", "1"))


@dataclass(frozen=True)
class Entry:
    """A line of the legend."""

    handle: Artist
    label: str


def make_sheet(
    n_panels: int,
    *,
    columns: int,
    panel_height: float,
    facts: Mapping[str, Any],
    legend: Sequence[Entry],
    notes: Iterable[str],
    width: float | None = None,
) -> tuple[Figure, list[Axes]]:
    """Make a page whose height follows from what stands on it.

    Parameters
    ----------
    n_panels : int
    columns : int
        Panels side by side.
    panel_height : float
        Inches, with titles and labels.
    facts : mapping
        ``title`` stands above; ``drawn`` adds a notice; ``notes`` follow those given.
    legend : sequence of Entry
        It takes the place of a panel where one is free, else it stands below.
    notes : iterable of str
        Each begins in a line of its own.
    width : float, optional
        Inches; by default a journal's column for one panel and its page for more.

    Returns
    -------
    figure : Figure
    panels : list of Axes
        `n_panels` of them, by row.
    """
    columns = 1 if n_panels == 1 else columns
    width = width or (COLUMN if n_panels == 1 else WIDTH)
    rows = -(-n_panels // columns)
    inner = width - 2 * _MARGIN
    title = wrap_text(facts["title"], inner, _TITLE_SIZE)
    foot = [
        line
        for note in (*notes, *facts["notes"], *([DRAWN] if facts["drawn"] else []))
        for line in wrap_text(note, inner)
    ]
    beside = rows * columns > n_panels
    across = _columns_of(legend, inner)
    broken = [wrap_text(entry.label, (width / columns if beside else inner) - _HANDLE) for entry in legend]
    # Side by side they are of one line each.
    legend_lines = 0 if beside else -(-sum(map(len, broken)) // across)
    above = _TITLE * len(title) + (_MARGIN if title else 0)
    below = _LINE * (len(foot) + legend_lines) + _MARGIN * (2 if legend_lines else 1)
    height = above + rows * panel_height + below
    engine = ConstrainedLayoutEngine(w_pad=0.04, h_pad=0.04, rect=(0, below / height, 1, 1 - (above + below) / height))
    figure = Figure(figsize=(width, height), layout=engine)
    grid = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for axis in grid[n_panels:]:
        axis.set_axis_off()
    for line, text in enumerate(title):
        place = 1 - (_MARGIN + _TITLE * line) / height
        figure.text(_MARGIN / width, place, text, size=_TITLE_SIZE, va="top")
    for line, text in enumerate(reversed(foot)):
        figure.text(_MARGIN / width, (_MARGIN + _LINE * line) / height, text, color=GREY, va="bottom")
    if legend:
        look: dict[str, Any] = {"borderaxespad": 0, "handlelength": 2.6, "columnspacing": 1.2}
        given = [entry.handle for entry in legend], ["\n".join(lines) for lines in broken]
        if beside:
            grid[n_panels].legend(*given, loc="upper left", **look)
        else:
            figure.legend(*given, ncols=across, loc="upper center", bbox_to_anchor=(0.5, below / height), **look)
    return figure, grid[:n_panels]


def backbone_entries(facts: Mapping[str, Any], **look: Any) -> list[Entry]:
    """A legend's line for each backbone, with its look and whatever else lines are to have."""
    return [
        Entry(Line2D([], [], color=found.colour, **{"linestyle": found.dashes, **look}), label)
        for _, label, found in looks(facts)
    ]


def looks(facts: Mapping[str, Any]) -> list[tuple[str, str, Look]]:
    """Key, printed name and look of each backbone, in the study's order."""
    return [(each["key"], each["label"], look_of(each["place"])) for each in facts["backbones"]]


def entitle(axis: Axes, title: str, note: str = "", *, width: float) -> None:
    """Write a panel's title, in as many lines as its width in inches takes, and a grey note below."""
    size = float(matplotlib.rcParams["axes.titlesize"])
    lines = wrap_text(note, width) if note else []
    axis.set_title("\n".join(wrap_text(title, width, size)), loc="left", pad=4 + 9.5 * len(lines))
    if lines:
        above: dict[str, Any] = {"xytext": (0, 3), "textcoords": "offset points", "va": "bottom", "linespacing": 1.15}
        axis.annotate("\n".join(lines), (0, 1), xycoords="axes fraction", color=GREY, **above)


def draw_unit_square(axis: Axes, *, diagonal: bool = True) -> None:
    """Let both axes of a panel run from 0 to 1, and draw the diagonal."""
    if diagonal:
        axis.plot([0, 1], [0, 1], color=GREY, linewidth=0.6, linestyle=":")
    axis.set_xlim(*UNIT_LIMITS)
    axis.set_ylim(*UNIT_LIMITS)
    axis.set_xticks(*UNIT_TICKS)
    axis.set_yticks(*UNIT_TICKS)


def list_values(axis: Axes, values: Mapping[str, str], facts: Mapping[str, Any], *, title: str, corner: Corner) -> None:
    """List a value of each backbone beside its line in a corner of a panel; below stands which backbone it is."""
    found = {key: look for key, _, look in looks(facts)}
    lines = [Line2D([], [], color=found[key].colour, linestyle=found[key].dashes, linewidth=THIN) for key in values]
    axis.legend(
        lines,
        list(values.values()),
        title=title,
        loc=corner,
        alignment="right" if "right" in corner else "left",
        handlelength=1.6,
        labelspacing=0.15,
        borderpad=0.1,
        borderaxespad=0.2,
        handletextpad=0.4,
        frameon=True,
        edgecolor="none",
        framealpha=0.8,
    )


def say_undefined(axis: Axes, status: str, *, width: float) -> None:
    """Leave a panel empty and say why."""
    text = "\n".join(wrap_text(status, 0.9 * width))
    axis.text(0.5, 0.5, text, transform=axis.transAxes, ha="center", va="center", color=GREY)
    axis.set_xticks([])
    axis.set_yticks([])


def percent(level: float) -> str:
    """A share as it is printed: ``95 %``."""
    return f"{100 * level:.12g} %"


def describe_cases(facts: Mapping[str, Any]) -> str:
    """Say in a sentence or two what was tested, and on how many cases."""
    cases = count_cases(facts["cases"], facts["unit"])
    of = "" if facts["unit"] == "patient" else f" of {count_cases(facts['patients'], 'patient')}"
    external = f" {facts['external']}" if facts["external"] else ""
    return f"Test set: {cases}{of} ({facts['dataset']}). Setting: {facts['setting']}.{external}"


def _columns_of(legend: Sequence[Entry], width: float) -> int:
    if not legend:
        return 1
    widest = max(measure_text(entry.label) for entry in legend)
    most = max(1, min(len(legend), int(width / (_HANDLE + widest))))
    # As many in each line as in the others.
    return -(-len(legend) // -(-len(legend) // most))
