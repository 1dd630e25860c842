from __future__ import annotations

import functools
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from sklearn.metrics import average_precision_score, roc_auc_score

from stats import (
    auc,
    bootstrap_replicates,
    delong_test,
    difference_from_replicates,
    measures,
    paired_bootstrap,
    resampling,
    two_way_bootstrap,
)

quick = settings(deadline=None, max_examples=40)
N_RESAMPLES = 60
# Small random studies leave replicates out; that this is said is tested by name below.
pytestmark = pytest.mark.filterwarnings("ignore:.*replicates left out:RuntimeWarning")


def naive_auc(y, score):
    positives, negatives = score[y == 1], score[y == 0]
    if not positives.size or not negatives.size:
        return np.nan
    return ((positives[:, None] > negatives) + 0.5 * (positives[:, None] == negatives)).mean()


def naive_auprc(y, score):
    """Precision at every distinct score of a positive, weighted by the positives there."""
    if y.all() or not y.any():
        return np.nan
    levels, counts = np.unique(score[y == 1], return_counts=True)
    return sum(n * y[score >= level].mean() for level, n in zip(levels, counts, strict=True)) / counts.sum()


NAIVE = {"auc": naive_auc, "auprc": naive_auprc}


def naive_replicates(statistic, y, score, groups, seed):
    """Literal bootstrap: rows of drawn groups one after the other, every repeat as often as drawn. (B, classes)."""
    names, index = np.unique(groups, return_inverse=True)
    draws = np.random.default_rng(np.random.SeedSequence(seed).spawn(2)[0])
    repeats = resampling.repeat_weights(len(score), N_RESAMPLES, seed)
    values = np.empty((N_RESAMPLES, y.shape[1]))
    for replicate in range(N_RESAMPLES):
        drawn = draws.integers(names.size, size=names.size)
        rows = np.concatenate([np.flatnonzero(index == group) for group in drawn])
        times = np.repeat(np.arange(len(score)), repeats[replicate])
        for column in range(y.shape[1]):
            kept = rows[~np.isnan(y[rows, column])]
            values[replicate, column] = np.mean(
                [NAIVE[statistic](y[kept, column], score[r, kept, column]) for r in times]
            )
    return values


@st.composite
def studies(draw, n_repeats=None, n_classes=None):
    """y (n, classes) with missing labels, two score arrays (repeats, n, classes) with ties, groups, seed."""
    n, seed = draw(st.integers(6, 30)), draw(st.integers(0, 2**32))
    n_repeats, n_classes = n_repeats or draw(st.integers(1, 3)), n_classes or draw(st.integers(1, 3))
    generator = np.random.default_rng(seed)
    y = (generator.random((n, n_classes)) < draw(st.sampled_from([0.2, 0.5, 0.8]))).astype(float)
    y[generator.random(y.shape) < draw(st.sampled_from([0, 0.2]))] = np.nan
    y[:2], y[2:4] = 0, 1
    scores = generator.normal(size=(2, n_repeats, n, n_classes)) + 0.5 * np.nan_to_num(y)
    if draw(st.booleans()):
        scores = np.round(scores * draw(st.sampled_from([1, 3])))
    groups = generator.integers(0, draw(st.sampled_from([5, 100])), n)
    return y, scores[0], scores[1], groups, seed % 1000


# The fast path is the literal bootstrap


@pytest.mark.parametrize("statistic", ["auc", "auprc"])
@quick
@given(study=studies())
def test_fast_path_is_the_naive_loop_on_the_same_resamples(statistic, study):
    y, a, _, groups, seed = study
    fast = bootstrap_replicates(statistic, y, a, groups=groups, n_resamples=N_RESAMPLES, rng=seed, per_class=True)
    np.testing.assert_allclose(fast, naive_replicates(statistic, y, a, groups, seed), rtol=1e-12)


