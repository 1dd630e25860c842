from __future__ import annotations

import json
from collections import Counter

import pytest

import stats
from evalkit.comparisons.estimation.detections import DetectionCases
from evalkit.errors import InputError
from evalkit.figures.boxes import Shown, choose_images, collect_boxes
from evalkit.figures.files import COLUMNS

BOX, ELSEWHERE = [10.0, 20.0, 40.0, 30.0], [100.0, 100.0, 20.0, 20.0]


def truth_of(boxes: list[int], *, patients: int | None = None) -> dict:
    """So many boxes in each image; the images are of so many patients."""
    return {
        "images": [
            {
                "id": k,
                "image_id": f"image{k}",
                "patient_id": f"patient{k % (patients or len(boxes))}",
                "width": 200,
                "height": 150,
            }
            for k in range(len(boxes))
        ],
        "categories": [{"id": 1, "name": "opacity"}, {"id": 2, "name": "nodule"}],
        "annotations": [
            {"id": 10 * k + j, "image_id": k, "category_id": 1 + j, "bbox": [BOX[0] + 70 * j, *BOX[1:]], "iscrowd": 0}
            for k, n in enumerate(boxes)
            for j in range(n)
        ],
    }


def chosen_ids(truth: dict, **options) -> list[str]:
    options = {"images": 4, "image_ids": None, "seed": 0} | options
    return [each["image_id"] for each in choose_images(truth, **options)]


def test_a_quarter_of_the_images_has_no_box() -> None:
    truth = truth_of([1, 0, 2] * 10)
    empty = {f"image{k}" for k in range(1, 30, 3)}
    for images, expected in ((1, 0), (2, 1), (4, 1), (8, 2)):
        ids = chosen_ids(truth, images=images)
        assert len(set(ids)) == images
        assert [name in empty for name in ids] == [False] * (images - expected) + [True] * expected
    assert chosen_ids(truth) == chosen_ids(truth)
    assert any(chosen_ids(truth, seed=seed) != chosen_ids(truth) for seed in (1, 2))


def test_what_there_is_too_little_of_is_made_up_for() -> None:
    assert len(chosen_ids(truth_of([1] * 5))) == 4
    assert len(chosen_ids(truth_of([1, 0, 0, 0, 0]))) == 4
    assert chosen_ids(truth_of([1, 0])) == ["image0", "image1"]


def test_images_are_of_different_patients_as_long_as_there_are_any() -> None:
    truth = truth_of([1] * 40, patients=3)
    patients = {each["image_id"]: each["patient_id"] for each in truth["images"]}
    for seed in range(5):
        counts = Counter(patients[name] for name in chosen_ids(truth, seed=seed))
        assert sorted(counts.values()) == [1, 1, 2]


def test_named_images_are_shown_in_their_order_and_others_refused() -> None:
    truth = truth_of([1, 0, 2])
    assert chosen_ids(truth, image_ids=["image2", "image0"]) == ["image2", "image0"]
    with pytest.raises(InputError, match=r"image_ids names image9"):
        chosen_ids(truth, image_ids=["image2", "image9"])


def detection(image: int, score: float, box: list[float] = BOX, category: int = 1) -> dict:
    return {"image_id": image, "category_id": category, "bbox": box, "score": score}


def shown(detections: list[dict], threshold: float | None = 0.5, **changes) -> Shown:
    point = None if threshold is None else stats.OperatingPoint(threshold, 0.7, 0.7, 0.7)
    about = {"backbone": "good", "label": "Good", "repeat": 0, "runs": 1} | changes
    return Shown(detections=detections, point=point, **about)


def test_boxes_are_true_false_or_missed_at_the_threshold() -> None:
    truth = truth_of([2, 1, 0])
    found = [
        detection(0, 0.9),
        detection(0, 0.8, ELSEWHERE),
        detection(0, 0.5, ELSEWHERE, category=2),
        detection(0, 0.49, [80.0, *BOX[1:]], category=2),  # below the threshold: its box is missed
        detection(1, 0.9),
    ]
    chosen = choose_images(truth, images=0, image_ids=["image2", "image0"], seed=0)
    rows, facts = collect_boxes(DetectionCases(truth, None), [shown(found)], chosen, iou=0.5)
    assert list(rows.columns) == list(COLUMNS["boxes"])
    said = [(row.image_id, row.backbone, row.target, row.outcome, row.score) for row in rows.fillna(-1).itertuples()]
    assert said == [
        ("image0", "", "opacity", "truth", -1),
        ("image0", "", "nodule", "truth", -1),
        ("image0", "good", "opacity", "true", 0.9),
        ("image0", "good", "opacity", "false", 0.8),
        ("image0", "good", "nodule", "false", 0.5),
        ("image0", "good", "nodule", "missed", -1),
    ]
    assert rows[["x", "y", "width", "height"]].iloc[0].tolist() == BOX
    assert facts == {
        "images": [
            {"image_id": "image2", "width": 200, "height": 150, "boxes": 0},
            {"image_id": "image0", "width": 200, "height": 150, "boxes": 2},
        ],
        "classes": ["opacity", "nodule"],
        "panels": [{"backbone": "good", "repeat": 0, "runs": 1, "threshold": 0.5, "f1": 0.7}],
        "iou": 0.5,
        "notes": [],
    }
    json.dumps(facts, allow_nan=False)


def test_a_higher_overlap_makes_a_detection_false() -> None:
    near = detection(0, 0.9, [10.0, 20.0, 40.0, 20.0])  # overlap 2/3
    cases = DetectionCases(truth_of([1]), None)
    for iou, expected in ((0.6, ["truth", "true"]), (0.7, ["truth", "false", "missed"])):
        rows, _ = collect_boxes(cases, [shown([near])], cases.ground_truth["images"], iou=iou)
        assert rows["outcome"].tolist() == expected


def test_crowds_and_what_lies_in_them_are_neither_right_nor_wrong() -> None:
    truth = truth_of([1, 1])
    truth["annotations"][1]["iscrowd"] = 1
    cases = DetectionCases(truth, None)
    rows, facts = collect_boxes(cases, [shown([detection(1, 0.9)])], truth["images"][1:], iou=0.5)
    assert rows.empty
    assert facts["images"][0]["boxes"] == 0


def test_without_a_threshold_nothing_is_called_and_it_is_said() -> None:
    cases = DetectionCases(truth_of([1]), None)
    run = shown([detection(0, 0.9)], threshold=None)
    rows, facts = collect_boxes(cases, [run], cases.ground_truth["images"], iou=0.5)
    assert rows["outcome"].tolist() == ["truth", "missed"]
    assert facts["panels"][0]["threshold"] is None
    assert facts["notes"] == ["Good: no box of the validation images was found, so there is no threshold."]
