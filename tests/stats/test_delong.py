from __future__ import annotations

import json
import math
import re
import types

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from stats import auc, auc_ci, delong_matrix, delong_test

NORMAL_975 = scipy_stats.norm.ppf(0.975)
quick = settings(deadline=None, max_examples=60)
# Random small studies hit the edges; what is said about them is tested by name below.
pytestmark = pytest.mark.filterwarnings(
    "ignore:one (image|patient) with:RuntimeWarning",
    "ignore:AUCs differ:RuntimeWarning",
    "ignore:the difference between:RuntimeWarning",
    "ignore:the variance of the AUC:RuntimeWarning",
    "ignore:.*left out:RuntimeWarning",
)


# Brute force: every pair of a positive and a negative, every term of the published formulas.


def kernel(y, score):
    positives, negatives = score[y == 1], score[y == 0]
    return (positives[:, None] > negatives) + 0.5 * (positives[:, None] == negatives)


def brute_variance(y, *scores, groups):
    """Obuchowski's variance of an AUC (one score) or of a difference (two), patient by patient."""
    psi = kernel(y, scores[0]) - (kernel(y, scores[1]) if len(scores) == 2 else 0)
    theta, (m, n) = psi.mean(), psi.shape
    v10, v01 = psi.mean(axis=1), psi.mean(axis=0)
    of_positives, of_negatives = groups[y == 1], groups[y == 0]
    s10 = s01 = s11 = 0.0
    for patient in np.unique(groups):
        mine, theirs = v10[of_positives == patient], v01[of_negatives == patient]
        u, v = mine.sum() - mine.size * theta, theirs.sum() - theirs.size * theta
        s10, s01, s11 = s10 + u * u, s01 + v * v, s11 + u * v
    i10, i01, i = np.unique(of_positives).size, np.unique(of_negatives).size, np.unique(groups).size
    return s10 * i10 / (i10 - 1) / m**2 + s01 * i01 / (i01 - 1) / n**2 + 2 * s11 * i / (i - 1) / (m * n)


@st.composite
def small_studies(draw, ties=True):
    """Labels with at least two of either class, two scores (few distinct values if ties), groups of images."""
    n = draw(st.integers(5, 30))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    y = generator.integers(0, 2, n)
    y[:4] = [0, 0, 1, 1]
    scores = generator.normal(size=(2, n)) + 0.5 * y
    if ties:
        scores = np.round(scores * draw(st.sampled_from([1, 2, 50]))) / 4
    groups = generator.integers(0, draw(st.integers(4, 40)), n)
    order = generator.permutation(n)
    return y[order], scores[0][order], scores[1][order], groups[order]


# Reference answers


def test_agrees_with_proc_on_two_correlated_scores(reference):
    case, agree = reference("delong_paired__asah_s100b_vs_wfns")
    result = delong_test(**case["inputs"])
    agree(
        [result.auc_a, result.auc_b, result.difference, result.se, result.statistic, result.pvalue],
        [case["expected"][name] for name in ("auc_a", "auc_b", "diff", "se", "statistic", "pvalue")],
    )
    agree(result.confidence_interval(0.95), case["expected"]["ci_diff"])
    assert result.warnings == ()


def test_identical_predictions_differ_by_nothing(reference):
    case, agree = reference("delong_paired__identical_predictors")
    result = delong_test(**case["inputs"])
    agree(result.auc_a, case["expected"]["auc_a"])
    assert (result.difference, result.se, result.statistic, result.pvalue) == (0, 0, 0, 1)
    assert result.confidence_interval(0.95) == (0, 0)
    assert result.log10_pvalue == 0
    assert result.warnings == ()


def test_interval_of_one_auc_agrees_with_proc(reference):
    case, agree = reference("auc_ci__asah_s100b_ci")
    result = auc_ci(case["inputs"]["y"], case["inputs"]["a"])
    agree([result.auc, result.variance], [case["expected"]["auc"], case["expected"]["variance"]])
    agree([result.low, result.high], case["expected"]["ci"])


# Properties


@quick
@given(small_studies())
def test_auc_is_the_mann_whitney_count(study):
    y, score, _, _ = study
    assert auc(y, score) == pytest.approx(kernel(y, score).mean(), abs=1e-14)


@quick
@given(small_studies())
def test_variance_is_the_published_formula(study):
    y, a, b, groups = study
    assume(min(np.unique(groups[y == 1]).size, np.unique(groups[y == 0]).size) > 1)
    for labels, given_groups in ((np.arange(y.size), None), (groups, groups)):
        result = delong_test(y, a, b, groups=given_groups)
        assert result.se**2 == pytest.approx(brute_variance(y, a, b, groups=labels), abs=1e-15)
        assert auc_ci(y, a, groups=given_groups).variance == pytest.approx(
            brute_variance(y, a, groups=labels), abs=1e-15
        )


