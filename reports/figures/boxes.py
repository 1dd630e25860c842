"""Test images with their boxes, and beside each the boxes that every backbone's detector draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from evalkit.comparisons.cells import count_cases
from evalkit.figures.boxes import FALSE, MISSED, TRUE, TRUTH
from evalkit.figures.files import FigureData
from reports.figure_style import COLUMN, SMALLEST, WIDTH, measure_text, wrap_text
from reports.figures.labels import Place, place_labels
from reports.figures.pictures import name_row, open_axes, release_layout, show_grey
from reports.figures.sheet import Entry, describe_cases, entitle, looks, make_sheet
from reports.numbers import format_number

#: Inches: the gap between pictures, the room for the images' names, a line of a heading, the widest picture, and one to
#: which they are made smaller for the sake of a page.
_GAP, _NAME, _LINE, _WIDEST, _NARROWEST = 0.05, 0.16, 0.14, 2.2, 0.6

#: Inches: what the pictures of one figure may take from the height of a page.
_PAGE = 8.0

#: Pictures of this share of the largest possible are large enough; and a step towards what a page holds.
_NEAR, _SMALLER = 0.8, 0.98

#: Of a score.
_DECIMALS = 2


class _Look(NamedTuple):
    """How the boxes of an outcome look: told apart by their dashes alone, too, and clear on white and on black."""

    label: str
    colour: str
    dashes: Any


#: Colours that the colour-blind can tell apart (Okabe & Ito 2008).
_LOOKS: Mapping[str, _Look] = {
    TRUTH: _Look("Ground truth", "#F0E442", "-"),
    TRUE: _Look("Detection, true", "#56B4E9", "-"),
    FALSE: _Look("Detection, false", "#E69F00", (0, (4, 1.5))),
    MISSED: _Look("Ground truth, missed", "#F0E442", (0, (1, 1.2))),
}
#: Points: a box's line, and the dark line around it. Inches: the dark ground around a score.
_THICK, _EDGE, _PAD = 1.0, 0.9, 0.012


class _Grid(NamedTuple):
    """Blocks of pictures: a row for each image, a column for the ground truth and one for each of some backbones."""

    blocks: list[list[str]]
    side: float
    head: float
    heights: list[float]

    @property
    def height(self) -> float:
        """Inches of all blocks together."""
        return len(self.blocks) * (self.head + sum(self.heights) + _GAP * len(self.heights))


def draw_boxes(data: FigureData) -> Figure:
    """Draw every image without and with each backbone's boxes."""
    facts = data.facts
    width = COLUMN if len(facts["backbones"]) == 1 else WIDTH
    grid = _arrange(facts, width)
    rows_of = {(image, key): rows for (image, key), rows in data.frame.groupby(["image_id", "backbone"], sort=False)}
    outcomes = set(data.frame["outcome"])
    figure, (whole,) = make_sheet(
        1,
        columns=1,
        panel_height=grid.height,
        facts=facts,
        legend=[_entry(look) for outcome, look in _LOOKS.items() if outcome in outcomes],
        notes=_notes(facts),
        width=width,
    )
    top = release_layout(figure, whole)
    columns = {"": "Ground truth"} | {key: label for key, label, _ in looks(facts)}
    numbers = {name: str(number) for number, name in enumerate(facts["classes"], start=1)}
    for block in grid.blocks:
        top -= grid.head
        for number, (image, picture) in enumerate(zip(facts["images"], data.pictures, strict=True)):
            top -= grid.heights[number]
            for column, key in enumerate(["", *block]):
                left = _NAME + column * (grid.side + _GAP)
                axes = open_axes(figure, left, top, grid.side, grid.heights[number])
                show_grey(axes, picture, width=image["width"], height=image["height"])
                if number == 0:
                    entitle(axes, columns[key], _say_threshold(facts, key), width=grid.side)
                if (image["image_id"], key) in rows_of:
                    rows = rows_of[image["image_id"], key]
                    _draw_rows(axes, rows, numbers if len(numbers) > 1 else {}, image, grid.side)
            name_row(figure, image["image_id"], bottom=top, width=_NAME, height=grid.heights[number])
            top -= _GAP
    return figure


