from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from evalkit.comparisons.cells import TestSet
from evalkit.figures.calibration import measure_calibration
from stats.probabilities import called_calibration_error, expected_calibration_error


def test_each_class_has_scikit_learns_points_and_scores(multilabel) -> None:
    test_set, cells = multilabel()
    rows, facts = measure_calibration(test_set, cells, multiclass=False, bins=10)
    for column, panel in enumerate(facts["panels"]):
        y = test_set.targets[:, column]
        for cell, curve in zip(cells, panel["curves"], strict=True):
            score = cell.outcomes[0][:, column]
            own = rows[(rows["target"] == panel["target"]) & (rows["backbone"] == cell.backbone)]
            assert own["bin_low"].tolist() == [k / 10 for k in range(10)]
            there = own[own["cases"] > 0]
            observed, predicted = calibration_curve(y, score, n_bins=10)
            np.testing.assert_allclose(there["observed"], observed)
            np.testing.assert_allclose(there["predicted"], predicted)
            assert own["cases"].sum() == 120
            assert (own["patients"] <= own["cases"]).all()
            assert curve["brier"] == pytest.approx(brier_score_loss(y, score))
            assert curve["ece"] == pytest.approx(expected_calibration_error(y, score))


def test_runs_are_pooled_and_scores_averaged(multilabel) -> None:
    test_set, cells = multilabel(runs=3, backbones=1)
    rows, facts = measure_calibration(test_set, cells, multiclass=False, bins=5)
    y = test_set.targets[:, 0]
    scores = [run[:, 0] for run in cells[0].outcomes]
    observed, _ = calibration_curve(np.tile(y, 3), np.concatenate(scores), n_bins=5)
    own = rows[(rows["target"] == "Edema") & (rows["cases"] > 0)]
    np.testing.assert_allclose(own["observed"], observed)
    assert own["cases"].sum() == pytest.approx(len(y))
    (curve,) = facts["panels"][0]["curves"]
    assert curve["brier"] == pytest.approx(np.mean([brier_score_loss(y, score) for score in scores]))
    assert curve["runs"] == 3


def test_exclusive_classes_have_one_panel_of_the_called_class(multiclass) -> None:
    test_set, cells = multiclass(runs=2)
    rows, facts = measure_calibration(test_set, cells, multiclass=True, bins=10)
    (panel,) = facts["panels"]
    assert (panel["target"], panel["cases"]) == ("all", 120)
    for cell, curve in zip(cells, panel["curves"], strict=True):
        right, confidence = [], []
        for run in cell.outcomes:
            for truth, probabilities in zip(test_set.targets, run, strict=True):
                right.append(truth[probabilities.argmax()])
                confidence.append(probabilities.max())
        observed, predicted = calibration_curve(right, confidence, n_bins=10)
        own = rows[(rows["backbone"] == cell.backbone) & (rows["cases"] > 0)]
        np.testing.assert_allclose(own["observed"], observed)
        np.testing.assert_allclose(own["predicted"], predicted)
        errors = [called_calibration_error(test_set.targets, run) for run in cell.outcomes]
        assert curve["ece"] == pytest.approx(np.mean(errors))
        squares = [((run - test_set.targets) ** 2).sum(axis=1).mean() for run in cell.outcomes]
        assert curve["brier"] == pytest.approx(np.mean(squares))


def test_a_class_without_labels_is_undefined_and_one_without_positives_is_not(multilabel, failed) -> None:
    test_set, cells = multilabel(backbones=1)
    targets = test_set.targets.copy()
    targets[:, 0] = 0
    targets[:, 1] = np.nan
    targets[:50, 2] = np.nan
    rows, facts = measure_calibration(
        TestSet(test_set.classes, targets, test_set.patients, "image"), [*cells, failed], multiclass=False, bins=10
    )
    assert [panel["status"] for panel in facts["panels"]] == ["", "undefined: no image with a label", ""]
    assert [panel["cases"] for panel in facts["panels"]] == [120, 0, 70]
    assert set(rows["target"]) == {"Edema", "Nodule"}
    assert rows["observed"][(rows["target"] == "Edema") & (rows["cases"] > 0)].eq(0).all()
    assert facts["notes"] == ["Broken: failed: diverged."]
