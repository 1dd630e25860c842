from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from evalkit.comparisons.cells import TestSet
from evalkit.figures.confusion import count_calls


def matrices(rows, backbone):
    own = rows[rows["backbone"] == backbone]
    side = own["true"].nunique()
    return own["share"].to_numpy().reshape(side, side), own["count"].to_numpy().reshape(side, side)


def test_counts_and_shares_are_scikit_learns(multiclass) -> None:
    test_set, cells = multiclass()
    rows, facts = count_calls(test_set, cells)
    true = test_set.targets.argmax(axis=1)
    for cell in cells:
        called = cell.outcomes[0].argmax(axis=1)
        share, count = matrices(rows, cell.backbone)
        np.testing.assert_array_equal(count, confusion_matrix(true, called))
        np.testing.assert_allclose(share, confusion_matrix(true, called, normalize="true"))
    first = rows.iloc[1]
    assert (first["true"], first["called"]) == ("Edema", "Effusion"), "true classes first, then called ones"
    assert facts["classes"] == [
        {"target": name, "cases": int((true == k).sum())} for k, name in enumerate(test_set.classes)
    ]


def test_several_runs_are_averaged(multiclass) -> None:
    test_set, cells = multiclass(runs=4, backbones=1)
    rows, facts = count_calls(test_set, cells)
    true = test_set.targets.argmax(axis=1)
    each = [confusion_matrix(true, run.argmax(axis=1), normalize="true") for run in cells[0].outcomes]
    share, count = matrices(rows, "backbone0")
    np.testing.assert_allclose(share, np.mean(each, axis=0))
    assert count.sum() == pytest.approx(len(true))
    assert facts["panels"] == [{"backbone": "backbone0", "runs": 4}]


def test_a_class_without_a_case_has_no_share_and_cases_without_a_class_do_not_count(multiclass, failed) -> None:
    test_set, cells = multiclass(backbones=1)
    targets = test_set.targets.copy()
    targets[targets[:, 1] == 1] = np.nan
    rows, facts = count_calls(TestSet(test_set.classes, targets, test_set.patients, "image"), [*cells, failed])
    share, count = matrices(rows, "backbone0")
    assert np.isnan(share[1]).all()
    assert (count[1] == 0).all()
    assert count.sum() == np.nansum(targets)
    assert facts["classes"][1] == {"target": "Effusion", "cases": 0}
    assert facts["notes"] == ["Broken: failed: diverged."]


def test_of_equal_probabilities_the_first_class_is_called() -> None:
    from evalkit.comparisons.cells import Cell

    test_set = TestSet(("a", "b"), np.array([[0.0, 1.0]]), np.array([0]), "image")
    rows, _ = count_calls(test_set, [Cell("x", "X", 1, (0,), (np.array([[0.5, 0.5]]),))])
    assert rows["count"].tolist() == [0, 0, 1, 0]
