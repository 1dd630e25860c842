"""How long a run's detections take to be scored, beside pycocotools.

    python benchmarks/coco_evaluation.py

`evalkit.detection.scoring.score_detections` and pycocotools score the same detections: 1,000 images with 100 detections
each, of one class and of fourteen; loading is counted for both. Medians of three interleaved rounds.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import contextlib
import io
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from evalkit.detection.scoring import score_detections

IMAGES, DETECTIONS, BOXES, ROUNDS = 1000, 100, 4, 3


def draw(classes: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Ground truth, and detections of which a quarter are near a box."""
    random = np.random.default_rng(0)
    truth: dict[str, Any] = {
        "images": [{"id": number, "width": 1000, "height": 1000} for number in range(1, IMAGES + 1)],
        "categories": [{"id": number, "name": str(number)} for number in range(1, classes + 1)],
        "annotations": [],
    }
    found = []
    for number in range(1, IMAGES + 1):
        boxes = np.c_[random.uniform(0, 700, (BOXES, 2)), random.uniform(50, 300, (BOXES, 2))]
        labels = random.integers(1, classes + 1, BOXES)
        for box, label in zip(boxes.tolist(), labels.tolist(), strict=True):
            row = {"image_id": number, "category_id": label, "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
            truth["annotations"].append({"id": len(truth["annotations"]) + 1, **row})
        about = random.integers(0, BOXES, DETECTIONS)
        moved = boxes[about] + random.normal(0, np.where(np.arange(DETECTIONS) % 4, 200, 15)[:, None], (DETECTIONS, 4))
        for box, label, score in zip(
            np.abs(moved).tolist(), labels[about].tolist(), random.random(DETECTIONS), strict=True
        ):
            found.append({"image_id": number, "category_id": label, "bbox": box, "score": float(score)})
    return truth, found


def by_pycocotools(truth: dict[str, Any], found: list[dict[str, Any]]) -> float:
    """AP as pycocotools has it."""
    with contextlib.redirect_stdout(io.StringIO()):
        ground = COCO()
        ground.dataset = truth
        ground.createIndex()
        evaluation = COCOeval(ground, ground.loadRes(found), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return float(evaluation.stats[0])


def main() -> None:
    """Print the ratio for each number of classes."""
    for classes in (1, 14):
        truth, found = draw(classes)
        times: dict[str, list[float]] = {"ours": [], "theirs": []}
        for _ in range(ROUNDS):
            started = perf_counter()
            ours = score_detections(truth, found)["ap"]
            times["ours"].append(perf_counter() - started)
            started = perf_counter()
            theirs = by_pycocotools(truth, found)
            times["theirs"].append(perf_counter() - started)
        assert abs(ours - theirs) < 1e-9
        print(f"{classes} classes: {median(times['theirs']) / median(times['ours']):.1f} times as fast as pycocotools")


if __name__ == "__main__":
    main()
