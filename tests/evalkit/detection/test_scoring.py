from __future__ import annotations

from contextlib import redirect_stdout
from io import StringIO
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from evalkit.detection.scoring import score_detections


def draw(seed: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    random = np.random.default_rng(seed)
    truth: dict[str, Any] = {
        "images": [{"id": number, "width": 200, "height": 200} for number in range(1, 31)],
        "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}, {"id": 3, "name": "never"}],
        "annotations": [],
    }
    found = []
    for image in truth["images"]:
        for _ in range(random.integers(0, 5)):
            box = [*random.uniform(0, 100, 2), *random.uniform(5, 80, 2)]
            category = int(random.integers(1, 3))
            number = len(truth["annotations"]) + 1
            common = {"image_id": image["id"], "category_id": category}
            truth["annotations"].append({"id": number, **common, "bbox": box, "area": box[2] * box[3], "iscrowd": 0})
            for _ in range(3):
                moved = (np.array(box) + random.normal(0, 6, 4)).clip(1).tolist()
                found.append({**common, "bbox": moved, "score": round(float(random.random()), 2)})
    return truth, found


@pytest.mark.parametrize("seed", range(4))
def test_numbers_are_those_of_pycocotools(seed: int) -> None:
    truth, found = draw(seed)
    ours = score_detections(truth, found)
    with redirect_stdout(StringIO()):
        ground = COCO()
        ground.dataset = truth
        ground.createIndex()
        theirs = COCOeval(ground, ground.loadRes(found), "bbox")
        theirs.evaluate()
        theirs.accumulate()
        theirs.summarize()
    expected = theirs.stats[[0, 1, 2, 8]]
    assert [ours[name] for name in ("ap", "ap50", "ap75", "ar100")] == pytest.approx(expected, abs=1e-12)
    precision = theirs.eval["precision"][:, :, :2, 0, -1].mean(axis=(0, 1))
    assert [ours["per_class"][name]["ap"] for name in ("a", "b")] == pytest.approx(precision.tolist(), abs=1e-12)
    assert set(ours["per_class"]["never"].values()) == {None}


def test_no_detection_scores_nothing_and_no_box_has_no_score() -> None:
    truth, found = draw(0)
    assert {score_detections(truth, [])[name] for name in ("ap", "ap50", "ap75", "ar100")} == {0.0}
    without = {**truth, "annotations": []}
    assert {score_detections(without, found)[name] for name in ("ap", "ap50", "ap75", "ar100")} == {None}


def test_arguments_are_left_as_they_were() -> None:
    truth, found = draw(1)
    before = (repr(truth), repr(found))
    score_detections(truth, found)
    assert (repr(truth), repr(found)) == before
