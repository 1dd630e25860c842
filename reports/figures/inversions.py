"""Originals, reconstructions of each backbone, and below each what it is off by, on one scale of colours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from evalkit.comparisons.cells import count_cases
from evalkit.figures.files import FigureData
from evalkit.figures.inversions import find_residuals
from reports.figure_style import COLUMN, GREY, SMALLEST, WIDTH, wrap_text
from reports.figures.pictures import name_row, open_axes, release_layout, show_grey
from reports.figures.sheet import describe_cases, entitle, looks, make_sheet
from reports.numbers import format_number

#: Inches: gaps between pictures and between images, the room for images' names, a line of a heading, a PSNR.
_GAP, _APART, _NAME, _LINE, _PSNR = 0.04, 0.1, 0.16, 0.14, 0.16

#: Inches: the largest picture, and the smallest that a whole page is shrunk to; what pictures may take of its height.
_WIDEST, _NARROWEST, _PAGE = 1.6, 0.45, 7.6

#: Inches: the bar of colours, and what it takes with its title and numbers.
_BAR, _WITH_BAR = (2.4, 0.09), 0.5

#: Pictures of this share of the largest possible are large enough; and a step towards what a page holds.
_NEAR, _SMALLER = 0.8, 0.98

#: From blue (too dark) over white to red (too bright): the colour-blind can tell its ends apart (ColorBrewer).
_COLOURS = "RdBu_r"


class _Grid(NamedTuple):
    """Blocks of pictures: two rows for each image, a column for originals and one for each of some backbones."""

    blocks: list[list[str]]
    side: float
    head: float
    images: int

    @property
    def row(self) -> float:
        """Inches of an image's two rows."""
        return 2 * self.side + _PSNR + _APART

    @property
    def width(self) -> float:
        """Inches of a block."""
        return _NAME + (1 + len(self.blocks[0])) * (self.side + _GAP) + _GAP

    @property
    def height(self) -> float:
        """Inches of all blocks together."""
        return len(self.blocks) * (self.head + self.images * self.row)


def draw_inversions(data: FigureData) -> Figure:
    """Draw every image, its reconstructions, and the residuals below them."""
    facts = data.facts
    grid = _arrange(facts, COLUMN if len(facts["backbones"]) == 1 else WIDTH)
    images, n_images = facts["images"], len(facts["images"])
    figure, (whole,) = make_sheet(
        1,
        columns=1,
        panel_height=grid.height + _WITH_BAR,
        facts=facts,
        legend=[],
        notes=_notes(facts),
        width=COLUMN if grid.width <= COLUMN else WIDTH,
    )
    margin = (float(figure.get_size_inches()[0]) - grid.width) / 2
    start = margin + _NAME
    top = release_layout(figure, whole)
    places = {panel["backbone"]: n_images * (1 + number) for number, panel in enumerate(facts["panels"])}
    residuals = find_residuals(data.pictures, n_images)
    labels = {key: label for key, label, _ in looks(facts)}
    psnr = {(row.backbone, row.image_id): row.psnr for row in data.frame.itertuples(index=False)}
    for block in grid.blocks:
        top -= grid.head
        for number, image in enumerate(images):
            upper, lower = top - grid.side, top - 2 * grid.side - _PSNR
            original = open_axes(figure, start, upper, grid.side, grid.side)
            _show(original, data.pictures[number])
            figure.text(*_at(figure, start + grid.side, lower + grid.side / 2), "Residual", ha="right", color=GREY)
            name_row(figure, image["image_id"], bottom=lower, width=_NAME, height=top - lower, left=margin)
            if number == 0:
                entitle(original, "Original", width=grid.side)
            for column, key in enumerate(block, start=1):
                left, place = start + column * (grid.side + _GAP), places[key] + number
                axes = open_axes(figure, left, upper, grid.side, grid.side)
                _show(axes, data.pictures[place])
                if number == 0:
                    entitle(axes, labels[key], width=grid.side)
                below = _at(figure, left + grid.side / 2, upper - _PSNR / 2)
                figure.text(*below, _spell(psnr[key, image["image_id"]]), ha="center", va="center")
                _show_residual(
                    open_axes(figure, left, lower, grid.side, grid.side), residuals[place - n_images], facts["limit"]
                )
            top -= grid.row
    _draw_scale(figure, facts["limit"], top=top)
    return figure