@quick
@given(study=studies(), statistic=st.sampled_from(["auc", "auprc"]))
def test_a_callable_gives_what_the_fast_path_gives(study, statistic):
    y, a, _, groups, seed = study
    options = {"groups": groups, "n_resamples": N_RESAMPLES, "rng": seed}
    fast = bootstrap_replicates(statistic, y, a, **options)
    called = bootstrap_replicates(NAIVE[statistic], y, a, **options)
    np.testing.assert_allclose(called, fast, rtol=1e-12)


def test_many_steps_and_infinite_scores_agree_with_the_naive_loop():
    generator = np.random.default_rng(0)
    y = (generator.random((400, 1)) < 0.5).astype(float)
    score = np.round(generator.normal(size=(1, 400, 1)) + y, 1)
    score[0, :5], score[0, 5:10] = np.inf, -np.inf
    groups = np.arange(400)
    for statistic in ("auc", "auprc"):
        fast = bootstrap_replicates(statistic, y, score, n_resamples=N_RESAMPLES, per_class=True)
        np.testing.assert_allclose(fast, naive_replicates(statistic, y, score, groups, 0), rtol=1e-12)


@pytest.mark.parametrize("statistic", ["auc", "auprc"])
def test_batches_do_not_change_the_answer(monkeypatch, statistic):
    generator = np.random.default_rng(1)
    y = generator.integers(0, 2, (37, 2))
    score = generator.normal(size=(3, 37, 2)) + y
    whole = bootstrap_replicates(statistic, y, score, n_resamples=500)
    monkeypatch.setattr(resampling, "BATCH_ELEMENTS", 37 * 23)
    np.testing.assert_allclose(bootstrap_replicates(statistic, y, score, n_resamples=500), whole, rtol=1e-14)


def test_counts_too_large_for_float32_are_kept_exact(monkeypatch):
    generator = np.random.default_rng(2)
    y = generator.integers(0, 2, 50)
    score = generator.normal(size=50)
    single = bootstrap_replicates("auc", y, score, n_resamples=100)
    monkeypatch.setattr(measures, "WHOLE_IN_FLOAT32", 1)
    np.testing.assert_array_equal(bootstrap_replicates("auc", y, score, n_resamples=100), single)


def test_estimates_agree_with_scikit_learn():
    generator = np.random.default_rng(3)
    y = generator.integers(0, 2, 200)
    a, b = np.round(generator.normal(size=(2, 200)) + y, 1)
    for statistic, theirs in (("auc", roc_auc_score), ("auprc", average_precision_score)):
        ours = paired_bootstrap(statistic, y, a, b, n_resamples=2)
        assert ours.difference == pytest.approx(theirs(y, a) - theirs(y, b), abs=1e-14)


# How the public functions fit together


@quick
@given(study=studies(n_repeats=1))
def test_one_repeat_is_the_patient_bootstrap(study):
    y, a, b, groups, seed = study
    options = {"groups": groups, "n_resamples": N_RESAMPLES, "rng": seed}
    paired, two_way = paired_bootstrap("auc", y, a[0], b[0], **options), two_way_bootstrap("auc", y, a, b, **options)
    assert paired == two_way


@quick
@given(study=studies(n_classes=2))
def test_differencing_replicates_of_two_models_is_their_comparison(study):
    y, a, b, groups, seed = study
    options = {"groups": groups, "n_resamples": N_RESAMPLES, "rng": seed}
    estimates, replicates = [], []
    for score in (a, b):
        labelled = [~np.isnan(column) for column in y.T]
        of_classes = [np.mean([auc(y[kept, c], one[kept, c]) for one in score]) for c, kept in enumerate(labelled)]
        estimates.append(np.mean(of_classes))
        replicates.append(bootstrap_replicates("auc", y, score, **options))
    by_hand = difference_from_replicates(estimates[0], replicates[0], estimates[1], replicates[1])
    compared = two_way_bootstrap("auc", y, a, b, **options)
    assert by_hand.difference == pytest.approx(compared.difference, abs=1e-15)
    assert (by_hand.se, by_hand.pvalue, by_hand.low, by_hand.high, by_hand.n_resamples) == (
        compared.se,
        compared.pvalue,
        compared.low,
        compared.high,
        compared.n_resamples,
    )


