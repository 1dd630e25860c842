from __future__ import annotations

import copy
import math

import numpy as np
import pytest
from faster_coco_eval import COCO, COCOeval_faster

from stats import average_precision, map_replicates, precision_recall_bands

pytestmark = pytest.mark.filterwarnings("ignore:.*(replicates left out|have no box|at least two):RuntimeWarning")


def silent(*_, **__):
    pass


def study(seed: int = 0, *, images: int = 15) -> tuple[dict, list[dict]]:
    """Two categories; boxes that are found more or less exactly, scores with ties, images without boxes."""
    rng = np.random.default_rng(seed)
    annotations, found = [], []
    for image in range(1, images + 1):
        for place in range(rng.integers(0, 4)):
            box = [100.0 * place, 10.0, *rng.uniform(20, 60, 2).round(1).tolist()]
            category = int(rng.integers(1, 3))
            annotations.append({"image_id": image, "category_id": category, "bbox": box, "iscrowd": 0, "area": 400.0})
            if rng.random() < 0.8:
                shifted = [box[0] + rng.uniform(0, 12), box[1] + rng.uniform(0, 12), *box[2:]]
                found.append({"image_id": image, "category_id": category, "bbox": shifted})
        found += [{"image_id": image, "category_id": int(rng.integers(1, 3)), "bbox": [400.0, 300.0, 30.0, 30.0]}]
    annotations = [{"id": number, **each} for number, each in enumerate(annotations, 1)]
    for each in found:
        each["score"] = round(float(rng.random()), 1)
    categories = [{"id": 1, "name": "one"}, {"id": 2, "name": "other"}]
    return {
        "images": [{"id": image} for image in range(1, images + 1)],
        "categories": categories,
        "annotations": annotations,
    }, found


@pytest.mark.parametrize("seed", range(4))
def test_the_curve_is_that_of_the_coco_api(seed) -> None:
    truth, found = study(seed)
    api = COCO(copy.deepcopy(truth), print_function=silent)
    evaluation = COCOeval_faster(
        api, api.loadRes(copy.deepcopy(found)), "bbox", print_function=silent, extra_calc=False
    )
    evaluation.evaluate()
    evaluation.accumulate()
    for place, iou in ((0, 0.5), (5, 0.75)):
        bands = precision_recall_bands(truth, [found], iou=iou, n_resamples=2)
        for column, band in enumerate(bands):
            np.testing.assert_allclose(
                band.precision, evaluation.eval["precision"][place, :, column, 0, -1], atol=1e-12
            )
            assert band.recall.tolist() == np.linspace(0, 1, 101).tolist()


def test_a_curve_by_hand() -> None:
    # Two boxes; the first is found at once, the second after a false one: precision 1 up to recall .5, then 2/3.
    truth, _ = study()
    truth["annotations"] = [
        {"id": k, "image_id": k, "category_id": 1, "bbox": [0.0, 0.0, 10.0, 10.0], "iscrowd": 0, "area": 100.0}
        for k in (1, 2)
    ]
    found = [
        {"image_id": image, "category_id": 1, "bbox": [float(left), 0.0, 10.0, 10.0], "score": score}
        for image, left, score in ((1, 0, 0.9), (3, 0, 0.8), (2, 0, 0.7), (2, 50, 0.1))
    ]
    band, absent = precision_recall_bands(truth, [found], n_resamples=50)
    np.testing.assert_allclose(band.precision, [1] * 51 + [2 / 3] * 50)
    assert band.ap == pytest.approx((51 + 50 * 2 / 3) / 101)
    assert band.n_boxes == 2
    assert np.isnan(absent.precision).all()
    assert (absent.n_boxes, absent.n_resamples) == (0, 0)


def test_ap_and_its_replicates_are_those_of_the_tables() -> None:
    truth, found = study(5)
    patients = {image["id"]: image["id"] // 2 for image in truth["images"]}
    bands = precision_recall_bands(truth, [found], groups=patients, n_resamples=60, rng=7)
    expected = average_precision(truth, found, metric="AP50").per_class
    np.testing.assert_allclose([band.ap for band in bands], expected, atol=1e-12)
    replicates = map_replicates(truth, found, metric="AP50", groups=patients, n_resamples=60, rng=7, per_class=True)
    for band, values in zip(bands, replicates.T, strict=True):
        low, high = np.quantile(values[~np.isnan(values)], [0.025, 0.975])
        assert (band.ap_low, band.ap_high) == (pytest.approx(low, abs=1e-12), pytest.approx(high, abs=1e-12))
        assert (band.low <= band.precision + 1e-9).all()
        assert (band.precision <= band.high + 1e-9).all()


def test_runs_are_averaged_at_each_recall() -> None:
    truth, found = study(2)
    half = found[::2]
    together = precision_recall_bands(truth, [found, half], n_resamples=2)
    for both, *alone in zip(
        together, *(precision_recall_bands(truth, [run], n_resamples=2) for run in (found, half)), strict=True
    ):
        np.testing.assert_allclose(both.precision, (alone[0].precision + alone[1].precision) / 2, atol=1e-12)
        assert both.ap == pytest.approx((alone[0].ap + alone[1].ap) / 2)


def test_no_detection_and_a_single_image() -> None:
    truth, found = study(1)
    assert [band.ap for band in precision_recall_bands(truth, [[]], n_resamples=10)] == [0, 0]
    only = truth["annotations"][0]["image_id"]
    truth["images"] = [{"id": only}]
    truth["annotations"] = [each for each in truth["annotations"] if each["image_id"] == only]
    found = [each for each in found if each["image_id"] == only]
    for band in precision_recall_bands(truth, [found], n_resamples=10):
        assert np.isnan(band.low).all()
        assert math.isnan(band.ap_low)
        assert bool(band.warnings) == (band.n_boxes > 0)
