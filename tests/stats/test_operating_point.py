from __future__ import annotations

import pytest

from stats import best_operating_point, match_boxes

BOX, ELSEWHERE = [10.0, 10.0, 20.0, 20.0], [60.0, 60.0, 10.0, 10.0]


def truth_of(images: int, *, crowd: int | None = None) -> dict:
    """One box in each image."""
    return {
        "images": [{"id": image} for image in range(images)],
        "categories": [{"id": 1}, {"id": 2}],
        "annotations": [
            {"id": image, "image_id": image, "category_id": 1, "bbox": BOX, "iscrowd": int(image == crowd), "area": 400}
            for image in range(images)
        ],
    }


def detection(image: int, score: float, box: list[float] = BOX, category: int = 1) -> dict:
    return {"image_id": image, "category_id": category, "bbox": box, "score": score}


def test_the_threshold_of_highest_f1_by_hand() -> None:
    # Three boxes. F1 after each score: 2/4, 2/5, 4/6, 4/7 and 6/8, 6/9.
    scores = [(0, 0.9, BOX), (1, 0.8, ELSEWHERE), (1, 0.7, BOX), (2, 0.6, ELSEWHERE), (2, 0.5, BOX), (2, 0.4, BOX)]
    point = best_operating_point(truth_of(3), [detection(*each) for each in scores])
    assert point is not None
    assert (point.threshold, point.f1) == (0.5, pytest.approx(6 / 8))
    assert (point.precision, point.recall) == (pytest.approx(3 / 5), 1)


def test_equal_scores_are_called_together_and_the_highest_of_equals_is_taken() -> None:
    tied = [detection(0, 0.5), detection(1, 0.5, ELSEWHERE), detection(1, 0.2, ELSEWHERE)]
    point = best_operating_point(truth_of(2), tied)
    assert (point.threshold, point.precision) == (0.5, 0.5)
    # 2/3 at .9, and 4/6 at .1.
    equal = [detection(0, 0.9), *(detection(0, 0.1, ELSEWHERE) for _ in range(2)), detection(1, 0.1)]
    assert best_operating_point(truth_of(2), equal).threshold == 0.9


def test_categories_count_together_and_crowds_not_at_all() -> None:
    found = [detection(0, 0.9), detection(1, 0.8, category=2), detection(1, 0.7)]
    point = best_operating_point(truth_of(2, crowd=1), found)
    assert (point.threshold, point.f1) == (0.9, 1)


def test_nothing_found_has_no_threshold() -> None:
    assert best_operating_point(truth_of(1), []) is None
    assert best_operating_point(truth_of(1), [detection(0, 0.9, ELSEWHERE)]) is None
    assert best_operating_point(truth_of(1), [detection(0, 0.9, [10.0, 10.0, 20.0, 10.0])], iou=0.6) is None


def test_detections_and_boxes_are_told_apart_in_the_order_given() -> None:
    found = [detection(1, 0.1), detection(0, 0.2, ELSEWHERE), detection(1, 0.9), detection(2, 0.3)]
    matches = match_boxes(truth_of(4, crowd=2), found)
    assert matches.true.tolist() == [False, False, True, False]
    assert matches.ignored.tolist() == [False, False, False, True]
    assert matches.found.tolist() == [False, True, True, False]


def test_detections_beyond_the_hundredth_are_passed_over() -> None:
    found = [detection(0, 1 - k / 1000, ELSEWHERE) for k in range(100)] + [detection(0, 0.1)]
    matches = match_boxes(truth_of(1), found)
    assert matches.ignored.tolist() == [False] * 100 + [True]
    assert best_operating_point(truth_of(1), found) is None
