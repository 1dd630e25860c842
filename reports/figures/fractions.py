"""A metric against the share of labels: means with intervals, joined by lines, and each repeat's own point."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from evalkit.figures.files import FigureData
from evalkit.figures.fractions import ESTIMATE
from evalkit.metrics import METRICS
from reports.figure_style import GREY, WIDTH
from reports.figures.sheet import Entry, entitle, looks, make_sheet, percent
from reports.footnotes import INTERVALS
from reports.labels import label_target


class _Regime(NamedTuple):
    """How the lines of a way of using backbones look."""

    label: str
    dashes: Any
    filled: bool


_REGIMES = {
    "finetune": _Regime("Fine-tuned", "-", True),
    "probe": _Regime("Linear probe", (0, (3, 1.5)), False),
}
_POINT: dict[str, Any] = {"markersize": 2.2, "markeredgewidth": 0}
_MEAN: dict[str, Any] = {"markersize": 4, "linewidth": 1.0, "elinewidth": 0.9}

#: Factors on the axis of shares: between neighbouring backbones at most, and between all that stand at one share.
_STEP, _SPREAD = 1.12, 1.5

#: More backbones than this are not told apart in a journal's column.
_IN_A_COLUMN = 3


def draw_fractions(data: FigureData) -> Figure:
    """Draw a panel for each metric and target."""
    facts, panels = data.facts, data.facts["panels"]
    wide = len(panels) == 1 and len(facts["backbones"]) > _IN_A_COLUMN
    regimes = list(dict.fromkeys(data.frame["regime"]))
    legend = [
        Entry(Line2D([], [], color=look.colour, linestyle="-", marker=look.marker, markersize=4), label)
        for _, label, look in looks(facts)
    ]
    if len(regimes) > 1:
        legend += [_explain(_REGIMES[regime]) for regime in regimes]
    figure, axes = make_sheet(
        len(panels),
        columns=3 if len(panels) > 2 else 2,
        panel_height=2.9,
        facts=facts,
        legend=legend,
        notes=_notes(data),
        width=WIDTH if wide else None,
    )
    fractions = sorted(data.frame["fraction"].unique())
    for axis, panel in zip(axes, panels, strict=True):
        rows = data.frame[(data.frame["metric"] == panel["metric"]) & (data.frame["target"] == panel["target"])]
        _draw_panel(axis, panel, rows, facts, fractions)
    return figure


def _draw_panel(
    axis: Axes, panel: Mapping[str, Any], rows: pd.DataFrame, facts: Mapping[str, Any], fractions: list[float]
) -> None:
    for offset, regime, key, look in _series(rows, facts):
        own = rows[(rows["backbone"] == key) & (rows["regime"] == regime)]
        own = own.assign(at=own["fraction"] * offset)
        means, single = own[own["repeat"] == ESTIMATE].sort_values("fraction"), own[own["repeat"] != ESTIMATE]
        axis.plot(single["at"], single["value"], "o", color=look.colour, alpha=0.35, **_POINT)
        axis.errorbar(
            means["at"],
            means["value"],
            yerr=[means["value"] - means["low"], means["high"] - means["value"]],
            color=look.colour,
            marker=look.marker,
            markerfacecolor=look.colour if _REGIMES[regime].filled else "white",
            linestyle=_REGIMES[regime].dashes,
            **_MEAN,
        )
    metric = METRICS[panel["metric"]]
    axis.set_xscale("log")
    axis.set_xticks(fractions, [f"{100 * each:.12g}" for each in fractions])
    axis.minorticks_off()
    axis.set_xlim(fractions[0] / 1.45, fractions[-1] * 1.45)
    axis.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    axis.grid(axis="y", color=GREY, alpha=0.25, linewidth=0.4)
    axis.set_axisbelow(True)
    axis.set_xlabel("Share of labelled training patients (%)")
    label = metric.label[0].upper() + metric.label[1:]
    axis.set_ylabel(label if metric.higher_is_better else f"{label} (lower is better)")
    entitle(axis, label_target(panel["target"]), width=2.0)


def _explain(regime: _Regime) -> Entry:
    filling = "black" if regime.filled else "white"
    line = Line2D([], [], color="black", linestyle=regime.dashes, marker="o", markersize=4, markerfacecolor=filling)
    return Entry(line, regime.label)


def _notes(data: FigureData) -> list[str]:
    facts = data.facts
    repeated = data.frame[data.frame["repeat"] != ESTIMATE]
    methods = " or ".join(INTERVALS[method] for method in facts["intervals"])
    notes = f"Bars: {percent(facts['confidence_level'])} confidence intervals ({methods})." if methods else ""
    if len(repeated):
        notes += " Small points: single repeats; the larger ones are their means."
    return [f"{notes} Neighbours stand side by side at the same share."]


def _series(rows: pd.DataFrame, facts: Mapping[str, Any]) -> list[tuple[float, str, str, Any]]:
    """Each line's factor on the axis of shares, regime, backbone and look; neighbours stand side by side."""
    found = [
        (regime, key, look)
        for key, _, look in looks(facts)
        for regime in dict.fromkeys(rows["regime"][rows["backbone"] == key])
    ]
    step = min(_STEP, _SPREAD ** (1 / max(1, len(found) - 1)))
    offsets = step ** (np.arange(len(found)) - (len(found) - 1) / 2)
    return [(float(offset), *each) for offset, each in zip(offsets, found, strict=True)]
