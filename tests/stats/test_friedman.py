from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, special
from scipy import stats as scipy_stats

from stats.friedman import friedman_nemenyi
from stats.normal_range import range_log_tail, range_quantile

quick = settings(deadline=None, max_examples=60)


@st.composite
def tables(draw, least_methods=2):
    shape = draw(st.integers(1, 12)), draw(st.integers(least_methods, 6))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    return generator.integers(0, draw(st.integers(1, 20)), shape).astype(float)


@pytest.mark.parametrize("name", ["rounding_times", "six_methods_with_ties", "two_methods"])
def test_agrees_with_r(reference, name):
    case, agree = reference(f"friedman_nemenyi__{name}")
    expected = case["expected"]
    result = friedman_nemenyi(case["inputs"]["scores"])
    agree(
        [result.statistic, result.df, result.pvalue, result.critical_difference],
        [expected[key] for key in ("statistic", "df", "pvalue", "cd_0.05")],
    )
    agree(result.average_ranks, expected["avg_ranks_higher_is_better"])
    agree(result.pvalues, expected["nemenyi_pvalues"])
    assert np.diag(result.pvalues).tolist() == [1] * len(result.average_ranks)
    if "cd_0.10" in expected:
        agree(friedman_nemenyi(case["inputs"]["scores"], alpha=0.1).critical_difference, expected["cd_0.10"])


@quick
@given(tables(least_methods=3))
def test_statistic_is_scipys(scores):
    ours = friedman_nemenyi(scores)
    if (scores == scores[:, :1]).all():
        assert (ours.statistic, ours.pvalue) == (0, 1)
        return
    theirs = scipy_stats.friedmanchisquare(*scores.T)
    assert ours.statistic == pytest.approx(theirs.statistic, abs=1e-10)
    assert ours.pvalue == pytest.approx(theirs.pvalue, rel=1e-9)
    np.testing.assert_allclose(ours.average_ranks, scipy_stats.rankdata(-scores, axis=1).mean(axis=0))


@quick
@given(tables())
def test_only_ranks_within_a_data_set_matter(scores):
    result = friedman_nemenyi(scores)
    stretched = friedman_nemenyi(np.exp(scores) * np.arange(1, len(scores) + 1)[:, None])
    assert repr(stretched) == repr(result)
    turned = friedman_nemenyi(-scores)
    np.testing.assert_allclose(turned.average_ranks, scores.shape[1] + 1 - result.average_ranks)
    assert turned.statistic == pytest.approx(result.statistic)
    assert (result.pvalues == result.pvalues.T).all()


def test_critical_difference_is_where_nemenyis_p_value_is_alpha():
    scores = np.random.default_rng(0).normal(size=(30, 5))
    result = friedman_nemenyi(scores, alpha=0.01)
    in_units = result.critical_difference * math.sqrt(12 * 30 / (5 * 6))
    assert math.exp(range_log_tail(in_units, 5)) == pytest.approx(0.01, rel=1e-12)
    assert result.critical_difference == pytest.approx(  # scipy's quantile, with an sf that is right in the body
        scipy_stats.studentized_range.ppf(0.99, 5, np.inf) / math.sqrt(2) * math.sqrt(5 * 6 / (6 * 30)), rel=1e-9
    )


# Tails of the range


@pytest.mark.parametrize("q", [1e-6, 0.5, 3.3, 9, 20, 50, 300])
def test_range_of_two_normals_is_their_difference(q):
    expected = math.log(2) + special.log_ndtr(-q / math.sqrt(2))
    assert float(range_log_tail(q, 2)) == pytest.approx(expected, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("k", [3, 10, 100])
@pytest.mark.parametrize("q", [0.3, 2, 6, 11, 30])
def test_range_tail_is_the_integral(q, k):
    """By another formula: 1 - cdf, in which (a - b)^(k-1) is expanded as a sum of b a^(k-2-i) (a - b)^i."""

    def density(z):
        a, b = special.ndtr(-z), special.ndtr(-z - q)
        return math.exp(-z * z / 2) * b * sum(a ** (k - 2 - i) * (a - b) ** i for i in range(k - 1))

    integral = integrate.quad(density, -q / 2 - 9, -q / 2 + 9, epsabs=0, epsrel=1e-12, limit=400)[0]
    expected = k / math.sqrt(2 * math.pi) * integral
    assert math.exp(range_log_tail(q, k)) == pytest.approx(expected, rel=1e-10)


def test_range_tail_agrees_with_scipy_where_scipy_has_digits():
    for k in (2, 3, 10, 50):
        for q in (0.5, 2.0, 3.3, 6.0):
            theirs = scipy_stats.studentized_range.sf(q, k, np.inf)
            assert math.exp(range_log_tail(q, k)) == pytest.approx(theirs, rel=1e-10)
    assert scipy_stats.studentized_range.sf(20, 10, np.inf) > 1e-20
    assert math.exp(range_log_tail(20, 10)) == pytest.approx(9.398e-44, rel=1e-4)


@pytest.mark.parametrize("tail", [0.999, 0.5, 0.05, 1e-12, 1e-300])
@pytest.mark.parametrize("k", [2, 9])
def test_quantile_is_the_inverse(tail, k):
    assert math.exp(range_log_tail(range_quantile(tail, k), k)) == pytest.approx(tail, rel=1e-11)


# Edges


def test_all_tied_answers_p_1():
    for shape in ((5, 3), (1, 2)):
        result = friedman_nemenyi(np.ones(shape))
        assert (result.statistic, result.pvalue, result.log10_pvalue) == (0, 1, 0)
        assert (result.pvalues == 1).all()
        assert result.average_ranks.tolist() == [(shape[1] + 1) / 2] * shape[1]


def test_rank_1_is_the_highest_score():
    result = friedman_nemenyi([[0.9, 0.8, 0.1], [0.7, 0.7, -np.inf]])
    assert result.average_ranks.tolist() == [1.25, 1.75, 3]


def test_extreme_p_values_keep_their_logarithms():
    result = friedman_nemenyi(np.tile(np.arange(10.0), (500, 1)))
    assert result.pvalue == 0
    assert -1e4 < result.log10_pvalue < -308
    assert result.pvalues[0, 9] == 0
    q = 9 * math.sqrt(12 * 500 / 110)
    assert result.log10_pvalues[0, 9] == pytest.approx(float(range_log_tail(q, 10)) / math.log(10))
    assert result.log10_pvalues[0, 9] < -308
    as_dict = result.to_dict()
    assert (result.warnings, as_dict["warnings"]) == ((), [])
    assert json.loads(json.dumps(as_dict)) == as_dict


@pytest.mark.parametrize(
    ("scores", "alpha", "message"),
    [
        ([[1, 2], [3, np.nan]], 0.05, r"scores is NaN at index \(1, 1\)"),
        ([1, 2, 3], 0.05, r"scores has shape \(3,\)"),
        ([[1], [2]], 0.05, "two methods"),
        (np.empty((0, 3)), 0.05, "at least one data set"),
        ([["a", "b"]], 0.05, "not a number"),
        ([[1, 2]], 0, "alpha is 0"),
    ],
)
def test_refuses_what_has_no_answer(scores, alpha, message):
    with pytest.raises(ValueError, match=message):
        friedman_nemenyi(scores, alpha=alpha)
