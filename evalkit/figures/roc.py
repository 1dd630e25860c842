"""ROC curves with confidence bands: a panel for each class, a curve for each backbone."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

import stats
from evalkit.comparisons.cells import Cell, Floats, TestSet
from evalkit.comparisons.estimation.base import quietly
from evalkit.figures.facts import count_labels, note_gaps
from evalkit.figures.files import COLUMNS


def trace_curves(
    test_set: TestSet,
    cells: Sequence[Cell[Floats]],
    *,
    multiclass: bool,
    resamples: int,
    confidence_level: float,
    seed: int,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Trace every backbone's curve for every class.

    Parameters
    ----------
    test_set : TestSet
    cells : sequence of Cell
        In the order of the study.
    multiclass : bool
        Each case has exactly one class. With two classes, the curve of the first mirrors that of the second, which
        alone is shown.
    resamples, confidence_level, seed
        Of the bands; every backbone and class has the same resamples.

    Returns
    -------
    rows : DataFrame
        The points of the curves, at false-positive rates 0, 0.005, ..., 1.
    facts : dict
        ``panels``: for each class its counts, why it has no curve, and of each curve area and interval; ``notes``.
    """
    points, panels, notes = [], [], note_gaps(cells)
    first = 1 if multiclass and len(test_set.classes) == 2 else 0
    for column in range(first, len(test_set.classes)):
        panel, curves = _trace_class(test_set, cells, column, resamples, confidence_level, seed)
        panels.append(panel)
        for cell, curve in curves:
            values = {"fpr": curve.fpr, "tpr": curve.tpr, "low": curve.low, "high": curve.high}
            points.append(
                pd.DataFrame({"target": panel["target"], "backbone": cell.backbone, "label": cell.label} | values)
            )
        # All curves of a class have the same resamples, so one says what there is to say.
        notes += [f"{panel['target']}: {note}." for note in curves[0][1].warnings] if curves else []
    empty = pd.DataFrame(columns=list(COLUMNS["roc"]))
    rows = pd.concat(points, ignore_index=True) if points else empty
    facts = {"panels": panels, "confidence_level": confidence_level, "resamples": resamples, "notes": notes}
    return rows, facts


def _trace_class(
    test_set: TestSet, cells: Sequence[Cell[Floats]], column: int, resamples: int, level: float, seed: int
) -> tuple[dict[str, Any], list[tuple[Cell[Floats], stats.RocBand]]]:
    status = test_set.why_undefined(column)
    trace = partial(
        stats.roc_band,
        test_set.targets[:, column],
        groups=test_set.patients,
        n_resamples=resamples,
        rng=seed,
        confidence_level=level,
    )
    curves = [
        (cell, quietly(partial(trace, np.stack([run[:, column] for run in cell.outcomes]))))
        for cell in cells
        if cell.repeats and not status
    ]
    areas = [
        {"backbone": cell.backbone, "runs": len(cell.repeats), "auc": curve.auc, **_interval(curve)}
        for cell, curve in curves
    ]
    return {**count_labels(test_set, column), "status": status, "curves": areas}, curves


def _interval(curve: stats.RocBand) -> dict[str, float | None]:
    """The interval of the area; nothing where there was nothing to resample, for JSON has no NaN."""
    bounds = {"low": curve.auc_low, "high": curve.auc_high}
    return {name: None if np.isnan(bound) else bound for name, bound in bounds.items()}
