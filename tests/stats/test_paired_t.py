from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate
from scipy import stats as scipy_stats

from stats import ttest_corrected, ttest_paired
from stats.tails import t_log_tail, t_pvalue


def test_agrees_with_r_on_students_sleep(reference):
    case, agree = reference("ttest_paired__student_sleep")
    result = ttest_paired(case["inputs"]["x"], case["inputs"]["y"])
    agree(
        [result.statistic, result.df, result.pvalue, result.mean_difference],
        [case["expected"][name] for name in ("statistic", "df", "pvalue", "mean_diff")],
    )
    agree(result.confidence_interval(0.95), case["expected"]["ci"])
    assert result.difference == result.mean_difference


def test_agrees_with_r_on_one_sided_tests_against_another_mean(reference):
    case, agree = reference("ttest_paired__shifted_one_sided")
    x, y, popmean, level = case["inputs"].values()
    expected = case["expected"]
    two_sided, less, greater = (
        ttest_paired(x, y, popmean=popmean, alternative=alternative) for alternative in ("two-sided", "less", "greater")
    )
    agree(
        [two_sided.statistic, two_sided.df, two_sided.mean_difference, two_sided.se],
        [expected[name] for name in ("statistic", "df", "mean_diff", "se")],
    )
    agree(
        [two_sided.pvalue, less.pvalue, greater.pvalue],
        [expected[name] for name in ("pvalue", "pvalue_less", "pvalue_greater")],
    )
    agree(two_sided.confidence_interval(level), expected["ci"])
    agree(less.confidence_interval(level), [-math.inf, expected["high_less"]])
    agree(greater.confidence_interval(level), [expected["low_greater"], math.inf])


@pytest.mark.parametrize("alternative", ["two-sided", "less", "greater"])
def test_agrees_with_scipy(alternative):
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(2, 25))
    ours = ttest_paired(x, y, alternative=alternative)
    theirs = scipy_stats.ttest_rel(x, y, alternative=alternative)
    assert (ours.statistic, ours.df) == pytest.approx((theirs.statistic, theirs.df))
    assert ours.pvalue == pytest.approx(theirs.pvalue)
    assert ours.confidence_interval(0.9) == pytest.approx(tuple(theirs.confidence_interval(0.9)))


def test_popmean_shifts_the_null_not_the_interval():
    generator = np.random.default_rng(1)
    x, y = generator.normal(size=(2, 12))
    shifted = ttest_paired(x, y, popmean=0.3)
    assert shifted.statistic == pytest.approx(scipy_stats.ttest_1samp(x - y, 0.3).statistic)
    assert shifted.confidence_interval() == ttest_paired(x, y).confidence_interval()


def test_groups_are_averaged_first():
    x, y = np.array([1.0, 3.0, 2.0, 5.0, 4.0]), np.array([0.0, 1.0, 1.5, 2.0, 4.5])
    grouped = ttest_paired(x, y, groups=["p", "p", "q", "r", "r"])
    assert grouped == ttest_paired([2.0, 2.0, 4.5], [0.5, 1.5, 3.25])
    assert (grouped.n, grouped.df) == (3, 2)


@pytest.mark.parametrize("alternative", ["two-sided", "less", "greater"])
def test_identical_inputs_answer_p_1(alternative):
    x = np.random.default_rng(2).normal(size=8)
    result = ttest_paired(x, x, alternative=alternative)
    assert (result.statistic, result.pvalue, result.mean_difference, result.log10_pvalue) == (0, 1, 0, 0)
    assert ttest_paired(x, x).confidence_interval() == (0, 0)
    assert result.warnings == ()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_constant_difference_is_infinite_and_warned_about():
    x = np.array([0.1, 0.2, 0.3, 0.7])
    result = ttest_paired(x + 0.1, x)  # equal up to the rounding of the sums
    assert (result.statistic, result.pvalue, result.log10_pvalue) == (math.inf, 0, -math.inf)
    assert "differences are equal" in result.warnings[0]
    assert ttest_paired(x, x + 0.1, alternative="greater").pvalue == 1
    assert ttest_paired(x + 0.1, x, popmean=0.1).pvalue == 1
    with pytest.warns(RuntimeWarning, match="differences are equal"):
        ttest_corrected(x + 1, x, n_train=9, n_test=1)


