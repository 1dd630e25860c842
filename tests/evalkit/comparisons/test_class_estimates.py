"""Numbers of called classes, and which test compares them."""

import math

import numpy as np
import pytest
from scipy.stats import binomtest, ttest_rel
from sklearn.metrics import f1_score, precision_score, recall_score

import stats
from evalkit.comparisons.cells import Cell
from evalkit.comparisons.comparing import Place, compare_setting
from evalkit.comparisons.estimation.classes import ClassCases, ClassEstimates
from evalkit.comparisons.procedure import Procedure
from evalkit.metrics import CLASS_METRICS, METRICS

CLASSES = ("normal", "bacterial", "viral")
SCIKIT_LEARN = {"precision": precision_score, "recall": recall_score, "f1": f1_score}
TARGETS = {name: ("all",) if name == "accuracy" else ("mean", *CLASSES) for name in CLASS_METRICS}
OPTIONS = {"n_resamples": 200, "rng": 3}


def make_cases(n=120, per_patient=1, classes=CLASSES, seed=0):
    targets = np.random.default_rng(seed).integers(0, 3, n)
    return ClassCases(classes, targets, np.arange(n) // per_patient, "image")


def make_cell(cases, name, quality, *, runs=1, expected=None, seed=1):
    generator = np.random.default_rng(seed)
    shape = (runs, cases.targets.size)
    called = np.where(generator.random(shape) < quality, cases.targets, generator.integers(0, 3, shape))
    return Cell(name, name, expected or runs, tuple(range(runs)), tuple(called))


def make_estimates(cases, metric, runs=1, primary="mcnemar_exact", paper="stuart_maxwell", **more):
    procedure = Procedure(
        METRICS[metric], primary=primary, paper=paper, policies=("best",), resamples=200, seed=3, **more
    )
    return ClassEstimates(cases, procedure, runs)


# Estimates


@pytest.mark.parametrize("runs", [1, 4])
@pytest.mark.parametrize("metric", CLASS_METRICS)
def test_values_are_scikit_learns_and_their_mean_over_runs(metric, runs):
    cases = make_cases()
    cell, estimates = make_cell(cases, "a", 0.6, runs=runs), make_estimates(cases, metric, runs)
    for target in TARGETS[metric]:
        if metric == "accuracy":
            expected = [(run == cases.targets).mean() for run in cell.outcomes]
        else:
            labels = range(3) if target == "mean" else [CLASSES.index(target)]
            measure = SCIKIT_LEARN[metric]
            expected = [measure(cases.targets, run, labels=labels, average="macro") for run in cell.outcomes]
        estimate = estimates.estimate(cell, target)
        assert estimate.value == pytest.approx(np.mean(expected), rel=1e-12)
        sd = np.std(expected, ddof=1) if runs > 1 else math.nan
        assert estimate.sd == pytest.approx(sd, nan_ok=True)
        assert (estimate.n, estimate.n_clusters, estimate.status) == (runs if runs > 1 else 120, 120, "ok")
        assert estimate.low < estimate.value < estimate.high
    assert estimates.unit == ("repeat" if runs > 1 else "image")


def test_the_interval_of_an_accuracy_is_wilsons_where_cases_are_independent():
    cases = make_cases()
    cell = make_cell(cases, "a", 0.6)
    estimate = make_estimates(cases, "accuracy", confidence_level=0.9).estimate(cell, "all")
    n_correct = int((cell.outcomes[0] == cases.targets).sum())
    expected = binomtest(n_correct, 120).proportion_ci(0.9, method="wilson")
    assert (estimate.low, estimate.high, estimate.ci_method) == (expected.low, expected.high, "wilson")


@pytest.mark.parametrize(("metric", "target"), [("accuracy", "all"), ("recall", "viral"), ("f1", "mean")])
def test_intervals_are_percentiles_over_patients_that_repeat(metric, target):
    cases = make_cases(per_patient=3)
    cell, estimates = make_cell(cases, "a", 0.6), make_estimates(cases, metric)
    estimate = estimates.estimate(cell, target)
    options = {"categories": range(3)} if metric != "accuracy" else {}
    replicates = stats.bootstrap_replicates(
        metric, cases.targets, cell.outcomes[0], groups=cases.patients, per_class=True, **options, **OPTIONS
    )
    values = replicates[:, 2] if target == "viral" else replicates.mean(axis=1)
    assert (estimate.low, estimate.high) == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])), abs=1e-15)
    assert (estimate.ci_method, estimate.n, estimate.n_clusters) == ("bootstrap percentile", 120, 40)