@quick
@given(small_studies())
def test_one_image_per_patient_is_plain_delong(study):
    y, a, b, _ = study
    patients = [f"patient {i}" for i in range(y.size)]
    plain, clustered = delong_test(y, a, b), delong_test(y, a, b, groups=patients)
    assert clustered.difference == plain.difference
    assert clustered.se == pytest.approx(plain.se, rel=1e-12)
    assert clustered.pvalue == pytest.approx(plain.pvalue, rel=1e-9)


@quick
@given(small_studies())
def test_only_ranks_matter_and_order_does_not(study):
    y, a, b, groups = study
    result = delong_test(y, a, b, groups=groups)
    stretched = delong_test(y, np.exp(a), 3 * b - 7, groups=groups)
    assert repr(stretched) == repr(result)  # repr: NaN is equal to itself
    order = np.random.default_rng(0).permutation(y.size)
    shuffled = delong_test(y[order], a[order], b[order], groups=groups[order])
    assert shuffled.difference == result.difference
    assert shuffled.se == pytest.approx(result.se, rel=1e-12, nan_ok=True)


@quick
@given(small_studies())
def test_exchanging_the_models_changes_the_sign_only(study):
    y, a, b, groups = study
    one, other = delong_test(y, a, b, groups=groups), delong_test(y, b, a, groups=groups)
    assert other.difference == -one.difference
    np.testing.assert_equal(other.statistic + 0.0, -one.statistic + 0.0)  # + 0.0: no negative zero
    np.testing.assert_equal(other.pvalue, one.pvalue)
    less = delong_test(y, a, b, groups=groups, alternative="less")
    greater = delong_test(y, b, a, groups=groups, alternative="greater")
    np.testing.assert_equal(less.pvalue, greater.pvalue)


