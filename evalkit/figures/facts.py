"""The facts beside a figure's rows that every kind has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from evalkit.comparisons.cells import Cell, TestSet
from evalkit.config.loading import Study


def describe_figure(study: Study, name: str, *, backbones: Iterable[str], datasets: Iterable[str]) -> dict[str, Any]:
    """What every kind of figure says of itself.

    Parameters
    ----------
    study : Study
    name : str
        The figure's key in the study file.
    backbones : iterable of str
        Those shown.
    datasets : iterable of str
        Those shown; if one of them is drawn (phantoms), the figure is a demonstration.

    Returns
    -------
    dict
        Plain values, ready for JSON. A backbone's `place` in the study decides its colour, the same in every figure.
    """
    figure, places = study.figure(name), list(study.backbones)
    return {
        "figure": name,
        "kind": figure.kind,
        "title": figure.title,
        "study": study.name,
        "study_title": study.file.title,
        "drawn": any(study.dataset(dataset).phantom is not None for dataset in datasets),
        "backbones": [
            {"key": key, "label": study.backbone(key).label, "place": places.index(key)} for key in backbones
        ],
    }


def note_gaps(cells: Sequence[Cell]) -> list[str]:
    """Say of which backbones runs are missing, and why."""
    return [f"{cell.label}: {cell.status}." for cell in cells if cell.status != "ok"]


def count_labels(test_set: TestSet, column: int) -> dict[str, Any]:
    """A class's name and its cases: those that have the label, and those of them that are positive."""
    return {
        "target": test_set.classes[column],
        "cases": int(test_set.scored(column).sum()),
        "positives": int((test_set.targets[:, column] == 1).sum()),
    }