def test_a_class_without_a_case_is_undefined_and_not_averaged_away():
    cases = make_cases(classes=(*CLASSES, "tuberculosis"))
    cell = make_cell(cases, "a", 0.6)
    for metric in ("precision", "recall", "f1"):
        estimates = make_estimates(cases, metric)
        assert estimates.why_undefined("tuberculosis") == "undefined: no image of the class"
        assert estimates.why_undefined("mean") == "undefined: 3/4 classes"
        estimate = estimates.estimate(cell, "mean")
        assert (estimate.status, estimate.n) == ("undefined: 3/4 classes", 120)
        assert math.isnan(estimate.value)
        # The other classes, and the accuracy, are what they are without it.
        alone = make_estimates(make_cases(), metric)
        for target in CLASSES:
            first, second = (vars(each.estimate(cell, target)) for each in (estimates, alone))
            assert {name: repr(value) for name, value in first.items()} == {k: repr(v) for k, v in second.items()}
    assert make_estimates(cases, "accuracy").why_undefined("all") == ""


def test_without_any_case_nothing_is_defined():
    cases = ClassCases(CLASSES, np.empty(0, np.intp), np.empty(0, np.intp), "study")
    cell = Cell("a", "A", 1, (0,), (np.empty(0, np.intp),))
    for metric, target in (("accuracy", "all"), ("f1", "mean"), ("f1", "viral")):
        estimate = make_estimates(cases, metric).estimate(cell, target)
        assert (estimate.status, estimate.n) == ("undefined: no study", 0)
        assert make_estimates(cases, metric).estimate(Cell("b", "B", 1, (), (), "not run"), target).status == "not run"


# Which test


@pytest.mark.parametrize(
    ("metric", "target", "runs", "per_patient", "primary", "further"),
    [
        ("accuracy", "all", 1, 1, "mcnemar_exact", ["stuart_maxwell"]),
        ("accuracy", "all", 1, 2, "mcnemar_clustered", ["stuart_maxwell"]),
        ("accuracy", "all", 3, 1, "bootstrap_two_way", ["stuart_maxwell"]),
        ("f1", "mean", 1, 1, "bootstrap", []),
        ("recall", "viral", 1, 2, "bootstrap", []),
        ("precision", "mean", 3, 2, "bootstrap_two_way", []),
    ],
)
def test_each_metric_has_its_test(metric, target, runs, per_patient, primary, further):
    cases = make_cases(per_patient=per_patient)
    estimates = make_estimates(cases, metric, runs)
    assert estimates.primary_test(target) == primary
    if runs == 1:  # a study refuses the others
        assert estimates.further_tests(target) == [(test, "paper") for test in further]


def test_what_a_publication_did_stays_plain_where_patients_repeat():
    estimates = make_estimates(
        make_cases(per_patient=2), "accuracy", paper="mcnemar_exact", secondary=("stuart_maxwell", "mcnemar_exact")
    )
    assert estimates.primary_test("all") == "mcnemar_clustered"
    assert estimates.further_tests("all") == [
        ("mcnemar_exact", "paper"),
        ("stuart_maxwell_clustered", "secondary"),
    ]


@pytest.mark.parametrize("primary", ["bootstrap", "bootstrap_two_way", "delong"])
def test_one_run_is_compared_by_bootstrap_where_another_test_than_mcnemars_is_set(primary):
    estimates = make_estimates(make_cases(), "accuracy", primary=primary, paper="bootstrap")
    assert estimates.primary_test("all") == "bootstrap"
    assert estimates.further_tests("all") == []


# Comparisons


def test_accuracies_of_single_runs_are_compared_by_mcnemar_and_stuart_maxwell():
    cases = make_cases()
    a, b = make_cell(cases, "a", 0.8), make_cell(cases, "b", 0.5, seed=2)
    estimates = make_estimates(cases, "accuracy")
    correct = [cell.outcomes[0] == cases.targets for cell in (a, b)]
    by_correctness = estimates.compare(a, b, "all", "mcnemar_exact")
    assert by_correctness.p_value == stats.mcnemar(*correct).pvalue
    assert by_correctness.value == pytest.approx(correct[0].mean() - correct[1].mean())
    by_margins = estimates.compare(a, b, "all", "stuart_maxwell")
    expected = stats.stuart_maxwell(a.outcomes[0], b.outcomes[0], categories=range(3))
    assert (by_margins.p_value, by_margins.df) == (expected.pvalue, expected.df)
    assert by_margins.value == pytest.approx(by_correctness.value)


