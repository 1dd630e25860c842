from __future__ import annotations

import copy
import importlib
import json
import math

import numpy as np
import pandas as pd
import pytest
from faster_coco_eval import COCO, COCOeval_faster
from hypothesis import given, settings
from hypothesis import strategies as st

from stats import average_precision, map_bootstrap, map_replicates, resampling
from stats.bootstrap import difference_from_replicates
from stats.coco import matching as coco_matching
from stats.coco import weighted_precision

quick = settings(deadline=None, max_examples=25)
N_RESAMPLES = 25
COCO_METRICS = {"AP": slice(None), "AP50": slice(0, 1), "AP75": slice(5, 6)}
# Small random studies lack categories in some replicates; that this is said is tested by name below.
pytestmark = pytest.mark.filterwarnings("ignore:.*(have no box|replicates left out|without `iscrowd`):RuntimeWarning")


def silent(*_, **__):
    pass


def coco_api(ground_truth, detections, metric="AP"):
    """faster-coco-eval's AP of each category (NaN for its -1), and the mean over them."""
    truth = COCO(copy.deepcopy(ground_truth), print_function=silent)
    found = truth.loadRes(copy.deepcopy(detections))
    evaluation = COCOeval_faster(truth, found, "bbox", print_function=silent, extra_calc=False)
    evaluation.evaluate()
    evaluation.accumulate()
    precision = evaluation.eval["precision"][COCO_METRICS[metric], :, :, 0, -1]
    of_classes = [exact_mean(values) if values.max() >= 0 else np.nan for values in np.moveaxis(precision, 2, 0)]
    present = precision[precision >= 0]
    return of_classes, exact_mean(present) if present.size else np.nan


def exact_mean(values):
    """Without the rounding of a long sum, which can reach 1e-14."""
    return math.fsum(values.ravel().tolist()) / values.size


def copied(ground_truth, detections, times):
    """The data set with every image as often as drawn: fresh ids, copies side by side, images in the order of ids."""
    by_image = {image["id"]: ([], []) for image in ground_truth["images"]}
    for place, rows in enumerate((ground_truth["annotations"], detections)):
        for row in rows:
            by_image[row["image_id"]][place].append(row)
    images, annotations, found = [], [], []
    for identity, n in zip(sorted(by_image), times, strict=True):
        for _ in range(int(n)):
            images.append({"id": len(images) + 1})
            fresh = {"image_id": len(images)}
            annotations += [
                {**row, **fresh, "id": len(annotations) + i} for i, row in enumerate(by_image[identity][0], 1)
            ]
            found += [{**row, **fresh} for row in by_image[identity][1]]
    return {"images": images, "annotations": annotations, "categories": ground_truth["categories"]}, found


def naive_replicates(ground_truth, detections, metric, groups, seed, n_resamples=N_RESAMPLES):
    """Literal bootstrap: faster-coco-eval on the copied images of every replicate. (B, categories) and (B,)."""
    ids = sorted(image["id"] for image in ground_truth["images"])
    names, patient = np.unique([ids.index(i) if groups is None else groups[i] for i in ids], return_inverse=True)
    _, weights = next(resampling.group_weights(names.size, n_resamples, seed, n_resamples))
    answers = [coco_api(*copied(ground_truth, detections, column[patient]), metric) for column in weights.T]
    return np.array([classes for classes, _ in answers]), np.array([mean for _, mean in answers])


