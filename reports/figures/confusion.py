"""Confusion matrices: a panel for each backbone, true classes down, called ones across."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from evalkit.figures.files import FigureData
from reports.figure_style import COLUMN, GREY, WIDTH, measure_text, wrap_text
from reports.figures.sheet import describe_cases, entitle, looks, make_sheet

#: Inches: the least and the largest side of a cell, the room for classes' names, and the gap between panels.
_CELL, _LARGEST, _NAME, _GAP = 0.3, 0.6, 1.0, 0.13

#: Inches: what the matrices of one figure may take from the height of a page.
_PAGE = 8.0

#: White to dark blue: darker is more, in grey as well. The darkest are left out for the sake of the gaps between.
_COLOURS = ListedColormap(colormaps["Blues"](np.linspace(0, 0.85, 256)))

#: From this share on, letters are white.
_DARK = 0.6


def draw_confusion(data: FigureData) -> Figure:
    """Draw every backbone's matrix."""
    facts, classes = data.facts, data.facts["classes"]
    runs = {each["backbone"]: each["runs"] for each in facts["panels"]}
    shown = [(key, label) for key, label, _ in looks(facts) if key in runs]
    names = [each["target"] for each in classes]
    width, columns, cell = _arrange(len(shown), len(classes))
    rows = -(-len(shown) // columns)
    across, below = _name_columns(names, cell, upright=rows == 1)
    figure, axes = make_sheet(
        len(shown),
        columns=columns,
        panel_height=cell * len(classes) + 0.65 + below,
        facts=facts,
        legend=[],
        notes=_notes(facts, runs),
        width=width,
    )
    for number, (axis, (key, label)) in enumerate(zip(axes, shown, strict=True)):
        own = data.frame[data.frame["backbone"] == key]
        share, count = (own[name].to_numpy().reshape(len(names), len(names)) for name in ("share", "count"))
        _draw_matrix(axis, share, count, several=runs[key] > 1)
        entitle(axis, label, width=cell * len(names))
        axis.set_xticks(range(len(names)), across, rotation=90 if below else 0)
        axis.set_yticks(range(len(names)), [])
        if number % columns == 0:
            numbers = across if across[0] == "1" else [""] * len(names)
            axis.set_yticks(range(len(names)), [_name_row(*each) for each in zip(classes, numbers, strict=True)])
            axis.set_ylabel("True class (cases)")
        if number + columns >= len(shown):
            axis.set_xlabel("Called class")
    return figure


def _arrange(n_panels: int, n_classes: int) -> tuple[float, int, float]:
    """Width of the figure, panels side by side, and the side of a cell."""
    least = _CELL * n_classes + _GAP
    width = COLUMN if n_panels == 1 and _NAME + least <= COLUMN else WIDTH
    columns = max(1, min(n_panels, 4, int((width - _NAME) / least)))
    across = (width - _NAME - columns * _GAP) / columns / n_classes
    down = _PAGE / -(-n_panels // columns) / n_classes
    return width, columns, max(_CELL, min(across, down, _LARGEST))


def _name_columns(names: list[str], cell: float, *, upright: bool) -> tuple[list[str], float]:
    """What stands below the columns, and the height in inches that it takes beyond a line.

    The names where they fit; else upright, below a single row of panels; else numbers, which the rows' names explain.
    """
    if all(measure_text(name) <= cell for name in names):
        return names, 0
    if not upright:
        return [str(number) for number in range(1, len(names) + 1)], 0
    broken = [wrap_text(name, _NAME) for name in names]
    return ["\n".join(lines) for lines in broken], max(measure_text(line) for lines in broken for line in lines)


def _draw_matrix(axis: Axes, share: NDArray[np.float64], count: NDArray[np.float64], *, several: bool) -> None:
    axis.imshow(share, cmap=_COLOURS, vmin=0, vmax=1)
    axis.tick_params(length=0)
    for place, value in np.ndenumerate(share):
        down, across = place
        if np.isnan(value):
            axis.add_patch(Rectangle((across - 0.5, down - 0.5), 1, 1, fill=False, hatch="////", edgecolor="#D0D0D0"))
            continue
        text = f"{100 * value:.0f}\n{_spell_count(float(count[down, across]), mean=several)}"
        axis.text(across, down, text, ha="center", va="center", color="white" if value >= _DARK else "black")
    for spine in axis.spines.values():
        spine.set_visible(True)
        spine.set_color(GREY)


def _spell_count(count: float, *, mean: bool) -> str:
    """A count, or a mean over runs, with a decimal as long as there is room for it."""
    return f"{count:.1f}" if mean and count < 100 else f"{count:,.0f}"


def _name_row(each: Mapping[str, Any], number: str) -> str:
    return "\n".join(wrap_text(f"{number} {each['target']} ({each['cases']:,})", _NAME))


def _notes(facts: Mapping[str, Any], runs: Mapping[str, int]) -> list[str]:
    several = max(runs.values(), default=1)
    means = f", means of {several} runs" if several > 1 else ""
    absent = [each["target"] for each in facts["classes"] if not each["cases"]]
    hatched = f" Hatched: no case of {', '.join(absent)} in the test set." if absent else ""
    return [
        f"In each cell: per cent of the true class, and cases{means}. The called class is the one of the highest "
        f"probability.{hatched} {describe_cases(facts)}"
    ]
