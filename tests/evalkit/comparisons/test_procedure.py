"""What a table may not ask for; found out without any results."""

import pytest
import yaml

from evalkit.comparisons import check_table, write_table
from evalkit.comparisons.procedure import make_procedure
from evalkit.config import load_study
from evalkit.errors import InputError

LOW = "regime=finetune,fraction=0.1"

MULTICLASS = {
    "study": "six",
    "title": "Several classes",
    "image_size": 32,
    "backbones": ["scratch", "good"],
    "datasets": {
        "drawn": {"format": "chexpert", "phantom": {"patients": 90}},
        "other": {"format": "chexpert", "phantom": {"patients": 90, "first_patient": 1001}},
    },
    "evaluations": {
        "main": {
            "task": "multiclass",
            "dataset": "drawn",
            "labels": ["normal", "bacterial", "viral"],
            "test_on": ["other"],
            "recipe": {"lr": 0.001, "steps": 5},
        }
    },
}
TABLE = {
    "title": "Accuracy",
    "evaluation": "main",
    "metric": ["accuracy", "precision", "recall", "f1"],
    "primary": "mcnemar_exact",
    "paper": "stuart_maxwell",
    "policies": ["best"],
}


@pytest.fixture
def six(tmp_path):
    """Loads the study of a multi-class task, with changes to its table and its evaluation."""

    def write(evaluation=None, **table):
        (tmp_path / "backbones.yaml").write_text(
            yaml.safe_dump({name: {"label": name, "arch": "resnet10t"} for name in MULTICLASS["backbones"]})
        )
        main = MULTICLASS["evaluations"]["main"] | (evaluation or {})
        study = MULTICLASS | {"evaluations": {"main": main}, "tables": {"table6": TABLE | table}}
        (tmp_path / "six.yaml").write_text(yaml.safe_dump(study))
        return load_study(str(tmp_path / "six.yaml"))

    return write


@pytest.mark.parametrize("key", ["primary", "paper"])
@pytest.mark.parametrize("test", ["delong", "bootstrap"])
def test_tests_of_two_fixed_networks_are_refused_where_runs_vary(results, key, test):
    study = results.write(changes={f"tables.table7.{key}": test})
    with pytest.raises(InputError) as caught:
        check_table(study, "table7")
    assert f"{LOW} has 4 runs" in caught.value.found
    assert "bootstrap_two_way" in caught.value.remedy


def test_several_seeds_make_several_runs(results):
    study = results.write(changes={"evaluations.main.seeds": 3})
    with pytest.raises(InputError, match="has 3 runs"):
        check_table(study, "table5")
    assert make_procedure(study, "table7", "auc").primary == "bootstrap_two_way"


def test_delong_is_for_the_auc(results):
    study = results.write(changes={"tables.table5.metric": "auprc"})
    with pytest.raises(InputError, match="metric: auc"):
        check_table(study, "table5")


def test_the_reference_must_be_a_row(results):
    study = results.write(changes={"tables.table5.backbones": ["scratch", "twin"]})
    with pytest.raises(InputError, match="not among its backbones"):
        check_table(study, "table5")


def test_a_target_must_have_been_predicted(results):
    # A misspelt class is found when the configuration is read where the evaluation names its labels.
    changes = {"evaluations.main.labels": None, "tables.table7.targets": ["mean", "Edemaa"]}
    with pytest.raises(InputError, match="nearest: 'Edema'"):
        write_table(results.write(changes=changes), "table7")


def test_the_seed_is_the_tables_own(results):
    study = results.write()
    assert make_procedure(study, "table7", "auc").seed == make_procedure(study, "table7", "auc").seed
    assert make_procedure(study, "table7", "auc").seed != make_procedure(study, "table5", "auc").seed


def test_the_paired_t_test_is_for_comparison_with_papers_only(results):
    study = results.write(changes={"tables.table7.primary": "ttest_paired"})
    with pytest.raises(InputError, match="takes the test patients for fixed") as caught:
        check_table(study, "table7")
    assert "bootstrap_two_way" in caught.value.remedy


# Several metrics, and metrics of called classes