def test_patients_are_swapped_whole_where_they_repeat():
    cases = make_cases(per_patient=4)
    a, b = make_cell(cases, "a", 0.8), make_cell(cases, "b", 0.5, seed=2)
    estimates = make_estimates(cases, "accuracy")
    expected = stats.stuart_maxwell(a.outcomes[0], b.outcomes[0], categories=range(3), groups=cases.patients, **OPTIONS)
    assert estimates.compare(a, b, "all", "stuart_maxwell_clustered").p_value == expected.pvalue
    correct = [cell.outcomes[0] == cases.targets for cell in (a, b)]
    expected = stats.mcnemar(*correct, groups=cases.patients)
    assert estimates.compare(a, b, "all", "mcnemar_clustered").p_value == expected.pvalue


def test_plain_tests_take_images_for_independent():
    cases = make_cases(per_patient=4)
    a, b = make_cell(cases, "a", 0.8), make_cell(cases, "b", 0.5, seed=2)
    estimates = make_estimates(cases, "accuracy")
    plain = stats.stuart_maxwell(a.outcomes[0], b.outcomes[0], categories=range(3))
    found = estimates.compare(a, b, "all", "stuart_maxwell")
    assert (found.statistic, found.df, found.p_value) == (plain.statistic, plain.df, plain.pvalue)
    correct = [cell.outcomes[0] == cases.targets for cell in (a, b)]
    assert estimates.compare(a, b, "all", "mcnemar_exact").p_value == stats.mcnemar(*correct).pvalue


@pytest.mark.parametrize("runs", [1, 4])
@pytest.mark.parametrize(("metric", "target"), [("precision", "mean"), ("recall", "mean"), ("f1", "mean")])
def test_means_are_compared_by_the_bootstrap_of_stats(metric, target, runs):
    cases = make_cases(per_patient=2)
    a, b = make_cell(cases, "a", 0.8, runs=runs), make_cell(cases, "b", 0.6, runs=runs, seed=2)
    estimates = make_estimates(cases, metric, runs)
    found = estimates.compare(a, b, target, estimates.primary_test(target))
    outcomes = [np.stack(cell.outcomes) for cell in (a, b)]
    expected = stats.two_way_bootstrap(
        metric, cases.targets, *outcomes, groups=cases.patients, categories=range(3), **OPTIONS
    )
    assert (found.value, found.low, found.high, found.p_value) == pytest.approx(
        (expected.difference, expected.low, expected.high, expected.pvalue), abs=1e-15
    )


def test_accuracies_of_several_runs_are_compared_by_two_way_bootstrap():
    cases = make_cases()
    a, b = make_cell(cases, "a", 0.8, runs=3), make_cell(cases, "b", 0.6, runs=3, seed=2)
    found = make_estimates(cases, "accuracy", 3).compare(a, b, "all", "bootstrap_two_way")
    expected = stats.two_way_bootstrap(
        "accuracy", cases.targets, np.stack(a.outcomes), np.stack(b.outcomes), groups=cases.patients, **OPTIONS
    )
    assert (found.value, found.low, found.high, found.p_value) == pytest.approx(
        (expected.difference, expected.low, expected.high, expected.pvalue), abs=1e-15
    )


def test_one_class_is_compared_on_its_own():
    cases = make_cases()
    a, b = make_cell(cases, "a", 0.8), make_cell(cases, "b", 0.6, seed=2)
    found = make_estimates(cases, "recall").compare(a, b, "viral", "bootstrap")
    of_class = cases.targets == 2
    correct = [(cell.outcomes[0] == cases.targets)[of_class].mean() for cell in (a, b)]
    assert found.value == pytest.approx(correct[0] - correct[1])
    assert found.low < found.value < found.high


def test_the_paired_t_test_is_over_runs():
    cases = make_cases()
    a, b = make_cell(cases, "a", 0.8, runs=5), make_cell(cases, "b", 0.6, runs=5, seed=2)
    estimates = make_estimates(cases, "accuracy", 5, primary="bootstrap_two_way", paper="ttest_paired")
    assert estimates.further_tests("all") == [("ttest_paired", "paper")]
    values = [[(run == cases.targets).mean() for run in cell.outcomes] for cell in (a, b)]
    assert estimates.compare(a, b, "all", "ttest_paired").p_value == pytest.approx(ttest_rel(*values).pvalue)
    alone = make_estimates(cases, "accuracy", 1, primary="bootstrap", paper="ttest_paired")
    found = alone.compare(a.keep([0]), b.keep([0]), "all", "ttest_paired")
    assert (found.status, math.isnan(found.p_value)) == ("undefined: 1 repeat", True)