@quick
@given(study=studies())
def test_exchanging_the_models_mirrors_the_result(study):
    y, a, b, groups, seed = study
    options = {"groups": groups, "n_resamples": N_RESAMPLES, "rng": seed}
    one, other = two_way_bootstrap("auc", y, a, b, **options), two_way_bootstrap("auc", y, b, a, **options)
    assert (other.difference, other.pvalue) == (-one.difference, one.pvalue)
    assert (other.low, other.high) == pytest.approx((-one.high, -one.low), abs=1e-15)


@quick
@given(study=studies(n_repeats=2))
def test_only_ranks_matter_and_row_order_does_not(study):
    y, a, b, groups, seed = study
    options = {"n_resamples": N_RESAMPLES, "rng": seed}
    result = two_way_bootstrap("auc", y, a, b, groups=groups, **options)
    assert two_way_bootstrap("auc", y, np.exp(a), 5 * b - 1, groups=groups, **options) == result
    order = np.random.default_rng(0).permutation(len(y))
    shuffled = two_way_bootstrap("auc", y[order], a[:, order], b[:, order], groups=groups[order], **options)
    assert shuffled == result


def test_two_seeds_differ_and_one_seed_repeats():
    generator = np.random.default_rng(3)
    y = generator.integers(0, 2, 40)
    a, b = generator.normal(size=(2, 40)) + y
    options = {"n_resamples": 200}
    assert paired_bootstrap("auc", y, a, b, rng=1, **options) == paired_bootstrap("auc", y, a, b, rng=1, **options)
    assert paired_bootstrap("auc", y, a, b, rng=1, **options) != paired_bootstrap("auc", y, a, b, rng=2, **options)
    fresh, same = np.random.default_rng(7), np.random.default_rng(7)
    first = paired_bootstrap("auc", y, a, b, rng=fresh, **options)
    assert first == paired_bootstrap("auc", y, a, b, rng=same, **options)
    assert first != paired_bootstrap("auc", y, a, b, rng=fresh, **options)


def test_difference_and_interval_are_near_delongs():
    generator = np.random.default_rng(4)
    y = generator.integers(0, 2, 300)
    a, b = generator.normal(size=(2, 300)) + 0.7 * y
    groups = np.arange(300) // 2
    for given_groups in (None, groups):
        exact = delong_test(y, a, b, groups=given_groups)
        resampled = paired_bootstrap("auc", y, a, b, groups=given_groups, n_resamples=4000)
        assert resampled.difference == pytest.approx(exact.difference, abs=1e-15)
        assert resampled.se == pytest.approx(exact.se, rel=0.05)
        assert (resampled.low, resampled.high) == pytest.approx(exact.confidence_interval(), abs=0.015)


def test_repeats_add_their_own_variance():
    # A statistic that is the mean score: the variance over repeats and over cases is known.
    generator = np.random.default_rng(5)
    n_repeats, n = 8, 200
    a = generator.normal(size=(n_repeats, 1)) + generator.normal(size=(1, n))
    result = two_way_bootstrap(
        lambda y, score: score.mean(), np.zeros(n), a, np.zeros((n_repeats, n)), n_resamples=4000
    )
    expected = a.mean(axis=1).var() / n_repeats + a.mean(axis=0).var() / n
    assert result.se**2 == pytest.approx(expected, rel=0.1)
    assert result.difference == pytest.approx(a.mean())


# One or two arrays: the statistic is itself a difference


def test_statistic_of_paired_rows():
    generator = np.random.default_rng(6)
    psnr_a = generator.normal(30.3, 1, 80)
    psnr_b = psnr_a - generator.normal(0.3, 0.5, 80)
    two = paired_bootstrap(lambda a, b: a.mean() - b.mean(), psnr_a, psnr_b, n_resamples=2000)
    one = paired_bootstrap(np.mean, psnr_a - psnr_b, n_resamples=2000)
    assert two.difference == pytest.approx(np.mean(psnr_a - psnr_b))
    assert (two.low, two.high, two.pvalue) == pytest.approx((one.low, one.high, one.pvalue))
    assert two.se == pytest.approx(np.std(psnr_a - psnr_b) / math.sqrt(80), rel=0.06)