def _arrange(facts: Mapping[str, Any], width: float) -> _Grid:
    """The fewest blocks whose pictures are about as large as can be."""
    keys = [each["key"] for each in facts["backbones"]]
    grids = []
    for n_blocks in range(1, len(keys) + 1):
        per_block = -(-len(keys) // n_blocks)
        blocks = [keys[start : start + per_block] for start in range(0, len(keys), per_block)]
        side = min((width - _NAME - _GAP) / (1 + per_block) - _GAP, _WIDEST)
        while (grid := _size(facts, blocks, side)).height > _PAGE and side > _NARROWEST:
            side *= _SMALLER
        grids.append(grid)
    best = max(grid.side for grid in grids)
    return next(grid for grid in grids if grid.side >= _NEAR * best)


def _size(facts: Mapping[str, Any], blocks: list[list[str]], side: float) -> _Grid:
    """What headings and pictures take for pictures of this width."""
    names = max(len(wrap_text(each["label"], side, SMALLEST + 1)) for each in facts["backbones"])
    said = max(len(wrap_text(_say_threshold(facts, each["key"]), side)) for each in facts["backbones"])
    heights = [side * image["height"] / image["width"] for image in facts["images"]]
    return _Grid(blocks, side, _LINE * (names + said) + 0.08, heights)


def _draw_rows(
    axes: Axes, rows: pd.DataFrame, numbers: Mapping[str, str], image: Mapping[str, Any], side: float
) -> None:
    """Draw the boxes of a picture, true ones over false and missed ones, with scores beside them."""
    scale = side / image["width"]
    order = {MISSED: 0, FALSE: 1, TRUE: 2, TRUTH: 2}
    labelled: list[tuple[float, str, _Look, Place]] = []
    for row in sorted(rows.itertuples(index=False), key=lambda each: order[each.outcome]):
        look = _LOOKS[row.outcome]
        outline = withStroke(linewidth=_THICK + _EDGE, foreground="black")
        corner, size = (row.x, row.y), (row.width, row.height)
        box = Rectangle(corner, *size, fill=False, edgecolor=look.colour, linestyle=look.dashes, linewidth=_THICK)
        box.set_path_effects([outline])
        axes.add_patch(box)
        words = [numbers.get(row.target, ""), format_number(row.score, _DECIMALS)]
        text = " ".join(filter(None, words))
        if text and row.outcome != MISSED:
            labelled.append((row.score, text, look, Place(*(scale * value for value in (*corner, *size)))))
    page = Place(0, 0, side, scale * image["height"])
    # The surest come first, for there may not be room for all. Boxes of the ground truth have no score.
    labelled.sort(key=lambda each: -np.nan_to_num(each[0]))
    sizes = [(measure_text(text) + 2 * _PAD, SMALLEST / 72 + 2 * _PAD) for _, text, _, _ in labelled]
    for (_, text, look, _), place in zip(
        labelled, place_labels([each[3] for each in labelled], sizes, page), strict=True
    ):
        if place is not None:
            axes.text(
                (place.left + _PAD) / scale,
                (place.top + place.height - _PAD) / scale,
                text,
                color=look.colour,
                va="bottom",
                linespacing=1,
                bbox={"facecolor": "black", "alpha": 0.75, "linewidth": 0, "pad": 72 * _PAD},
            )


def _entry(look: _Look) -> Entry:
    line = Line2D([], [], color=look.colour, linestyle=look.dashes, linewidth=_THICK + 0.4)
    line.set_path_effects([withStroke(linewidth=_THICK + 0.4 + _EDGE, foreground="black")])
    return Entry(line, look.label)


def _say_threshold(facts: Mapping[str, Any], key: str) -> str:
    panel = next((each for each in facts["panels"] if each["backbone"] == key), None)
    if panel is None:
        return ""
    return "no threshold" if panel["threshold"] is None else f"score \N{GREATER-THAN OR EQUAL TO} {_spell(panel)}"


def _spell(panel: Mapping[str, Any]) -> str:
    return format_number(panel["threshold"], _DECIMALS)


def _notes(facts: Mapping[str, Any]) -> list[str]:
    images = facts["images"]
    empty = sum(not image["boxes"] for image in images)
    how = "drawn at random from the test set" if facts["drawn_at_random"] else "chosen by hand"
    chosen = f"{count_cases(len(images), 'image')} {how}, {len(images) - empty} with a box and {empty} without."
    several = max(panel["runs"] for panel in facts["panels"]) > 1
    runs = " Of several runs of a backbone the first is shown." if several else ""
    called = (
        "Detections of at least the score that gives the highest F1 on the run's validation images. True: overlaps "
        f"(IoU) a box by {facts['iou']:.12g} or more, and no detection of higher score has found that box."
    )
    names: Sequence[str] = facts["classes"]
    classes = "; ".join(f"{number} {name}" for number, name in enumerate(names, start=1))
    return [
        f"{called}{runs}",
        f"{chosen} {describe_cases(facts)}",
        *([f"Classes: {classes}."] if len(names) > 1 else []),
    ]
