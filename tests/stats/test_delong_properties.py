"""Properties of DeLong's tests beyond those of test_delong.py: exact where the arithmetic is exact."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from stats import auc, auc_ci, delong_matrix, delong_test
from stats.placements import ascending, scores_to_placements, sortable_bits

quick = settings(deadline=None, max_examples=80)
pytestmark = pytest.mark.filterwarnings(
    "ignore:one (image|patient) with:RuntimeWarning",
    "ignore:AUCs differ:RuntimeWarning",
    "ignore:the difference between:RuntimeWarning",
    "ignore:the variance of the AUC:RuntimeWarning",
)

# Scores as hypothesis likes to break them: ties, signed zeros, infinities, neighbours, subnormals, huge.
awkward = st.one_of(
    st.sampled_from([0.0, -0.0, 1.0, math.nextafter(1.0, 2), math.inf, -math.inf, 5e-324, 1e308, -1e308]),
    st.floats(allow_nan=False),
    st.integers(-3, 3).map(float),
)


@st.composite
def awkward_studies(draw, n_scores=2, max_size=14):
    labels = draw(st.lists(st.integers(0, 1), min_size=0, max_size=max_size - 2))
    y = np.array(draw(st.permutations([0, 1, *labels])))
    scores = [np.array(draw(st.lists(awkward, min_size=y.size, max_size=y.size))) for _ in range(n_scores)]
    return y, *scores


def same(one, other):
    """Whether two results have the same fields; repr makes NaN equal to itself."""
    return repr(one) == repr(other)


def ordinal(score):
    """Ranks of the distinct values: the weakest strictly increasing image of a score."""
    return np.unique(score, return_inverse=True)[1].astype(float)


# Reference answers


def test_agrees_with_proc_under_heavy_ties(reference):
    case, agree = reference("delong_paired__heavy_ties")
    result = delong_test(**case["inputs"])
    agree(
        [result.auc_a, result.auc_b, result.difference, result.se, result.statistic, result.pvalue],
        [case["expected"][name] for name in ("auc_a", "auc_b", "diff", "se", "statistic", "pvalue")],
    )
    agree(result.confidence_interval(0.95), case["expected"]["ci_diff"])


# Placements


@quick
@given(awkward_studies(n_scores=1, max_size=60))
def test_placements_count_the_pairs_of_every_row(study):
    y, score = study
    m = int(y.sum())
    row = np.concatenate([score[y == 1], score[y == 0]])
    positives, negatives = row[:m].copy(), row[m:].copy()
    of_pairs = 2 * (positives[:, None] > negatives) + (positives[:, None] == negatives)
    scores_to_placements(row, m)
    np.testing.assert_array_equal(row, [*of_pairs.sum(axis=1), *of_pairs.sum(axis=0)])


@quick
@given(st.lists(awkward, min_size=1, max_size=60))
def test_scores_are_ordered_as_by_a_stable_sort(score):
    given_scores = np.array(score)
    bits = sortable_bits(given_scores.copy())
    np.testing.assert_array_equal(ascending(bits), np.argsort(given_scores, kind="stable"))
    np.testing.assert_array_equal(bits[:, None] < bits, given_scores[:, None] < given_scores)


def test_many_scores_are_ordered_too():
    generator = np.random.default_rng(0)
    for score in (
        generator.normal(size=70_000),
        np.round(generator.normal(size=70_000), 2),
        1 / (1 + np.exp(-generator.normal(30, 5, size=70_000))),
        generator.normal(size=70_000).astype(np.float32).astype(float),
        generator.integers(0, 2**64, 70_000, dtype=np.uint64).view(np.float64),
    ):
        score = score[~np.isnan(score)]
        np.testing.assert_array_equal(ascending(sortable_bits(score.copy())), np.argsort(score, kind="stable"))


def test_scores_given_are_left_as_they_are():
    y, scores = np.array([True, False, True, False]), np.array([[-0.0, 1.0, 0.0, -3.0], [1.0, 2.0, 4.0, 3.0]])
    before = y.copy(), scores.tobytes()
    delong_matrix(y, scores)
    delong_test(y, *scores)
    assert (y.tolist(), scores.tobytes()) == (before[0].tolist(), before[1])


# One AUC


@quick
@given(awkward_studies(n_scores=1))
def test_auc_is_scipys_mann_whitney_u(study):
    y, score = study
    ranks = ordinal(score)  # scipy's U takes infinities as they are, but its p-value warns about them
    u = scipy_stats.mannwhitneyu(ranks[y == 1], ranks[y == 0], method="asymptotic").statistic
    assert auc(y, score) == pytest.approx(u / ((y == 1).sum() * (y == 0).sum()), abs=1e-15)


@quick
@given(awkward_studies(n_scores=1))
def test_auc_is_the_nearest_number_to_the_counted_fraction(study):
    y, score = study
    twice = sum(int(p > q) * 2 + int(p == q) for p, q in itertools.product(score[y == 1], score[y == 0]))
    exact = Fraction(twice, 2 * int((y == 1).sum()) * int((y == 0).sum()))
    assert auc(y, score) == float(exact)
    assert auc(y, -score) == float(1 - exact)
    assert auc(1 - y, score) == float(1 - exact)


@quick
@given(awkward_studies(n_scores=1), st.floats(0.01, 0.99))
def test_intervals_lie_around_the_auc_and_widen_with_the_level(study, level):
    y, score = study
    for method in ("delong", "logit"):
        narrow = auc_ci(y, score, confidence_level=level, method=method)
        wide = auc_ci(y, score, confidence_level=(1 + level) / 2, method=method)
        if math.isnan(narrow.variance):
            assert min((y == 1).sum(), (y == 0).sum()) == 1
            continue
        assert 0 <= wide.low <= narrow.low <= narrow.auc + 1e-12
        assert narrow.auc - 1e-12 <= narrow.high <= wide.high <= 1


# Two AUCs


@quick
@given(awkward_studies())
def test_strictly_increasing_transforms_change_no_digit(study):
    y, a, b = study
    result = delong_test(y, a, b)
    for transform in (ordinal, lambda score: 2 * ordinal(score) - 7, lambda score: np.cbrt(ordinal(score))):
        assert same(delong_test(y, transform(a), transform(b)), result)


@quick
@given(awkward_studies(), st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_no_more_than_rounding(study, random):
    y, a, b = study
    order = random.sample(range(y.size), y.size)
    one, other = delong_test(y, a, b), delong_test(y[order], a[order], b[order])
    assert (other.auc_a, other.auc_b, other.difference) == (one.auc_a, one.auc_b, one.difference)
    assert other.se == pytest.approx(one.se, rel=1e-13, abs=0, nan_ok=True)
    assert (other.se == 0) == (one.se == 0)


@quick
@given(awkward_studies())
def test_reversing_scores_or_labels_reverses_the_difference(study):
    y, a, b = study
    one = delong_test(y, a, b)
    for other in (delong_test(y, -a, -b), delong_test(1 - y, a, b), delong_test(y, b, a)):
        assert other.difference == pytest.approx(-one.difference, abs=1e-15)
        assert other.se == pytest.approx(one.se, rel=1e-12, abs=0, nan_ok=True)
        assert other.pvalue == pytest.approx(one.pvalue, rel=1e-9, nan_ok=True)
    assert delong_test(1 - y, -a, -b).se == pytest.approx(one.se, rel=1e-12, abs=0, nan_ok=True)


@quick
@given(awkward_studies())
def test_the_three_alternatives_belong_together(study):
    y, a, b = study
    two_sided, less, greater = (
        delong_test(y, a, b, alternative=alternative) for alternative in ("two-sided", "less", "greater")
    )
    if two_sided.se == 0 == two_sided.difference:
        assert two_sided.pvalue == less.pvalue == greater.pvalue == 1
    elif not math.isnan(two_sided.se):
        assert less.pvalue + greater.pvalue == pytest.approx(1)
        assert two_sided.pvalue == pytest.approx(2 * min(less.pvalue, greater.pvalue))
        low, high = two_sided.confidence_interval(0.9)
        assert greater.confidence_interval(0.95).low == pytest.approx(low)
        assert less.confidence_interval(0.95).high == pytest.approx(high)


@quick
@given(awkward_studies())
def test_p_1_and_p_0_have_their_reason(study):
    """p = 1 means that no difference was seen, p = 0 that it does not vary; NaN that a class has one image."""
    y, a, b = study
    assume(min((y == 1).sum(), (y == 0).sum()) > 1)
    result = delong_test(y, a, b)
    assert (result.pvalue == 1) == (result.difference == 0)
    assert (result.pvalue == 0) == (result.se == 0 and result.difference != 0)
    assert bool(result.warnings) == (result.pvalue == 0)
    assert -1 <= result.difference <= 1


@quick
@given(awkward_studies(n_scores=1))
def test_a_constant_score_is_a_fixed_reference(study):
    """Against a constant score the variance of the difference is that of the AUC alone."""
    y, a = study
    assume(min((y == 1).sum(), (y == 0).sum()) > 1)
    for constant in (np.zeros(y.size), np.full(y.size, -np.inf)):
        result = delong_test(y, a, constant)
        assert result.auc_b == 0.5
        assert result.se**2 == pytest.approx(auc_ci(y, a).variance, rel=1e-12, abs=0)


# Patients


@quick
@given(awkward_studies(), st.integers(1, 3))
def test_repeating_every_image_within_its_patient_changes_nothing(study, times):
    y, a, b = study
    patients = np.arange(y.size)
    one = delong_test(y, a, b, groups=patients)
    other = delong_test(*(np.repeat(v, times) for v in (y, a, b)), groups=np.repeat(patients, times))
    assert other.difference == pytest.approx(one.difference, abs=1e-15)
    assert other.se == pytest.approx(one.se, rel=1e-12, abs=0, nan_ok=True)
    assert other.n_clusters == y.size


@quick
@given(awkward_studies(), st.lists(st.integers(0, 4), min_size=14, max_size=14))
def test_names_of_patients_do_not_matter(study, drawn):
    y, a, b = study
    groups = np.array(drawn[: y.size])
    result = delong_test(y, a, b, groups=groups)
    named = delong_test(y, a, b, groups=[f"patient {9 - group}" for group in groups])
    assert named.difference == result.difference
    assert named.se == pytest.approx(result.se, rel=1e-9, abs=1e-12, nan_ok=True)


# Several AUCs


@quick
@given(awkward_studies(n_scores=3))
def test_matrix_is_every_single_test_on_awkward_scores_too(study):
    y, *scores = study
    matrix = delong_matrix(y, np.array(scores))
    for place, (i, j) in enumerate(matrix.pairs):
        pair = delong_test(y, scores[i], scores[j])
        np.testing.assert_equal(
            [matrix.differences[place], matrix.se[place], matrix.statistics[place], matrix.pvalues[place]],
            [pair.difference, pair.se, pair.statistic, pair.pvalue],
        )
    for i, score in enumerate(scores):
        assert matrix.auc[i] == auc(y, score)
        assert matrix.covariance[i, i] == pytest.approx(auc_ci(y, score).variance, rel=1e-9, abs=1e-15, nan_ok=True)


@quick
@given(awkward_studies(n_scores=4), st.permutations(range(4)))
def test_the_omnibus_test_does_not_depend_on_the_order_of_models(study, order):
    y, *scores = study
    one = delong_matrix(y, np.array(scores)).omnibus
    other = delong_matrix(y, np.array(scores)[list(order)]).omnibus
    assert other.df == one.df
    assert other.statistic == pytest.approx(one.statistic, rel=1e-6, abs=1e-9, nan_ok=True)