def random_study(seed, n_images=7, n_categories=3, step=None, crowds=0.15, empty=0.3):
    """Ground truth and two detectors: images without boxes or detections, crowds, ignored boxes, scores with ties."""
    generator = np.random.default_rng(seed)
    image_ids = generator.permutation(50)[:n_images].tolist()
    category_ids = (generator.permutation(20)[:n_categories] + 1).tolist()
    annotations, detectors = [], ([], [])
    for image in image_ids:
        n_boxes = 0 if generator.random() < empty else generator.integers(1, 7)
        boxes = np.c_[generator.uniform(0, 60, (n_boxes, 2)), generator.uniform(5, 40, (n_boxes, 2))].round(1)
        categories = generator.choice(category_ids, n_boxes)
        for box, category in zip(boxes.tolist(), categories.tolist(), strict=True):
            row = {"id": len(annotations) + 1, "image_id": image, "category_id": category, "bbox": box}
            row |= {"area": box[2] * box[3], "iscrowd": int(generator.random() < crowds)}
            if generator.random() < 0.1:
                row["ignore"] = 1
            annotations.append(row)
        for detections in detectors:
            for _ in range(generator.integers(0, 12)):
                if n_boxes and generator.random() < 0.7:
                    place = generator.integers(n_boxes)
                    box, category = boxes[place] * generator.normal(1, 0.1, 4), categories[place]
                    box = boxes[place] if generator.random() < 0.2 else np.abs(box)
                else:
                    box, category = generator.uniform(1, 50, 4), generator.choice(category_ids)
                score = generator.random()
                score = score if step is None else round(score / step) * step
                row = {"image_id": image, "category_id": int(category), "bbox": box.tolist(), "score": score}
                detections.append(row)
    categories = [{"id": category} for category in category_ids]
    return {"images": [{"id": i} for i in image_ids], "annotations": annotations, "categories": categories}, *detectors


def counts_somewhere(ground_truth):
    return any(not row["iscrowd"] for row in ground_truth["annotations"])


@st.composite
def studies(draw):
    seed = draw(st.integers(0, 2**32))
    study = random_study(
        seed,
        n_images=draw(st.integers(2, 9)),
        n_categories=draw(st.integers(1, 4)),
        step=draw(st.sampled_from([None, 0.02, 0.25, 1])),
        crowds=draw(st.sampled_from([0, 0.3])),
        empty=draw(st.sampled_from([0, 0.4])),
    )
    ids = sorted(image["id"] for image in study[0]["images"])
    patients = np.random.default_rng(seed).integers(0, 4, len(ids)).tolist()
    groups = draw(st.sampled_from([None, dict(zip(ids, patients, strict=True))]))
    return *study, groups, seed % 1000


# Every replicate is the COCO API's answer


@pytest.mark.parametrize("metric", COCO_METRICS)
@quick
@given(study=studies().filter(lambda study: counts_somewhere(study[0])))
def test_every_replicate_is_the_coco_api_on_the_copied_images(metric, study):
    ground_truth, a, _, groups, seed = study
    options = {"metric": metric, "groups": groups, "n_resamples": N_RESAMPLES, "rng": seed}
    per_class, mean = naive_replicates(ground_truth, a, metric, groups, seed)
    np.testing.assert_allclose(
        map_replicates(ground_truth, a, **options, per_class=True), per_class, rtol=0, atol=1e-14
    )
    np.testing.assert_allclose(map_replicates(ground_truth, a, **options), mean, rtol=0, atol=1e-14)


@quick
@given(study=studies().filter(lambda study: counts_somewhere(study[0])))
def test_the_estimate_is_the_coco_apis(study):
    ground_truth, a, *_ = study
    for metric in COCO_METRICS:
        per_class, mean = coco_api(ground_truth, a, metric)
        result = average_precision(ground_truth, a, metric=metric)
        np.testing.assert_allclose(result.per_class, per_class, rtol=0, atol=1e-14)
        assert result.mean == pytest.approx(mean, abs=1e-14)
        assert result.category_ids == sorted(row["id"] for row in ground_truth["categories"])


@pytest.mark.parametrize("usual_copies", [1, 2])
def test_more_copies_than_laid_out_from_the_start(monkeypatch, usual_copies):
    monkeypatch.setattr(weighted_precision, "USUAL_COPIES", usual_copies)
    ground_truth, a, _ = random_study(3, n_images=5, step=0.25)
    per_class, _ = naive_replicates(ground_truth, a, "AP", None, 0)
    fast = map_replicates(ground_truth, a, n_resamples=N_RESAMPLES, per_class=True)
    np.testing.assert_allclose(fast, per_class, rtol=0, atol=1e-14)


def test_many_detections_of_one_image_and_category_are_cut_to_the_highest_hundred():
    generator = np.random.default_rng(0)
    boxes = [[10.0 * i, 0.0, 8.0, 8.0] for i in range(60)]
    ground_truth = one_category([boxes, boxes[:20]])
    found = [boxes[i % 60] if i % 3 else [10.0 * (i % 60), 30.0, 8.0, 8.0] for i in range(150)]
    scores = np.round(generator.random(150), 2).tolist()
    detections = detections_of(0, found, scores) + detections_of(1, found, scores[::-1])
    per_class, _ = naive_replicates(ground_truth, detections, "AP", None, 1, 12)
    fast = map_replicates(ground_truth, detections, n_resamples=12, rng=1, per_class=True)
    np.testing.assert_allclose(fast, per_class, rtol=0, atol=1e-14)