def _arrange(facts: Mapping[str, Any], width: float) -> _Grid:
    """The fewest blocks whose pictures are about as large as can be."""
    keys, images = [each["key"] for each in facts["backbones"]], len(facts["images"])
    grids: list[_Grid] = []
    for n_blocks in range(1, len(keys) + 1):
        per_block = -(-len(keys) // n_blocks)
        blocks = [keys[start : start + per_block] for start in range(0, len(keys), per_block)]
        side = min((width - _NAME - _GAP) / (1 + per_block) - _GAP, _WIDEST)
        while (grid := _Grid(blocks, side, _head(facts, side), images)).height > _PAGE and side > _NARROWEST:
            side *= _SMALLER
        if grid.height <= _PAGE or not grids:
            grids.append(grid)
    best = max(grid.side for grid in grids)
    return next(grid for grid in grids if grid.side >= _NEAR * best)


def _head(facts: Mapping[str, Any], side: float) -> float:
    """What the columns' headings take above pictures of this width."""
    labels = ["Original", *(each["label"] for each in facts["backbones"])]
    return _LINE * max(len(wrap_text(label, side, SMALLEST + 1)) for label in labels) + 0.08


def _at(figure: Figure, across: float, up: float) -> tuple[float, float]:
    width, height = figure.get_size_inches()
    return across / width, up / height


def _show(axes: Axes, picture: Any) -> None:
    height, width = picture.shape
    show_grey(axes, picture, width=width, height=height)


def _show_residual(axes: Axes, residual: Any, limit: int) -> None:
    axes.imshow(residual, vmin=-limit, vmax=limit, cmap=_COLOURS, interpolation="nearest", aspect="auto")
    axes.set_xticks([])
    axes.set_yticks([])
    # Where nothing is off a residual is as white as the page.
    for spine in axes.spines.values():
        spine.set(visible=True, color=GREY, linewidth=0.4)


def _draw_scale(figure: Figure, limit: int, *, top: float) -> None:
    """Draw the bar of colours, with its ends open: there may be values beyond."""
    width = min(_BAR[0], 0.7 * float(figure.get_size_inches()[0]))
    left = (float(figure.get_size_inches()[0]) - width) / 2
    axes = open_axes(figure, left, top - 0.3, width, _BAR[1])
    scale = ScalarMappable(Normalize(-limit, limit), _COLOURS)
    bar = figure.colorbar(scale, cax=axes, orientation="horizontal", extend="both", extendfrac=0.04)
    bar.set_ticks([-limit, 0, limit], labels=[format_number(each, 0, signed=True) for each in (-limit, 0, limit)])
    bar.outline.set_linewidth(0.4)
    axes.set_title("Residual: reconstruction \N{MINUS SIGN} original, in grey values of 0 to 255", size=SMALLEST, pad=3)


def _spell(psnr: float) -> str:
    return f"{format_number(psnr, 1)} dB" if np.isfinite(psnr) else ""


def _notes(facts: Mapping[str, Any]) -> list[str]:
    several = max(panel["runs"] for panel in facts["panels"]) > 1
    runs = " Of several runs of a backbone the first is shown." if several else ""
    averaged = f" Pictures are averaged down to {facts['averaged']} px." if facts["averaged"] else ""
    side = facts["images"][0]["side"]
    return [
        f"Numbers: PSNR of each reconstruction. Residuals share one scale; values beyond its ends have their colour."
        f"{runs}{averaged}",
        f"{count_cases(len(facts['images']), 'image')} of {side} x {side} px, drawn at random from the test set, the "
        f"same for every backbone. {describe_cases(facts)}",
    ]
