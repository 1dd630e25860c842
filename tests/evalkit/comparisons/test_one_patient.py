"""One patient, or one case, tells nothing of others: a number, but no interval, no test and no part in a family."""

import math

import numpy as np
import pytest

from evalkit.comparisons import write_table
from evalkit.comparisons.cells import Cell, TestSet
from evalkit.comparisons.estimation.detections import DetectionCases, DetectionEstimates
from evalkit.comparisons.estimation.scores import ScoreEstimates
from evalkit.comparisons.estimation.values import ValueCases, ValueEstimates
from evalkit.comparisons.procedure import Procedure
from evalkit.comparisons.rows import read_rows
from evalkit.comparisons.simultaneous import compare_column_with_best
from evalkit.metrics import METRICS, Metric

CLASSES = ("Edema", "Mass")


def make_procedure(metric="auc", primary="bootstrap", **more):
    return Procedure(metric, primary, ("best",), resamples=200, seed=1, **more)


def make_scores(patients, targets, *, metric="auc", runs=1, **more):
    """Estimates and two cells; `targets` has a column for each class."""
    targets = np.array(targets, float)
    test_set = TestSet(CLASSES, targets, np.array(patients), "image")
    rng = np.random.default_rng(0)
    cells = [
        Cell(name, name, runs, tuple(range(runs)), tuple(rng.random(targets.shape) for _ in range(runs)))
        for name in ("a", "b")
    ]
    return ScoreEstimates(test_set, make_procedure(METRICS[metric], **more), runs), cells


def assert_alone(estimates, cells, target, test, status):
    estimate = estimates.estimate(cells[0], target)
    assert (estimate.status, estimate.ci_method) == ("ok", "")
    assert math.isfinite(estimate.value)
    assert math.isnan(estimate.low)
    assert math.isnan(estimate.high)
    found = estimates.compare(*cells, target, test)
    assert found.value == pytest.approx(estimate.value - estimates.estimate(cells[1], target).value, abs=1e-15)
    assert (found.status, math.isnan(found.p_value), math.isnan(found.low)) == (status, True, True)


SEVERAL_IMAGES = [[1, 0], [0, 1], [0, 1], [1, 0]]


@pytest.mark.parametrize("target", ["Edema", "mean", "all"])
@pytest.mark.parametrize(("runs", "test"), [(1, "bootstrap"), (3, "bootstrap_two_way")])
def test_scores_of_one_patient_have_neither_interval_nor_test(target, runs, test):
    metric = "brier" if target == "all" else "auc"
    estimates, cells = make_scores([0, 0, 0, 0], SEVERAL_IMAGES, metric=metric, runs=runs, primary=test)
    status = "undefined: 1 patient" + (" of Edema" if target == "mean" else "")
    assert_alone(estimates, cells, target, test, status)


@pytest.mark.parametrize("test", ["delong", "delong_clustered"])
def test_delongs_test_needs_a_second_patient_too(test):
    estimates, cells = make_scores([0, 0, 0, 0], SEVERAL_IMAGES, primary="delong", paper="delong")
    assert_alone(estimates, cells, "Edema", test, "undefined: 1 patient")


def test_only_patients_with_a_label_of_the_class_count():
    targets = [[1, 1], [0, 0], [np.nan, 1], [np.nan, 0], [np.nan, 0]]
    estimates, cells = make_scores([0, 0, 1, 2, 2], targets)
    assert_alone(estimates, cells, "Edema", "bootstrap", "undefined: 1 patient")
    assert estimates.why_not_resampled("Mass") == ""
    assert estimates.compare(*cells, "Mass", "bootstrap").status == "ok"
    # The one patient of Edema would be in each resample of which the mean is defined.
    assert_alone(estimates, cells, "mean", "bootstrap", "undefined: 1 patient of Edema")


