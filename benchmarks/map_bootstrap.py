"""What a paired bootstrap of COCO mAP costs beside evaluating every resample anew.

    python benchmarks/map_bootstrap.py

For two detectors on 1,000 images with 100 detections each: the time of `map_bootstrap` (1,000 replicates, ten IoU
thresholds, reading and matching included) and, as what the naive loop would take, a thousand times one evaluation of
both detectors by faster-coco-eval (and pycocotools where it is installed), with the area range and the number of
detections that AP needs, and loading not counted. Medians of three interleaved rounds.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import contextlib
import copy
import importlib
import importlib.util
import io
from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np

from stats import average_precision, map_bootstrap

N_IMAGES, N_DETECTIONS, N_BOXES, N_RESAMPLES, ROUNDS = 1000, 100, 8, 1000, 3
CASES = [
    ("1 category", 1, None),
    ("14 categories", 14, None),
    ("80 categories", 80, None),
    ("1 category, scores rounded to .01", 1, 2),
]


def study(n_categories: int, digits: int | None) -> tuple[dict[str, Any], list[Any], list[Any]]:
    """Ground truth with about eight boxes an image, and two detectors that find most of them."""
    generator = np.random.default_rng(0)
    truth: dict[str, Any] = {
        "images": [{"id": i} for i in range(N_IMAGES)],
        "annotations": [],
        "categories": [{"id": k} for k in range(1, n_categories + 1)],
    }
    detectors: tuple[list[Any], list[Any]] = ([], [])
    for image in range(N_IMAGES):
        n_boxes = int(generator.poisson(N_BOXES))
        boxes = np.c_[generator.uniform(0, 800, (n_boxes, 2)), generator.uniform(20, 200, (n_boxes, 2))]
        categories = generator.integers(1, n_categories + 1, n_boxes)
        for box, category in zip(boxes.tolist(), categories.tolist(), strict=True):
            row = {"id": len(truth["annotations"]) + 1, "image_id": image, "category_id": category, "bbox": box}
            truth["annotations"].append({**row, "area": box[2] * box[3], "iscrowd": 0})
        for detections, noise in zip(detectors, (0.06, 0.065), strict=True):
            about = generator.integers(0, n_boxes, N_DETECTIONS // 4 if n_boxes else 0)
            near = boxes[about] + noise * generator.normal(size=(about.size, 4)) * boxes[about][:, [2, 3, 2, 3]]
            rest = N_DETECTIONS - about.size
            far = np.c_[generator.uniform(0, 800, (rest, 2)), generator.uniform(20, 200, (rest, 2))]
            found = np.abs(np.vstack([near, far])).tolist()
            called = np.concatenate([categories[about], generator.integers(1, n_categories + 1, rest)]).tolist()
            score = np.concatenate([generator.beta(4, 2, about.size), generator.beta(1, 4, rest)])
            score = score if digits is None else np.round(score, digits)
            for box, category, s in zip(found, called, score.tolist(), strict=True):
                detections.append({"image_id": image, "category_id": category, "bbox": box, "score": s})
    return truth, *detectors


def evaluation(peer: str, truth: dict[str, Any], detections: list[Any]) -> Callable[[], float]:
    """Prepare a peer's evaluation of one detector; calling it evaluates and returns AP."""
    if peer == "pycocotools":
        coco, evaluator = (importlib.import_module(f"pycocotools.{name}") for name in ("coco", "cocoeval"))
        reference, evaluate = coco.COCO(), evaluator.COCOeval
        reference.dataset = copy.deepcopy(truth)
        reference.createIndex()
    else:
        faster = importlib.import_module("faster_coco_eval")
        reference, evaluate = faster.COCO(copy.deepcopy(truth)), faster.COCOeval_faster
    found = reference.loadRes(copy.deepcopy(detections))

    def run() -> float:
        task = evaluate(reference, found, "bbox")
        task.params.areaRng, task.params.areaRngLbl = task.params.areaRng[:1], task.params.areaRngLbl[:1]
        task.params.maxDets = [100]
        task.extra_calc = False  # faster-coco-eval's own extras
        task.evaluate()
        task.accumulate()
        precision = task.eval["precision"]
        return float(precision[precision > -1].mean())

    return run


def main() -> None:
    peers = [name for name in ("faster_coco_eval", "pycocotools") if importlib.util.find_spec(name)]
    for name, n_categories, digits in CASES:
        truth, a, b = study(n_categories, digits)
        ours: list[float] = []
        theirs: dict[str, list[float]] = {peer: [] for peer in peers}
        with contextlib.redirect_stdout(io.StringIO()):  # the peers report every step
            runs = {peer: [evaluation(peer, truth, rows) for rows in (a, b)] for peer in peers}
            for _ in range(ROUNDS):
                start = perf_counter()
                result = map_bootstrap(truth, a, b, n_resamples=N_RESAMPLES)
                ours.append(perf_counter() - start)
                for peer, of_detectors in runs.items():
                    start = perf_counter()
                    difference = np.subtract(*[run() for run in of_detectors])
                    theirs[peer].append(perf_counter() - start)
                    np.testing.assert_allclose(result.difference, difference, rtol=0, atol=1e-12)
        seconds = float(np.median(ours))
        print(
            f"{name}: {N_RESAMPLES} replicates of two detectors (AP {average_precision(truth, a).mean:.3f}) on "
            f"{N_IMAGES} images x {N_DETECTIONS} detections: {seconds:.1f} s ({min(ours):.1f} to {max(ours):.1f})"
        )
        for peer, times in theirs.items():
            once = float(np.median(times))
            print(
                f"  {peer}: {once:.2f} s to evaluate both once, {once * N_RESAMPLES / 3600:.2f} h for every replicate, "
                f"{once * N_RESAMPLES / seconds:.0f} times as long"
            )


if __name__ == "__main__":
    main()
