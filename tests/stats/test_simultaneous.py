from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from stats import auc, bootstrap_replicates, compare_with_best, paired_bootstrap

quick = settings(deadline=None, max_examples=60)
ALPHA = 0.05


def brute(estimates, replicates, level):
    """All pairs one by one, as the procedure is written down; for models that all differ."""
    n_resamples, k = replicates.shape
    pairs = list(itertools.combinations(range(k), 2))
    se = {(i, j): np.std(replicates[:, i] - replicates[:, j], ddof=1) for i, j in pairs}
    maxima = sorted(
        max(abs((row[i] - row[j]) - (estimates[i] - estimates[j])) / se[i, j] for i, j in pairs) for row in replicates
    )
    critical = maxima[math.ceil(level * (n_resamples + 1)) - 1]
    best = list(estimates).index(max(estimates))
    low, high, pvalues = np.zeros((3, k))
    for model in range(k):
        if model == best:
            pvalues[model] = np.nan
            continue
        difference, own = estimates[model] - estimates[best], se[min(model, best), max(model, best)]
        low[model], high[model] = difference - critical * own, difference + critical * own
        pvalues[model] = (1 + sum(m >= abs(difference) / own for m in maxima)) / (n_resamples + 1)
    return critical, low, high, pvalues


@st.composite
def studies(draw, continuous=False):
    """Estimates (k,) and replicates (B, k) around them; measures with few distinct values unless continuous."""
    k, n_resamples = draw(st.integers(2, 6)), draw(st.integers(20, 60))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    estimates = generator.normal(size=k) * draw(st.sampled_from([0.1, 1.0, 3.0]))
    replicates = estimates + generator.normal(size=(n_resamples, k)) @ generator.normal(size=(k, k))
    if not continuous and draw(st.booleans()):
        estimates, replicates = np.round(estimates * 2) / 2, np.round(replicates * 2) / 2
    return estimates, replicates


def fields(result):
    return result.differences, result.se, result.low, result.high, result.pvalues, result.critical_value


# What is computed


