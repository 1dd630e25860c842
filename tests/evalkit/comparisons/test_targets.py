"""Which targets a metric has, and which of them a table shows."""

import pytest

from evalkit.comparisons.targets import choose_targets, default_targets, list_targets
from evalkit.errors import InputError


def choose(chosen, metrics, classes=("A", "B"), *, multiclass=False):
    return choose_targets(chosen, metrics, classes, multiclass=multiclass, place="tables.t")


@pytest.mark.parametrize("metric", ["auc", "auprc", "sensitivity95", "brier", "ece"])
def test_scores_of_several_labels_have_their_mean_and_each_class(metric):
    assert default_targets(metric, ["A", "B"], multiclass=False) == ["mean", "A", "B"]


def test_one_class_has_no_mean_beside_it():
    assert default_targets("auc", ["A"], multiclass=False) == ["A"]
    with pytest.raises(InputError, match="'mean'"):
        choose(["mean", "A"], ["auc"], ["A"])


def test_where_each_case_has_one_class_some_numbers_are_of_all():
    assert default_targets("brier", ["A", "B"], multiclass=True) == ["all"]
    assert default_targets("ece", ["A", "B"], multiclass=True) == ["all"]
    assert list_targets("ece", ["A", "B"], multiclass=True) == ["all", "mean", "A", "B"]
    assert default_targets("auc", ["A", "B"], multiclass=True) == ["mean", "A", "B"]
    assert default_targets("accuracy", ["A", "B"], multiclass=True) == ["all"]
    assert default_targets("f1", ["A", "B"], multiclass=True) == ["mean"]


def test_each_metric_shows_those_it_has_in_the_tables_order():
    chosen = choose(["B", "all", "mean"], ["accuracy", "recall", "brier"], multiclass=True)
    assert chosen == {"accuracy": ["all"], "recall": ["B", "mean"], "brier": ["B", "all", "mean"]}


def test_a_target_that_no_metric_has_is_refused():
    with pytest.raises(InputError, match=r"tables.t.targets names 'Bb'") as caught:
        choose(["Bb"], ["auc"])
    assert "nearest: 'B'" in caught.value.expected
    with pytest.raises(InputError, match="'all', which auc"):
        choose(["all", "mean"], ["auc"])


def test_a_metric_that_would_show_nothing_is_refused():
    with pytest.raises(InputError, match="none that the metric accuracy has"):
        choose(["mean"], ["f1", "accuracy"], multiclass=True)


def test_before_anything_is_known_any_name_may_be_a_class():
    assert choose(["mean", "X"], ["auc"], ()) == {"auc": ["mean", "X"]}
    assert choose(None, ["auc"], ()) == {"auc": ["mean"]}
    assert choose(["all", "X"], ["accuracy", "f1"], (), multiclass=True) == {"accuracy": ["all"], "f1": ["X"]}
