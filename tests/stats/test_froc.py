from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stats import froc_bands
from stats.coco.froc import SCORED_RATES, USUAL_RATES

BOX, ELSEWHERE = [10.0, 10.0, 20.0, 20.0], [60.0, 60.0, 10.0, 10.0]
# Small sets lack boxes in some replicates; that this is said is tested by name below.
pytestmark = pytest.mark.filterwarnings("ignore:.*(replicates left out|have no box|at least two):RuntimeWarning")


def truth_of(boxes: list[int], *, categories: int = 1) -> dict:
    """So many boxes of category 1 in each image, side by side."""
    annotations = [
        {"image_id": image, "category_id": 1, "bbox": [10.0 + 100 * k, 10.0, 20.0, 20.0]}
        for image, n in enumerate(boxes, start=1)
        for k in range(n)
    ]
    annotations = [{"id": number, "iscrowd": 0, "area": 400.0, **each} for number, each in enumerate(annotations, 1)]
    return {
        "images": [{"id": image} for image in range(1, len(boxes) + 1)],
        "categories": [{"id": k, "name": f"class {k}"} for k in range(1, categories + 1)],
        "annotations": annotations,
    }


def hit(image: int, score: float, place: int = 0) -> dict:
    return {"image_id": image, "category_id": 1, "bbox": [10.0 + 100 * place, 10.0, 20.0, 20.0], "score": score}


def miss(image: int, score: float) -> dict:
    return {"image_id": image, "category_id": 1, "bbox": ELSEWHERE, "score": score}


def one(truth: dict, *runs: list[dict], **options):
    options = {"n_resamples": 50, "rates": [0.25, 0.5, 1, 2]} | options
    (band,) = froc_bands(truth, list(runs), **options)
    return band


def test_a_curve_by_hand_counts_false_positives_over_images_without_boxes_too() -> None:
    # Four images, three boxes. From the top: hit, false, hit, false, false, hit.
    truth = truth_of([2, 1, 0, 0])
    found = [hit(1, 0.9), miss(3, 0.8), hit(2, 0.7), miss(1, 0.6), miss(4, 0.5), hit(1, 0.4, place=1)]
    band = one(truth, found, rates=[0.1, 0.25, 0.3, 0.5, 0.75, 8])
    # .1 of four images is less than one false positive; .25 is one, and what lies above the second comes with it.
    np.testing.assert_allclose(band.sensitivity, [1 / 3, 2 / 3, 2 / 3, 2 / 3, 1, 1])
    assert (band.n_boxes, band.n_images) == (3, 4)
    # 1/8: 1/3; 1/4 and 1/2: 2/3; from 1 on: all.
    assert band.score == pytest.approx((1 / 3 + 2 / 3 + 2 / 3 + 4 * 1) / 7)


def test_equal_scores_are_one_threshold_and_a_line() -> None:
    # Two images: a hit and two false positives share a score, so at one false positive half of the hit is counted.
    truth = truth_of([1, 1])
    found = [hit(1, 0.5), miss(1, 0.5), miss(2, 0.5)]
    band = one(truth, found, rates=[0.25, 0.5, 1])
    np.testing.assert_allclose(band.sensitivity, [0.125, 0.25, 0.5])
    order = one(truth, found[::-1], rates=[0.25, 0.5, 1])
    np.testing.assert_array_equal(order.sensitivity, band.sensitivity)


def test_a_second_detection_of_a_box_is_false_and_a_low_overlap_too() -> None:
    band = one(truth_of([1]), [hit(1, 0.9), hit(1, 0.8)], rates=[0.5, 1])
    np.testing.assert_array_equal(band.sensitivity, [1, 1])
    half = {"image_id": 1, "category_id": 1, "bbox": [10.0, 10.0, 20.0, 10.0], "score": 0.5}  # overlap .5 exactly
    assert one(truth_of([1]), [half], iou=0.5).score == 1
    assert one(truth_of([1]), [half], iou=0.51).score == 0


def test_crowds_count_neither_as_boxes_nor_as_false_positives() -> None:
    truth = truth_of([1, 1])
    truth["annotations"][1]["iscrowd"] = 1
    band = one(truth, [hit(1, 0.5), hit(2, 0.9)], rates=[0.1])
    assert (band.n_boxes, band.sensitivity.tolist()) == (1, [1])


def test_no_detection_finds_nothing() -> None:
    band = one(truth_of([1, 0, 2]), [])
    assert band.sensitivity.tolist() == [0, 0, 0, 0]
    assert (band.score, band.score_low, band.score_high) == (0, 0, 0)


def test_a_single_image_has_a_curve_and_no_band() -> None:
    with pytest.warns(RuntimeWarning, match="at least two"):
        band = one(truth_of([2]), [hit(1, 0.9), miss(1, 0.5), hit(1, 0.2, place=1)], rates=[0.5, 1])
    np.testing.assert_array_equal(band.sensitivity, [0.5, 1])
    assert np.isnan(band.low).all()
    assert math.isnan(band.score_low)


def test_one_patient_has_no_band_either() -> None:
    band = one(truth_of([1, 1]), [hit(1, 0.9)], groups={1: "p", 2: "p"})
    assert band.score == 0.5
    assert np.isnan(band.high).all()


