from __future__ import annotations

import itertools
import json
import math
import time
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar

from stats.mcnemar import METHODS, mcnemar
from stats.swapping import sizes_of, swap_log2_tails

CASES = ["mcnemar_performance", "small", "bentur_stem_cells", "equal_discordance", "underflow"]
quick = settings(deadline=None, max_examples=80)
pytestmark = pytest.mark.filterwarnings("ignore:the difference .* has a variance of 0:RuntimeWarning")


@st.composite
def small_studies(draw, most_patients=9):
    """Correctness of two models on the images of a few patients."""
    n_patients = draw(st.integers(1, most_patients))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    n = n_patients * draw(st.integers(1, 4))
    a, b = generator.random((2, n)) < draw(st.sampled_from([0.3, 0.7, 1.0]))
    b = np.where(generator.random(n) < draw(st.sampled_from([0.0, 0.5])), a, b)
    return a, b, generator.integers(0, n_patients, n)


def patient_differences(a, b, groups):
    return np.array([(a[groups == g] & ~b[groups == g]).sum() - (b[groups == g] & ~a[groups == g]).sum()
                     for g in np.unique(groups)])  # fmt: skip


def exact_distribution(differences):
    """Number of ways in which random signs give each sum."""
    ways = {0: 1}
    for difference in differences:
        longer: dict[int, int] = {}
        for total, count in ways.items():
            for signed in (total + difference, total - difference):
                longer[signed] = longer.get(signed, 0) + count
        ways = longer
    return ways


# Answers of R


@pytest.mark.parametrize("name", CASES)
def test_agrees_with_r(reference, name):
    case, agree = reference(f"mcnemar__{name}")
    table, expected = case["inputs"]["table"], case["expected"]
    exact, midp, chi2, chi2_cc = (mcnemar(table, method=method) for method in METHODS)
    agree([exact.pvalue, midp.pvalue], [expected["exact_pvalue"], expected["midp_pvalue"]])
    agree([chi2.statistic, chi2.pvalue], [expected["chi2"], expected["chi2_pvalue"]])
    agree([chi2_cc.statistic, chi2_cc.pvalue], [expected["chi2_cc"], expected["chi2_cc_pvalue"]])
    agree([exact.odds_ratio, exact.difference], [expected["odds_ratio"], expected["diff"]])
    if "wald_ci_diff" in expected:
        agree(exact.confidence_interval(0.95), expected["wald_ci_diff"])
    if "exact_log10_pvalue" in expected:
        agree(exact.log10_pvalue, expected["exact_log10_pvalue"])
        agree(chi2.log10_pvalue, expected["chi2_log10_pvalue"])


# Peers


@pytest.mark.parametrize(("n12", "n21"), [(0, 5), (3, 9), (1, 400), (500, 700), (4, 4), (20_000, 20_500)])
def test_agrees_with_scipy_and_statsmodels_where_they_are_right(n12, n21):
    table = [[50, n12], [n21, 3]]
    ours, theirs = mcnemar(table), statsmodels_mcnemar(table)
    assert ours.statistic == theirs.statistic
    assert ours.pvalue == pytest.approx(theirs.pvalue, rel=1e-12)
    assert ours.pvalue == pytest.approx(scipy_stats.binomtest(n12, n12 + n21).pvalue, rel=1e-12)
    chi2, theirs = mcnemar(table, method="chi2"), statsmodels_mcnemar(table, exact=False, correction=False)
    assert (chi2.statistic, chi2.pvalue) == pytest.approx((theirs.statistic, theirs.pvalue), rel=1e-12)
    if n12 != n21:
        corrected, theirs = mcnemar(table, method="chi2_cc"), statsmodels_mcnemar(table, exact=False)
        assert (corrected.statistic, corrected.pvalue) == pytest.approx((theirs.statistic, theirs.pvalue), rel=1e-12)