def test_the_recalls_that_are_reached_are_those_of_the_quotients():
    # 7 of 20 is a recall of .35, which COCO's threshold 35 * .01 is above.
    n_boxes = np.arange(0, 400)
    reached, first = weighted_precision._recalls_reached(n_boxes)
    for n, start in zip(n_boxes[1:].tolist(), first[1:].tolist(), strict=True):
        recalls = np.arange(n + 1) / n
        expected = np.searchsorted(np.linspace(0, 1, 101), recalls, "right")
        np.testing.assert_array_equal(reached[start : start + n + 1], expected)
    assert reached[first[20] + 7] == 35


# Small cases by hand


def one_category(boxes_of_images, **fields):
    """A data set of one category (1), with images 0, 1, ... that hold the boxes given."""
    rows = [(image, box) for image, boxes in enumerate(boxes_of_images) for box in boxes]
    annotations = [
        {"id": place, "image_id": image, "category_id": 1, "bbox": box, **fields}
        for place, (image, box) in enumerate(rows, 1)
    ]
    images = [{"id": image} for image in range(len(boxes_of_images))]
    return {"images": images, "annotations": annotations, "categories": [{"id": 1}]}


def detections_of(image, boxes, scores):
    return [
        {"image_id": image, "category_id": 1, "bbox": box, "score": score}
        for box, score in zip(boxes, scores, strict=True)
    ]


BOX, ELSEWHERE = [0, 0, 10, 10], [50, 50, 10, 10]


def test_copies_of_detections_tied_within_an_image_alternate():
    ground_truth = one_category([[BOX], [BOX], [BOX]])
    tied = [row for image in range(3) for row in detections_of(image, [ELSEWHERE, BOX], [0.5, 0.5])]
    # False, true, false, true, ...: precision 1/2 at every recall; all false ones first would give less.
    assert average_precision(ground_truth, tied).mean == pytest.approx(0.5)
    assert map_replicates(ground_truth, tied, n_resamples=50) == pytest.approx(0.5)
    first = [row for image in range(3) for row in detections_of(image, [BOX, ELSEWHERE], [0.5, 0.5])]
    # True, false, true, false, true: precisions 1, 2/3, 3/5 over 34, 33 and 34 recall thresholds.
    assert map_replicates(ground_truth, first, n_resamples=50) == pytest.approx((34 + 33 * 2 / 3 + 34 * 3 / 5) / 101)


def test_a_crowd_takes_any_number_and_counts_nowhere():
    ground_truth = one_category([[BOX]])
    crowd = {"id": 2, "image_id": 0, "category_id": 1, "bbox": [40, 40, 40, 40], "iscrowd": 1}
    ground_truth["annotations"].append(crowd)
    inside = [[45, 45, 5, 5], [50, 50, 5, 5], [60, 60, 5, 5]]
    detections = detections_of(0, [*inside, BOX], [0.9, 0.8, 0.7, 0.1])
    assert average_precision(ground_truth, detections).mean == 1
    assert average_precision(one_category([[BOX]]), detections).mean == pytest.approx(1 / 4)


def test_one_box_is_found_once_and_by_the_higher_score():
    detections = detections_of(0, [BOX, BOX], [0.9, 0.8])
    assert average_precision(one_category([[BOX]]), detections).mean == 1
    assert average_precision(one_category([[BOX, ELSEWHERE]]), detections).mean == pytest.approx(51 / 101)


def test_of_two_boxes_overlapped_alike_the_last_is_taken():
    left, middle, right = [0, 0, 10, 10], [2, 0, 10, 10], [4, 0, 10, 10]
    ground_truth = one_category([[left, right]])
    for then, expected in ((left, 1), (right, 51 / 101)):
        detections = detections_of(0, [middle, then], [0.9, 0.8])
        assert average_precision(ground_truth, detections, metric="AP50").mean == pytest.approx(expected)
        assert coco_api(ground_truth, detections, "AP50")[1] == pytest.approx(expected)


