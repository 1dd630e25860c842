"""Curves of detectors with confidence bands: precision against recall, and sensitivity against false positives."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import pandas as pd

import stats
from evalkit.comparisons.cells import Cell, Floats
from evalkit.comparisons.estimation.base import quietly
from evalkit.comparisons.estimation.detections import Boxes, DetectionCases
from evalkit.figures.facts import note_gaps
from evalkit.figures.files import COLUMNS

#: One class's curve, by column; its score with low and high end; and what is to be known of it.
Traced = tuple[dict[str, Floats], dict[str, float], tuple[str, ...]]


def trace_precision_recall(
    cases: DetectionCases,
    cells: Sequence[Cell[Boxes]],
    *,
    iou: float,
    resamples: int,
    confidence_level: float,
    seed: int,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Trace every backbone's precision-recall curve for every class, interpolated as COCO does.

    Parameters
    ----------
    cases : DetectionCases
    cells : sequence of Cell
        In the order of the study.
    iou : float
        From which overlap a detection finds a box.
    resamples, confidence_level, seed
        Of the bands; every backbone has the same resamples.

    Returns
    -------
    rows : DataFrame
        The precision at recalls 0, .01, ..., 1.
    facts : dict
        ``panels``: for each class its boxes and the images that have one, why it has no curve, and of each curve AP
        and interval; ``iou``, ``notes``.
    """

    def trace(runs: Sequence[Boxes]) -> list[Traced]:
        bands = stats.precision_recall_bands(
            cases.ground_truth,
            runs,
            iou=iou,
            groups=cases.patients,
            n_resamples=resamples,
            rng=seed,
            confidence_level=confidence_level,
        )
        return [
            (
                {"recall": band.recall, "precision": band.precision, "low": band.low, "high": band.high},
                {"ap": band.ap, "low": band.ap_low, "high": band.ap_high},
                band.warnings,
            )
            for band in bands
        ]

    rows, facts = _trace(cases, cells, trace, "precision_recall")
    return rows, {**facts, "iou": iou, "confidence_level": confidence_level, "resamples": resamples}


def trace_froc(
    cases: DetectionCases,
    cells: Sequence[Cell[Boxes]],
    *,
    iou: float,
    resamples: int,
    confidence_level: float,
    seed: int,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Trace every backbone's FROC curve for every class.

    Parameters
    ----------
    cases, cells, iou, resamples, confidence_level, seed
        As in `trace_precision_recall`.

    Returns
    -------
    rows : DataFrame
        The sensitivity at 193 rates of false positives per image from 1/8 to 8.
    facts : dict
        As of `trace_precision_recall`, with the FROC score of each curve.
    """

    def trace(runs: Sequence[Boxes]) -> list[Traced]:
        bands = stats.froc_bands(
            cases.ground_truth,
            runs,
            iou=iou,
            groups=cases.patients,
            n_resamples=resamples,
            rng=seed,
            confidence_level=confidence_level,
        )
        return [
            (
                {
                    "false_positives": band.rates,
                    "sensitivity": band.sensitivity,
                    "low": band.low,
                    "high": band.high,
                },
                {"score": band.score, "low": band.score_low, "high": band.score_high},
                band.warnings,
            )
            for band in bands
        ]

    rows, facts = _trace(cases, cells, trace, "froc")
    return rows, {**facts, "iou": iou, "confidence_level": confidence_level, "resamples": resamples}


def _trace(
    cases: DetectionCases, cells: Sequence[Cell[Boxes]], trace: Callable[[Sequence[Boxes]], list[Traced]], kind: str
) -> tuple[pd.DataFrame, dict[str, Any]]:
    panels, notes = [_count_boxes(cases, label) for label in cases.classes], note_gaps(cells)
    parts: list[list[pd.DataFrame]] = [[] for _ in panels]
    # Without any box there is nothing that a curve could be of.
    shown = [cell for cell in cells if cell.repeats] if any(panel["boxes"] for panel in panels) else []
    for cell in shown:
        for panel, part, (curve, score, warnings) in zip(
            panels, parts, quietly(partial(trace, cell.outcomes)), strict=True
        ):
            if panel["status"]:
                continue
            part.append(
                pd.DataFrame({"target": panel["target"], "backbone": cell.backbone, "label": cell.label} | curve)
            )
            panel["curves"].append({"backbone": cell.backbone, "runs": len(cell.repeats), **_plain(score)})
            # All curves of a class have the same resamples, so one says what there is to say.
            notes += [f"{panel['target']}: {each}." for each in warnings if cell is shown[0]]
    every = [rows for part in parts for rows in part]
    rows = pd.concat(every, ignore_index=True) if every else pd.DataFrame(columns=list(COLUMNS[kind]))
    return rows, {"panels": panels, "notes": notes}


def _count_boxes(cases: DetectionCases, label: str) -> dict[str, Any]:
    """A class's panel, still without curves: its boxes, the images that have one, and why there is no curve."""
    truth, boxes = cases.ground_truth, cases.boxes[label]
    category = next(each["id"] for each in truth["categories"] if str(each["name"]) == label)
    own = [each for each in truth["annotations"] if each["category_id"] == category and not each.get("iscrowd")]
    return {
        "target": label,
        "boxes": boxes,
        "images_with": len({each["image_id"] for each in own}),
        "status": "" if boxes else "undefined: no box",
        "curves": [],
    }


def _plain(numbers: Mapping[str, float]) -> dict[str, float | None]:
    """Nothing instead of NaN, which JSON does not have: where there was nothing to resample."""
    return {name: None if math.isnan(value) else value for name, value in numbers.items()}
