"""A generator's training: its samples on the way above training images, and below what was noted of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evalkit.comparisons.cells import count_cases
from evalkit.figures.files import FigureData
from reports.figure_style import COLOURS, GREY, WIDTH, wrap_text
from reports.figures.pictures import open_axes, release_layout, show_grey
from reports.figures.sheet import THIN, make_sheet, say_undefined

#: Inches: the room for a row's name, gaps between pictures, and above the training images.
_NAME, _GAP, _APART = 1.0, 0.04, 0.1

#: Inches: the largest picture, and what pictures may take from the height of a page.
_WIDEST, _PAGE = 1.1, 5.3

#: Inches: a panel, its left end on the page for each of the two, and what stands above and below it.
_PANEL, _LEFTS, _ABOVE, _BELOW = (2.85, 1.4), (0.5, 4.05), 0.42, 0.44

#: A line of a row's name, in inches.
_LINE = 0.12

#: The mean sign of the discriminator's verdicts, as printed.
_R_T = "r\N{LATIN SUBSCRIPT SMALL LETTER T}"


class _Grid(NamedTuple):
    """Rows of square pictures, the last apart from the others."""

    rows: int
    side: float

    @property
    def height(self) -> float:
        """Inches of all rows."""
        return self.rows * (self.side + _GAP) + _APART


def draw_generator(data: FigureData) -> Figure:
    """Draw the samples of each snapshot and training images, and how distance and verdicts went."""
    facts, columns = data.facts, data.facts["columns"]
    rows = len(facts["snapshots"]) + 1
    side = min((WIDTH - _NAME - _GAP) / columns - _GAP, (_PAGE - _APART) / rows - _GAP, _WIDEST)
    grid = _Grid(rows, side)
    figure, (whole,) = make_sheet(
        1,
        columns=1,
        panel_height=grid.height + _ABOVE + _PANEL[1] + _BELOW,
        facts=facts,
        legend=[],
        notes=_notes(facts),
        width=WIDTH,
    )
    top = release_layout(figure, whole) - _GAP
    left = (WIDTH + _NAME + _GAP - columns * (side + _GAP)) / 2
    names = [(f"Step {each['step']:,}", f"{each['images']:,} images") for each in facts["snapshots"]]
    for row, (name, note) in enumerate([*names, ("Training images", "")]):
        top -= grid.side + (_APART if row == len(names) else 0)
        _name(figure, name, note, right=left - 0.08, middle=top + grid.side / 2)
        for column, picture in enumerate(data.pictures[row * columns : (row + 1) * columns]):
            axes = open_axes(figure, left + column * (grid.side + _GAP), top, grid.side, grid.side)
            show_grey(axes, picture, width=picture.shape[1], height=picture.shape[0])
        top -= _GAP
    bottom = top - _ABOVE - _PANEL[1]
    distance, verdicts = (open_axes(figure, left, bottom, *_PANEL) for left in _LEFTS)
    _draw_distance(distance, data.frame, facts)
    _draw_verdicts(verdicts, data.frame, facts)
    return figure


def _draw_distance(axes: Axes, frame: pd.DataFrame, facts: Mapping[str, Any]) -> None:
    _open_panel(axes, frame)
    axes.set_ylabel("Frechet distance")
    if frame["frechet"].isna().all():
        say_undefined(axes, "undefined: one training image", width=_PANEL[0])
        return
    axes.plot(frame["images"] / 1000, frame["frechet"], color="black", marker="o", markersize=3, label="Samples")
    if facts["reference"] is not None:
        look: dict[str, Any] = {"color": GREY, "linestyle": ":", "linewidth": THIN}
        axes.axhline(facts["reference"], **look, label="Training images of other patients")
    axes.set_ylim(bottom=0)
    _list_lines(axes)


def _draw_verdicts(axes: Axes, frame: pd.DataFrame, facts: Mapping[str, Any]) -> None:
    _open_panel(axes, frame)
    images = frame["images"] / 1000
    axes.plot(images, frame["r_t"], color=COLOURS[0], marker="o", markersize=3, label=_R_T)
    axes.set_ylabel(_R_T)
    if facts["target"] is not None:
        look: dict[str, Any] = {"linestyle": (0, (4, 1.5)), "marker": "s", "markersize": 3}
        axes.plot(images, frame["probability"], color=COLOURS[1], **look, label="Augmentation probability")
        axes.axhline(facts["target"], color=GREY, linestyle=":", linewidth=THIN, label="Target")
        axes.set_ylabel(f"{_R_T}, probability")
    axes.set_ylim(min(-0.02, float(frame["r_t"].min()) - 0.02), 1.02)
    _list_lines(axes)


def _open_panel(axes: Axes, frame: pd.DataFrame) -> None:
    axes.set_xlabel("Training images shown (thousands)")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    axes.set_xlim(0, 1.03 * float(frame["images"].max()) / 1000)


def _list_lines(axes: Axes) -> None:
    """Say above a panel what its lines are, where they cannot be in the way."""
    look: dict[str, Any] = {"handlelength": 2.2, "columnspacing": 1.0, "handletextpad": 0.5, "borderpad": 0.1}
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderaxespad=0.3, **look)


def _name(figure: Figure, name: str, note: str, *, right: float, middle: float) -> None:
    """Write a row's name at the left of its pictures, and a grey note below."""
    lines = [(line, "black") for line in wrap_text(name, _NAME - 0.12)]
    lines += [(line, GREY) for line in wrap_text(note, _NAME - 0.12)]
    across, page = figure.get_size_inches()
    for number, (line, colour) in enumerate(lines):
        up = middle + ((len(lines) - 1) / 2 - number) * _LINE
        figure.text(right / across, up / page, line, color=colour, ha="right", va="center")


def _notes(facts: Mapping[str, Any]) -> list[str]:
    training = facts["training"]
    learnt = f"{count_cases(training['images'], 'image')} of {count_cases(training['patients'], 'patient')}"
    averaged = f" Pictures are averaged down to {facts['averaged']} px." if facts["averaged"] else ""
    grey = " Samples are in colour and shown in grey." if facts["colour"] else ""
    reference = "" if facts["reference"] is None else " (dotted: as many other training images in place of samples)"
    verdicts = (
        f"{_R_T}: mean sign of the discriminator's verdicts on training images since the point before; at 0 it cannot "
        "tell them from generated ones, at 1 it is always sure."
    )
    if facts["target"] is not None:
        verdicts += f" The probability of augmentation rises while {_R_T} is above its target, and else falls."
    distance = (
        f"Frechet distance: between {facts['compared']:,} training images and as many samples{reference}, of the mean "
        "and deviation of grey values in 16 x 16 cells. It is no FID; compare it within one training set only."
    )
    return [
        f"Samples: of the averaged generator, from the same z in every row, after so many training images were shown. "
        f"Last row: drawn at random.{grey}{averaged}",
        *([distance] if facts["compared"] > 1 else []),
        verdicts,
        f"Trained for {facts['steps']:,} steps of {count_cases(facts['batch_size'], 'image')} of {facts['side']} x "
        f"{facts['side']} px, out of {learnt} ({facts['dataset']}).",
    ]
