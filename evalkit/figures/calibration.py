"""Reliability diagrams: a panel for each class or, where each case has exactly one class, of the called class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import stats
from evalkit.comparisons.cells import ALL, Cell, Floats, TestSet
from evalkit.figures.facts import count_labels, note_gaps
from evalkit.figures.files import COLUMNS
from stats.probabilities import brier_score, multiclass_brier_score

#: Of the intervals of shares.
CONFIDENCE_LEVEL = 0.95


def measure_calibration(
    test_set: TestSet, cells: Sequence[Cell[Floats]], *, multiclass: bool, bins: int
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Compare probabilities with what was true, in bins of equal width.

    Parameters
    ----------
    test_set : TestSet
    cells : sequence of Cell
        In the order of the study.
    multiclass : bool
        Each case has exactly one class. What is shown is then the called class: its probability, and whether it is
        right.
    bins : int

    Returns
    -------
    rows : DataFrame
        For each target, backbone and bin: its bounds, mean probability, share of cases in which it came true with
        Wilson's interval, cases and patients (of one run: means where there are several).
    facts : dict
        ``panels``: for each target its counts, why it has no curve, and of each curve ECE and Brier score; ``notes``.
    """
    parts, panels = [], []
    for column in [None] if multiclass else range(len(test_set.classes)):
        scored = test_set.scored(column)
        status = "" if column is None else test_set.why_undefined(column, needs=())
        curves = []
        for cell in cells:
            if not cell.repeats or status:
                continue
            y, score, brier = _outcomes(test_set, cell, column, scored)
            result = stats.reliability(
                y, score, n_bins=bins, groups=test_set.patients[scored], confidence_level=CONFIDENCE_LEVEL
            )
            target = ALL if column is None else test_set.classes[column]
            place = {"target": target, "backbone": cell.backbone, "label": cell.label}
            parts.append(pd.DataFrame(place | _columns(result)))
            curves.append({"backbone": cell.backbone, "runs": len(cell.repeats), "ece": result.ece, "brier": brier})
        counts = {"target": ALL, "cases": int(scored.sum())} if column is None else count_labels(test_set, column)
        panels.append({**counts, "status": status, "curves": curves})
    rows = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(COLUMNS["calibration"]))
    facts = {"panels": panels, "bins": bins, "confidence_level": CONFIDENCE_LEVEL, "notes": note_gaps(cells)}
    return rows, facts


def _outcomes(
    test_set: TestSet, cell: Cell[Floats], column: int | None, scored: NDArray[np.bool_]
) -> tuple[Floats, Floats, float]:
    """What came true (runs, n), its probabilities (runs, n), and the Brier score as the mean over runs."""
    targets, scores = test_set.targets[scored], np.stack(cell.outcomes)[:, scored]
    if column is not None:
        y, score = targets[:, column], scores[:, :, column]
        return np.broadcast_to(y, score.shape), score, float(np.mean([brier_score(y, run) for run in score]))
    right = np.take_along_axis(targets[None], scores.argmax(axis=2)[:, :, None], axis=2)[:, :, 0]
    brier = np.mean([multiclass_brier_score(targets, run) for run in scores])
    return right, scores.max(axis=2), float(brier)


def _columns(result: stats.Reliability) -> dict[str, Floats]:
    return {
        "bin_low": result.edges[:-1],
        "bin_high": result.edges[1:],
        **{name: getattr(result, name) for name in ("predicted", "observed", "low", "high", "cases")},
        "patients": result.groups,
    }
