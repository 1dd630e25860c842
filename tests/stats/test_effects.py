from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate
from scipy import stats as scipy_stats

from stats.effects import KINDS, effect_size
from stats.paired import ttest_paired
from stats.wilcoxon import wilcoxon


def test_agrees_with_r_on_students_sleep(reference):
    case, agree = reference("ttest_paired__student_sleep")
    x, y = case["inputs"]["x"], case["inputs"]["y"]
    for kind in ("cohen_dz", "hedges_gz", "cohen_dav"):
        agree(effect_size(x, y, kind), case["expected"][kind])
    assert effect_size(x, y) == effect_size(x, y, "cohen_dz")


def test_rank_biserial_agrees_with_r(reference):
    case, agree = reference("wilcoxon__hollander_wolfe_depression")
    agree(effect_size(case["inputs"]["x"], case["inputs"]["y"], "rank_biserial"), case["expected"]["rank_biserial"])


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(-4, 4), min_size=1, max_size=12).filter(any))
def test_rank_biserial_is_that_of_the_signed_rank_test(differences):
    d = np.array(differences, dtype=float)
    ranks = scipy_stats.rankdata(np.abs(d[d != 0]))
    plus, minus = ranks[d[d != 0] > 0].sum(), ranks[d[d != 0] < 0].sum()
    value = effect_size(d, np.zeros(d.size), "rank_biserial")
    assert value == pytest.approx((plus - minus) / (plus + minus), abs=1e-15)
    assert wilcoxon(d, np.zeros(d.size)).statistic == plus
    assert -1 <= value <= 1


def test_dz_is_t_over_the_root_of_n():
    x, y = np.random.default_rng(0).normal(size=(2, 17))
    assert effect_size(x, y) == pytest.approx(ttest_paired(x, y).statistic / math.sqrt(17))


@pytest.mark.parametrize("n", [3, 5, 20])
def test_the_factor_of_hedges_removes_the_bias(n):
    """E(dz) from the noncentral t distribution, by integration."""
    delta = 0.7
    t = scipy_stats.nct(n - 1, delta * math.sqrt(n))
    mean = integrate.quad(lambda v: v * t.pdf(v), -np.inf, np.inf, epsabs=1e-10, limit=400)[0] / math.sqrt(n)
    x = np.arange(n) ** 2.0
    factor = effect_size(x, np.zeros(n), "hedges_gz") / effect_size(x, np.zeros(n))
    assert factor * mean == pytest.approx(delta, rel=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_exchanging_x_and_y_changes_the_sign_and_units_do_not_matter(kind):
    x, y = np.random.default_rng(1).normal(size=(2, 9))
    value = effect_size(x, y, kind)
    assert effect_size(y, x, kind) == pytest.approx(-value)
    assert effect_size(100 * x, 100 * y, kind) == pytest.approx(value)
    assert type(value) is float


@pytest.mark.parametrize("kind", KINDS)
def test_groups_are_averaged_first(kind):
    x, y = np.array([1.0, 3.0, 2.0, 5.0, 4.0, 1.0]), np.array([0.0, 1.0, 1.5, 2.0, 4.5, 3.0])
    grouped = effect_size(x, y, kind, groups=["p", "p", "q", "r", "r", "s"])
    assert grouped == effect_size([2.0, 2.0, 4.5, 1.0], [0.5, 1.5, 3.25, 3.0], kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [1, 2, 7])
def test_identical_inputs_have_no_effect(kind, n, recwarn):
    x = np.random.default_rng(2).normal(size=n)
    assert effect_size(x, x, kind) == 0
    assert effect_size(x + 0.1 - 0.1, x, kind) == 0  # up to rounding
    assert not recwarn.list


@pytest.mark.parametrize("kind", ["cohen_dz", "hedges_gz"])
def test_a_constant_difference_is_infinite_and_warned_about(kind):
    x = np.array([0.1, 0.2, 0.3, 0.7])
    with pytest.warns(RuntimeWarning, match="standard deviation 0"):
        assert effect_size(x + 0.1, x, kind) == math.inf
    with pytest.warns(RuntimeWarning, match="standard deviation 0"):
        assert effect_size(x, x + 0.1, kind) == -math.inf


def test_dav_divides_by_the_spread_of_the_values():
    assert effect_size([1, 2, 3], [0, 1, 2], "cohen_dav") == 1
    with pytest.warns(RuntimeWarning, match="cohen_dav is infinite"):
        assert effect_size([2, 2, 2], [1, 1, 1], "cohen_dav") == math.inf


def test_too_few_pairs_are_warned_about():
    for kind in ("cohen_dz", "cohen_dav"):
        with pytest.warns(RuntimeWarning, match=f"1 pair: {kind} needs at least 2"):
            assert math.isnan(effect_size([3], [1], kind))
    with pytest.warns(RuntimeWarning, match="2 pairs: hedges_gz needs at least 3"):
        assert math.isnan(effect_size([3, 4], [1, 3], "hedges_gz"))
    assert effect_size([3], [1], "rank_biserial") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1, np.nan], [1, 2]), "x is nan at row 1"),
        (([1, 2], [1, 2, 3]), "y has 3 values; expected 2"),
        (([], []), "expected at least one pair"),
        (([1, 2], [1, 2], "cohen_d"), "kind is 'cohen_d'; expected one of cohen_dz"),
    ],
)
def test_refuses_what_has_no_answer(arguments, message):
    with pytest.raises(ValueError, match=message):
        effect_size(*arguments)