@pytest.mark.filterwarnings("ignore:(divide by zero|invalid value):RuntimeWarning")
def test_answers_where_statsmodels_does_not():
    none_discordant, equal = [[3, 0], [0, 4]], [[3, 5], [5, 4]]
    assert statsmodels_mcnemar(none_discordant, exact=False).pvalue == 0
    assert math.isnan(statsmodels_mcnemar(none_discordant, exact=False, correction=False).pvalue)
    for method in METHODS:
        result = mcnemar(none_discordant, method=method)
        assert (result.statistic, result.pvalue, result.log10_pvalue, result.difference) == (0, 1, 0, 0)
    assert statsmodels_mcnemar(equal, exact=False).statistic == pytest.approx(0.1)
    assert (mcnemar(equal, method="chi2_cc").statistic, mcnemar(equal, method="chi2_cc").pvalue) == (0, 1)


# Brute force


@quick
@given(small_studies())
def test_groups_are_swaps_of_patients(study):
    a, b, groups = study
    differences = patient_differences(a, b, groups)
    sums = np.array([np.dot(signs, differences) for signs in itertools.product([1, -1], repeat=differences.size)])
    reached, equal = np.abs(sums) >= abs(differences.sum()), np.abs(sums) == abs(differences.sum())
    exact, midp = mcnemar(a, b, groups=groups), mcnemar(a, b, groups=groups, method="midp")
    assert exact.pvalue == pytest.approx(reached.mean(), rel=1e-12)
    expected = reached.mean() - equal.mean() / 2 if differences.any() else 1
    assert midp.pvalue == pytest.approx(expected, rel=1e-12)
    squares = np.square(differences).sum()
    chi2 = mcnemar(a, b, groups=groups, method="chi2")
    assert chi2.statistic == pytest.approx(differences.sum() ** 2 / squares if squares else 0)
    if squares:
        # The variance of the sum over all swaps, and half the distance between neighbouring sums.
        assert np.square(sums).mean() == pytest.approx(squares)
        values = np.unique(sums)
        step = np.diff(values).min() / 2 if values.size > 1 else 0
        corrected = mcnemar(a, b, groups=groups, method="chi2_cc").statistic
        if np.all(np.diff(values) == 2 * step):
            assert corrected == pytest.approx(max(abs(differences.sum()) - step, 0) ** 2 / squares)


@pytest.mark.parametrize(("n_patients", "largest", "share"), [(60, 9, 0.6), (300, 5, 0.9), (1200, 3, 0.97)])
def test_tails_are_exact_however_small(n_patients, largest, share):
    generator = np.random.default_rng(n_patients)
    differences = generator.integers(1, largest + 1, n_patients) * np.where(generator.random(n_patients) < share, 1, -1)
    total = abs(int(differences.sum()))
    ways = exact_distribution(differences.tolist())
    beyond, at = swap_log2_tails(*sizes_of(differences), total)
    assert beyond == pytest.approx(math.log2(sum(w for s, w in ways.items() if abs(s) > total)) - n_patients, abs=1e-11)
    assert at == pytest.approx(math.log2(ways[total] + ways[-total]) - n_patients, abs=1e-11)


def test_one_patient_as_large_as_all_others_together():
    differences = np.array([250] + 30 * [1] + 170 * [-1])
    total = abs(int(differences.sum()))
    ways = exact_distribution(differences.tolist())
    reached = Fraction(sum(w for s, w in ways.items() if abs(s) >= total), 2**differences.size)
    assert 2 ** np.logaddexp2(*swap_log2_tails(*sizes_of(differences), total)) == pytest.approx(float(reached))


def test_a_study_of_thousands_of_patients_takes_no_time():
    generator = np.random.default_rng(0)
    groups = np.repeat(np.arange(10_000), 4)
    a, b = generator.random((2, groups.size)) < [[0.8], [0.79]]
    started = time.perf_counter()
    clustered = mcnemar(a, b, groups=groups)
    assert time.perf_counter() - started < 1
    normal = 2 * scipy_stats.norm.sf(abs(clustered.difference) / clustered.se)
    assert clustered.pvalue == pytest.approx(normal, rel=0.1)


# Properties


@quick
@given(small_studies(most_patients=20), st.sampled_from(METHODS), st.booleans())
def test_swapping_the_models_changes_signs_only(study, method, clustered):
    a, b, groups = study
    groups = groups if clustered else None
    one, other = mcnemar(a, b, method=method, groups=groups), mcnemar(b, a, method=method, groups=groups)
    assert other.difference == -one.difference
    assert (other.statistic, other.pvalue, other.se) == (one.statistic, one.pvalue, one.se)
    assert (other.n12, other.n21) == (one.n21, one.n12)
    if one.n12 and one.n21:
        assert other.odds_ratio == pytest.approx(1 / one.odds_ratio)