def test_a_t_test_over_repeats_does_not_look_at_patients():
    estimates, cells = make_scores([0, 0, 0, 0], SEVERAL_IMAGES, runs=4, primary="bootstrap_two_way")
    found = estimates.compare(*cells, "Edema", "ttest_paired")
    assert (found.status, math.isnan(found.p_value)) == ("ok", False)


@pytest.mark.parametrize("patients", [[0, 0, 0, 0], [0, 0, 1, 1]])
def test_one_patient_takes_no_part_in_the_family_of_all_pairs(patients):
    procedure = make_procedure(METRICS["auc"], adjustment="max_t")
    estimates, cells = make_scores(patients, SEVERAL_IMAGES)
    values = {cell.backbone: estimates.estimate(cell, "Edema").value for cell in cells}
    found = compare_column_with_best(estimates, cells, "Edema", values, procedure)
    assert (found is None) == (patients == [0, 0, 0, 0])


def test_one_value_is_not_resampled():
    estimates = ValueEstimates(
        ValueCases(np.array([0, 0]), "image"), make_procedure(Metric("psnr", "PSNR", higher_is_better=True))
    )
    cells = [Cell(name, name, 1, (0,), (np.array(values),)) for name, values in (("a", [30.0, 32.0]), ("b", [1.0, 3]))]
    assert_alone(estimates, cells, "all", "bootstrap", "undefined: 1 patient")
    assert estimates.estimate(cells[0], "all").value == 31


@pytest.mark.parametrize(("patients", "status"), [(None, "undefined: 1 image"), ({1: "p"}, "undefined: 1 patient")])
def test_one_image_of_detections_is_not_resampled(patients, status):
    box = {"image_id": 1, "category_id": 1, "bbox": [10.0, 10.0, 20.0, 20.0]}
    truth = {
        "images": [{"id": 1, "width": 64, "height": 64}],
        "annotations": [{**box, "id": 1, "area": 400.0, "iscrowd": 0}],
        "categories": [{"id": 1, "name": "nodule"}],
    }
    estimates = DetectionEstimates(DetectionCases(truth, patients), make_procedure(METRICS["ap50"], "map_bootstrap"))
    cells = [
        Cell(name, name, 1, (0,), ([{**box, "bbox": [left, 10.0, 20.0, 20.0], "score": 0.9}],))
        for name, left in (("a", 10.0), ("b", 40.0))
    ]
    assert_alone(estimates, cells, "nodule", "map_bootstrap", status)


@pytest.mark.parametrize("primary", ["bootstrap", "delong"])
def test_a_subgroup_of_one_patient_in_a_table(results, primary):
    changes = {
        "primary": primary,
        "subgroups": ["sex"],
        "metric": ["auc", "brier"],
        "policies": ["best"],
        "reference": None,
    }
    changes |= {"adjustment": "max_t", "paper": None} if primary == "bootstrap" else {}
    # The first patient, the only woman, has images of both kinds.
    cases = results.make_cases(patients=45, images_per_patient=2)
    cases.loc[:1, results.classes] = [[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]
    study = results.write(cases, changes={f"tables.table5.{key}": value for key, value in changes.items()})
    results.write_manifest("drawn", cases, sex=np.where(np.arange(len(cases)) < 2, "F", "M"))
    rows = read_rows(write_table(study, "table5"))
    women = rows[rows["subgroup"] == "sex=F"]
    assert women["estimate"].notna().all()
    assert set(women["n_clusters"]) == {1}
    assert set(women["ci_method"]) == {""}
    assert women[["ci_low", "ci_high", "difference_ci_low", "p_value", "p_adjusted"]].isna().all(axis=None)
    # DeLong's test, as published, has no answer for the mean over classes in any case.
    compared = women[(women["test"] != "") & ~((women["role"] == "paper") & (women["target"] == "mean"))]
    assert all(status.startswith("undefined: 1 patient") for status in compared["status"])
    assert compared["difference"].notna().all()
    assert rows[(rows["subgroup"] == "sex=M") & (rows["status"] == "ok")]["p_value"].notna().all()
