"""What each kind of figure shows, computed from scores drawn at random."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from evalkit.comparisons.cells import Cell, TestSet
from evalkit.figures.calibration import measure_calibration
from evalkit.figures.confusion import count_calls
from evalkit.figures.files import FigureData
from evalkit.figures.fractions import collect_points
from evalkit.figures.ranks import Block, rank_backbones
from evalkit.figures.roc import trace_curves

LABELS = [
    "Scratch",
    "ImageNet, supervised, ResNet-50",
    "MoCo v2 $on$ <ImageNet>",
    "CXR-SimCLR",
    "CXR-SimCLR + IFA (block 3)",
    "CheSS (4.8 M radiographs, MoCo v2)",
    "CheSS + IFA, the last model, whose name is too long for most legends and is broken into lines",
]
CLASSES = ["Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Enlarged cardiomediastinum and more"]


class Figures:
    """Makes the data of each kind."""

    def facts(self, kind: str, backbones: int, **changes: Any) -> dict[str, Any]:
        return {
            "figure": f"figure_{kind}",
            "kind": kind,
            "title": "",
            "study": "drawn",
            "study_title": "Drawn",
            "drawn": False,
            "backbones": [
                {"key": f"b{number}", "label": label, "place": number}
                for number, label in enumerate(LABELS[:backbones])
            ],
            **changes,
        }

    def cells(
        self, task: str, backbones: int, runs: int, classes: list[str], absent: int | None
    ) -> tuple[TestSet, list[Cell[Any]]]:
        rng = np.random.default_rng(1)
        targets = (rng.random((90, len(classes))) < 0.4).astype(float)
        if task == "multiclass":
            kinds = [kind for kind in range(len(classes)) if kind != absent]
            targets = np.eye(len(classes))[rng.choice(kinds, 90)]
        elif absent is not None:
            targets[:, absent] = 0
        cells = []
        for number in range(backbones):
            logits = [(0.5 + 0.3 * number) * targets + rng.normal(size=targets.shape) for _ in range(runs)]
            scores = [1 / (1 + np.exp(-each)) for each in logits]
            if task == "multiclass":
                scores = [np.exp(each) / np.exp(each).sum(axis=1, keepdims=True) for each in logits]
            cells.append(Cell(f"b{number}", LABELS[number], runs, tuple(range(runs)), tuple(scores)))
        return TestSet(tuple(classes), targets, np.arange(90) // 2, "image"), cells

    def of_setting(
        self, kind: str, backbones: int, own: tuple[pd.DataFrame, dict[str, Any]], **changes: Any
    ) -> FigureData:
        rows, facts = own
        about = {
            "evaluation": "main",
            "dataset": "data",
            "setting": "regime=finetune,fraction=1",
            "unit": "image",
            "cases": 90,
            "images": 90,
            "patients": 45,
            "external": "",
        }
        return FigureData(rows, self.facts(kind, backbones) | about | facts | changes)

    def roc(
        self,
        *,
        backbones: int = 2,
        runs: int = 1,
        classes: list[str] = CLASSES,
        absent: int | None = None,
        task: str = "multilabel",
        **changes: Any,
    ) -> FigureData:
        options = {"resamples": 30, "confidence_level": 0.95, "seed": 1, "multiclass": task == "multiclass"}
        own = trace_curves(*self.cells(task, backbones, runs, classes, absent), **options)  # type: ignore[arg-type]
        return self.of_setting("roc", backbones, own, **changes)

    def confusion(
        self,
        *,
        backbones: int = 2,
        runs: int = 1,
        classes: list[str] = CLASSES,
        absent: int | None = None,
        **changes: Any,
    ) -> FigureData:
        own = count_calls(*self.cells("multiclass", backbones, runs, classes, absent))
        return self.of_setting("confusion", backbones, own, **changes)

    def calibration(
        self,
        *,
        backbones: int = 2,
        runs: int = 1,
        classes: list[str] = CLASSES,
        unlabelled: int | None = None,
        task: str = "multilabel",
        **changes: Any,
    ) -> FigureData:
        test_set, cells = self.cells(task, backbones, runs, classes, None)
        if unlabelled is not None:
            test_set.targets[:, unlabelled] = np.nan
        own = measure_calibration(test_set, cells, multiclass=task == "multiclass", bins=10)
        return self.of_setting("calibration", backbones, own, **changes)

    def fractions(
        self,
        *,
        backbones: int = 2,
        repeats: int = 3,
        regimes: tuple[str, ...] = ("finetune",),
        metrics: tuple[str, ...] = ("auc",),
        **changes: Any,
    ) -> FigureData:
        rng = np.random.default_rng(2)
        rows, values = [], {}
        for metric in metrics:
            for regime in regimes:
                for fraction in (0.01, 0.1, 0.5, 1):
                    setting = f"regime={regime},fraction={fraction:g}"
                    for number in range(backbones):
                        count = repeats if fraction < 1 else 1
                        own = rng.normal(0.7 + 0.02 * number, 0.02, count)
                        values[metric, setting, "mean", f"b{number}"] = dict(enumerate(own.tolist()))
                        rows.append(
                            {
                                "metric": metric,
                                "setting": setting,
                                "target": "mean",
                                "subgroup": "all",
                                "role": "primary",
                                "backbone": f"b{number}",
                                "label": LABELS[number],
                                "estimate": own.mean(),
                                "ci_low": own.mean() - 0.03,
                                "ci_high": own.mean() + 0.02,
                                "ci_method": "bootstrap percentile",
                                "status": "ok",
                            }
                        )
        frame, own_facts = collect_points(pd.DataFrame(rows), lambda *key: values[key])
        facts = {"table": "table7", "evaluation": "main", "confidence_level": 0.95} | own_facts
        return FigureData(frame, self.facts("fractions", backbones) | facts | changes)

    def cd(self, *, backbones: int = 3, blocks: int = 2, spread: float = 0.1, **changes: Any) -> FigureData:
        rng = np.random.default_rng(3)
        made = []
        for number in range(blocks):
            estimates = {f"b{k}": 0.7 + spread * k + 0.02 * rng.normal() for k in range(backbones)}
            replicates = {key: value + 0.03 * rng.normal(size=200) for key, value in estimates.items()}
            place = (
                f"table{number}",
                f"evaluation{number}",
                f"data{number}",
                "regime=finetune,fraction=1",
                "mean",
                "auc",
            )
            made.append(Block(*place, True, estimates, replicates))
        rows, own = rank_backbones(made, {f"b{k}": LABELS[k] for k in range(backbones)})
        return FigureData(rows, self.facts("cd", backbones) | own | changes)


@pytest.fixture(scope="session")
def figures() -> Figures:
    return Figures()


@pytest.fixture
def texts_on_page() -> Callable[[Any], list[tuple[str, Any]]]:
    """Draw a figure as its PNG is drawn and give its visible texts with their places in inches."""

    def find(figure: Any) -> list[tuple[str, Any]]:
        figure.set_dpi(300)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        renderer = canvas.get_renderer()
        beyond = {id(label) for axes in figure.axes for label in _labels_beyond(axes)}
        shown = [each for each in figure.findobj(Text) if each.get_visible() and each.get_text().strip()]
        return [
            (text.get_text(), Bbox.from_extents(text.get_window_extent(renderer).extents / 300))
            for text in shown
            if id(text) not in beyond
        ]

    return find


def _labels_beyond(axes: Any) -> list[Any]:
    """Labels that are not drawn: of ticks beyond the panel, or of a panel that is not shown."""
    labels = []
    for axis in (axes.xaxis, axes.yaxis):
        low, high = sorted(axis.get_view_interval())
        for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]:
            if not axes.axison or not low <= tick.get_loc() <= high:
                labels += [tick.label1, tick.label2]
    return labels
