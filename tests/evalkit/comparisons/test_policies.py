"""Who is the best, and who is compared with whom."""

import math

from evalkit.comparisons.policies import choose_reference, find_best
from evalkit.comparisons.procedure import Procedure
from evalkit.metrics import METRICS


def test_equals_go_to_the_first_in_the_studys_order():
    assert find_best({"a": 0.7, "b": 0.8, "c": 0.8}, higher_is_better=True) == "b"
    assert find_best({"a": 0.7, "b": 0.7, "c": 0.8}, higher_is_better=False) == "a"


def test_missing_estimates_take_no_part():
    assert find_best({"a": math.nan, "b": 0.6}, higher_is_better=True) == "b"
    assert find_best({"a": math.nan}, higher_is_better=True) is None


def test_a_lucky_unfinished_cell_is_no_reference_while_another_is_finished():
    estimates = {"a": 0.9, "b": 0.6}
    assert find_best(estimates, higher_is_better=True, complete=["b"]) == "b"
    assert find_best(estimates, higher_is_better=True, complete=[]) == "a"


def test_references_by_policy():
    procedure = Procedure(METRICS["auc"], "delong", ("best",), reference="n", baselines={"x": "y"})
    assert choose_reference("best", "x", "b", procedure) == "b"
    assert choose_reference("named", "x", "b", procedure) == "n"
    assert choose_reference("baseline", "x", "b", procedure) == "y"
    assert choose_reference("baseline", "y", "b", procedure) is None