def test_a_box_that_counts_goes_before_a_crowd_of_higher_overlap():
    ground_truth = one_category([[BOX]])
    ground_truth["annotations"].append(
        {**ground_truth["annotations"][0], "id": 2, "bbox": [0, 0, 20, 20], "iscrowd": 1}
    )
    detections = detections_of(0, [[0, 0, 10, 8]], [1])
    assert average_precision(ground_truth, detections, metric="AP50").mean == 1
    assert coco_api(ground_truth, detections, "AP50")[1] == 1


def test_thresholds_on_overlap():
    # An overlap of .8 reaches the thresholds .5 to .8: seven of ten.
    detections = detections_of(0, [[0, 0, 10, 8]], [1])
    answers = [average_precision(one_category([[BOX]]), detections, metric=metric).mean for metric in COCO_METRICS]
    assert answers == pytest.approx([0.7, 1, 1])
    assert average_precision(one_category([[BOX]]), detections_of(0, [[0, 0, 10, 6]], [1]), metric="AP75").mean == 0


def test_areas_beyond_cocos_range_are_ignored():
    huge = [0, 0, 2e5, 1e5]
    ground_truth = one_category([[BOX]])
    ground_truth["annotations"][0]["area"] = 100.0
    detections = detections_of(0, [huge, BOX], [0.9, 0.8])
    assert average_precision(ground_truth, detections).mean == coco_api(ground_truth, detections)[1] == 1
    ground_truth["annotations"].append({**ground_truth["annotations"][0], "id": 2, "bbox": huge, "area": 2e10})
    assert average_precision(ground_truth, detections).mean == coco_api(ground_truth, detections)[1] == 1


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_boxes_too_large_to_have_an_area_overlap_nothing():
    detections = detections_of(0, [[-1e300, -1e300, 1.7e308, 1.7e308], BOX], [0.9, 0.8])
    assert average_precision(one_category([[BOX]]), detections).mean == 1


def test_boxes_without_an_area_are_never_found():
    flat = [0, 0, 10, 0]
    assert average_precision(one_category([[flat]]), detections_of(0, [flat], [1])).mean == 0


def test_no_detection_at_all_has_precision_0():
    ground_truth, a, _ = random_study(0)
    result = average_precision(ground_truth, [])
    assert result.mean == 0
    assert set(result.per_class.tolist()) == {0}
    better = map_bootstrap(ground_truth, a, [], n_resamples=50)
    assert better.difference == average_precision(ground_truth, a).mean
    assert map_bootstrap(ground_truth, [], [], n_resamples=50).pvalue == 1


def test_scores_are_ranks_and_may_be_infinite():
    ground_truth, a, _ = random_study(1, step=0.25)
    scores = np.array([row["score"] for row in a])
    stretched = np.where(scores == scores.max(), np.inf, np.where(scores == scores.min(), -np.inf, 3 * scores - 7))
    b = [{**row, "score": score} for row, score in zip(a, stretched.tolist(), strict=True)]
    replicates = [map_replicates(ground_truth, rows, n_resamples=30) for rows in (a, b)]
    np.testing.assert_array_equal(*replicates)


def test_the_order_of_rows_does_not_matter_without_ties():
    ground_truth, a, _ = random_study(2, crowds=0)
    shuffle = np.random.default_rng(0).permutation
    other = {name: [rows[i] for i in shuffle(len(rows))] for name, rows in ground_truth.items()}
    replicates = map_replicates(ground_truth, a, n_resamples=30)
    np.testing.assert_array_equal(map_replicates(other, [a[i] for i in shuffle(len(a))], n_resamples=30), replicates)


def test_ids_may_be_text_and_0():
    ground_truth, a, _ = random_study(4)
    expected = average_precision(ground_truth, a).per_class
    rename = "{:03d}".format
    as_text = {
        "images": [{"id": rename(row["id"])} for row in ground_truth["images"]],
        "categories": ground_truth["categories"],
        # faster-coco-eval takes a match with annotation 0 for no match.
        "annotations": [
            {**row, "id": row["id"] - 1, "image_id": rename(row["image_id"])} for row in ground_truth["annotations"]
        ],
    }
    renamed = [{**row, "image_id": rename(row["image_id"])} for row in a]
    np.testing.assert_array_equal(average_precision(as_text, renamed).per_class, expected)


# The bootstrap


