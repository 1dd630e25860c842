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
from evalkit.comparisons.estimation.detections import DetectionCases
from evalkit.figures.boxes import Shown, choose_images, collect_boxes
from evalkit.figures.calibration import measure_calibration
from evalkit.figures.confusion import count_calls
from evalkit.figures.detection_curves import trace_froc, trace_precision_recall
from evalkit.figures.files import FigureData
from evalkit.figures.fractions import collect_points
from evalkit.figures.ranks import Block, rank_backbones
from evalkit.figures.roc import trace_curves
from stats import OperatingPoint

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

    def boxed(
        self, backbones: int, runs: int, classes: list[str], absent: int | None
    ) -> tuple[DetectionCases, list[Cell[Any]]]:
        """Images of which every third has no box, and detectors of which each is better than the last."""
        rng = np.random.default_rng(4)
        images = [
            {
                "id": k,
                "image_id": f"1.2.826.{k}" if k % 2 else f"{k}.2.826.0.1.3680043.{'1234567890' * 3}",
                "patient_id": k // 2,
                "width": 200,
                "height": 150 + 100 * (k % 2),
            }
            for k in range(24)
        ]
        annotations: list[dict[str, Any]] = []
        kinds = [number for number in range(1, len(classes) + 1) if number != absent]
        for image in images:
            for _ in range(0 if image["id"] % 3 == 0 else 2 + len(classes)):
                box = [*rng.uniform(0, 130, 2).tolist(), *rng.uniform(20, 60, 2).tolist()]
                about = {"id": len(annotations), "image_id": image["id"], "category_id": int(rng.choice(kinds))}
                annotations.append({**about, "bbox": box, "iscrowd": 0})
        cells = []
        for number in range(backbones):
            found = []
            for _ in range(runs):
                near = [
                    {**each, "bbox": (np.array(each["bbox"]) + rng.normal(0, 9 - number, 4)).clip(1).tolist()}
                    for each in annotations
                ]
                far = [{**each, "bbox": [*rng.uniform(0, 150, 2).tolist(), 30.0, 30.0]} for each in annotations]
                found.append(
                    [
                        {"score": float(rng.uniform(low, low + 0.5))}
                        | {key: each[key] for key in ("image_id", "category_id", "bbox")}
                        for low, some in ((0.5, near), (0.2, far))
                        for each in some
                    ]
                )
            cells.append(Cell(f"b{number}", LABELS[number], runs, tuple(range(runs)), tuple(found)))
        categories = [{"id": number, "name": name} for number, name in enumerate(classes, start=1)]
        truth = {"images": images, "categories": categories, "annotations": annotations}
        return DetectionCases(truth, {each["id"]: each["patient_id"] for each in images}), cells

    def precision_recall(self, **options: Any) -> FigureData:
        return self.of_curves("precision_recall", trace_precision_recall, **options)

    def froc(self, **options: Any) -> FigureData:
        return self.of_curves("froc", trace_froc, **options)

    def of_curves(
        self,
        kind: str,
        trace: Any,
        *,
        backbones: int = 2,
        runs: int = 1,
        classes: list[str] = CLASSES,
        absent: int | None = None,
        **changes: Any,
    ) -> FigureData:
        cases, cells = self.boxed(backbones, runs, classes, absent)
        own = trace(cases, cells, iou=0.5, resamples=30, confidence_level=0.95, seed=1)
        return self.of_setting(kind, backbones, own, **changes)

    def boxes(
        self,
        *,
        backbones: int = 2,
        runs: int = 1,
        classes: list[str] = CLASSES,
        images: int = 4,
        threshold: float | None = 0.6,
        **changes: Any,
    ) -> FigureData:
        cases, cells = self.boxed(backbones, runs, classes, None)
        point = None if threshold is None else OperatingPoint(threshold, 0.5, 0.5, 0.5)
        shown = [Shown(cell.backbone, cell.label, 0, runs, cell.outcomes[0], point) for cell in cells]
        chosen = choose_images(cases.ground_truth, images=images, image_ids=None, seed=0)
        rows, own = collect_boxes(cases, shown, chosen, iou=0.5)
        data = self.of_setting("boxes", backbones, (rows, {**own, "drawn_at_random": True}), **changes)
        pictures = [np.arange(60 * 40).reshape(60, 40).astype(np.uint8) for _ in chosen]
        return FigureData(data.frame, data.facts, tuple(pictures))

    def inversions(
        self, *, backbones: int = 2, runs: int = 1, images: int = 4, side: int = 24, **changes: Any
    ) -> FigureData:
        rng = np.random.default_rng(5)
        originals = rng.integers(0, 256, (images, side, side)).astype(np.uint8)
        pictures, rows = list(originals), []
        for number in range(backbones):
            off = rng.normal(0, 20 - 2 * number, originals.shape).round()
            pictures += list(np.clip(originals + off, 0, 255).astype(np.uint8))
            rows += [
                {"image_id": f"1.2.826.{'1234567890' * (k % 2 * 5)}{k}", "backbone": f"b{number}"}
                | {"label": LABELS[number], "psnr": 20.0 + number + k, "ssim": 0.5, "rmse": 9.0}
                for k in range(images)
            ]
        names = [row["image_id"] for row in rows[:images]]
        own = {
            "images": [{"image_id": name, "side": side} for name in names],
            "panels": [{"backbone": f"b{number}", "repeat": 0, "runs": runs} for number in range(backbones)],
            "limit": 40,
            "averaged": None,
            "notes": [],
        }
        data = self.of_setting("inversions", backbones, (pd.DataFrame(rows), own), **changes)
        return FigureData(data.frame, data.facts, tuple(pictures))

    def convergence(self, *, backbones: int = 2, runs: int = 1, term: str = "pixel", **changes: Any) -> FigureData:
        steps = np.arange(0, 500, 10.0)
        rows = pd.concat(
            pd.DataFrame(
                {
                    "backbone": f"b{number}",
                    "label": LABELS[number],
                    "step": steps,
                    "median": 1 / (1 + number + steps),
                    "low": 0.8 / (1 + number + steps),
                    "high": 1.3 / (1 + number + steps),
                }
            )
            for number in range(backbones)
        )
        panels = [{"backbone": f"b{number}", "repeat": 0, "runs": runs} for number in range(backbones)]
        own = {"term": term, "panels": panels, "notes": []}
        return self.of_setting("convergence", backbones, (rows, own), **changes)

    def generator(
        self,
        *,
        images: int = 6,
        snapshots: int = 5,
        augmentation: bool = True,
        distance: bool = True,
        reference: bool = True,
        side: int = 24,
        **changes: Any,
    ) -> FigureData:
        rng = np.random.default_rng(6)
        steps = 120_000 * np.arange(1, 11)
        rows = pd.DataFrame(
            {
                "step": steps,
                "images": 8 * steps,
                **{name: rng.uniform(0.3, 1.5, 10) for name in ("generator", "discriminator")},
                "r_t": np.linspace(0.9, -0.1, 10),
                "path": np.nan,
                "r1": rng.uniform(0, 0.1, 10),
                "probability": np.linspace(0, 0.6, 10) if augmentation else 0.0,
                "frechet": 12 / np.arange(1, 11) if distance else np.nan,
            }
        )
        shown = rows.iloc[np.linspace(0, 9, snapshots).astype(int)]
        own = {
            "evaluation": "main",
            "dataset": "data",
            "snapshots": [{key: int(row[key]) for key in ("step", "images")} for _, row in shown.iterrows()],
            "columns": images,
            "examples": [f"1.2.826.{number}" for number in range(images)],
            "side": side,
            "colour": False,
            "averaged": None,
            "training": {"images": 12_345, "patients": 6_789},
            "steps": int(steps[-1]),
            "batch_size": 8,
            "compared": 500 if distance else 1,
            "reference": 1.5 if distance and reference else None,
            "target": 0.6 if augmentation else None,
            "notes": [],
        }
        pictures = rng.integers(0, 256, ((snapshots + 1) * images, side, side)).astype(np.uint8)
        return FigureData(rows, self.facts("generator", 0) | own | changes, tuple(pictures))

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
