"""Calls at a chosen specificity: the threshold comes from validation, never from the cases it is used on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from evalkit.comparisons.cells import Cell, Floats, TestSet

#: Per cent of the validation negatives that a threshold leaves uncalled, or more.
SPECIFICITY = 95


def choose_thresholds(targets: Floats, scores: Floats) -> Floats:
    """The lowest threshold of each class that calls at most 5 % of its negatives: a case is called above it.

    Parameters
    ----------
    targets : ndarray (n, classes)
        1, 0 or NaN.
    scores : ndarray (n, classes)

    Returns
    -------
    ndarray (classes,)
        NaN for a class without a negative.
    """
    thresholds = np.full(targets.shape[1], np.nan)
    for column, labels in enumerate(targets.T):
        negatives = np.sort(scores[labels == 0, column])
        if negatives.size:
            # In whole numbers, since 0.95 n is not exact.
            uncalled = -(-SPECIFICITY * negatives.size // 100)
            thresholds[column] = negatives[uncalled - 1]
    return thresholds


def call_positive(cell: Cell[Floats], thresholds: Sequence[Floats]) -> Cell[Floats]:
    """A cell with calls (1 or 0) in the place of scores, at each run's own thresholds."""
    calls = iter(thresholds)
    return cell.map(lambda scores: (scores > next(calls)).astype(np.float64))


def find_lacking(classes: Sequence[str], thresholds: Mapping[str, Sequence[Floats]]) -> dict[str, str]:
    """The classes of a setting for which some run has no threshold, each with its status."""
    every = [of_run for of_cell in thresholds.values() for of_run in of_cell]
    return {
        name: "undefined: no negative in validation"
        for column, name in enumerate(classes)
        if any(np.isnan(of_run[column]) for of_run in every)
    }


def measure_specificity(test_set: TestSet, cells: Sequence[Cell[Floats]]) -> dict[str, dict[str, float]]:
    """The specificity that a setting's calls reach on the test set, as the mean over runs: by class and backbone.

    Returns
    -------
    dict of str to dict of str to float
        Without the classes that have no negative, and the backbones that have no run.
    """
    reached: dict[str, dict[str, float]] = {}
    for column, name in enumerate(test_set.classes):
        negative = test_set.targets[:, column] == 0
        if negative.any():
            reached[name] = {
                cell.backbone: float(np.mean([1 - calls[negative, column].mean() for calls in cell.outcomes]))
                for cell in cells
                if cell.repeats
            }
    return reached


def tell_specificity(specificity: Mapping[str, Mapping[str, Mapping[str, float]]]) -> list[str]:
    """Say which specificities thresholds reach, from what `measure_specificity` found in each setting."""
    reached: dict[str, list[float]] = {}
    for of_setting in specificity.values():
        for name, of_class in of_setting.items():
            reached.setdefault(name, []).extend(of_class.values())
    parts = [f"{name} {min(values):.3f} to {max(values):.3f}" for name, values in reached.items() if values]
    if not parts:
        return []
    return [f"Specificity that these thresholds reach on the test set, over all columns and rows: {', '.join(parts)}."]