def test_the_difference_of_replicates_is_the_paired_bootstrap():
    ground_truth, a, b = random_study(5, n_images=30)
    groups = {image["id"]: image["id"] % 12 for image in ground_truth["images"]}
    for metric in COCO_METRICS:
        options = {"metric": metric, "groups": groups, "n_resamples": 200, "rng": 3}
        whole = map_bootstrap(ground_truth, a, b, confidence_level=0.9, **options)
        values = []
        for rows in (a, b):
            values += [average_precision(ground_truth, rows, metric=metric).mean]
            values += [map_replicates(ground_truth, rows, **options)]
        parts = difference_from_replicates(*values, confidence_level=0.9)
        for field in ("difference", "se", "pvalue", "low", "high"):
            assert getattr(parts, field) == pytest.approx(getattr(whole, field), abs=1e-14)
        assert (whole.n_resamples, whole.confidence_level, whole.method) == (200, 0.9, "percentile")


def test_exchanging_the_detectors_changes_the_sign_only():
    ground_truth, a, b = random_study(6, n_images=20)
    one, other = (map_bootstrap(ground_truth, *pair, n_resamples=100) for pair in ((a, b), (b, a)))
    assert other.difference == -one.difference
    assert (other.se, other.pvalue) == (pytest.approx(one.se), one.pvalue)
    assert (other.low, other.high) == pytest.approx((-one.high, -one.low))


def test_identical_detections_have_difference_0_and_p_1():
    ground_truth, a, _ = random_study(7, step=0.25)
    result = map_bootstrap(ground_truth, a, copy.deepcopy(a), n_resamples=50)
    assert (result.difference, result.se, result.pvalue, result.low, result.high) == (0, 0, 1, 0, 0)


def test_a_seed_gives_the_same_answer_and_a_generator_advances():
    ground_truth, a, b = random_study(8)
    assert map_bootstrap(ground_truth, a, b, n_resamples=50, rng=4) == map_bootstrap(
        ground_truth, a, b, n_resamples=50, rng=4
    )
    assert map_bootstrap(ground_truth, a, b, n_resamples=50, rng=5) != map_bootstrap(
        ground_truth, a, b, n_resamples=50, rng=4
    )
    generator = np.random.default_rng(0)
    first, second = (map_replicates(ground_truth, a, n_resamples=50, rng=generator) for _ in range(2))
    assert (first != second).any()


def test_inputs_are_left_as_they_are():
    study = random_study(9)
    before = copy.deepcopy(study)
    map_bootstrap(*study, n_resamples=10)
    assert study == before


def test_batches_chunks_and_wide_counts_do_not_change_the_answer(monkeypatch):
    ground_truth, a, _ = random_study(10, n_images=20, step=0.1)
    whole = map_replicates(ground_truth, a, n_resamples=100, per_class=True)
    monkeypatch.setattr(resampling, "BATCH_ELEMENTS", 1)
    monkeypatch.setattr(coco_matching, "PAIRS_AT_ONCE", 5)
    monkeypatch.setattr(importlib.import_module("stats.coco.map_bootstrap"), "WHOLE_IN_FLOAT32", 0)
    np.testing.assert_allclose(
        map_replicates(ground_truth, a, n_resamples=100, per_class=True), whole, rtol=0, atol=1e-14
    )


def test_patients_are_drawn_with_all_their_images():
    ground_truth, a, b = random_study(11, n_images=12)
    ids = sorted(image["id"] for image in ground_truth["images"])
    alone = {image: f"patient {place:02d}" for place, image in enumerate(ids)}
    options = {"n_resamples": 60, "rng": 2}
    single = map_replicates(ground_truth, a, groups={**alone, "of another set": "p"}, **options)
    np.testing.assert_array_equal(single, map_replicates(ground_truth, a, **options))
    halves = {image: place % 2 for place, image in enumerate(ids)}
    of_a, of_b = (map_replicates(ground_truth, detections, groups=halves, **options) for detections in (a, b))
    assert len(np.unique(of_a)) == len(np.unique(of_b)) == 3  # the one twice, the other twice, or both


