"""Draw how contrastive pretraining went: ``python -m reports.pretraining_curves --study S``."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from numpy.typing import NDArray

from evalkit.commands import add_study_argument, run_command
from evalkit.config.loading import Study, load_study
from evalkit.config.pretraining import Contrastive
from evalkit.errors import InputError
from evalkit.records import read_record
from reports.figure_style import COLOURS, DRAWN, GREY, WIDTH, figure_style, save_figure


@dataclass(frozen=True)
class Curve:
    """One backbone's pretraining.

    Attributes
    ----------
    label : str
        The backbone's, as printed in tables.
    method : str
        ``"moco"`` or ``"simclr"``.
    history : list of dict
        As `evalkit.pretraining.loop.Course` has it.
    random_steps : int
        Steps in which MoCo's queue still holds random points, which are easy to tell from keys.
    start : int
        Steps that what it starts from was trained for in this study.
    """

    label: str
    method: str
    history: list[dict[str, float]]
    random_steps: int = 0
    start: int = 0

    @property
    def steps(self) -> NDArray[np.float64]:
        """Where a note was made, counted along the chain."""
        return self.start + self.values("step")

    def values(self, key: str) -> NDArray[np.float64]:
        """What was noted there of one quantity."""
        return np.array([each[key] for each in self.history], dtype=float)

    def settled(self) -> NDArray[np.bool_]:
        """Which notes hold no step whose queue was random; all, where the queue was random to the end."""
        begins = np.concatenate([[0], self.values("step")[:-1]])
        settled = begins >= self.random_steps
        return settled if settled.any() else ~settled


@dataclass(frozen=True)
class _Panel:
    """One quantity: its key in the history, its title, what to know when reading it, and whose curves it shows."""

    key: str
    title: str
    note: str
    method: str | None = None


# Losses of different methods are of different kinds, so each method has a panel of its own.
_LOSSES = (
    _Panel("contrastive", "MoCo loss (InfoNCE)", "Depends on temperature and queue", "moco"),
    _Panel("contrastive", "SimCLR loss (NT-Xent)", "Depends on temperature and batch", "simclr"),
)
_IFA = _Panel("ifa", "IFA loss", "Weighted sum over its blocks")
_SIGNS = (
    _Panel("feature_std", "Standard deviation of features", "0: collapsed; 1: spread over the sphere"),
    _Panel("alignment", "Alignment", "0: both views alike; 2: unrelated"),
    _Panel("uniformity", "Uniformity", "0: collapsed; about \N{MINUS SIGN}4: spread"),
)

_OFF_SCALE = (
    "Triangles are off the scale: MoCo's queue was not yet full, and the loss against random points says little."
)

#: Panels side by side; and in inches, a line of text below them and the margin there.
_COLUMNS, _LINE, _MARGIN = 3, 0.14, 0.05


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
        return save_figure(draw(curves, notes=_notes(study)), study.layout.report("figure_pretraining.pdf"))


def read_curves(study: Study) -> list[Curve]:
    """Read the records of a study's contrastive pretrainings, those included that others start from.

    Returns
    -------
    list of Curve
        In the study's order, but what others start from comes before them.

    Raises
    ------
    InputError
        As `draw_curves`.
    """
    names = _contrastive(study)
    if not names:
        raise InputError(
            f"{study.source} has no backbone that is made by contrastive pretraining",
            "a backbone whose 'pretrain' has the method moco or simclr",
            "name one in the study's backbones",
        )
    curves: dict[str, Curve] = {}
    for name in names:
        curve, init = _read_curve(study, name), _entry(study, name).init
        start = int(curves[init].steps[-1]) if init in curves else 0
        curves[name] = replace(curve, start=start)
    return list(curves.values())


def draw(curves: list[Curve], *, notes: Iterable[str] = ()) -> Figure:
    """Draw one panel for each quantity against steps, one line for each backbone.

    Parameters
    ----------
    curves : list of Curve
    notes : iterable of str
        What is said below the figure, each in a line.
    """
    losses = [panel for panel in _LOSSES if any(curve.method == panel.method for curve in curves)]
    # IFA adds nothing where a backbone has none, and then its line would say nothing.
    losses += [_IFA] if any(_has(curve, "ifa") for curve in curves) else []
    notes = [*([_OFF_SCALE] if any(_outside(curve, _scale(curves, curve.method)) for curve in curves) else []), *notes]
    # The legend takes the place of a panel that is not needed, or else stands below.
    has_room = len(losses) < _COLUMNS
    in_a_line = max(1, min(len(curves), int(WIDTH / (0.5 + 0.06 * max(len(curve.label) for curve in curves)))))
    lines = len(notes) + (0 if has_room else -(-len(curves) // in_a_line))
    below = _LINE * (lines + 0.5) if lines else 0
    height = 4.0 + below
    engine = ConstrainedLayoutEngine(w_pad=0.05, h_pad=0.05, rect=(0, below / height, 1, 1 - below / height))
    figure = Figure(figsize=(WIDTH, height), layout=engine)
    axes = figure.subplots(2, _COLUMNS)
    for panel, axis in [*zip(losses, axes[0], strict=False), *zip(_SIGNS, axes[1], strict=True)]:
        _draw_panel(axis, panel, curves)
    for limit in (0, 1):
        axes[1, 0].axhline(limit, color=GREY, linewidth=0.6, linestyle=":", zorder=0)
    axes[1, 0].set_ylim(-0.05, 1.1)
    for axis in axes[0, len(losses) :]:
        axis.set_axis_off()
    # Every curve is in the panels of the signs.
    handles, labels = axes[1, 0].get_legend_handles_labels()
    if has_room:
        axes[0, len(losses)].legend(handles, labels, loc="upper left", borderaxespad=0)
    else:
        place: dict[str, Any] = {"loc": "upper center", "bbox_to_anchor": (0.5, below / height)}
        figure.legend(handles, labels, ncols=in_a_line, borderaxespad=0, **place)
    for line, note in enumerate(reversed(notes)):
        figure.text(_MARGIN / WIDTH, (_MARGIN + _LINE * line) / height, note, color=GREY, va="bottom")
    return figure


def main() -> None:
    """Draw the curves of the study named on the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m reports.pretraining_curves", description="Draw pretraining curves."
    )
    add_study_argument(parser)
    for path in draw_curves(load_study(parser.parse_args().study)):
        print(path)


