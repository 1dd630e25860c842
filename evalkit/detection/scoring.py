"""How good detections are: COCO's average precision and recall."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster

#: Detections of an image that count, the highest scores; and where IoU .5 and .75 are among .5, .55 ... .95.
_MOST, _AT_50, _AT_75 = 100, 0, 5


def score_detections(truth: Mapping[str, Any], found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Evaluate detections as pycocotools does, with faster-coco-eval.

    Parameters
    ----------
    truth : mapping
        COCO's ground truth.
    found : sequence of mapping
        COCO's results.

    Returns
    -------
    dict
        ``ap`` (mean over IoU .50 to .95), ``ap50``, ``ap75`` and ``ar100`` (the highest recall with 100 detections for
        an image, mean over IoU), each the mean over the classes that have a box, and ``per_class`` the same for each;
        None where there is no box.
    """
    names = [each["name"] for each in truth["categories"]]
    silent = {"print_function": lambda *_: None}
    ground = COCO(copy.deepcopy(dict(truth)), **silent)
    # loadRes does not take an empty list.
    results = ground.loadRes([dict(each) for each in found]) if found else _nothing(truth, silent)
    evaluation = COCOeval_faster(ground, results, iouType="bbox", **silent)
    evaluation.params.maxDets = [1, 10, _MOST]
    evaluation.evaluate()
    evaluation.accumulate()
    # Shapes: (IoU, recall, class, area, detections) and (IoU, class, area, detections); -1 where there is no box.
    precision, recall = (
        np.where(values < 0, np.nan, values)
        for values in (evaluation.eval["precision"][..., 0, -1], evaluation.eval["recall"][..., 0, -1])
    )
    areas = precision.mean(axis=1)
    columns = {"ap": areas.mean(axis=0), "ap50": areas[_AT_50], "ap75": areas[_AT_75], "ar100": recall.mean(axis=0)}
    present = ~np.isnan(columns["ap"])
    means = {key: float(values[present].mean()) if present.any() else None for key, values in columns.items()}
    per_class = {
        name: {key: float(values[number]) if present[number] else None for key, values in columns.items()}
        for number, name in enumerate(names)
    }
    return {**means, "per_class": per_class}


def _nothing(truth: Mapping[str, Any], silent: Mapping[str, Any]) -> COCO:
    empty = {"images": list(truth["images"]), "categories": list(truth["categories"]), "annotations": []}
    return COCO(copy.deepcopy(empty), **silent)
