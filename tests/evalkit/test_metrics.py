"""Metrics against scikit-learn, with missing labels and undefined classes."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from evalkit.metrics import METRICS, measure_classes


@pytest.mark.parametrize(("name", "expected"), [("auc", roc_auc_score), ("auprc", average_precision_score)])
def test_each_class_is_measured_on_its_labelled_cases(name, expected):
    rng = np.random.default_rng(1)
    targets = rng.integers(0, 2, (80, 3)).astype(float)
    targets[:10, 1] = np.nan
    scores = np.round(rng.random((80, 3)), 1)  # many ties
    values = measure_classes(METRICS[name], targets, scores)
    assert values[0] == pytest.approx(expected(targets[:, 0], scores[:, 0]), abs=1e-12)
    assert values[1] == pytest.approx(expected(targets[10:, 1], scores[10:, 1]), abs=1e-12)


def test_a_class_without_positives_or_negatives_has_no_value():
    targets = np.array([[0.0, 1.0, np.nan], [0.0, 1.0, np.nan], [0.0, np.nan, np.nan]])
    assert np.isnan(measure_classes(METRICS["auc"], targets, np.random.default_rng(0).random((3, 3)))).all()


@pytest.mark.parametrize(("name", "needs"), [("auc", (0, 1)), ("sensitivity95", (1,)), ("brier", ()), ("ece", ())])
def test_a_metric_is_defined_where_what_it_needs_is_there(name, needs):
    targets = np.array([[0.0, 1.0, 0.0, np.nan], [0.0, 1.0, 1.0, np.nan]])
    values = measure_classes(METRICS[name], targets, np.ones((2, 4)))
    assert np.isfinite(values).tolist() == [1 not in needs, 0 not in needs, True, False]


def test_the_registry_knows_which_way_is_up():
    assert {name for name, metric in METRICS.items() if not metric.higher_is_better} == {
        *("brier", "ece", "rmse", "lpips", "fid")
    }
    assert all(name == metric.name for name, metric in METRICS.items())
