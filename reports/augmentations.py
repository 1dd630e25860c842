"""Draw what pretraining's random changes do: ``python -m reports.augmentations --study S``.

The examples are made by ``python -m evalkit.pretraining.examples_of_views``, since making them takes torch.
"""

from __future__ import annotations

import argparse
import math
import zipfile
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from evalkit.commands import add_study_argument, run_command
from evalkit.config.loading import load_study
from evalkit.errors import InputError
from reports.figure_style import GREY, WIDTH, figure_style, save_figure

#: What a reader calls the panels; two lines at most.
_TITLES = {
    "original": "Original",
    "shift_scale_rotate": "Shift, scale,\nrotation",
    "barrel": "Barrel\ndistortion",
    "pincushion": "Pincushion\ndistortion",
    "median_blur": "Median\nblur",
    "motion_blur": "Motion\nblur",
    "sharpen": "Sharpening",
    "brighter": "Brighter",
    "darker": "Darker",
    "more_contrast": "More\ncontrast",
    "less_contrast": "Less\ncontrast",
    "multiplicative_noise": "Multiplica-\ntive noise",
    "gauss_noise": "Gaussian\nnoise",
    "cutout": "Cutout",
    "view_1": "View 1",
    "view_2": "View 2",
}

#: Panels side by side; the gap between them and the room for their titles, in sides of a panel.
_COLUMNS, _GAP, _TITLE = 8, 1 / 16, 9 / 16

#: Sides of a panel in inches, and the least pixels per inch of the PNG.
_SIDE, _DPI = WIDTH / (_COLUMNS + (_COLUMNS - 1) * _GAP), 250


def draw_augmentations(path: Path) -> list[Path]:
    """Draw examples as a contact sheet: original, each change alone at its full bound, two complete views.

    Parameters
    ----------
    path : pathlib.Path
        What `evalkit.pretraining.examples_of_views` wrote.

    Returns
    -------
    list of pathlib.Path
        A PDF and a PNG beside it.

    Raises
    ------
    InputError
        The file is missing or holds something else.
    """
    panels, names, probabilities = _read(path)
    with figure_style():
        # Whole pixels of the PNG for each of the image: it looks as it is, and the file is small.
        pixels = panels.shape[-1] * math.ceil(_DPI * _SIDE / panels.shape[-1])
        return save_figure(_draw(panels, names, probabilities), path, dpi=pixels / _SIDE)


def main() -> None:
    """Draw the examples of the study named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m reports.augmentations", description="Draw pretraining's views.")
    add_study_argument(parser)
    study = load_study(parser.parse_args().study)
    for path in draw_augmentations(study.layout.report("figure_augmentations.npz")):
        print(path)


def _draw(panels: NDArray[np.uint8], names: list[str], probabilities: NDArray[np.float64]) -> Figure:
    rows = math.ceil(len(names) / _COLUMNS)
    # Titles stand above the rows of the first image; the panels of the others follow in the same order.
    height = rows * (_TITLE + 1) + (len(panels) - 1) * (rows * (1 + _GAP) + _GAP)
    figure = Figure(figsize=(WIDTH, height * _SIDE))
    bottom = height
    for number, image in enumerate(panels):
        for row in range(rows):
            bottom -= 1 + (_TITLE if number == 0 else _GAP * (2 if row == 0 else 1))
            for column, panel in enumerate(range(row * _COLUMNS, min((row + 1) * _COLUMNS, len(names)))):
                share = _SIDE / WIDTH
                place = (column * (1 + _GAP) * share, bottom / height, share, 1 / height)
                axes = figure.add_axes(place)
                # As red, green and blue, for a colour map would round grey values.
                colours = np.repeat(image[panel, :, :, None], 3, axis=2)
                axes.imshow(colours, interpolation="none", aspect="auto")
                axes.set_axis_off()
                if number == 0:
                    _entitle(axes, names[panel], probabilities[panel])
    return figure


def _entitle(axes: Axes, name: str, probability: float) -> None:
    note = "" if math.isnan(probability) else ("off" if probability == 0 else f"p = {probability:g}")
    axes.text(0, 1.2 if note else 1.05, _TITLES[name], transform=axes.transAxes, linespacing=1)
    axes.text(0, 1.05, note, transform=axes.transAxes, color=GREY)


def _read(path: Path) -> tuple[NDArray[np.uint8], list[str], NDArray[np.float64]]:
    try:
        with np.load(path, allow_pickle=False) as stored:
            return stored["panels"], stored["names"].tolist(), stored["probabilities"]
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path} cannot be read: {error}",
            "the examples that `python -m evalkit.pretraining.examples_of_views` writes",
            "make them: python -m evalkit.pretraining.examples_of_views --study STUDY --backbone BACKBONE",
        ) from None


if __name__ == "__main__":
    run_command(main)