@quick
@given(small_studies())
def test_matrix_is_all_pairs(study):
    y, a, b, groups = study
    rows = {"a": a, "b": b, "a again": a, "reversed": -a}
    matrix = delong_matrix(y, rows, groups=groups)
    assert matrix.pairs == [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    scores = list(rows.values())
    for place, (i, j) in enumerate(matrix.pairs):
        pair = delong_test(y, scores[i], scores[j], groups=groups)
        assert matrix.differences[place] == pair.difference
        np.testing.assert_equal(matrix.statistics[place], pair.statistic)
        np.testing.assert_equal(matrix.pvalues[place], pair.pvalue)
        if not np.isnan(matrix.covariance).any():
            contrast = matrix.covariance[i, i] + matrix.covariance[j, j] - 2 * matrix.covariance[i, j]
            assert contrast == pytest.approx(pair.se**2, abs=1e-14)
    assert matrix.pvalues[1] == 1


# Edges


def test_rank_identical_scores_answer_p_1_for_every_alternative():
    generator = np.random.default_rng(5)
    y, a = generator.integers(0, 2, 400), generator.normal(size=400)
    for alternative in ("two-sided", "less", "greater"):
        result = delong_test(y, a, a**3 / 7, alternative=alternative, groups=np.arange(400) // 3)
        assert (result.difference, result.statistic, result.pvalue, result.log10_pvalue) == (0, 0, 1, 0)


def test_scores_equal_on_all_pairs_but_not_within_a_class_are_identical_too():
    y = [0, 0, 1, 1]
    assert delong_test(y, [1, 2, 3, 4], [2, 1, 4, 3]).pvalue == 1


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_zero_variance_with_a_difference_is_infinite_and_warned_about():
    y = [0, 0, 0, 1, 1]
    right, wrong = [1, 2, 3, 4, 5], [4, 5, 6, 1, 2]
    result = delong_test(y, right, wrong)
    assert (result.difference, result.se, result.statistic, result.pvalue) == (1, 0, math.inf, 0)
    assert result.log10_pvalue == -math.inf
    assert "variance of 0" in result.warnings[0]
    assert delong_test(y, wrong, right).statistic == -math.inf
    assert delong_test(y, wrong, right, alternative="greater").pvalue == 1
    matrix = delong_matrix(y, [right, wrong, right])
    assert matrix.pvalues.tolist() == [0, 1, 0]
    assert matrix.omnibus == (math.inf, 0, 0)


def test_variance_that_cancels_between_the_classes_of_a_patient_is_zero():
    # Every patient has one image of either class; the two parts of the variance cancel only up to rounding.
    y = np.tile([1, 0], 3)
    a = np.array([0.3, 0.1, 0.5, 0.2, 0.9, 0.7])
    variance = auc_ci(y, a, groups=np.repeat([0, 1, 2], 2)).variance
    assert variance == pytest.approx(brute_variance(y, a, groups=np.repeat([0, 1, 2], 2)), abs=1e-17)
    cancelling = np.array([2, 1, 4, 3, 6, 5.0])
    with pytest.warns(RuntimeWarning, match="no width"):
        assert auc_ci(y, cancelling, groups=np.repeat([0, 1, 2], 2)).variance == 0


def test_one_positive_has_an_auc_but_no_interval():
    y, a, b = [0, 0, 0, 1], [1, 2, 3, 2.5], [1, 2, 3, 4]
    with pytest.warns(RuntimeWarning, match="one image with a positive label"):
        interval = auc_ci(y, a)
    assert interval.auc == pytest.approx(2 / 3)
    assert np.isnan([interval.variance, interval.low, interval.high]).all()
    assert interval.warnings
    for method in ("logit", "bootstrap"):
        with pytest.warns(RuntimeWarning, match="positive"):
            assert math.isnan(auc_ci(y, a, method=method).low)
    with pytest.warns(RuntimeWarning, match="positive"):
        result = delong_test(y, a, b)
    assert result.difference == pytest.approx(-1 / 3)
    assert np.isnan([result.se, result.statistic, result.pvalue, *result.confidence_interval()]).all()
    with pytest.warns(RuntimeWarning, match="positive"):
        assert delong_test(y, a, a).pvalue == 1
    with pytest.warns(RuntimeWarning, match="positive"):
        matrix = delong_matrix(y, [a, b])
    assert np.isnan(matrix.pvalues).all()
    assert np.isnan(matrix.pvalues_adjusted).all()
    assert math.isnan(matrix.omnibus.pvalue)
    with pytest.warns(RuntimeWarning, match="positive"):
        assert delong_matrix(y, [a, a, a]).omnibus == (0, 0, 1)


def test_positives_of_one_patient_have_no_interval():
    y, groups = [0, 0, 0, 1, 1], ["a", "b", "c", "d", "d"]
    with pytest.warns(RuntimeWarning, match="one patient with a positive label"):
        assert math.isnan(auc_ci(y, [1, 2, 3, 4, 2.5], groups=groups).variance)


def test_a_single_interval_is_clipped_and_an_auc_below_half_is_not_flipped():
    y, score = [0, 0, 0, 1, 1, 1], [1, 2, 4, 3, 5, 6]
    assert auc_ci(y, score).high == 1
    assert auc(y, score) == pytest.approx(8 / 9)
    assert auc(y, np.negative(score)) == pytest.approx(1 / 9)
    assert auc_ci(y, np.negative(score)).low == 0


@pytest.mark.parametrize("method", ["delong", "logit", "bootstrap"])
def test_perfect_separation_gives_an_interval_without_width_and_says_so(method):
    with pytest.warns(RuntimeWarning, match="no width"):
        result = auc_ci([0, 0, 1, 1], [1, 2, 3, 4], method=method, n_resamples=200)
    assert (result.low, result.high, result.variance) == (1, 1, 0)
    assert sum("no width" in note for note in result.warnings) == 1


def test_logit_interval_is_delongs_on_the_logit_scale():
    generator = np.random.default_rng(1)
    y = generator.integers(0, 2, 60)
    score = generator.normal(size=60) + y
    plain, logit = auc_ci(y, score), auc_ci(y, score, method="logit")
    centre = math.log(plain.auc / (1 - plain.auc))
    reach = NORMAL_975 * math.sqrt(plain.variance) / (plain.auc * (1 - plain.auc))
    assert logit.low == pytest.approx(1 / (1 + math.exp(-(centre - reach))))
    assert logit.high == pytest.approx(1 / (1 + math.exp(-(centre + reach))))


def test_bootstrap_interval_is_near_delongs():
    generator = np.random.default_rng(2)
    y = generator.integers(0, 2, 300)
    score = generator.normal(size=300) + y
    groups = np.arange(300) // 2
    for given_groups in (None, groups):
        plain = auc_ci(y, score, groups=given_groups)
        resampled = auc_ci(y, score, method="bootstrap", groups=given_groups, n_resamples=4000)
        assert resampled.variance == pytest.approx(plain.variance, rel=0.1)
        assert (resampled.low, resampled.high) == pytest.approx((plain.low, plain.high), abs=0.01)


def test_infinite_scores_are_ranks():
    y = [0, 0, 1, 1, 0, 1]
    a, ranks = [-np.inf, 1, np.inf, 2, np.inf, 3], [0, 1, 9, 2, 9, 3]
    assert auc(y, a) == auc(y, ranks)
    assert delong_test(y, a, [1, 2, 3, 4, 5, 6]) == delong_test(y, ranks, [1, 2, 3, 4, 5, 6])


def test_a_constant_score_has_auc_half():
    assert auc([0, 1, 0, 1], np.zeros(4)) == 0.5


def test_one_sided_intervals_are_open():
    generator = np.random.default_rng(3)
    y = generator.integers(0, 2, 50)
    a, b = generator.normal(size=(2, 50)) + y
    two_sided = delong_test(y, a, b, confidence_level=0.9)
    assert two_sided.confidence_interval() == two_sided.confidence_interval(0.9)
    assert delong_test(y, a, b, alternative="greater").confidence_interval(0.95) == pytest.approx(
        (two_sided.confidence_interval(0.9).low, math.inf)
    )
    assert delong_test(y, a, b, alternative="less").confidence_interval(0.95).low == -math.inf


def test_extreme_p_values_keep_their_logarithm():
    generator = np.random.default_rng(4)
    y = generator.integers(0, 2, 40_000)
    good, useless = 2 * y + generator.normal(size=y.size), generator.normal(size=y.size)
    result = delong_test(y, good, useless)
    assert result.pvalue == 0
    expected = (scipy_stats.norm.logsf(result.statistic) + math.log(2)) / math.log(10)
    assert result.log10_pvalue == pytest.approx(expected)
    assert result.log10_pvalue < -308
    assert delong_matrix(y, [good, useless]).log10_pvalues == pytest.approx([expected])


def test_omnibus_is_the_wald_test_and_its_df_is_the_rank():
    generator = np.random.default_rng(6)
    y = generator.integers(0, 2, 200)
    scores = generator.normal(size=(4, 200)) + y
    matrix = delong_matrix(y, scores)
    contrast = np.array([[1, -1, 0, 0], [0, 1, -1, 0], [0, 0, 1, -1]])
    difference = contrast @ matrix.auc
    expected = difference @ np.linalg.solve(contrast @ matrix.covariance @ contrast.T, difference)
    assert matrix.omnibus.statistic == pytest.approx(expected)
    assert matrix.omnibus.df == 3
    assert matrix.omnibus.pvalue == pytest.approx(scipy_stats.chi2.sf(expected, 3))
    repeated = delong_matrix(y, np.vstack([scores, scores[1:3]]))
    assert repeated.omnibus == pytest.approx(matrix.omnibus)
    assert delong_matrix(y, np.vstack([scores[0]] * 3)).omnibus == (0, 0, 1)
    assert delong_matrix(y, scores[:2]).omnibus.pvalue == pytest.approx(delong_matrix(y, scores[:2]).pvalues[0])


def test_the_omnibus_p_value_keeps_its_logarithm():
    generator = np.random.default_rng(7)
    y = generator.integers(0, 2, 20_000)
    matrix = delong_matrix(y, np.array([[3], [1], [0]]) * y + generator.normal(size=(3, y.size)))
    statistic, df, pvalue = matrix.omnibus
    assert (df, pvalue) == (2, 0)
    assert matrix.omnibus.log10_pvalue == pytest.approx(-statistic / 2 / math.log(10))  # two degrees of freedom
    assert matrix.to_dict()["omnibus"]["log10_pvalue"] == matrix.omnibus.log10_pvalue < -308
    usual = delong_matrix(y[:300], generator.normal(size=(3, 300)))
    assert usual.omnibus.log10_pvalue == pytest.approx(math.log10(usual.omnibus.pvalue))
    assert delong_matrix([0, 0, 1, 1], [[1, 2, 3, 4], [1, 2, 3, 4]]).omnibus.log10_pvalue == 0
    assert delong_matrix([0, 0, 1, 1], [[1, 2, 3, 4], [4, 3, 2, 1]]).omnibus.log10_pvalue == -math.inf


def test_scores_may_be_the_columns_of_a_data_frame():
    generator = np.random.default_rng(8)
    y = generator.integers(0, 2, 40)
    frame = pd.DataFrame({"x": generator.normal(size=40), "z": generator.integers(0, 5, 40)}, index=range(7, 47))
    matrix = delong_matrix(y, frame)
    assert matrix.names == ["x", "z"]
    assert matrix.pvalues[0] == delong_test(y, frame["x"], frame["z"]).pvalue
    assert matrix.pvalues.tolist() == delong_matrix(y, frame.to_numpy().T).pvalues.tolist()
    assert delong_matrix(y, types.MappingProxyType(dict(frame.items()))).names == ["x", "z"]


@pytest.mark.parametrize("scores", [np.zeros((10, 2)), np.zeros(9), np.zeros((2, 10, 1)), []])
def test_scores_of_another_shape_are_told_their_own(scores):
    with pytest.raises(ValueError, match=re.escape(f"scores has shape {np.shape(scores)}; expected (k, 10)")):
        delong_matrix([0, 1] * 5, scores)


def test_results_become_plain_data():
    y, scores = [0, 1, 0, 1, 1], {"x": [1, 2, 3, 4, 5], "z": [2, 1, 3, 5, 4]}
    as_dict = delong_matrix(y, scores, "bonferroni").to_dict()
    assert json.loads(json.dumps(as_dict)) == as_dict
    assert as_dict["names"] == ["x", "z"]
    assert set(as_dict["omnibus"]) == {"statistic", "df", "pvalue", "log10_pvalue"}
    single = delong_test(y, *scores.values()).to_dict()
    assert single["log10_pvalue"] == pytest.approx(math.log10(single["pvalue"]))


def test_rows_with_nan_are_left_out_when_asked():
    y, a, b = [0, 1, 0, 1, 1, np.nan], [1, 2, 3, np.nan, 5, 1], [2, 1, 3, 4, 4, 1]
    groups = list("aabbcc")
    result = delong_test(y, a, b, nan_policy="omit", groups=groups)
    kept = delong_test([0, 1, 0, 1], [1, 2, 3, 5], [2, 1, 3, 4], groups=list("aabc"))
    assert result.statistic == kept.statistic
    assert "2 of 6 rows left out" in result.warnings[0]
    with pytest.raises(ValueError, match="groups has shape"):
        delong_test(y, a, b, nan_policy="omit", groups=groups[:4])


# Refusals


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0, 1, 0, 1], [1, 2, np.nan, 4], [1, 2, 3, 4]), "a is NaN at row 2"),
        (
            ([0, 1, 0, 1], [1, 2, 3, 4], [1, np.nan, np.nan, 4]),
            r"b is NaN at row 1 \(2 NaN in all\).*nan_policy='omit'",
        ),
        (([0, 1, np.nan, 1], [1, 2, 3, 4], [1, 2, 3, 4]), "y is NaN at row 2"),
        (([0, 0, 0], [1, 2, 3], [1, 2, 3]), "no positive row"),
        (([1, 1, 1], [1, 2, 3], [1, 2, 3]), "no negative row"),
        (([], [], []), "no positive row"),
        (([0, 1, -1], [1, 2, 3], [1, 2, 3]), "y is -1 at row 2"),
        (([0, 1, 1], [1, 2], [1, 2, 3]), "a has 2 values; expected 3"),
        (([[0, 1], [1, 0]], [1, 2], [1, 2]), "y has shape"),
        (([0, 1, 1], ["x", "y", "z"], [1, 2, 3]), "a holds something that is not a number"),
    ],
)
def test_refuses_what_has_no_answer(arguments, message):
    with pytest.raises(ValueError, match=message):
        delong_test(*arguments)


def test_refuses_unknown_choices():
    y, a = [0, 1, 0, 1], [1, 2, 3, 4]
    with pytest.raises(ValueError, match="alternative is 'bigger'"):
        delong_test(y, a, a, alternative="bigger")
    with pytest.raises(ValueError, match="confidence level is 95"):
        delong_test(y, a, a, confidence_level=95)
    with pytest.raises(ValueError, match=r"confidence level is 1\.5"):
        delong_test(y, a, a).confidence_interval(1.5)
    with pytest.raises(ValueError, match="nan_policy is 'propagate'"):
        delong_test(y, a, a, nan_policy="propagate")
    with pytest.raises(ValueError, match="method is 'wald'"):
        auc_ci(y, a, method="wald")
    with pytest.raises(ValueError, match="groups has shape"):
        delong_test(y, a, a, groups=[1, 2])
    with pytest.raises(ValueError, match=r"groups is missing \(None\) at row 1"):
        delong_test(y, a, a, groups=["p", None, "q", "r"])
    with pytest.raises(ValueError, match=r"scores\['m'\] is NaN at row 0"):
        delong_matrix(y, {"m": [np.nan, 1, 2, 3]})
    with pytest.raises(ValueError, match="holds no model"):
        delong_matrix(y, {})
