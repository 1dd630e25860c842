"""From a figure's files to its drawing, by kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from evalkit.figures.files import FigureData, read_figure_data
from reports.figure_style import figure_style, save_figure
from reports.figures.boxes import draw_boxes
from reports.figures.calibration import draw_calibration
from reports.figures.confusion import draw_confusion
from reports.figures.convergence import draw_convergence
from reports.figures.detection_curves import draw_froc, draw_precision_recall
from reports.figures.fractions import draw_fractions
from reports.figures.generator import draw_generator
from reports.figures.inversions import draw_inversions
from reports.figures.ranks import draw_ranks
from reports.figures.roc import draw_roc

#: How each kind is drawn.
KINDS: Mapping[str, Callable[[FigureData], Figure]] = {
    "roc": draw_roc,
    "fractions": draw_fractions,
    "confusion": draw_confusion,
    "calibration": draw_calibration,
    "precision_recall": draw_precision_recall,
    "froc": draw_froc,
    "boxes": draw_boxes,
    "inversions": draw_inversions,
    "convergence": draw_convergence,
    "generator": draw_generator,
    "cd": draw_ranks,
}

_ROUNDS = 4


def draw_figure(path: Path) -> list[Path]:
    """Draw a figure from its rows.

    Parameters
    ----------
    path : pathlib.Path
        The rows (csv); the facts are in the ``.json`` beside it.

    Returns
    -------
    list of pathlib.Path
        A PDF and a PNG beside it. The same rows and facts give the same bytes.

    Raises
    ------
    InputError
        A file is missing or is not what `evalkit.figures` writes.
    """
    data = read_figure_data(path)
    with figure_style():
        return save_figure(lay_out(data), path)


def lay_out(data: FigureData) -> Figure:
    """Draw a figure of any kind, with everything in its place."""
    figure = KINDS[data.facts["kind"]](data)
    engine = figure.get_layout_engine()
    assert engine is not None
    # Letters are as wide as they will be in the PNG.
    figure.set_dpi(matplotlib.rcParams["savefig.dpi"])
    # How much room a square panel's labels take depends on how much is left for it: this settles in a few rounds.
    for _ in range(_ROUNDS):
        engine.execute(figure)
    figure.set_layout_engine("none")
    for axes in figure.axes:
        # What is found differs from run to run by some billionths, which now and then would change a last digit.
        axes.set_position(tuple(round(side, 4) for side in axes.get_position(original=True).bounds))
    return figure