def test_each_metric_of_a_table_has_the_tests_made_for_it(six):
    study = six(metric=["accuracy", "f1", "auc"])
    procedures = {metric: make_procedure(study, "table6", metric) for metric in ("accuracy", "f1", "auc")}
    assert {name: (each.primary, each.paper) for name, each in procedures.items()} == {
        "accuracy": ("mcnemar_exact", "stuart_maxwell"),
        "f1": ("bootstrap", None),
        "auc": ("bootstrap", None),
    }
    # One seed, and so the same resamples for all metrics.
    assert len({each.seed for each in procedures.values()}) == 1
    assert procedures["f1"].metric.name == "f1"


def test_delong_gives_way_for_other_metrics_than_the_auc(results):
    study = results.write(changes={"tables.table5.metric": ["auc", "auprc"]})
    assert make_procedure(study, "table5", "auc").primary == "delong"
    assert make_procedure(study, "table5", "auprc").primary == "bootstrap"
    assert make_procedure(study, "table5", "auprc").paper is None


def test_stuart_maxwell_is_for_comparison_with_papers_only(six):
    with pytest.raises(InputError, match="call each class equally often") as caught:
        check_table(six(primary="stuart_maxwell"), "table6")
    assert "mcnemar_exact" in caught.value.remedy


@pytest.mark.parametrize("key", ["primary", "paper"])
@pytest.mark.parametrize("metric", ["auc", ["precision", "f1"]])
def test_tests_of_single_calls_are_for_the_accuracy(six, key, metric):
    tests = {"primary": "bootstrap", "paper": None} | {key: "mcnemar_exact"}
    with pytest.raises(InputError, match=f"{key} is mcnemar_exact and the table's metrics are") as caught:
        check_table(six(metric=metric, **tests), "table6")
    assert "metric: accuracy" in caught.value.expected


@pytest.mark.parametrize(("test", "key"), [("mcnemar_exact", "primary"), ("stuart_maxwell", "paper")])
def test_tests_of_single_calls_are_refused_where_seeds_vary(six, test, key):
    tests = {"primary": "bootstrap_two_way", "paper": None} | {key: test}
    with pytest.raises(InputError, match=f"{key} is {test}, and trainset=full has 3 runs") as caught:
        check_table(six(evaluation={"seeds": 3}, **tests), "table6")
    assert f"set {key} to bootstrap_two_way" in caught.value.remedy
    study = six(evaluation={"seeds": 3}, primary="bootstrap_two_way", paper=None)
    assert make_procedure(study, "table6", "accuracy").primary == "bootstrap_two_way"


def test_metrics_of_called_classes_need_one_class_for_each_image(results):
    study = results.write(changes={"tables.table7.metric": ["auc", "f1", "accuracy"]})
    with pytest.raises(InputError, match="has f1, accuracy, and main is multilabel") as caught:
        check_table(study, "table7")
    assert "auc, auprc" in caught.value.expected
    assert "multiclass" in caught.value.remedy


@pytest.mark.parametrize(
    ("metric", "targets", "refused"),
    [
        ("accuracy", ["all", "viral"], "viral"),
        ("accuracy", ["mean"], "mean"),
        (["f1", "auc"], ["mean", "all"], "all"),
        (["accuracy", "f1"], ["all", "mean", "viral"], None),
        (["auc", "brier"], ["all", "normal"], None),
    ],
)
def test_targets_that_no_metric_has_are_refused(six, metric, targets, refused):
    study = six(metric=metric, targets=targets, primary="bootstrap", paper=None)
    if refused is None:
        check_table(study, "table6")
        return
    with pytest.raises(InputError, match=f"names '{refused}', for which .* has no number"):
        check_table(study, "table6")


def test_calibration_over_all_classes_needs_one_class_for_each_image(results):
    study = results.write(changes={"tables.table7.metric": "brier", "tables.table7.targets": ["all"]})
    with pytest.raises(InputError, match="names 'all', for which brier has no number"):
        check_table(study, "table7")


def test_a_table_is_of_the_evaluations_own_test_sets(six):
    check_table(six(test_on="other"), "table6")
    with pytest.raises(InputError, match="test_on names 'drawn', which does not exist here"):
        six(test_on="drawn")
