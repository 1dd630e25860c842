"""Metrics and ways of training in words."""

from evalkit.comparisons.wording import TESTS, define_metrics, describe_ways
from evalkit.config.evaluations import Classification
from evalkit.config.tables import Test
from evalkit.metrics import METRICS


def evaluate(**changes):
    values = {"task": "multiclass", "dataset": "d", "labels": ["a", "b"], "recipe": {"lr": 0.1, "steps": 1}}
    return Classification.model_validate({**values, **changes})


def test_every_test_of_a_study_has_its_words():
    assert set(Test.__args__) <= set(TESTS)
    assert {f"{test}_clustered" for test in ("delong", "stuart_maxwell")} | {"mcnemar_clustered"} <= set(TESTS)


def test_metrics_are_defined_once_and_in_order():
    targets = {"recall": ["mean"], "accuracy": ["all"], "f1": ["mean"]}
    rates, accuracy = define_metrics(targets, multiclass=True)
    assert rates.startswith("Recall and F1: of each class against all others, and as the unweighted mean over classes")
    assert "never called" in rates
    assert accuracy.startswith("Accuracy: ")


def test_only_what_is_shown_is_said():
    assert define_metrics({"auc": ["mean", "a"]}, multiclass=False) == []
    assert define_metrics({"auc": ["mean"]}, multiclass=True) == ["AUC: each class against all others."]
    (recall,) = define_metrics({"recall": ["a"]}, multiclass=True)
    assert recall == "Recall: of each class against all others."
    (brier,) = define_metrics({"brier": ["mean", "a"]}, multiclass=False)
    assert "overall" not in brier
    (ece,) = define_metrics({"ece": ["all"]}, multiclass=True)
    assert "called class" in ece
    assert "biased upwards in small samples" in ece


def test_every_metric_of_scores_and_calls_has_a_definition_or_a_plain_name():
    for name in ("auc", "auprc", "sensitivity95", "brier", "ece", "accuracy", "precision", "recall", "f1"):
        assert name in METRICS
        assert define_metrics({name: ["all" if name == "accuracy" else "mean"]}, multiclass=True)


def test_ways_of_training_are_told():
    assert describe_ways(evaluate(), ["trainset=full"]) == []
    balanced = evaluate(settings={"trainset": ["full", "balanced"]}, class_weights="balanced", balancing={"zoom": 0})
    sets, copies, weights = describe_ways(balanced, ["trainset=full", "trainset=balanced"])
    assert sets.startswith("Training sets: full, all training images; balanced, all training images and copies")
    assert copies == (
        "Balanced: all training images and copies of them, made after the split, turned by up to 10 degrees to either "
        "side."
    )
    assert weights.startswith("In the loss rare classes weigh more")
    (probe,) = describe_ways(evaluate(), ["regime=probe,trainset=full"])
    assert probe.startswith("Linear probe: ")