@quick
@given(small_studies(most_patients=20), st.sampled_from(METHODS), st.randoms(use_true_random=False))
def test_one_image_per_patient_is_the_plain_test(study, method, random):
    a, b, _ = study
    names = [f"patient {i}" for i in range(a.size)]
    random.shuffle(names)
    plain, clustered = mcnemar(a, b, method=method), mcnemar(a, b, method=method, groups=names)
    for name in ("statistic", "pvalue", "log10_pvalue", "difference", "se", "n", "n_clusters"):
        assert getattr(clustered, name) == pytest.approx(getattr(plain, name), rel=1e-12, abs=1e-15)


@quick
@given(small_studies(), st.sampled_from(METHODS), st.integers(2, 5))
def test_repeated_images_of_a_patient_add_nothing(study, method, times):
    a, b, groups = study
    once = mcnemar(a, b, method=method, groups=groups)
    repeated = mcnemar(*(np.tile(v, times) for v in (a, b)), method=method, groups=np.tile(groups, times))
    for name in ("pvalue", "difference", "se"):
        assert getattr(repeated, name) == pytest.approx(getattr(once, name), rel=1e-9, abs=1e-12)
    if method.startswith("chi2"):
        assert repeated.statistic == pytest.approx(once.statistic)


@quick
@given(small_studies(), st.sampled_from(METHODS), st.randoms(use_true_random=False))
def test_order_of_rows_and_names_of_patients_do_not_matter(study, method, random):
    a, b, groups = study
    order = list(range(a.size))
    random.shuffle(order)
    names = np.array([f"p{9 - g}" for g in groups])
    one = mcnemar(a, b, method=method, groups=groups)
    other = mcnemar(a[order], b[order], method=method, groups=names[order])
    assert other.pvalue == one.pvalue
    assert other.se == pytest.approx(one.se)


@quick
@given(small_studies())
def test_a_table_is_its_rows(study):
    a, b, _ = study
    table = [[(a & b).sum(), (a & ~b).sum()], [(~a & b).sum(), (~a & ~b).sum()]]
    from_rows, from_table = mcnemar(a, b).to_dict(), mcnemar(table).to_dict()
    np.testing.assert_equal(from_rows, from_table)
    assert mcnemar(a.astype(int).tolist(), b.astype(float)).pvalue == from_table["pvalue"]
    assert from_table["difference"] == pytest.approx(a.mean() - b.mean())


@quick
@given(small_studies(most_patients=20))
def test_se_is_walds_and_that_of_a_ratio_over_patients(study):
    a, b, groups = study
    d = a.astype(float) - b
    n = d.size
    assert mcnemar(a, b).se == pytest.approx(math.sqrt(d.var() / n))
    residuals = [(d[groups == g] - d.mean()).sum() for g in np.unique(groups)]
    assert mcnemar(a, b, groups=groups).se == pytest.approx(math.sqrt(np.square(residuals).sum()) / n, abs=1e-15)


@quick
@given(small_studies())
def test_midp_lies_between_half_the_exact_p_and_itself(study):
    a, b, groups = study
    assume((a != b).any())
    exact, midp = (mcnemar(a, b, groups=groups, method=m).pvalue for m in ("exact", "midp"))
    assert exact / 2 * (1 - 1e-12) <= midp <= exact


@pytest.mark.slow
def test_error_rate_with_images_of_one_patient_alike():
    generator = np.random.default_rng(3)
    groups = np.repeat(np.arange(60), 6)
    rejected = np.zeros(3)
    for _ in range(2000):
        # Each patient favours one of the models.
        favoured = np.repeat(generator.random(60) < 0.5, 6)
        a = generator.random(360) < np.where(favoured, 0.9, 0.6)
        b = generator.random(360) < np.where(favoured, 0.6, 0.9)
        rejected += [
            mcnemar(a, b).pvalue <= 0.05,
            mcnemar(a, b, groups=groups).pvalue <= 0.05,
            mcnemar(a, b, groups=groups, method="midp").pvalue <= 0.05,
        ]
    plain, exact, midp = rejected / 2000
    assert plain > 0.1
    assert 0.03 < exact <= midp < 0.065


