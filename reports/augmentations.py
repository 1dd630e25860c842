"""Draw what pretraining's random changes do: ``python -m reports.augmentations --study S``.

The examples are made by ``python -m evalkit.pretraining.examples_of_views``, since making them takes torch.
"""

from __future__ import annotations

import argparse
import math
import string
import textwrap
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from evalkit.commands import add_study_argument, run_command
from evalkit.config.loading import load_study
from evalkit.errors import InputError
from reports.figure_style import DRAWN, GREY, WIDTH, figure_style, save_figure

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

#: Panels side by side.
_COLUMNS = 8

#: Inches: the gap between panels, the room for the images' letters, a line of text, and the least distance to it.
_GAP, _LETTERS, _LINE, _PAD = 0.05, 0.2, 0.115, 0.04

#: Side of a panel in inches, and the least pixels per inch of the PNG.
_SIDE, _DPI = (WIDTH - _LETTERS - (_COLUMNS - 1) * _GAP) / _COLUMNS, 200

#: Letters in a line below the panels.
_LETTERS_IN_A_LINE = 142

_NOTE = (
    "Views of {backbone}: the original, each change alone at its bound, which is given with the probability p of the "
    "change (in either direction), and two complete views. Bounds of shift and holes are relative to the image's side, "
    "of distortion to a corner's distance from the middle, of brightness and noise (SD) to the grey range."
)


class Examples(NamedTuple):
    """What `evalkit.pretraining.examples_of_views` wrote.

    Attributes
    ----------
    panels : array of uint8, shape (radiographs, panels, side, side)
    names, bounds : array of str, shape (panels,)
        The panels' names, and how far each change goes.
    probabilities : array of float, shape (panels,)
        NaN where no single change is shown.
    backbone : array of str, shape ()
        Whose views these are, as printed in tables.
    drawn : array of bool, shape ()
        Whether the radiographs are phantoms.
    """

    panels: NDArray[np.uint8]
    names: NDArray[np.str_]
    bounds: NDArray[np.str_]
    probabilities: NDArray[np.float64]
    backbone: NDArray[np.str_]
    drawn: NDArray[np.bool_]


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
    examples = _read(path)
    # Whole pixels of the PNG for each of the image: it looks as it is, and the file is small.
    side = examples.panels.shape[-1]
    dpi = side * math.ceil(_DPI * _SIDE / side) / _SIDE
    with figure_style():
        return save_figure(_draw(examples, dpi=dpi), path, dpi=dpi)


def main() -> None:
    """Draw the examples of the study named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m reports.augmentations", description="Draw pretraining's views.")
    add_study_argument(parser)
    study = load_study(parser.parse_args().study)
    for path in draw_augmentations(study.layout.report("figure_augmentations.npz")):
        print(path)


def _draw(examples: Examples, *, dpi: float) -> Figure:
    """Draw rows of titles, each with the rows of all radiographs below it; panels lie on whole pixels."""

    def whole(inches: float) -> float:
        return round(inches * dpi) / dpi

    rows = [
        range(start, min(start + _COLUMNS, len(examples.names))) for start in range(0, len(examples.names), _COLUMNS)
    ]
    titles = [[_title(examples, panel) for panel in row] for row in rows]
    heads = [whole(_LINE * max(len(name) + len(note) for name, note in row) + 2 * _PAD) for row in titles]
    notes = textwrap.wrap(_NOTE.format(backbone=examples.backbone), _LETTERS_IN_A_LINE)
    notes += [DRAWN] if examples.drawn else []
    gap, foot = whole(_GAP), whole(_LINE * len(notes) + 2 * _PAD)
    lefts = [whole(_LETTERS) + column * (_SIDE + gap) for column in range(_COLUMNS)]
    height = sum(heads) + len(rows) * len(examples.panels) * (_SIDE + gap) + foot
    # A little more, since a part of a pixel would be cut off.
    figure = Figure(figsize=(lefts[-1] + _SIDE + 0.01 / dpi, height + 0.01 / dpi))
    top = height
    for row, texts, head in zip(rows, titles, heads, strict=True):
        top -= head
        for (name, note), left in zip(texts, lefts, strict=False):
            _entitle(figure, name, note, left=left, bottom=top + _PAD)
        for letter, image in zip(string.ascii_lowercase, examples.panels, strict=False):
            top -= _SIDE
            _write(figure, f"({letter})", 0, top + _SIDE / 2, va="center")
            for panel, left in zip(row, lefts, strict=False):
                _show(figure, image[panel], left=left, bottom=top)
            top -= gap
    for line, text in enumerate(notes):
        _write(figure, text, 0, top - _PAD - line * _LINE, color=GREY, va="top")
    return figure


def _show(figure: Figure, image: NDArray[np.uint8], *, left: float, bottom: float) -> None:
    width, height = figure.get_size_inches()
    axes = figure.add_axes((left / width, bottom / height, _SIDE / width, _SIDE / height))
    # As red, green and blue, for a colour map would round grey values.
    axes.imshow(np.repeat(image[:, :, None], 3, axis=2), interpolation="none", aspect="auto")
    axes.set_axis_off()


def _write(figure: Figure, text: str, left: float, bottom: float, **look: Any) -> None:
    width, height = figure.get_size_inches()
    figure.text(left / width, bottom / height, text, **look)


def _title(examples: Examples, panel: int) -> tuple[list[str], list[str]]:
    """Lines of a panel's name, and of the bound and the probability below it."""
    name, probability = _TITLES[str(examples.names[panel])].split("\n"), examples.probabilities[panel]
    if math.isnan(probability):
        return name, []
    if probability == 0:
        return name, ["off"]
    return name, [*str(examples.bounds[panel]).split("\n"), f"p = {probability:g}"]


def _entitle(figure: Figure, name: list[str], note: list[str], *, left: float, bottom: float) -> None:
    for line, text in enumerate(reversed([*name, *note])):
        colour = GREY if line < len(note) else "black"
        _write(figure, text, left, bottom + line * _LINE, color=colour, va="baseline")


def _read(path: Path) -> Examples:
    try:
        with np.load(path, allow_pickle=False) as stored:
            return Examples(*(stored[name] for name in Examples._fields))
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path} cannot be read: {error}",
            "the examples that `python -m evalkit.pretraining.examples_of_views` writes",
            "make them: python -m evalkit.pretraining.examples_of_views --study STUDY --backbone BACKBONE",
        ) from None


if __name__ == "__main__":
    run_command(main)
