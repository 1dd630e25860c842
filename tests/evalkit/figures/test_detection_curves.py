from __future__ import annotations

import json

import numpy as np
import pytest

import stats
from evalkit.comparisons.estimation.detections import DetectionCases
from evalkit.figures.detection_curves import trace_froc, trace_precision_recall
from evalkit.figures.files import COLUMNS

OPTIONS = {"iou": 0.5, "resamples": 60, "confidence_level": 0.9, "seed": 3}
TRACES = {"precision_recall": trace_precision_recall, "froc": trace_froc}


def test_precision_is_that_of_the_tables_ap(boxed) -> None:
    cases, cells = boxed()
    rows, facts = trace_precision_recall(cases, cells, **OPTIONS)
    assert list(rows.columns) == list(COLUMNS["precision_recall"])
    assert len(rows) == 2 * 2 * 101
    assert (facts["iou"], facts["resamples"], facts["confidence_level"]) == (0.5, 60, 0.9)
    for number, panel in enumerate(facts["panels"]):
        boxes = [each for each in cases.ground_truth["annotations"] if each["category_id"] == number + 1]
        assert panel["target"] == cases.classes[number]
        assert panel["boxes"] == len(boxes)
        assert panel["images_with"] == len({each["image_id"] for each in boxes})
        for cell, curve in zip(cells, panel["curves"], strict=True):
            own = rows[(rows["target"] == panel["target"]) & (rows["backbone"] == cell.backbone)]
            expected = stats.average_precision(cases.ground_truth, cell.outcomes[0], metric="AP50").per_class[number]
            assert (curve["backbone"], curve["runs"]) == (cell.backbone, 1)
            assert curve["ap"] == pytest.approx(expected)
            assert own["precision"].mean() == pytest.approx(expected)
            assert curve["low"] < curve["ap"] < curve["high"]
            assert set(own["label"]) == {cell.label}


def test_sensitivity_is_that_of_stats_with_patients_as_clusters(boxed) -> None:
    cases, cells = boxed(runs=2)
    rows, facts = trace_froc(cases, cells, **OPTIONS)
    assert list(rows.columns) == list(COLUMNS["froc"])
    for cell in cells:
        bands = stats.froc_bands(
            cases.ground_truth, cell.outcomes, groups=cases.patients, n_resamples=60, rng=3, confidence_level=0.9
        )
        for panel, band in zip(facts["panels"], bands, strict=True):
            own = rows[(rows["target"] == panel["target"]) & (rows["backbone"] == cell.backbone)]
            np.testing.assert_array_equal(own["sensitivity"], band.sensitivity)
            np.testing.assert_array_equal(own["low"], band.low)
            curve = next(each for each in panel["curves"] if each["backbone"] == cell.backbone)
            assert curve == {
                "backbone": cell.backbone,
                "runs": 2,
                "score": band.score,
                "low": band.score_low,
                "high": band.score_high,
            }


@pytest.mark.parametrize("kind", list(TRACES))
def test_a_class_without_a_box_says_why(boxed, kind) -> None:
    cases, cells = boxed()
    truth = dict(cases.ground_truth)
    truth["annotations"] = [each for each in truth["annotations"] if each["category_id"] == 1]
    rows, facts = TRACES[kind](DetectionCases(truth, cases.patients), cells, **OPTIONS)
    there, absent = facts["panels"]
    assert there["status"] == ""
    assert absent == {"target": "nodule", "boxes": 0, "images_with": 0, "status": "undefined: no box", "curves": []}
    assert set(rows["target"]) == {"opacity"}


@pytest.mark.parametrize("kind", list(TRACES))
def test_without_any_box_every_panel_is_empty(boxed, kind) -> None:
    cases, cells = boxed()
    rows, facts = TRACES[kind](DetectionCases({**cases.ground_truth, "annotations": []}, None), cells, **OPTIONS)
    assert rows.empty
    assert list(rows.columns) == list(COLUMNS[kind])
    assert [panel["status"] for panel in facts["panels"]] == ["undefined: no box"] * 2


@pytest.mark.parametrize("kind", list(TRACES))
def test_a_backbone_without_runs_is_noted_and_has_no_curve(boxed, failed, kind) -> None:
    cases, cells = boxed()
    rows, facts = TRACES[kind](cases, [*cells, failed], **OPTIONS)
    assert "broken" not in set(rows["backbone"])
    assert facts["notes"] == ["Broken: failed: diverged."]


@pytest.mark.parametrize("kind", list(TRACES))
def test_facts_are_plain_values_and_resamples_without_a_box_are_told_once(boxed, kind) -> None:
    cases, cells = boxed(images=2)
    truth = dict(cases.ground_truth)
    truth["annotations"] = [{**truth["annotations"][0], "category_id": 1}]
    _, facts = TRACES[kind](DetectionCases(truth, None), cells, **OPTIONS)
    (note,) = json.loads(json.dumps(facts, allow_nan=False))["notes"]
    assert note.startswith("opacity: ")
    assert "left out" in note
    one_patient = dict.fromkeys((1, 2), "p")
    _, facts = TRACES[kind](DetectionCases(truth, one_patient), cells, **OPTIONS)
    (curve, _) = json.loads(json.dumps(facts, allow_nan=False))["panels"][0]["curves"]
    assert (curve["low"], curve["high"]) == (None, None)
