"""What all figures share: fonts, colours, and files that are written whole and are the same bytes each time."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from evalkit.atomic import replacing

#: Inches: the width of a page's text, and of one of its two columns.
WIDTH, COLUMN = 7.0, 3.5

#: Points: the smallest letters of a figure.
SMALLEST = 7

#: Colours that the colour-blind can tell apart (Okabe & Ito 2008), the clearest on white first; yellow is left out.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9", "#000000")

#: What is drawn for reference only.
GREY = "#808080"

#: What stands below every figure of drawn radiographs.
DRAWN = "Demonstration on drawn radiographs (phantoms); no medical meaning."

_DASHES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)))
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")

#: Comes with matplotlib, so a figure is the same everywhere.
_FONT = "DejaVu Sans"

_STYLE: Any = {
    "font.family": _FONT,
    "text.parse_math": False,  # A dollar sign in a name is a dollar sign.
    "font.size": SMALLEST,
    "axes.labelsize": SMALLEST,
    "axes.titlesize": SMALLEST + 1,
    "xtick.labelsize": SMALLEST,
    "ytick.labelsize": SMALLEST,
    "legend.fontsize": SMALLEST,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "lines.linewidth": 1.2,
    "legend.frameon": False,
    "figure.dpi": 100,
    "savefig.dpi": 300,
    "pdf.fonttype": 42,  # Letters stay letters, as journals ask.
}


@contextlib.contextmanager
def figure_style() -> Iterator[None]:
    """Draw and save in this project's style inside the block; matplotlib's settings are then as they were before."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield


class Look(NamedTuple):
    """How one of several things is told from the others, also without colour."""

    colour: str
    dashes: Any
    marker: str


def look_of(place: int) -> Look:
    """The look of the backbone at a place of the study, the same in every figure; 28 can be told apart."""
    return Look(COLOURS[place % len(COLOURS)], _DASHES[place % len(_DASHES)], _MARKERS[place % len(_MARKERS)])


@functools.cache
def measure_text(text: str, size: float = SMALLEST) -> float:
    """The width of a line of text in inches, in points `size`."""
    width, _, _ = text_to_path.get_text_width_height_descent(text, FontProperties(family=_FONT, size=size), False)
    return float(width) / 72


def wrap_text(text: str, width: float, size: float = SMALLEST) -> list[str]:
    """Break a text into lines of at most `width` inches, between words and, where a word is too long, within it."""
    lines = [""]
    # A per cent sign stays with its number.
    for word in text.replace(" %", "\N{NO-BREAK SPACE}%").split(" "):
        if measure_text(f"{lines[-1]} {word}".strip(), size) <= width:
            lines[-1] = f"{lines[-1]} {word}".strip()
            continue
        rest = word
        while measure_text(rest, size) > width and len(rest) > 1:
            fits = next((n for n in range(len(rest) - 1, 1, -1) if measure_text(rest[:n], size) <= width), 1)
            lines.append(rest[:fits])
            rest = rest[fits:]
        lines.append(rest)
    return [line for line in lines if line]


def save_figure(figure: Figure, path: Path, *, dpi: float | None = None) -> list[Path]:
    """Save a figure as PDF and PNG, each whole or not at all, without dates: the same figure gives the same bytes.

    Parameters
    ----------
    figure : Figure
    path : pathlib.Path
        Its ending is replaced.
    dpi : float, optional
        Pixels per inch of the PNG; 300 by default.

    Returns
    -------
    list of pathlib.Path
        The files written.
    """
    written = []
    for ending, metadata in ((".pdf", {"CreationDate": None}), (".png", {"Software": None})):
        target = path.with_suffix(ending)
        with replacing(target) as temporary:
            figure.savefig(temporary, metadata=metadata, dpi=dpi or matplotlib.rcParams["savefig.dpi"])
        written.append(target)
    return written
