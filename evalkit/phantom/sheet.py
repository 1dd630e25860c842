"""A contact sheet of phantoms: one column per finding, from subtle to obvious, for the documentation."""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Rectangle

from evalkit.atomic import replacing
from evalkit.phantom.disease import LABELS
from evalkit.phantom.patients import Projection, Study, draw_patient
from evalkit.phantom.projection import View
from evalkit.phantom.radiograph import Radiograph, render

_ROWS: tuple[tuple[str, float, View, Projection], ...] = (
    ("subtle, PA", 0.25, "frontal", "PA"),
    ("moderate, AP", 0.6, "frontal", "AP"),
    ("obvious, PA", 0.95, "frontal", "PA"),
    ("obvious, lateral", 0.95, "lateral", "PA"),
)


def draw_sheet(path: Path, *, size: int = 256, seed: int = 0, boxes: bool = False) -> None:
    """Draw a contact sheet.

    Parameters
    ----------
    path : pathlib.Path
        Where to write it; the ending chooses the format (png, pdf, jpg).
    size : int
        Pixels per side of each radiograph.
    seed : int
        World from which the patients come.
    boxes : bool
        Outline the findings.
    """
    columns = ("normal", *LABELS)
    inch = 1.6
    engine = ConstrainedLayoutEngine(w_pad=0.01, h_pad=0.01, wspace=0, hspace=0)
    figure = Figure(figsize=(inch * len(columns), inch * len(_ROWS) + 0.25), facecolor="black", layout=engine)
    axes = figure.subplots(len(_ROWS), len(columns))
    for row, (name, strength, view, projection) in enumerate(_ROWS):
        for column, label in enumerate(columns):
            axis = axes[row, column]
            # The lateral row shows the patients of the row above it.
            number = 1 + len(_ROWS) * column + (row - 1 if view == "lateral" else row)
            strengths = {} if label == "normal" else {label: strength}
            patient = draw_patient(number, seed=seed)
            _show(axis, render(patient, Study(1, projection, strengths), view=view, size=size), boxes)
            if row == 0:
                axis.set_title(label, color="white", fontsize=8, pad=3)
            if column == 0:
                axis.set_ylabel(name, color="white", fontsize=8)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=size / inch)


def _show(axis: Axes, radiograph: Radiograph, boxes: bool) -> None:
    axis.imshow(radiograph.image, cmap="gray", vmin=0, vmax=255, interpolation="antialiased")
    axis.set_xticks([])
    axis.set_yticks([])
    for found in radiograph.findings if boxes else ():
        x, y, width, height = found.box
        axis.add_patch(Rectangle((x - 0.5, y - 0.5), width, height, fill=False, edgecolor="tab:orange", linewidth=0.8))
