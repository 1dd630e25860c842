"""Small studies on disk, as the tests of comparisons have them, and cells of known scores without a study."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evalkit.comparisons.cells import Cell, TestSet
from evalkit.comparisons.estimation.detections import DetectionCases

_COMPARISONS = Path(__file__).parents[1] / "comparisons"


def _load(name: str, path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


#: The fixtures of other tests, under their names.
_small_studies = _load("small_studies", _COMPARISONS / "conftest.py")
results, class_results = _small_studies.results, _small_studies.class_results
_small_detections = _load("small_detections", _COMPARISONS / "detection" / "conftest.py")
detected = _small_detections.detected
_small_inversions = _load("small_inversions", _COMPARISONS / "values" / "conftest.py")
inverted = _small_inversions.inverted
make_inversion = _load("tiny_inversions", _COMPARISONS.parents[1] / "tasks" / "test_inversion.py").make_inversion

CLASSES = ("Edema", "Effusion", "Nodule")


@pytest.fixture
def multilabel() -> Callable[..., tuple[TestSet, list[Cell[Any]]]]:
    """Make a multi-label test set of patients with two images each, and cells with scores better than chance."""

    def make(*, backbones: int = 2, runs: int = 1, patients: int = 60) -> tuple[TestSet, list[Cell[Any]]]:
        rng = np.random.default_rng(7)
        targets = (rng.random((2 * patients, len(CLASSES))) < (0.5, 0.3, 0.4)).astype(float)
        test_set = TestSet(CLASSES, targets, np.repeat(np.arange(patients), 2), "image")
        return test_set, _draw_cells(rng, targets, backbones, runs, lambda logits: 1 / (1 + np.exp(-logits)))

    return make


@pytest.fixture
def multiclass() -> Callable[..., tuple[TestSet, list[Cell[Any]]]]:
    """The same with exactly one class for each image."""

    def make(
        *, backbones: int = 2, runs: int = 1, patients: int = 60, classes: tuple[str, ...] = CLASSES
    ) -> tuple[TestSet, list[Cell[Any]]]:
        rng = np.random.default_rng(8)
        targets = np.eye(len(classes))[rng.integers(0, len(classes), 2 * patients)]
        test_set = TestSet(classes, targets, np.repeat(np.arange(patients), 2), "image")
        cells = _draw_cells(
            rng, targets, backbones, runs, lambda logits: np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        )
        return test_set, cells

    return make


def _draw_cells(
    rng: np.random.Generator, targets: Any, backbones: int, runs: int, to_probabilities: Callable[[Any], Any]
) -> list[Cell[Any]]:
    return [
        Cell(
            f"backbone{number}",
            f"Backbone {number}",
            runs,
            tuple(range(runs)),
            tuple(to_probabilities((1 + number) * targets + rng.normal(size=targets.shape)) for _ in range(runs)),
        )
        for number in range(backbones)
    ]


@pytest.fixture
def failed() -> Cell[Any]:
    """A backbone none of whose runs gave predictions."""
    return Cell("broken", "Broken", 1, (), (), "failed: diverged")


@pytest.fixture
def boxed() -> Callable[..., tuple[DetectionCases, list[Cell[Any]]]]:
    """Make images of patients, with boxes of two classes, and detectors of which each is better than the last."""

    def make(*, backbones: int = 2, runs: int = 1, images: int = 30) -> tuple[DetectionCases, list[Cell[Any]]]:
        truth = _small_detections.make_truth(images=images, patients=images * 2 // 3)
        patients = {each["id"]: each["patient_id"] for each in truth["images"]}
        cells = [
            Cell(
                f"backbone{number}",
                f"Backbone {number}",
                runs,
                tuple(range(runs)),
                tuple(
                    _small_detections.detect(truth, spread=16 / (1 + number), seed=10 * number + run)
                    for run in range(runs)
                ),
            )
            for number in range(backbones)
        ]
        return DetectionCases(truth, patients), cells

    return make