@pytest.mark.parametrize("groups", [None, {3: "p"}, pd.Series({3: "p", 4: "p"})])
def test_one_image_or_patient_has_a_difference_but_no_test(groups):
    ground_truth = {**one_category([[BOX, ELSEWHERE]]), "images": [{"id": 3}]}
    ground_truth["annotations"] = [{**row, "image_id": 3} for row in ground_truth["annotations"]]
    found = detections_of(3, [BOX, ELSEWHERE], [0.5, 0.4])
    unit = "image"
    if isinstance(groups, pd.Series):
        unit = "patient"
        ground_truth["images"].append({"id": 4})
    with pytest.warns(RuntimeWarning, match=f"one {unit}: a bootstrap needs at least two"):
        result = map_bootstrap(ground_truth, found, found[:1], groups=groups, n_resamples=20)
    assert result.difference == pytest.approx(50 / 101)
    assert np.isnan([result.se, result.pvalue, result.log10_pvalue, result.low, result.high]).all()
    assert result.warnings == (f"one {unit}: a bootstrap needs at least two",)
    with pytest.warns(RuntimeWarning, match=f"one {unit}"):
        same = map_bootstrap(ground_truth, found, list(found), groups=groups, n_resamples=20)
    assert (same.difference, same.se, same.pvalue, same.low, same.high) == (0, 0, 1, 0, 0)
    with pytest.warns(RuntimeWarning, match=f"one {unit}"):
        alike = map_bootstrap(ground_truth, found[:1], found[1:], groups=groups, n_resamples=20)
    assert alike.difference == 0
    assert math.isnan(alike.pvalue)


def test_groups_may_be_a_series_by_image():
    ground_truth, a, b = random_study(12, n_images=9)
    patients = {image["id"]: f"patient {place // 2}" for place, image in enumerate(ground_truth["images"])}
    options = {"n_resamples": 40}
    expected = map_bootstrap(ground_truth, a, b, groups=patients, **options)
    assert map_bootstrap(ground_truth, a, b, groups=pd.Series(patients), **options) == expected


def test_a_difference_that_does_not_vary_is_told():
    ground_truth = one_category([[BOX], [BOX], [BOX]])
    found = [row for image in range(3) for row in detections_of(image, [BOX], [0.5])]
    with pytest.warns(RuntimeWarning, match=r"the difference \(1\) is the same on every replicate"):
        result = map_bootstrap(ground_truth, found, [], n_resamples=99)
    assert (result.difference, result.se, result.low, result.high, result.pvalue) == (1, 0, 1, 1, 0.02)


def test_categories_missing_from_replicates_are_told():
    ground_truth = one_category([[BOX], [BOX], [BOX]])
    ground_truth["categories"] += [{"id": 7}, {"id": 9}]
    ground_truth["annotations"][0]["category_id"] = 7
    detections = detections_of(1, [BOX], [0.5])
    n_absent = int(np.isnan(map_replicates(ground_truth, detections, n_resamples=100, per_class=True)[:, 1]).sum())
    assert 10 < n_absent < 60
    with pytest.warns(RuntimeWarning, match="2 of 3 categories have no box in some replicates"):
        result = map_bootstrap(ground_truth, detections, [], n_resamples=100)
    assert result.n_resamples == 100
    assert "1 of 3 categories have no box and are left out of the mean, as in pycocotools: 9" in result.warnings[0]
    assert f"(category 7 in {n_absent} of 100)" in result.warnings[1]
    with pytest.warns(RuntimeWarning, match="pycocotools: 9"):
        alone = average_precision(ground_truth, detections)
    assert alone.mean == pytest.approx((51 / 101 + 0) / 2)
    assert np.isnan(alone.per_class[2])


def test_replicates_without_any_box_are_left_out_and_told():
    ground_truth, detections = one_category([[BOX], [], []]), detections_of(0, [BOX], [0.5])
    with pytest.warns(RuntimeWarning, match="replicates left out"), pytest.warns(RuntimeWarning, match="the same on"):
        result = map_bootstrap(ground_truth, detections, [], n_resamples=100)
    assert 50 < result.n_resamples < 90
    assert (result.difference, result.low, result.high) == (1, 1, 1)


def test_ignore_without_iscrowd_has_no_effect_as_in_the_coco_api_and_is_told():
    ground_truth = one_category([[BOX, ELSEWHERE]])
    ground_truth["annotations"][1]["ignore"] = 1
    detections = detections_of(0, [BOX], [1])
    with pytest.warns(RuntimeWarning, match="1 annotations say `ignore` without `iscrowd`"):
        result = average_precision(ground_truth, detections)
    assert result.mean == pytest.approx(51 / 101)
    assert result.mean == pytest.approx(coco_api(ground_truth, detections)[1])


