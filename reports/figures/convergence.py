"""How the search for latents goes: medians over images with the band of their middle half, on a logarithmic axis."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from evalkit.figures.files import FigureData
from reports.figure_style import COLUMN
from reports.figures.sheet import THIN, backbone_entries, describe_cases, looks, make_sheet

#: Inches.
_HEIGHT = 2.7

#: Bands of many curves lie over each other; the more, the lighter each.
_DARKEST, _LIGHTEST = 0.18, 0.06

_AXES = {
    "pixel": "Mean squared difference of grey values",
    "objective": "Objective (weighted sum of all terms)",
}


def draw_convergence(data: FigureData) -> Figure:
    """Draw a curve with its band for each backbone."""
    facts = data.facts
    shown = {panel["backbone"] for panel in facts["panels"]}
    facts = {**facts, "backbones": [each for each in facts["backbones"] if each["key"] in shown]}
    figure, (axes,) = make_sheet(
        1,
        columns=1,
        panel_height=_HEIGHT,
        facts=facts,
        legend=backbone_entries(facts, linewidth=THIN),
        notes=_notes(facts),
        width=COLUMN,
    )
    faint = max(_LIGHTEST, min(_DARKEST, 0.5 / len(shown)))
    for key, _, look in looks(facts):
        rows = data.frame[data.frame["backbone"] == key]
        axes.fill_between(rows["step"], rows["low"], rows["high"], color=look.colour, alpha=faint, linewidth=0)
        axes.plot(rows["step"], rows["median"], color=look.colour, linestyle=look.dashes, linewidth=THIN)
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xlim(0, float(data.frame["step"].max()))
    axes.set_xlabel("Step")
    axes.set_ylabel(_AXES[facts["term"]])
    return figure


def _notes(facts: Mapping[str, Any]) -> list[str]:
    scale = " Grey values from -1 to 1." if facts["term"] == "pixel" else ""
    several = max(panel["runs"] for panel in facts["panels"]) > 1
    runs = " Of several runs of a backbone the first is shown." if several else ""
    return [
        f"Line: median over test images; band: half of them lie within it (quartiles).{scale} While the search is "
        f"wide, noise on the latent is in these numbers.{runs}",
        describe_cases(facts),
    ]
