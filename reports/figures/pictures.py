"""Pictures at given places of a page, in inches."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from reports.figure_style import measure_text

_MORE = "\N{HORIZONTAL ELLIPSIS}"


def release_layout(figure: Figure, whole: Axes) -> float:
    """Give up a sheet's layout and its only panel; returns where the page's title ends, in inches from below."""
    engine = figure.get_layout_engine()
    assert engine is not None
    _, bottom, _, height = engine.get()["rect"]
    figure.set_layout_engine("none")
    whole.remove()
    return float((bottom + height) * figure.get_size_inches()[1])


def open_axes(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Open axes at a place."""
    page = figure.get_size_inches()
    return figure.add_axes((left / page[0], bottom / page[1], width / page[0], height / page[1]))


def show_grey(axes: Axes, picture: NDArray[np.uint8], *, width: float, height: float) -> None:
    """Show grey values as they are, in the coordinates of an image of this size, measured from above."""
    # As red, green and blue, for a colour map would round grey values.
    axes.imshow(np.repeat(picture[:, :, None], 3, axis=2), extent=(0, width, height, 0), aspect="auto")
    axes.set_axis_off()


def name_row(figure: Figure, name: str, *, bottom: float, width: float, height: float, left: float = 0) -> None:
    """Write a name beside a row, upwards; where it is too long, without its middle."""
    across, page = figure.get_size_inches()
    ends, short = len(name) // 2, name
    while measure_text(short) > height and ends > 1:
        ends -= 1
        short = f"{name[:ends]}{_MORE}{name[-ends:]}"
    figure.text(
        (left + 0.5 * width) / across, (bottom + height / 2) / page, short, rotation=90, ha="center", va="center"
    )