def test_runs_that_one_model_lacks_are_left_out_of_both():
    cases = make_cases()
    a = make_cell(cases, "a", 0.8, runs=4)
    b = make_cell(cases, "b", 0.6, runs=3, expected=4, seed=2)
    estimates = make_estimates(cases, "f1", 4)
    found = estimates.compare(a, b, "mean", "bootstrap_two_way")
    assert found.status == "3/4 repeats in common"
    assert found.value == pytest.approx(
        estimates.estimate(a.keep([0, 1, 2]), "mean").value - estimates.estimate(b, "mean").value
    )
    single = estimates.compare(a, b.keep([1]), "mean", "bootstrap_two_way")
    assert (single.status, math.isnan(single.p_value)) == ("1/4 repeats in common", True)


@pytest.mark.parametrize("n", [1, 12])
def test_of_one_patient_nothing_is_compared(n):
    cases = make_cases(n=n, per_patient=n)
    a, b = make_cell(cases, "a", 1.0), make_cell(cases, "b", 0.1, seed=2)
    metrics = {"accuracy": "all"} if n == 1 else {"accuracy": "all", "f1": "mean"}
    for metric, target in metrics.items():
        estimates = make_estimates(cases, metric, primary="bootstrap")
        tests = ("bootstrap", "mcnemar_exact", "mcnemar_clustered", "stuart_maxwell", "stuart_maxwell_clustered")
        for test in tests if metric == "accuracy" else tests[:1]:
            found = estimates.compare(a, b, target, test)
            assert (found.status, math.isnan(found.p_value)) == ("undefined: 1 patient", True)
            assert found.value == estimates.values(a, target)[0] - estimates.values(b, target)[0]
        estimate = estimates.estimate(a, target)
        assert (estimate.value, math.isnan(estimate.low), estimate.ci_method) == (1, True, "")


def test_identical_calls_differ_by_nothing():
    cases = make_cases(per_patient=2)
    a = make_cell(cases, "a", 0.6)
    twin = Cell("twin", "twin", 1, a.repeats, tuple(run.copy() for run in a.outcomes))
    for metric, test in (
        ("accuracy", "mcnemar_clustered"),
        ("accuracy", "stuart_maxwell_clustered"),
        ("f1", "bootstrap"),
    ):
        found = make_estimates(cases, metric).compare(a, twin, TARGETS[metric][0], test)
        assert (found.value, found.p_value, found.status) == (0, 1, "ok")


def test_metrics_of_a_table_share_their_resamples(monkeypatch):
    cases = make_cases(per_patient=2)
    cells = [make_cell(cases, name, 0.7, seed=seed) for seed, name in enumerate("ab")]
    calls, original = [], stats.class_replicates
    monkeypatch.setattr(stats, "class_replicates", lambda *a, **k: calls.append(1) or original(*a, **k))
    for metric in CLASS_METRICS:
        estimates = make_estimates(cases, metric)
        for target in TARGETS[metric]:
            estimates.compare(*cells, target, "bootstrap")
            estimates.estimate(cells[0], target)
    assert len(calls) == 2
    # Other calls under the same name, as in another setting, are resampled on their own.
    make_estimates(cases, "f1").estimate(make_cell(cases, "a", 0.7, seed=7), "mean")
    assert len(calls) == 3


def test_rows_of_a_setting_have_one_primary_test_each():
    cases = make_cases(per_patient=2)
    cells = [
        make_cell(cases, name, quality, seed=seed) for seed, (name, quality) in enumerate((("a", 0.9), ("b", 0.5)))
    ]
    place = Place("table6", "s", "d", "e", "trainset=full")
    for metric in CLASS_METRICS:
        procedure = Procedure(METRICS[metric], "mcnemar_exact", ("best",), paper="stuart_maxwell", resamples=200)
        estimates = ClassEstimates(cases, procedure, 1)
        rows = [each.row for each in compare_setting(place, estimates, cells, TARGETS[metric], procedure)]
        primary = [row for row in rows if row.backbone == "b" and row.role == "primary"]
        assert [row.target for row in primary] == list(TARGETS[metric])
        assert {row.test for row in primary} == {"mcnemar_clustered" if metric == "accuracy" else "bootstrap"}
        assert [row.test for row in rows if row.role == "paper"] == (["stuart_maxwell"] if metric == "accuracy" else [])
        assert all(row.difference < 0 and row.p_value < 0.1 for row in primary)