def test_labels_of_any_kind_go_to_a_callable():
    y = np.array(["lung", "heart", "lung", "bone"] * 10)
    a, b = np.roll(y, 1), y.copy()
    b[::5] = "none"
    result = paired_bootstrap(lambda labels, called: float((labels == called).mean()), y, a, b, n_resamples=300)
    assert result.difference == pytest.approx((y == a).mean() - (y == b).mean())
    assert result.high < 0


def difference_of_rank_sums(y, a, b):
    return naive_auc(y, a) - naive_auc(y, b)


def test_a_callable_of_three_arrays_is_itself_the_difference():
    generator = np.random.default_rng(17)
    y = generator.integers(0, 2, 50)
    a, b = generator.normal(size=(2, 50)) + y
    options = {"groups": np.arange(50) // 2, "n_resamples": 200, "method": "BCa"}
    expected = paired_bootstrap(naive_auc, y, a, b, **options)

    class Difference:
        def __call__(self, y, a, b, /, *, scale=1.0):
            return scale * difference_of_rank_sums(y, a, b)

    for statistic in (
        difference_of_rank_sums,
        lambda y, a, b: difference_of_rank_sums(y, a, b),
        functools.partial(lambda weight, y, a, b: weight * difference_of_rank_sums(y, a, b), 1.0),
        Difference(),
    ):
        result = paired_bootstrap(statistic, y, a, b, **options)
        assert result.difference == pytest.approx(expected.difference)
        assert (result.se, result.low, result.high) == pytest.approx((expected.se, expected.low, expected.high))
        assert result.pvalue == expected.pvalue
    for statistic in (
        lambda y, score, weights=None: naive_auc(y, score),
        lambda *pair: naive_auc(*pair),
        roc_auc_score,
    ):
        assert paired_bootstrap(statistic, y, a, b, n_resamples=5).difference == pytest.approx(expected.difference)


@pytest.mark.parametrize(
    ("statistic", "message"),
    [
        (
            lambda y: 0.0,
            r"cannot be called with 2 arrays; expected statistic\(y, score\) for either model.*statistic\(y, a, b\)",
        ),
        (lambda y, a, b, c: 0.0, "cannot be called with 2 arrays"),
        (
            lambda *arrays: difference_of_rank_sums(*arrays),
            "fails when called with 2 arrays: .*missing 1 required.*expected",
        ),
        (math.hypot, r"hypot.* fails when called with 2 arrays: .*statistic\(y, a, b\), itself a difference"),
    ],
)
def test_a_callable_of_another_number_of_arrays_is_refused_with_both_forms(statistic, message):
    with pytest.raises(ValueError, match=message):
        paired_bootstrap(statistic, [0, 1, 0], [1.0, 2.0, 3.0], [1.0, 3.0, 2.0], n_resamples=5)


def test_other_calls_say_how_many_arrays_they_have():
    y, a = [0, 1, 0, 1], np.arange(8.0).reshape(2, 4)
    with pytest.raises(
        ValueError, match=r"difference_of_rank_sums cannot be called with 2 arrays.*in paired_bootstrap"
    ):
        two_way_bootstrap(difference_of_rank_sums, y, a, a)
    with pytest.raises(ValueError, match=r"cannot be called with 2 arrays; expected statistic\(\*data\)"):
        paired_bootstrap(difference_of_rank_sums, y, a[0])
    with pytest.raises(ValueError, match="cannot be called with one array"):
        paired_bootstrap(difference_of_rank_sums, a[0])
    with pytest.raises(ValueError, match="statistic is a float; expected a name or a callable"):
        paired_bootstrap(0.5, y, a[0], a[1])


def test_a_type_error_within_a_statistic_stays_one():
    with pytest.raises(TypeError, match="not iterable"):
        paired_bootstrap(lambda y, score: 1 in 2, [0, 1, 0], [1.0, 2, 3], [3.0, 2, 1], n_resamples=5)


# Interval methods


def test_bca_agrees_with_scipy_on_skewed_data():
    data = np.random.default_rng(7).exponential(size=60) ** 1.5
    ours = paired_bootstrap(np.mean, data, method="BCa", n_resamples=20_000)
    theirs = scipy_stats.bootstrap((data,), np.mean, method="BCa", n_resamples=20_000, rng=0).confidence_interval
    percentile = paired_bootstrap(np.mean, data, n_resamples=20_000)
    assert (ours.low, ours.high) == pytest.approx(tuple(theirs), rel=0.015)
    assert ours.high > percentile.high * 1.02
    assert (ours.method, percentile.method) == ("BCa", "percentile")
    assert ours.pvalue == percentile.pvalue


def test_bca_of_auc_leaves_out_groups_for_its_acceleration():
    generator = np.random.default_rng(8)
    y = generator.integers(0, 2, 60)
    a, b = generator.normal(size=(2, 60)) + np.array([[1.5], [0.2]]) * y
    groups = np.arange(60) // 2
    options = {"groups": groups, "method": "BCa", "n_resamples": 500}
    fast, called = paired_bootstrap("auc", y, a, b, **options), paired_bootstrap(naive_auc, y, a, b, **options)
    assert (fast.low, fast.high) == pytest.approx((called.low, called.high))


def test_bca_without_replicates_on_both_sides_falls_back_and_says_so():
    with pytest.warns(RuntimeWarning, match="BCa is not defined"):
        result = paired_bootstrap(lambda x: np.unique(x).size, np.arange(30), method="BCa", n_resamples=50)
    assert result.method == "percentile"
    assert not np.isnan([result.low, result.high]).any()


# Edges


@pytest.mark.parametrize("method", ["percentile", "BCa"])
@pytest.mark.parametrize("statistic", ["auc", "auprc", naive_auc])
def test_identical_predictions_differ_by_nothing(method, statistic):
    generator = np.random.default_rng(9)
    y = generator.integers(0, 2, (50, 3)).astype(float)
    y[7, 1] = np.nan
    a = generator.normal(size=(50, 3))
    result = paired_bootstrap(statistic, y, a, a.copy(), method=method, n_resamples=100)
    assert (result.difference, result.se, result.pvalue, result.low, result.high) == (0, 0, 1, 0, 0)
    assert result.log10_pvalue == 0
    assert result.n_resamples == 100
    assert result.warnings == ()


def test_rank_identical_repeats_differ_by_nothing():
    generator = np.random.default_rng(10)
    y = generator.integers(0, 2, 60)
    a = generator.normal(size=(4, 60))
    result = two_way_bootstrap("auc", y, a, np.arctan(a), n_resamples=200)
    assert (result.difference, result.pvalue, result.low, result.high) == (0, 1, 0, 0)


def test_replicates_without_a_class_are_left_out_counted_and_told():
    generator = np.random.default_rng(11)
    y = np.r_[1, np.zeros(29)]
    a, b = generator.normal(size=(2, 30))
    replicates = bootstrap_replicates("auc", y, a, n_resamples=1000)
    n_defined = int((~np.isnan(replicates)).sum())
    assert n_defined == pytest.approx(1000 * (1 - (1 - 1 / 30) ** 30), abs=60)
    with pytest.warns(RuntimeWarning, match="replicates left out"):
        result = paired_bootstrap("auc", y, a, b, n_resamples=1000)
    assert result.n_resamples == n_defined
    assert f"{1000 - n_defined} of 1000 replicates left out" in result.warnings[0]
    assert not np.isnan([result.se, result.pvalue, result.low, result.high]).any()


def test_one_undefined_class_makes_the_mean_undefined_but_not_the_other_classes():
    y = np.zeros((30, 2))
    y[:10, 0], y[0, 1] = 1, 1
    score = np.random.default_rng(12).normal(size=(30, 2))
    of_classes = bootstrap_replicates("auc", y, score, n_resamples=200, per_class=True)
    mean = bootstrap_replicates("auc", y, score, n_resamples=200)
    assert not np.isnan(of_classes[:, 0]).any()
    assert 0 < np.isnan(of_classes[:, 1]).sum() < 200
    np.testing.assert_array_equal(np.isnan(mean), np.isnan(of_classes[:, 1]))


def test_p_value_is_the_formula():
    replicates = np.array([-0.2, -0.1, 0.0, 0.1, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    result = difference_from_replicates(0.7, replicates + 0.5, 0.5, np.full(10, 0.5))
    assert result.pvalue == pytest.approx(2 * (1 + 3) / 11)
    assert result.difference == pytest.approx(0.2)
    assert (result.low, result.high) == pytest.approx(tuple(np.quantile(replicates, [0.025, 0.975])))
    narrow = difference_from_replicates(0.7, replicates + 0.5, 0.5, np.full(10, 0.5), confidence_level=0.5)
    assert (narrow.low, narrow.high) == pytest.approx(tuple(np.quantile(replicates, [0.25, 0.75])))


# Nothing to resample, and nothing that varies

UNDEFINED = ("se", "pvalue", "log10_pvalue", "low", "high")


@pytest.mark.parametrize("method", ["percentile", "BCa"])
@pytest.mark.parametrize("statistic", ["auc", "auprc", "mean", naive_auc, lambda y, a, b: a.mean() - b.mean()])
def test_one_patient_has_a_difference_but_no_test(statistic, method):
    generator = np.random.default_rng(14)
    y = generator.integers(0, 2, 60)
    a, b = generator.normal(size=(2, 60)) + np.array([[1.0], [0.0]]) * y
    options = {"groups": np.ones(60), "method": method, "n_resamples": 100}
    with pytest.warns(RuntimeWarning, match="one patient: a bootstrap needs at least two"):
        result = paired_bootstrap(statistic, y, a, b, **options)
    several = paired_bootstrap(statistic, y, a, b, **{**options, "groups": None})
    assert result.difference == pytest.approx(several.difference, abs=1e-15)
    assert result.difference != 0
    assert all(math.isnan(getattr(result, name)) for name in UNDEFINED)
    assert result.warnings == ("one patient: a bootstrap needs at least two",)
    with pytest.warns(RuntimeWarning, match="one patient"):
        same = paired_bootstrap(statistic, y, a, a.copy(), **options)
    assert (same.difference, same.se, same.pvalue, same.low, same.high) == (0, 0, 1, 0, 0)


@pytest.mark.filterwarnings("ignore:one (row|patient):RuntimeWarning")
def test_one_row_and_equal_answers_of_different_predictions_are_no_test_either():
    assert math.isnan(paired_bootstrap("mean", [0.3], n_resamples=50).pvalue)
    assert math.isnan(paired_bootstrap(lambda a, b: float((a - b).mean()), [0.3], [0.1], n_resamples=50).se)
    zero = paired_bootstrap("mean", [0.0], n_resamples=50)
    assert (zero.difference, zero.pvalue, zero.warnings) == (0, 1, ("one row: a bootstrap needs at least two",))
    alike = paired_bootstrap("auc", [0, 1, 0, 1], [1, 2, 3, 4], [1.5, 2, 3, 4], groups=["p"] * 4, n_resamples=50)
    assert alike.difference == 0
    assert math.isnan(alike.se)
    y = ["lung", None, "lung"]
    called = paired_bootstrap(lambda y, a: 0.5, y, y, list(y), groups=[1, 1, 1], n_resamples=50)
    assert (called.difference, called.pvalue) == (0, 1)


def test_one_patient_with_several_repeats_is_no_test():
    generator = np.random.default_rng(15)
    y = generator.integers(0, 2, 40)
    a, b = generator.normal(size=(2, 5, 40)) + y
    with pytest.warns(RuntimeWarning, match="one patient: a bootstrap needs at least two"):
        result = two_way_bootstrap("auc", y, a, b, groups=["p"] * 40, n_resamples=100)
    assert all(math.isnan(getattr(result, name)) for name in UNDEFINED)
    assert result.difference == two_way_bootstrap("auc", y, a, b, n_resamples=100).difference
    with pytest.warns(RuntimeWarning, match="one patient"):
        same = two_way_bootstrap("auc", y, a, a.copy(), groups=["p"] * 40, n_resamples=100)
    assert (same.difference, same.se, same.pvalue, same.low, same.high) == (0, 0, 1, 0, 0)


@pytest.mark.parametrize("method", ["percentile", "BCa"])
@pytest.mark.parametrize("statistic", ["auc", naive_auc])
def test_a_difference_that_does_not_vary_has_exactly_no_standard_error(statistic, method):
    y = np.repeat([0, 1], 30)
    a = np.arange(60.0)
    options = {"method": method, "n_resamples": 99}
    with pytest.warns(RuntimeWarning, match=r"the difference \(1\) is the same on every replicate"):
        result = paired_bootstrap(statistic, y, a, -a, **options)
    assert (result.difference, result.se, result.low, result.high) == (1, 0, 1, 1)
    assert result.pvalue == 2 / 100
    assert result.method == method
    # Averaged over classes the replicates differ by rounding.
    y, a = np.tile(y, (7, 1)).T, np.tile(a, (7, 1)).T
    with pytest.warns(RuntimeWarning, match="same on every replicate"):
        result = paired_bootstrap(statistic, y, a, np.where(y == 1, -a, a), **options)
    assert result.se == 0
    assert result.low == result.high == pytest.approx(result.difference)
    assert (result.pvalue, len(result.warnings)) == (2 / 100, 1)


def test_replicates_of_two_models_may_differ_by_a_constant_up_to_rounding():
    first = np.random.default_rng(16).random(999)
    with pytest.warns(RuntimeWarning, match=r"the difference \(0\.1\) is the same on every replicate"):
        result = difference_from_replicates(0.6, first + 0.1, 0.5, first)
    assert np.ptp(first + 0.1 - first) > 0
    assert (result.se, result.low, result.high) == (0, result.high, result.low)
    assert result.low == pytest.approx(0.1)
    assert result.pvalue == 2 / 1000
    same = difference_from_replicates(0.1 + 0.2, first, 0.3, first)
    assert (same.difference, same.se, same.pvalue, same.low, same.high) == (0, 0, 1, 0, 0)
    assert same.warnings == ()


def test_no_result_has_a_negative_zero():
    for values in ([-0.0, -0.0], [-0.0, 0.0, -0.0], [0.0, -0.0]):
        result = paired_bootstrap("mean", values, n_resamples=50)
        assert np.copysign(1, [result.difference, result.low, result.high, result.se]).tolist() == [1, 1, 1, 1]


def test_rounding_has_no_sign():
    first = np.array([0.1 + 0.2, 0.7, 0.6])
    second = np.array([0.3, 0.7, 0.6])
    assert difference_from_replicates(0.5, first, 0.5, second).pvalue == 1


# Refusals


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda y, a: paired_bootstrap("auc", y, a), "needs the three arrays y, a, b"),
        (lambda y, a: paired_bootstrap("auc"), "0 data arrays"),
        (
            lambda y, a: paired_bootstrap("dice", y, a, a),
            "statistic is 'dice'; expected auc, auprc, .*f1 or a callable",
        ),
        (lambda y, a: paired_bootstrap("auc", y, a, a, method="basic"), "method is 'basic'"),
        (lambda y, a: paired_bootstrap("auc", y, [a, a], a), r"a has shape \(2, 4\).*two_way_bootstrap takes repeats"),
        (lambda y, a: paired_bootstrap("auc", y, a[:3], a), r"score has shape \(3,\) beside y of shape \(4,\)"),
        (lambda y, a: paired_bootstrap("auc", y, a, a, n_resamples=1), "n_resamples is 1"),
        (lambda y, a: paired_bootstrap("auc", y, a, a, rng=-1), "rng is -1"),
        (lambda y, a: paired_bootstrap("auc", y, a, a, confidence_level=95), "confidence level is 95"),
        (lambda y, a: paired_bootstrap("auc", [0, 0, 0, 0], a, a), "y has no positive row"),
        (
            lambda y, a: bootstrap_replicates("auc", [[0, 1], [1, 1]], [a[:2], a[:2]]),
            "y of class 1 has no negative row",
        ),
        (lambda y, a: paired_bootstrap("auc", [0, 1, 2, 1], a, a), "y is 2 at row 2"),
        (
            lambda y, a: paired_bootstrap("auc", y, [1, np.nan, 2, 3], a),
            r"score \(repeat, labelled row\) is NaN at index \(0, 1\)",
        ),
        (lambda y, a: paired_bootstrap("auc", y, a, a, groups=[1, 2]), "groups has shape"),
        (lambda y, a: paired_bootstrap(lambda *_: np.nan, y, a, a), "NaN on the data themselves"),
        (lambda y, a: two_way_bootstrap("auc", y, a, a), "expected a first axis of repeats"),
        (lambda y, a: two_way_bootstrap("auc", y, [a, a], [a]), "expected the same repeats"),
        (lambda y, a: difference_from_replicates(0.5, [0.5, np.nan], 0.4, [0.4, 0.4]), "defined on 1 of 2 replicates"),
        (lambda y, a: difference_from_replicates(0.5, [0.5, 0.5], 0.4, [0.4]), "replicates_b has 1 values"),
    ],
)
def test_refuses_what_has_no_answer(call, message):
    with pytest.raises(ValueError, match=message):
        call([0, 1, 0, 1], [1.0, 2.0, 3.0, 4.0])


