"""What all figures share: fonts, colours, and files that are written whole and are the same bytes each time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from evalkit.atomic import replacing

#: Inches: the width of a page's text.
WIDTH = 7.0

#: Points: the smallest letters of a figure.
SMALLEST = 7

#: Colours that the colour-blind can tell apart (Okabe & Ito 2008), the clearest on white first; yellow is left out.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9", "#000000")

#: What is drawn for reference only.
GREY = "#808080"

_STYLE: Any = {
    "font.family": "DejaVu Sans",  # Comes with matplotlib, so a figure is the same everywhere.
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