# Edges


def test_odds_ratio_at_the_edges():
    assert mcnemar([[4, 3], [0, 2]]).odds_ratio == math.inf
    assert mcnemar([[4, 0], [3, 2]]).odds_ratio == 0
    assert math.isnan(mcnemar([[4, 0], [0, 2]]).odds_ratio)


@pytest.mark.parametrize("method", METHODS)
def test_patients_on_whom_the_models_are_equal_answer_p_1(method):
    a, b, groups = [1, 0, 0, 1, 1], [0, 1, 1, 0, 1], ["p", "p", "q", "q", "r"]
    result = mcnemar(a, b, groups=groups, method=method)
    assert (result.pvalue, result.difference, result.se, result.n12, result.n21) == (1, 0, 0, 2, 2)
    assert not result.warnings


def test_all_images_discordant_the_same_way_is_warned_about():
    with pytest.warns(RuntimeWarning, match="variance of 0"):
        result = mcnemar([[0, 6], [0, 0]])
    assert result.pvalue == 2 / 2**6
    assert (result.difference, result.se) == (1, 0)
    assert result.confidence_interval() == (1, 1)
    assert "no width" in result.warnings[0]


def test_continuity_correction_is_half_the_distance_between_sums():
    a, b = np.repeat([True, False, True], [12, 4, 5]), np.repeat([False, True, True], [12, 4, 5])
    groups = np.repeat(np.arange(11), [2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1])
    # Patients differ by +-2, so that the sum moves in steps of 4.
    assert mcnemar(a, b, groups=groups, method="chi2_cc").statistic == (8 - 2) ** 2 / (8 * 2**2)


def test_extreme_p_values_keep_their_logarithm_with_groups_too():
    a, b = np.ones(2400, bool), np.arange(2400) % 24 == 0
    result = mcnemar(a, b, groups=np.arange(2400) // 2)
    assert result.pvalue == 0
    assert result.log10_pvalue == pytest.approx((1 - 1200) * math.log10(2))


def test_results_become_plain_data():
    as_dict = mcnemar([[5, 2], [3, 4]]).to_dict()
    assert json.loads(json.dumps(as_dict)) == as_dict
    assert as_dict["log10_pvalue"] == pytest.approx(math.log10(as_dict["pvalue"]))


# Refusals


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[1, 2, 3], [1, 2, 3], [1, 2, 3]],), r"shape \(3, 3\); expected a 2 x 2 table"),
        (([1, 0, 1],), r"shape \(3,\); expected a 2 x 2 table of counts, or one vector for each"),
        (([[1, -2], [3, 4]],), "table is -2 at row 0, column 1"),
        (([[1, 2], [3.5, 4]],), r"table is 3\.5 at row 1, column 0"),
        (([[1, 2], [3, np.nan]],), "table is nan at row 1, column 1"),
        (([[0, 0], [0, 0]],), "counts no row"),
        (([], []), "empty"),
        (([1, 0, 2], [1, 0, 0]), "correct_a is 2 at row 2; expected 1"),
        (([1, 0, 1], [1, np.nan, 0]), "correct_b is NaN at row 1"),
        (([1, 0, 1], [1, 0]), "correct_b has 2 values; expected 3"),
        (([[1, 2], [3, 4]], [1, 0]), "correct_a has shape"),
        ((["right", "wrong"], [1, 0]), "correct_a holds something that is not a number"),
    ],
)
def test_refuses_what_has_no_answer(arguments, message):
    with pytest.raises(ValueError, match=message):
        mcnemar(*arguments)


def test_refuses_unknown_choices():
    table = [[5, 2], [3, 4]]
    with pytest.raises(ValueError, match="method is 'yates'"):
        mcnemar(table, method="yates")
    with pytest.raises(ValueError, match="groups were given with a table"):
        mcnemar(table, groups=[1, 2])
    with pytest.raises(ValueError, match="groups has shape"):
        mcnemar([1, 0], [0, 1], groups=[1])
    with pytest.raises(ValueError, match="confidence level is 95"):
        mcnemar(table).confidence_interval(95)