def test_results_become_plain_data():
    ground_truth, a, b = random_study(12)
    single = average_precision(ground_truth, a, metric="AP50").to_dict()
    assert json.loads(json.dumps(single)) == single
    assert single["metric"] == "AP50"
    assert json.dumps(map_bootstrap(ground_truth, a, b, n_resamples=20).to_dict())


# Files


def test_paths_are_read(tmp_path):
    study = random_study(13)
    paths = [tmp_path / f"{place}.json" for place in range(3)]
    for path, content in zip(paths, study, strict=True):
        path.write_text(json.dumps(content), encoding="utf-8-sig" if path.name == "1.json" else "utf-8")
    expected = map_bootstrap(*study, n_resamples=20)
    assert map_bootstrap(*paths, n_resamples=20) == expected
    assert map_bootstrap(*map(str, paths), n_resamples=20) == expected


def test_files_that_are_not_there_or_not_json_are_named(tmp_path):
    ground_truth, a, b = random_study(13)
    with pytest.raises(FileNotFoundError, match=r"detections_b: there is no file .*none\.json"):
        map_bootstrap(ground_truth, a, tmp_path / "none.json")
    with pytest.raises(FileNotFoundError, match="ground_truth: there is no file"):
        map_bootstrap(str(tmp_path / "none.json"), a, b)
    broken = tmp_path / "broken.json"
    for content in (b"[{", b"", b"\xff\xfe\x00", b"[" * 100_000):
        broken.write_bytes(content)
        with pytest.raises(ValueError, match=r"detections_a: .*broken\.json is not JSON that can be read"):
            map_bootstrap(ground_truth, broken, b)
    with pytest.raises(ValueError, match=r"ground_truth: .* is a folder; expected a COCO JSON file"):
        map_bootstrap(tmp_path, a, b)


# Refusals


def changed(rows, place, **fields):
    return [{**row, **fields} if i == place else row for i, row in enumerate(rows)]


def without(rows, place, key):
    return [{k: v for k, v in row.items() if i != place or k != key} for i, row in enumerate(rows)]


TRUTH = one_category([[BOX], [BOX, ELSEWHERE]])
FOUND = detections_of(0, [BOX], [0.5]) + detections_of(1, [BOX, ELSEWHERE], [0.5, 0.4])


@pytest.mark.parametrize(
    ("detections", "message"),
    [
        (
            changed(FOUND, 1, image_id=77),
            r"detections: image_id is 77 at row 1 \(1 such rows\).*ground_truth\['images'\]",
        ),
        (changed(FOUND, 1, image_id="1"), "image_id is '1' at row 1"),
        (changed(FOUND, 1, image_id=[1]), r"image_id is \[1\] at row 1"),
        (changed(FOUND, 2, category_id=5), r"category_id is 5 at row 2 .*ground_truth\['categories'\]"),
        (changed(FOUND, 1, score=float("nan")), "score of detections is NaN at row 1"),
        (changed(FOUND, 1, score=None), "score of detections is NaN at row 1"),
        (changed(FOUND, 1, score="high"), "score of detections holds something that is not a number"),
        (changed(FOUND, 1, bbox=[0, 0, float("nan"), 1]), r"bbox of detections is \[0.0, 0.0, nan, 1.0\] at row 1"),
        (changed(FOUND, 1, bbox=[0, float("inf"), 1, 1]), "expected four finite numbers"),
        (changed(FOUND, 2, bbox=[0, 0, 5, -1]), r"\[0.0, 0.0, 5.0, -1.0\] at row 2 .*not negative"),
        (changed(FOUND, 2, bbox=[0, 0, 5]), r"bbox of detections is \[0, 0, 5\] at row 2; expected \[x, y, width"),
        (changed(FOUND, 2, bbox="0123"), "bbox of detections is '0123' at row 2"),
        (changed(FOUND, 2, bbox=[0, 0, [1], 2]), "bbox of detections holds something that is not a number"),
        (without(FOUND, 1, "score"), r"detections\[1\] has no 'score'; it holds image_id, category_id, bbox"),
        (without(FOUND, 0, "bbox"), r"detections\[0\] has no 'bbox'"),
        ([*FOUND, 3], r"detections\[3\] is a int; expected a dict"),
        ({"annotations": FOUND}, "detections is a dict; expected a list of dicts"),
        (7, "detections is a int; expected a list of dicts"),
    ],
)
def test_refuses_detections_that_have_no_answer(detections, message):
    with pytest.raises(ValueError, match=message):
        average_precision(TRUTH, detections)
    with pytest.raises(ValueError, match=message.replace("detections", "detections_b", 1)):
        map_bootstrap(TRUTH, FOUND, detections)