def test_no_result_has_a_negative_zero():
    result = ttest_paired([-0.0, -0.0], [0.0, 0.0])
    assert np.copysign(1, [result.mean_difference, result.statistic, *result.confidence_interval()]).tolist() == [1] * 4
    balanced = ttest_paired([1.0, -1.0, 2.0, -2.0], np.zeros(4))
    assert np.copysign(1, [balanced.mean_difference, balanced.statistic]).tolist() == [1, 1]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_scipy_is_not_used_for_the_reasons_given():
    tenths = np.array([0.3, 0.4, 0.5, 0.7]), np.array([0.2, 0.3, 0.4, 0.6])
    for x, y in (([1, 2, 3], [1, 2, 3]), ([1], [2]), ([1, np.nan], [2, 3])):
        assert math.isnan(scipy_stats.ttest_rel(x, y).pvalue)
    assert 0 < scipy_stats.ttest_rel(*tenths).pvalue < 1e-40
    assert ttest_paired(*tenths).se == 0
    x, y = np.random.default_rng(4).normal(size=(2, 12))
    ours, theirs = ttest_paired(x, y), scipy_stats.ttest_rel(x, y)
    assert (ours.statistic, ours.pvalue) == pytest.approx((theirs.statistic, theirs.pvalue))


def test_one_pair_gives_the_difference_and_a_warning():
    with pytest.warns(RuntimeWarning, match="at least two"):
        result = ttest_paired([3.0], [1.0])
    assert result.mean_difference == 2
    assert np.isnan([result.statistic, result.pvalue, result.log10_pvalue, *result.confidence_interval()]).all()


def test_corrected_test_is_nadeau_and_bengios():
    generator = np.random.default_rng(3)
    x, y = generator.normal(size=(2, 10))
    d = x - y
    expected = d.mean() / math.sqrt((1 / 10 + 1 / 9) * d.var(ddof=1))
    result = ttest_corrected(x, y, n_train=900, n_test=100)
    assert result.statistic == pytest.approx(expected)
    assert result.df == 9
    assert result.pvalue == pytest.approx(2 * scipy_stats.t.sf(abs(expected), 9))
    assert abs(result.statistic) < abs(ttest_paired(x, y).statistic)
    assert ttest_corrected(x, x, n_train=900, n_test=100).pvalue == 1


@pytest.mark.parametrize(("df", "t"), [(300, 200.0), (2000, 40.0), (5000, 60.0), (1e6, 45.0)])
def test_log10_p_value_where_the_p_value_underflows(df, t):
    density = scipy_stats.t(df).logpdf
    decay = (df + t * t) / ((df + 1) * t)  # the density falls by about e over this distance
    rest, _ = integrate.quad(lambda u: math.exp(density(t + u) - density(t)), 0, 80 * decay)
    assert t_log_tail(t, df) == pytest.approx(density(t) + math.log(rest), rel=1e-9)


def test_log10_p_value_is_continuous_where_its_computation_changes():
    for df in (100, 1000, 1e5):
        t = scipy_stats.t.isf(1e-250, df)
        pvalue = t_pvalue(t, df, "two-sided")
        assert (t_log_tail(t, df) + math.log(2)) / math.log(10) == pytest.approx(math.log10(pvalue), rel=1e-9)
    x = np.random.default_rng(0).normal(size=5000) + 5
    result = ttest_paired(x, np.zeros(5000))
    assert result.pvalue == 0
    assert -10_000 < result.log10_pvalue < -308


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ([1, np.nan], [1, 2], "x is nan at row 1"),
        ([1, 2], [np.inf, 2], "y is inf at row 0"),
        ([1, 2], [1, 2, 3], "y has 3 values; expected 2"),
        ([], [], "expected at least one pair"),
    ],
)
def test_refuses_what_is_not_pairs(x, y, message):
    with pytest.raises(ValueError, match=message):
        ttest_paired(x, y)


def test_refuses_impossible_sizes():
    with pytest.raises(ValueError, match="sizes of both sets"):
        ttest_corrected([1, 2], [2, 3], n_train=0, n_test=10)
