"""Confusion matrices of a multi-class evaluation: a panel for each backbone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from evalkit.comparisons.cells import Cell, Floats, TestSet
from evalkit.figures.facts import note_gaps
from evalkit.figures.files import COLUMNS


def count_calls(test_set: TestSet, cells: Sequence[Cell[Floats]]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Count which class each backbone calls for the cases of each class.

    The called class is the one of the highest probability, the first of equals. Cases without a class are left out.

    Parameters
    ----------
    test_set : TestSet
        With one-hot targets.
    cells : sequence of Cell
        In the order of the study.

    Returns
    -------
    rows : DataFrame
        For each backbone, true and called class: `count`, the mean over its runs, and `share` of the true class, NaN
        where that has no case.
    facts : dict
        ``classes`` with their cases, ``panels`` with each backbone's runs, ``notes``.
    """
    labelled = (test_set.targets == 1).sum(axis=1) == 1
    true = test_set.targets[labelled].argmax(axis=1)
    n_classes = len(test_set.classes)
    sizes = np.bincount(true, minlength=n_classes)
    parts, panels = [], []
    for cell in cells:
        if not cell.repeats:
            continue
        called = [run[labelled].argmax(axis=1) for run in cell.outcomes]
        counts = sum(np.bincount(n_classes * true + each, minlength=n_classes**2) for each in called)
        count = np.reshape(counts, (n_classes, n_classes)) / len(called)
        share = np.where(sizes[:, None] > 0, count / np.maximum(sizes, 1)[:, None], np.nan)
        parts.append(
            pd.DataFrame(
                {
                    "backbone": cell.backbone,
                    "label": cell.label,
                    "true": np.repeat(test_set.classes, n_classes),
                    "called": np.tile(test_set.classes, n_classes),
                    "share": share.ravel(),
                    "count": count.ravel(),
                }
            )
        )
        panels.append({"backbone": cell.backbone, "runs": len(cell.repeats)})
    rows = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(COLUMNS["confusion"]))
    classes = [{"target": name, "cases": size} for name, size in zip(test_set.classes, sizes.tolist(), strict=True)]
    return rows, {"classes": classes, "panels": panels, "notes": note_gaps(cells)}