def _entry(study: Study, name: str) -> Contrastive:
    entry = study.backbone(name).pretrain
    assert isinstance(entry, Contrastive)
    return entry


def _contrastive(study: Study) -> list[str]:
    """The backbones that contrastive pretraining makes, each after what it starts from."""
    ordered: dict[str, None] = {}

    def add(name: str) -> None:
        pretrain = study.backbone(name).pretrain
        if isinstance(pretrain, Contrastive):
            if pretrain.init is not None:
                add(pretrain.init)
            ordered.setdefault(name)

    for name in (*study.unlisted, *study.backbones):
        add(name)
    return list(ordered)


def _read_curve(study: Study, name: str) -> Curve:
    folder = study.layout.pretraining(name)
    record: Any = read_record(folder)
    if not record.get("history"):
        raise InputError(
            f"{folder} holds no record of a contrastive pretraining",
            "run.json with a history",
            f"make it: python -m evalkit.pretraining --study {study.source} --backbone {name}",
        )
    # A pretraining that goes on from one of its kind takes over a queue of keys.
    goes_on = record.get("continues") is not None
    queue = 0 if goes_on else record["pretraining"].get("queue", 0)
    return Curve(
        study.backbone(name).label,
        record["pretraining"]["method"],
        record["history"],
        random_steps=-(-queue // record["recipe"]["batch_size"]),
    )


def _notes(study: Study) -> list[str]:
    names = _contrastive(study)
    entries = [_entry(study, name) for name in names]
    notes = []
    if any(entry.init in names for entry in entries):
        notes.append("Where a backbone starts from another one of this figure, its steps are counted on from there.")
    if any(study.dataset(entry.data).phantom is not None for entry in entries):
        notes.append(DRAWN)
    return notes


def _draw_panel(axis: Axes, panel: _Panel, curves: list[Curve]) -> None:
    starts = []
    for number, curve in enumerate(curves):
        if panel.method not in (None, curve.method) or (panel.key == "ifa" and not _has(curve, "ifa")):
            continue
        # Every other line has gaps, so that one does not hide its neighbour where adding IFA changes little.
        style, colour = ("-", (0, (3, 1.5)))[number % 2], COLOURS[number % len(COLOURS)]
        values = curve.values(panel.key)
        starts.append(curve.start)
        axis.plot(curve.steps, values, color=colour, linestyle=style, marker=".", markersize=3, label=curve.label)
        if panel.method is not None:
            low, high = _scale(curves, panel.method)
            axis.set_ylim(low, high)
            _mark(axis, curve.steps[values < low], edge=0, marker="v", colour=colour)
            _mark(axis, curve.steps[values > high], edge=1, marker="^", colour=colour)
    axis.set_title(panel.title, loc="left", pad=13)
    axis.text(0, 1.03, panel.note, transform=axis.transAxes, color=GREY)
    axis.set_xlabel("Step")
    axis.set_xlim(left=min(starts))


def _scale(curves: list[Curve], method: str) -> tuple[float, float]:
    """The scale of a method's loss, from what was noted once MoCo's queue was full."""
    own = [curve.values("contrastive")[curve.settled()] for curve in curves if curve.method == method]
    low, high = np.min(np.concatenate(own)), np.max(np.concatenate(own))
    margin = 0.06 * (high - low) or 0.5
    return low - margin, high + margin


def _outside(curve: Curve, scale: tuple[float, float]) -> bool:
    values = curve.values("contrastive")
    return bool(((values < scale[0]) | (values > scale[1])).any())


def _mark(axis: Axes, steps: NDArray[np.float64], *, edge: int, marker: str, colour: str) -> None:
    """Mark notes that lie off the scale at its edge, so that none is left out in silence."""
    if len(steps):
        transform = axis.get_xaxis_transform()  # steps across, and the panel's height as 1
        look: dict[str, Any] = {"color": colour, "linestyle": "none", "marker": marker, "markersize": 3.5}
        axis.plot(steps, np.full(len(steps), edge), transform=transform, clip_on=False, label="_off scale", **look)


def _has(curve: Curve, key: str) -> bool:
    return any(each[key] for each in curve.history)


if __name__ == "__main__":
    run_command(main)