def test_a_score_may_be_nan_where_the_label_is_missing():
    y, a = [0, 1, 0, 1, np.nan], [1.0, 3.0, 2.0, 4.0, np.nan]
    with pytest.warns(RuntimeWarning, match="replicates left out"):
        assert paired_bootstrap("auc", y, a, [4.0, 1.0, 2.0, 3.0, 0.0], n_resamples=50).difference == 0.75


def test_group_labels_of_any_kind_resample_alike():
    generator = np.random.default_rng(13)
    y = generator.integers(0, 2, 30)
    a = generator.normal(size=30)
    numbers = np.arange(30) // 3
    labels = [f"patient {i:02d}" for i in numbers]
    answers = [
        bootstrap_replicates("auc", y, a, groups=groups, n_resamples=50)
        for groups in (numbers, labels, np.array(labels, dtype=object))
    ]
    for one, other in itertools.pairwise(answers):
        np.testing.assert_array_equal(one, other)


def test_accuracy_and_mean_are_those_of_the_resampled_rows():
    generator = np.random.default_rng(8)
    y, a, b = generator.integers(0, 3, size=(3, 60))
    groups = generator.integers(0, 25, size=60)
    options = {"groups": groups, "n_resamples": 200, "rng": 4}
    fast = paired_bootstrap("accuracy", y, a, b, **options)
    slow = paired_bootstrap(lambda true, called: np.mean(true == called), y, a, b, **options)
    assert (fast.difference, fast.se, fast.low, fast.pvalue) == pytest.approx(
        (slow.difference, slow.se, slow.low, slow.pvalue)
    )
    values = generator.normal(size=60)
    fast, slow = (paired_bootstrap(statistic, values, **options) for statistic in ("mean", np.mean))
    assert (fast.difference, fast.se, fast.high, fast.pvalue) == pytest.approx(
        (slow.difference, slow.se, slow.high, slow.pvalue)
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("mean", [1.0, np.nan]), "NaN"),
        (("mean", [1.0, 2.0], [1.0, 2.0]), r"one array \(n,\)"),
        (("accuracy", [[0, 1]], [[0, 1]], [[1, 1]]), r"expected \(n,\) for 'accuracy'"),
        (("auc", [1.0, 2.0]), "three arrays"),
    ],
)
def test_named_statistics_refuse_what_they_are_not_for(arguments, message):
    with pytest.raises(ValueError, match=message):
        paired_bootstrap(*arguments, n_resamples=10)
