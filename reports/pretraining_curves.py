"""Draw how contrastive pretraining went: ``python -m reports.pretraining_curves --study S``."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from evalkit.commands import add_study_argument, run_command
from evalkit.config.loading import Study, load_study
from evalkit.config.pretraining import Contrastive
from evalkit.errors import InputError
from evalkit.records import read_record
from reports.figure_style import COLOURS, GREY, WIDTH, figure_style, save_figure


@dataclass(frozen=True)
class Curve:
    """One backbone's pretraining.

    Attributes
    ----------
    label : str
        The backbone's, as printed in tables.
    history : list of dict
        As `evalkit.pretraining.loop.Course` has it.
    """

    label: str
    history: list[dict[str, float]]


@dataclass(frozen=True)
class _Panel:
    """One quantity: its key in the history, its title, and what to know when reading it."""

    key: str
    title: str
    note: str


_LOSSES = (
    _Panel("contrastive", "Contrastive loss", "Comparable within one method"),
    _Panel("ifa", "IFA loss", "Weighted sum over its blocks"),
)
_SIGNS = (
    _Panel("feature_std", "Standard deviation of features", "0: collapsed; 1: spread over the sphere"),
    _Panel("alignment", "Alignment", "0: both views alike; 2: unrelated"),
    _Panel("uniformity", "Uniformity", "0: collapsed; about \N{MINUS SIGN}4: spread"),
)


def draw_curves(study: Study) -> list[Path]:
    """Draw losses and signs of collapse of every backbone of a study that is made by contrastive pretraining.

    Returns
    -------
    list of pathlib.Path
        ``figure_pretraining.pdf`` and ``.png`` in the study's reports.

    Raises
    ------
    InputError
        The study has no such backbone, or one has not been made.
    """
    curves = read_curves(study)
    with figure_style():
        return save_figure(draw(curves), study.layout.report("figure_pretraining.pdf"))


def read_curves(study: Study) -> list[Curve]:
    """Read the records of a study's contrastive pretrainings, those included that others start from.

    Raises
    ------
    InputError
        As `draw_curves`.
    """
    curves = []
    for name, entry in (study.backbones | study.origins).items():
        if not isinstance(entry.pretrain, Contrastive):
            continue
        folder = study.layout.pretraining(name)
        history: Any = read_record(folder).get("history")
        if not history:
            raise InputError(
                f"{folder} holds no record of a contrastive pretraining",
                "run.json with a history",
                f"make it: python -m evalkit.pretraining --study {study.source} --backbone {name}",
            )
        curves.append(Curve(entry.label, history))
    if not curves:
        raise InputError(
            f"{study.source} has no backbone that is made by contrastive pretraining",
            "a backbone whose 'pretrain' has the method moco or simclr",
            "name one in the study's backbones",
        )
    return curves


def draw(curves: list[Curve]) -> Figure:
    """Draw one panel for each quantity against steps, one line for each backbone."""
    engine = ConstrainedLayoutEngine(w_pad=0.05, h_pad=0.05)
    figure = Figure(figsize=(WIDTH, 4.0), layout=engine)
    axes = figure.subplots(2, 3)
    # IFA adds nothing where a backbone has none, and then its line would say nothing.
    with_ifa = any(_has(curve, "ifa") for curve in curves)
    losses = _LOSSES if with_ifa else _LOSSES[:1]
    for panel, axis in [*zip(losses, axes[0], strict=False), *zip(_SIGNS, axes[1], strict=True)]:
        _draw_panel(axis, panel, curves)
        axis.set_xlabel("Step")
    for limit in (0, 1):
        axes[1, 0].axhline(limit, color=GREY, linewidth=0.6, linestyle=":", zorder=0)
    axes[1, 0].set_ylim(-0.05, 1.1)
    for axis in axes[0, len(losses) :]:
        axis.set_axis_off()
    handles, labels = axes[0, 0].get_legend_handles_labels()
    axes[0, len(losses)].legend(handles, labels, loc="upper left", borderaxespad=0)
    return figure


def main() -> None:
    """Draw the curves of the study named on the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m reports.pretraining_curves", description="Draw pretraining curves."
    )
    add_study_argument(parser)
    for path in draw_curves(load_study(parser.parse_args().study)):
        print(path)


def _draw_panel(axis: Axes, panel: _Panel, curves: list[Curve]) -> None:
    for number, curve in enumerate(curves):
        if panel.key == "ifa" and not _has(curve, "ifa"):
            continue
        steps = [each["step"] for each in curve.history]
        values = [each[panel.key] for each in curve.history]
        # Every other line has gaps, so that one does not hide its neighbour where adding IFA changes little.
        style, colour = ("-", (0, (3, 1.5)))[number % 2], COLOURS[number % len(COLOURS)]
        axis.plot(steps, values, color=colour, linestyle=style, marker=".", markersize=3, label=curve.label)
    axis.set_title(panel.title, loc="left", pad=13)
    axis.text(0, 1.03, panel.note, transform=axis.transAxes, color=GREY)
    axis.set_xlim(left=0)


def _has(curve: Curve, key: str) -> bool:
    return any(each[key] for each in curve.history)


if __name__ == "__main__":
    run_command(main)