def test_a_category_without_a_box_is_undefined_and_replicates_without_one_are_left_out() -> None:
    with pytest.warns(RuntimeWarning, match="replicates left out"):
        first, second = froc_bands(truth_of([1, 0], categories=2), [[hit(1, 0.9)]], n_resamples=50)
    assert (first.category_id, second.category_id) == (1, 2)
    assert first.score == 1
    assert 0 < first.n_resamples < 50
    assert (second.n_boxes, second.n_resamples) == (0, 0)
    assert np.isnan(second.sensitivity).all()
    assert math.isnan(second.score)
    assert not second.warnings


def test_runs_are_averaged() -> None:
    truth = truth_of([1, 1])
    runs = [hit(1, 0.9), hit(2, 0.8)], [hit(1, 0.9)]
    band = one(truth, *runs)
    assert band.score == 0.75
    assert 0 <= band.score_low < 0.75 < band.score_high <= 1


def test_the_band_is_that_of_the_images_drawn() -> None:
    truth, found = _random_study(3, images=12)
    band = one(truth, found, n_resamples=40, rng=5, rates=[0.25, 0.5, 1, 2])
    curves, scores = [], []
    for times in _draws(12, 40, seed=5):
        drawn, detections = _copy(truth, found, times)
        if drawn["annotations"]:
            again = one(drawn, detections, n_resamples=2, rates=[0.25, 0.5, 1, 2])
            curves.append(again.sensitivity)
            scores.append(again.score)
    low, high = np.quantile(curves, [0.025, 0.975], axis=0)
    np.testing.assert_allclose(band.low, low, atol=1e-12)
    np.testing.assert_allclose(band.high, high, atol=1e-12)
    np.testing.assert_allclose([band.score_low, band.score_high], np.quantile(scores, [0.025, 0.975]), atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_any_curve_is_what_luna16_reads_off(seed) -> None:
    """LUNA16's script: a ROC curve over detections, its false positives over images, read off by np.interp."""
    truth, found = _random_study(seed, images=5)
    band = one(truth, found, rates=USUAL_RATES, n_resamples=2)
    false, true = _thresholds(truth, found)
    expected = np.interp(SCORED_RATES, false / 5, true / len(truth["annotations"]))
    assert band.score == pytest.approx(expected.mean(), abs=1e-12)


def test_equal_seeds_give_equal_bands() -> None:
    truth, found = _random_study(1, images=8)
    first, second = one(truth, found, rng=3), one(truth, found, rng=3)
    np.testing.assert_array_equal(first.low, second.low)
    assert first.to_dict() == second.to_dict()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"iou": 0}, "iou is 0"),
        ({"iou": 1.5}, "iou is 1.5"),
        ({"rates": [1, 0.5]}, "rates"),
        ({"rates": [0]}, "rates"),
        ({"n_resamples": 1}, "n_resamples is 1"),
        ({"confidence_level": 1}, "confidence level"),
        ({"groups": {1: "p"}}, "no patient for image 2"),
    ],
)
def test_wrong_options_are_told(options, message) -> None:
    with pytest.raises(ValueError, match=message):
        froc_bands(truth_of([1, 0]), [[]], **options)


@pytest.mark.parametrize("runs", [[], [hit(1, 0.9)], "detections.json"])
def test_detections_of_one_run_are_not_taken_for_runs(runs) -> None:
    with pytest.raises(ValueError, match="one for each run"):
        froc_bands(truth_of([1]), runs)


def _random_study(seed: int, *, images: int) -> tuple[dict, list[dict]]:
    rng = np.random.default_rng(seed)
    truth = truth_of([1, *rng.integers(0, 3, images - 1).tolist()])
    found = []
    for image in range(1, images + 1):
        for _ in range(rng.integers(0, 5)):
            score = round(float(rng.random()), 1)
            found.append(hit(image, score, int(rng.integers(0, 2))) if rng.random() < 0.5 else miss(image, score))
    return truth, found


def _thresholds(truth: dict, found: list[dict]) -> tuple[np.ndarray, np.ndarray]:
    """False and true positives at each score, by plain loops; what lies on a box must be the first there."""
    boxes = {(each["image_id"], each["bbox"][0]) for each in truth["annotations"]}
    false, true = [0], [0]
    for score in sorted({each["score"] for each in found}, reverse=True):
        called = [each for each in found if each["score"] >= score]
        hits = {(each["image_id"], each["bbox"][0]) for each in called} & boxes
        true.append(len(hits))
        false.append(len(called) - len(hits))
    return np.array(false, float), np.array(true, float)


def _draws(images: int, n_resamples: int, seed: int) -> np.ndarray:
    from stats.resampling import group_weights

    _, weights = next(group_weights(images, n_resamples, seed, n_resamples))
    return weights.T.astype(int)


def _copy(truth: dict, found: list[dict], times: np.ndarray) -> tuple[dict, list[dict]]:
    """The data set with every image as often as drawn."""
    drawn: dict = {"images": [], "annotations": [], "categories": truth["categories"]}
    detections = []
    for image, n in enumerate(times.tolist(), start=1):
        for _ in range(n):
            new = {"image_id": len(drawn["images"]) + 1}
            drawn["images"].append({"id": new["image_id"]})
            for each in truth["annotations"]:
                if each["image_id"] == image:
                    drawn["annotations"].append({**each, **new, "id": len(drawn["annotations"]) + 1})
            detections += [{**each, **new} for each in found if each["image_id"] == image]
    return drawn, detections