@pytest.mark.parametrize(
    ("part", "rows", "message"),
    [
        ("images", [*TRUTH["images"], {"id": 1}], r"ground_truth\['images'\] has the id 1 more than once"),
        ("categories", [{"id": 1}, {"id": 1}], r"ground_truth\['categories'\] has the id 1 more than once"),
        ("annotations", changed(TRUTH["annotations"], 0, id=2), r"\['annotations'\] has the id 2 more than once"),
        ("images", [{"id": 0}, {"id": "1"}], "cannot be sorted"),
        ("images", [{"id": 0}, {"id": 1.5}], "has the id 1.5; expected a whole number or text"),
        ("images", [{"id": 0}, {"name": 1}], r"ground_truth\['images'\]\[1\] has no 'id'; it holds name"),
        ("images", {"id": 0}, r"ground_truth\['images'\] is a dict; expected a list"),
        ("annotations", changed(TRUTH["annotations"], 1, image_id=5), "image_id is 5 at row 1"),
        ("annotations", without(TRUTH["annotations"], 1, "bbox"), "has no 'bbox'"),
        (
            "annotations",
            changed(TRUTH["annotations"], 1, iscrowd=2),
            "iscrowd of .* is 2.0 at row 1 .* expected 0 or 1",
        ),
        ("annotations", changed(TRUTH["annotations"], 1, area=float("nan")), "area of .* is NaN at row 1"),
        ("annotations", changed(TRUTH["annotations"], 1, bbox=[0, 0, -1, 1]), "not negative"),
        ("annotations", [], r"no box that counts \(0 in all"),
        ("annotations", [{**row, "iscrowd": 1} for row in TRUTH["annotations"]], r"no box that counts \(3 in all"),
    ],
)
def test_refuses_ground_truth_that_has_no_answer(part, rows, message):
    with pytest.raises(ValueError, match=message):
        map_bootstrap({**TRUTH, part: rows}, FOUND, FOUND)


def test_refuses_boxes_of_boxes():
    nested = [{**row, "bbox": [[value] for value in row["bbox"]]} for row in FOUND]
    with pytest.raises(ValueError, match=r"bbox of detections has shape \(3, 4, 1\); expected \(3, 4\)"):
        average_precision(TRUTH, nested)


def test_refuses_what_is_not_a_data_set():
    with pytest.raises(ValueError, match="ground_truth is a list; expected a dict of images"):
        average_precision([TRUTH], FOUND)
    with pytest.raises(ValueError, match="ground_truth has no 'categories'; it holds images, annotations"):
        average_precision({name: TRUTH[name] for name in ("images", "annotations")}, FOUND)


def test_refuses_unknown_choices():
    with pytest.raises(ValueError, match="metric is 'mAP'; expected one of AP, AP50, AP75"):
        map_bootstrap(TRUTH, FOUND, FOUND, metric="mAP")
    with pytest.raises(ValueError, match="n_resamples is 1; expected at least 2"):
        map_bootstrap(TRUTH, FOUND, FOUND, n_resamples=1)
    with pytest.raises(ValueError, match=r"rng is 0\.5"):
        map_bootstrap(TRUTH, FOUND, FOUND, rng=0.5)
    with pytest.raises(ValueError, match="confidence level is 95"):
        map_bootstrap(TRUTH, FOUND, FOUND, confidence_level=95)
    with pytest.raises(ValueError, match=r"groups has no patient for image 1 \(1 of 2 images missing\)"):
        map_bootstrap(TRUTH, FOUND, FOUND, groups={0: "a"})
    with pytest.raises(ValueError, match="groups is a list; expected a mapping of image id to patient"):
        map_bootstrap(TRUTH, FOUND, FOUND, groups=["a", "b"])
    with pytest.raises(ValueError, match=r"groups is missing \(None\) at row 1"):
        map_bootstrap(TRUTH, FOUND, FOUND, groups={0: "a", 1: None})