@quick
@given(studies(continuous=True), st.sampled_from([0.8, 0.9, 0.95]))
def test_is_the_procedure_pair_by_pair(study, level):
    estimates, replicates = study
    result = compare_with_best(estimates, replicates, confidence_level=level)
    critical, low, high, pvalues = brute(estimates, replicates, level)
    assert result.critical_value == pytest.approx(critical)
    np.testing.assert_allclose(result.low, low, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(result.high, high, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(result.pvalues, pvalues)


@quick
@given(studies(), st.sampled_from([0.8, 0.9, 0.95]))
@pytest.mark.filterwarnings("ignore:the difference between:RuntimeWarning")
def test_an_interval_leaves_out_zero_exactly_where_the_p_value_says_so(study, level):
    result = compare_with_best(*study, confidence_level=level)
    others = np.arange(result.differences.size) != result.best
    # An interval that ends at 0 holds it; its end may be off by rounding.
    reach = 1e-9 * result.se
    leaves_out = (result.low > reach) | (result.high < -reach)
    np.testing.assert_array_equal(leaves_out[others], result.pvalues[others] <= 1 - level + 1e-12)


def test_one_pair_has_the_critical_value_of_a_normal_and_k_models_that_of_tukeys_range():
    # Independent, equally precise estimates: the maximum over pairs is a studentized range over the square root of 2.
    generator = np.random.default_rng(0)
    for k in (2, 4, 8):
        result = compare_with_best(np.zeros(k), generator.normal(size=(100_000, k)))
        expected = scipy_stats.studentized_range.ppf(0.95, k, np.inf) / math.sqrt(2)
        assert result.critical_value == pytest.approx(expected, abs=0.03)


def test_replicates_of_the_bootstrap_give_its_standard_errors():
    generator = np.random.default_rng(1)
    y = generator.random(150) < 0.4
    groups = np.arange(150) // 2
    scores = y * np.array([[0.5], [1.0], [1.5]]) + generator.normal(size=(3, 150))
    options = {"groups": groups, "n_resamples": 400, "rng": 3}
    replicates = np.column_stack([bootstrap_replicates("auc", y, score, **options) for score in scores])
    result = compare_with_best([auc(y, score) for score in scores], replicates, names=["low", "middle", "high"])
    assert result.best == "high"
    for model in (0, 1):
        pair = paired_bootstrap("auc", y, scores[model], scores[2], **options)
        assert (result.differences[model], result.se[model]) == pytest.approx((pair.difference, pair.se))
        assert result.pvalues[model] >= pair.pvalue / 2
        assert result.low[model] < pair.low
        assert result.high[model] > pair.high


# Invariances


@quick
@given(studies())
@pytest.mark.filterwarnings("ignore:the difference between:RuntimeWarning")
def test_adding_a_constant_changes_nothing(study):
    estimates, replicates = study
    for one, other in zip(
        fields(compare_with_best(estimates, replicates)),
        fields(compare_with_best(estimates + 0.5, replicates + 0.5)),
        strict=True,
    ):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)


@quick
@given(studies())
@pytest.mark.filterwarnings("ignore:the difference between:RuntimeWarning")
def test_an_error_is_a_measure_turned_round(study):
    estimates, replicates = study
    measure = compare_with_best(estimates, replicates)
    error = compare_with_best(-estimates, -replicates, higher_is_better=False)
    assert error.best == measure.best
    np.testing.assert_array_equal(error.differences, -measure.differences)
    np.testing.assert_array_equal(error.low, -measure.high)
    np.testing.assert_array_equal(error.pvalues, measure.pvalues)
    assert error.critical_value == measure.critical_value


@quick
@given(studies(continuous=True), st.randoms(use_true_random=False))
def test_the_order_of_the_models_does_not_matter(study, random):
    estimates, replicates = study
    order = list(range(estimates.size))
    random.shuffle(order)
    result = compare_with_best(estimates, replicates)
    shuffled = compare_with_best(estimates[order], replicates[:, order], names=order)
    assert shuffled.best == result.best
    for one, other in zip(fields(result)[:-1], fields(shuffled)[:-1], strict=True):
        np.testing.assert_allclose(one[order], other, rtol=1e-12, atol=1e-15)
    assert shuffled.critical_value == pytest.approx(result.critical_value)


@quick
@given(studies())
@pytest.mark.filterwarnings("ignore:the difference between:RuntimeWarning")
def test_more_models_never_make_the_others_more_significant(study):
    estimates, replicates = study
    extended = np.append(estimates, estimates.min() - 1), np.column_stack([replicates, replicates[::-1, 0] - 1])
    few, more = compare_with_best(estimates, replicates), compare_with_best(*extended)
    assert more.critical_value >= few.critical_value * (1 - 1e-12)
    kept = np.arange(estimates.size) != few.best
    assert np.all(more.pvalues[:-1][kept] >= few.pvalues[kept])


# Edges


def test_identical_models_differ_by_nothing_and_are_not_counted():
    generator = np.random.default_rng(2)
    replicates = generator.normal(size=(200, 3))
    estimates = np.array([0.3, 0.1, 0.2])
    twice = [0, 0, 1, 2, 1]
    alone, result = compare_with_best(estimates, replicates), compare_with_best(estimates[twice], replicates[:, twice])
    assert result.best == 0  # of equal ones the first
    assert result.critical_value == alone.critical_value
    assert (result.differences[1], result.se[1], result.low[1], result.high[1], result.pvalues[1]) == (0, 0, 0, 0, 1)
    np.testing.assert_array_equal(result.pvalues[[2, 3]], alone.pvalues[[1, 2]])
    assert result.warnings == ()


def test_models_that_differ_by_rounding_are_identical():
    generator = np.random.default_rng(3)
    values = generator.random(100)
    replicates = np.column_stack([values, values + 0.1 - 0.1, values / 3])
    result = compare_with_best([0.3, 0.1 + 0.2, 0.1], replicates)
    assert (result.best, result.differences[0], result.low[0], result.pvalues[0]) == (1, 0, 0, 1)


def test_nothing_varies_at_all():
    result = compare_with_best([0.5, 0.5, 0.5], np.full((50, 3), 0.5))
    assert (result.best, result.critical_value) == (0, 0)
    np.testing.assert_array_equal(result.pvalues, [np.nan, 1, 1])
    np.testing.assert_array_equal([result.low, result.high], np.zeros((2, 3)))


def test_a_constant_difference_has_the_smallest_p_value_and_a_warning():
    values = np.random.default_rng(4).random(99)
    replicates = np.column_stack([values, values - 0.1, values[::-1]])
    with pytest.warns(RuntimeWarning, match=r"between worse and good \(-0\.1\) is the same on every resample"):
        result = compare_with_best([0.5, 0.4, 0.45], replicates, names=["good", "worse", "other"])
    assert result.pvalues[1] == 1 / 100
    assert result.low[1] == result.high[1] == pytest.approx(-0.1)
    assert result.critical_value > 0


def test_replicates_undefined_for_any_model_are_left_out():
    replicates = np.random.default_rng(5).normal(size=(120, 3))
    broken = np.insert(replicates, [0, 50, 120], replicates[0], axis=0)
    broken[[0, 51, 122], [0, 1, 2]] = np.nan
    with pytest.warns(RuntimeWarning, match="3 of 123 replicates left out"):
        result = compare_with_best([0.1, 0, 0], broken)
    assert result.n_resamples == 120
    for one, other in zip(fields(result), fields(compare_with_best([0.1, 0, 0], replicates)), strict=True):
        np.testing.assert_array_equal(one, other)


def test_becomes_plain_data():
    replicates = np.random.default_rng(6).normal(size=(60, 2))
    plain = compare_with_best([1, 2], replicates, names=["a", "b"]).to_dict()
    assert plain["best"] == "b"
    assert math.isnan(plain["pvalues"].pop())
    assert json.loads(json.dumps(plain)) == plain
    assert set(plain) >= {"differences", "se", "low", "high", "critical_value", "n_resamples", "warnings"}


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (([0.5], np.zeros((20, 1))), {}, "holds 1 models; expected at least two"),
        (([0.5, np.nan], np.zeros((20, 2))), {}, "estimates is NaN at row 1"),
        (([0.5, 0.6], np.zeros((2, 20))), {}, r"shape \(2, 20\); expected \(B, 2\)"),
        (([0.5, 0.6], np.zeros(20)), {}, r"shape \(20,\); expected \(B, 2\)"),
        (([0.5, np.inf], np.zeros((20, 2))), {}, r"estimates is infinite at index \(1,\)"),
        (([0.5, 0.6], np.diag([np.inf, 0])), {}, r"replicates is infinite at index \(0, 0\)"),
        (([0.5, 0.6], np.zeros((18, 2))), {}, "18 replicates defined .* 0.95 needs at least 19"),
        (([0.5, 0.6], np.full((20, 2), np.nan)), {}, "0 replicates defined"),
        (([0.5, 0.6], np.zeros((20, 2))), {"names": ["a"]}, "1 names for 2 models"),
        (([0.5, 0.6], np.zeros((20, 2))), {"names": ["a", "a"]}, "the name 'a' occurs more than once"),
        (([0.5, 0.6], np.zeros((20, 2))), {"confidence_level": 95}, "confidence level is 95"),
    ],
)
def test_refuses_what_has_no_answer(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        compare_with_best(*arguments, **options)


def test_nineteen_replicates_suffice_for_95_percent():
    replicates = np.random.default_rng(7).normal(size=(19, 2))
    result = compare_with_best([9, 0], replicates + np.array([9, 0]))
    assert result.critical_value == pytest.approx(
        np.max(np.abs(replicates[:, 0] - replicates[:, 1])) / np.std(replicates[:, 0] - replicates[:, 1], ddof=1)
    )
    assert result.pvalues[1] == 1 / 20


# Error rates


def bootstrap_of_means(generator, cases, n_resamples):
    """Means of the columns of cases (n, k), and of n_resamples resamples of its rows."""
    n = cases.shape[0]
    weights = generator.multinomial(n, np.full(n, 1 / n), size=n_resamples) / n
    return cases.mean(axis=0), weights @ cases


@pytest.mark.slow
def test_equal_models_are_told_apart_in_at_most_five_percent_where_the_naive_tests_fail():
    generator = np.random.default_rng(8)
    n_studies, n, k, n_resamples = 1000, 200, 6, 399
    naive = holm = simultaneous = 0
    for _ in range(n_studies):
        shared = generator.normal(size=(n, 1))
        estimates, replicates = bootstrap_of_means(generator, shared + generator.normal(size=(n, k)), n_resamples)
        result = compare_with_best(estimates, replicates)
        simultaneous += np.nanmin(result.pvalues) < ALPHA
        others = np.arange(k) != result.best
        of_pairs = 2 * scipy_stats.norm.sf(np.abs(result.differences[others] / result.se[others]))
        naive += of_pairs.min() < ALPHA
        holm += (k - 1) * of_pairs.min() < ALPHA  # as if the best had been named beforehand
    margin = 3 * math.sqrt(ALPHA * (1 - ALPHA) / n_studies)
    assert naive / n_studies > 0.3
    assert holm / n_studies > ALPHA + margin
    assert 0.02 < simultaneous / n_studies < ALPHA + margin


@pytest.mark.slow
def test_intervals_of_unequal_models_hold_together():
    generator = np.random.default_rng(9)
    n_studies, n, n_resamples = 1000, 200, 399
    means = np.array([0.0, 0.1, 0.2, 0.25, 0.25])
    held = 0
    for _ in range(n_studies):
        cases = means + generator.normal(size=(n, 1)) + generator.normal(size=(n, 5)) * [0.5, 1, 1, 1, 2]
        result = compare_with_best(*bootstrap_of_means(generator, cases, n_resamples))
        truth = means - means[result.best]
        held += np.all((result.low <= truth) & (truth <= result.high))
    assert held / n_studies > 1 - ALPHA - 3 * math.sqrt(ALPHA * (1 - ALPHA) / n_studies)
