from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, roc_curve

import stats
from evalkit.comparisons.cells import TestSet
from evalkit.figures.roc import trace_curves

OPTIONS = {"multiclass": False, "resamples": 100, "confidence_level": 0.95, "seed": 3}


def test_every_class_and_backbone_has_the_curve_of_its_scores(multilabel) -> None:
    test_set, cells = multilabel()
    rows, facts = trace_curves(test_set, cells, **OPTIONS)
    assert len(rows) == 3 * 2 * 201
    for column, panel in enumerate(facts["panels"]):
        y = test_set.targets[:, column]
        assert panel["target"] == test_set.classes[column]
        assert (panel["cases"], panel["positives"]) == (120, y.sum())
        assert [each["backbone"] for each in panel["curves"]] == ["backbone0", "backbone1"]
        for cell, curve in zip(cells, panel["curves"], strict=True):
            own = rows[(rows["target"] == panel["target"]) & (rows["backbone"] == cell.backbone)]
            score = cell.outcomes[0][:, column]
            assert curve["auc"] == pytest.approx(roc_auc_score(y, score))
            assert curve["low"] < curve["auc"] < curve["high"]
            # On the grid, the highest rate of the empirical curve with no more false positives.
            false, true, _ = roc_curve(y, score)
            expected = [true[false <= rate + 1e-9].max() for rate in own["fpr"]]
            np.testing.assert_allclose(own["tpr"], expected)
            assert (own["low"] <= own["high"]).all()
            assert set(own["label"]) == {cell.label}


def test_several_runs_are_averaged_and_resampled_with_the_patients(multilabel) -> None:
    test_set, cells = multilabel(runs=3, backbones=1)
    rows, facts = trace_curves(test_set, cells, **OPTIONS)
    expected = stats.roc_band(
        test_set.targets[:, 0],
        [run[:, 0] for run in cells[0].outcomes],
        groups=test_set.patients,
        n_resamples=100,
        rng=3,
    )
    own = rows[rows["target"] == "Edema"]
    np.testing.assert_array_equal(own["tpr"], expected.tpr)
    np.testing.assert_array_equal(own["high"], expected.high)
    assert facts["panels"][0]["curves"] == [
        {"backbone": "backbone0", "runs": 3, "auc": expected.auc, "low": expected.auc_low, "high": expected.auc_high}
    ]


def test_a_class_that_is_absent_says_why_with_its_counts(multilabel) -> None:
    test_set, cells = multilabel()
    targets = test_set.targets.copy()
    targets[:, 1] = 0
    targets[:, 2] = np.nan
    _, facts = trace_curves(TestSet(test_set.classes, targets, test_set.patients, "image"), cells, **OPTIONS)
    there, absent, unlabelled = facts["panels"]
    assert there["status"] == ""
    assert absent == {
        "target": "Effusion",
        "cases": 120,
        "positives": 0,
        "status": "undefined: no positive image",
        "curves": [],
    }
    assert (unlabelled["cases"], unlabelled["status"]) == (0, "undefined: no image with a label")


def test_two_exclusive_classes_have_one_panel(multiclass) -> None:
    test_set, cells = multiclass(classes=("normal", "ill"))
    _, facts = trace_curves(test_set, cells, **{**OPTIONS, "multiclass": True})
    assert [panel["target"] for panel in facts["panels"]] == ["ill"]
    test_set, cells = multiclass()
    _, facts = trace_curves(test_set, cells, **{**OPTIONS, "multiclass": True})
    assert len(facts["panels"]) == 3


def test_a_backbone_without_runs_is_noted_and_has_no_curve(multilabel, failed) -> None:
    test_set, cells = multilabel()
    rows, facts = trace_curves(test_set, [*cells, failed], **OPTIONS)
    assert "broken" not in set(rows["backbone"])
    assert facts["notes"] == ["Broken: failed: diverged."]


def test_what_resamples_lack_is_said_once_for_a_class() -> None:
    from evalkit.comparisons.cells import Cell

    targets = np.array([[1.0], [0], [0], [0]])
    scores = np.array([[0.9], [0.1], [0.2], [0.3]])
    cells = [Cell(name, name, 1, (0,), (scores,)) for name in "ab"]
    _, facts = trace_curves(TestSet(("Edema",), targets, np.arange(4), "patient"), cells, **OPTIONS)
    (note,) = facts["notes"]
    assert note.startswith("Edema: ")
    assert "left out" in note


def test_facts_are_plain_values_also_without_an_interval() -> None:
    from evalkit.comparisons.cells import Cell

    targets, scores = np.array([[1.0], [0]]), np.array([[0.9], [0.1]])
    one_patient = TestSet(("Edema",), targets, np.zeros(2, int), "image")
    _, facts = trace_curves(one_patient, [Cell("a", "A", 1, (0,), (scores,))], **OPTIONS)
    (curve,) = json.loads(json.dumps(facts, allow_nan=False))["panels"][0]["curves"]
    assert (curve["auc"], curve["low"], curve["high"]) == (1, None, None)
