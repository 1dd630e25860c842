from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from stats import auc_ci, delong_test
from stats.delong_unpaired import delong_unpaired

quick = settings(deadline=None, max_examples=60)
SMALL = pytest.mark.filterwarnings("ignore:.*variance.*:RuntimeWarning")


@st.composite
def two_samples(draw):
    """Two samples with at least two of either class, a few distinct scores, and patients of their own."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    samples = []
    for first_patient in (0, 100):
        n = draw(st.integers(5, 30))
        y = generator.integers(0, 2, n)
        y[:4] = [0, 0, 1, 1]
        score = np.round(2 * (generator.normal(size=n) + 0.5 * y)) / 4
        samples.append((y, score, first_patient + generator.integers(0, draw(st.integers(4, 40)), n)))
    return samples


@pytest.mark.parametrize("name", ["asah_s100b_women_vs_men", "heavy_ties"])
def test_agrees_with_proc(reference, name):
    case, agree = reference(f"delong_unpaired__{name}")
    expected = case["expected"]
    result = delong_unpaired(**case["inputs"])
    agree(
        [result.auc_a, result.auc_b, result.difference, result.se, result.statistic, result.df, result.pvalue],
        [expected[key] for key in ("auc_a", "auc_b", "diff", "se", "statistic", "df", "pvalue")],
    )
    for alternative in ("less", "greater"):
        agree(delong_unpaired(**case["inputs"], alternative=alternative).pvalue, expected[f"pvalue_{alternative}"])
    assert result.warnings == ()
    reach = scipy_stats.t.ppf(0.95, result.df) * result.se
    agree(result.confidence_interval(0.9), [result.difference - reach, result.difference + reach])
    assert (result.n_a, result.n_b) == (len(case["inputs"]["y_a"]), len(case["inputs"]["y_b"]))


@SMALL
@quick
@given(two_samples())
def test_variances_of_the_two_aucs_add_up(samples):
    (y_a, a, of_a), (y_b, b, of_b) = samples
    for groups, of_either in ((None, (None, None)), ((of_a, of_b), (of_a, of_b))):
        result = delong_unpaired(y_a, a, y_b, b, groups=groups)
        single = [auc_ci(y, score, groups=of) for (y, score, _), of in zip(samples, of_either, strict=True)]
        assert (result.auc_a, result.auc_b) == (single[0].auc, single[1].auc)
        variances = [one.variance for one in single]
        np.testing.assert_allclose(result.se**2, sum(variances), rtol=1e-12)
        if groups is not None:
            assert (result.n_a, result.n_b) == (np.unique(of_a).size, np.unique(of_b).size)
        if sum(variances) > 0:
            sizes = result.n_a - 1, result.n_b - 1
            df = sum(variances) ** 2 / sum(v * v / n for v, n in zip(variances, sizes, strict=True))
            assert result.df == pytest.approx(df)
            assert min(sizes) <= result.df * (1 + 1e-12)
            assert result.df <= sum(sizes) * (1 + 1e-12)


@SMALL
@quick
@example(
    [
        ([0, 0, 1, 1, 0], [-1.25, -0.25, 0.5, 0.75, -0.75], [0, 3, 1, 3, 0]),
        ([0, 0, 1, 1, 0], [-0.5, -1, 0.25, 0.75, -0.75], [101, 103, 101, 103, 101]),
    ]
)
@given(two_samples())
def test_exchanging_the_samples_changes_the_sign_only(samples):
    (y_a, a, of_a), (y_b, b, of_b) = samples
    one = delong_unpaired(y_a, a, y_b, b, groups=(of_a, of_b), alternative="greater")
    other = delong_unpaired(y_b, b, y_a, a, groups=(of_b, of_a), alternative="less")
    np.testing.assert_equal(other.pvalue, one.pvalue)
    assert -other.difference == one.difference
    low, high = one.confidence_interval()
    np.testing.assert_equal(other.confidence_interval(), (0.0 - high, 0.0 - low))  # no result has a negative zero


@SMALL
@quick
@given(two_samples())
def test_one_image_per_patient_is_the_plain_test(samples):
    (y_a, a, _), (y_b, b, _) = samples
    patients = [f"patient {i}" for i in range(len(a) + len(b))]
    plain, clustered = delong_unpaired(y_a, a, y_b, b), delong_unpaired(y_a, a, y_b, b, groups=patients)
    assume(not math.isnan(plain.se))
    assert clustered.se == pytest.approx(plain.se, rel=1e-12)
    assert clustered.df == pytest.approx(plain.df, rel=1e-9)
    assert clustered.pvalue == pytest.approx(plain.pvalue, rel=1e-9)


def test_groups_may_be_joined_or_a_pair():
    (y_a, a, of_a), (y_b, b, of_b) = sample(20, 0), sample(30, 50)
    pair = delong_unpaired(y_a, a, y_b, b, groups=(of_a, of_b))
    assert delong_unpaired(y_a, a, y_b, b, groups=np.concatenate([of_a, of_b])) == pair
    assert delong_unpaired(y_a, a, y_b, b, groups=[of_a.astype(str), of_b.astype(str)]) == pair
    assert pair.n_a == np.unique(of_a).size < 20


def sample(n, first_patient):
    generator = np.random.default_rng(n)
    y = np.arange(n) % 2
    return y, generator.normal(size=n) + y, first_patient + generator.integers(0, n // 2, n)


def test_independent_samples_have_more_variance_than_the_same_images():
    y, a, _ = sample(200, 0)
    b = a + 0.3 * np.random.default_rng(1).normal(size=200)
    assert delong_unpaired(y, a, y, b).se > 2 * delong_test(y, a, b).se


@pytest.mark.slow
def test_rejects_five_percent_and_with_groups_also_where_patients_repeat():
    generator = np.random.default_rng(3)
    n_studies, images = 2000, 3
    plain = clustered = independent = 0
    for _ in range(n_studies):
        samples = []
        for n_patients in (50, 80):
            y = generator.random(n_patients) < 0.4
            of_patient = y + generator.normal(size=n_patients)
            many = np.repeat(of_patient, images) + 0.5 * generator.normal(size=n_patients * images)
            samples.append((y, of_patient, np.repeat(y, images), many, np.repeat(np.arange(n_patients), images)))
        (y_a, a, y_of_a, many_a, of_a), (y_b, b, y_of_b, many_b, of_b) = samples
        independent += delong_unpaired(y_a, a, y_b, b).pvalue < 0.05
        plain += delong_unpaired(y_of_a, many_a, y_of_b, many_b).pvalue < 0.05
        clustered += delong_unpaired(y_of_a, many_a, y_of_b, many_b, groups=(of_a, of_b + 50)).pvalue < 0.05
    margin = 3 * math.sqrt(0.05 * 0.95 / n_studies)
    assert independent / n_studies == pytest.approx(0.05, abs=margin)
    assert clustered / n_studies == pytest.approx(0.05, abs=margin)
    assert plain / n_studies > 0.15


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_zero_variance_is_decided():
    right, wrong, y = [1, 2, 3, 4, 5], [4, 5, 6, 1, 2], [0, 0, 0, 1, 1]
    for alternative in ("two-sided", "less", "greater"):
        same = delong_unpaired(y, right, y, right, alternative=alternative)
        assert (same.difference, same.se, same.statistic, same.pvalue, same.log10_pvalue) == (0, 0, 0, 1, 0)
        assert same.warnings == ()
    assert delong_unpaired(y, right, y, right).confidence_interval() == (0, 0)
    result = delong_unpaired(y, right, [*y, 1], [*wrong, 0])
    assert (result.difference, result.statistic, result.pvalue, result.df) == (1, math.inf, 0, 4)
    assert result.log10_pvalue == -math.inf
    assert "variance of 0" in result.warnings[0]
    assert delong_unpaired(y, wrong, y, right, alternative="greater").pvalue == 1
    one_sided = delong_unpaired(y, right, y, [1, 2, 3, 2.5, 5])
    assert one_sided.df == pytest.approx(4)
    assert 0 < one_sided.pvalue < 1


@pytest.mark.filterwarnings("ignore:one patient:RuntimeWarning")
def test_one_positive_has_a_difference_but_no_test():
    y, right = [0, 0, 0, 1, 1], [1, 2, 3, 4, 5]
    with pytest.warns(RuntimeWarning, match="one image with a positive label in y_b"):
        result = delong_unpaired(y, right, [0, 0, 0, 1], [1, 2, 3, 2.5])
    assert result.difference == pytest.approx(1 / 3)
    undefined = [result.se, result.statistic, result.df, result.pvalue, result.log10_pvalue]
    assert np.isnan([*undefined, *result.confidence_interval()]).all()
    with pytest.warns(RuntimeWarning, match="one patient with a positive label in y_a"):
        delong_unpaired(y, right, y, right, groups=[*"abcdd", *"vwxyz"])
    with pytest.warns(RuntimeWarning, match="one patient with a negative label in y_b"):
        assert math.isnan(delong_unpaired(y, right, y, right, groups=[*"abcde", *"vvvvv"]).pvalue)


def test_rows_with_nan_are_left_out_when_asked():
    y_a, a, groups_a = [0, 1, 0, 1, 1, np.nan], [1, 2, 3, np.nan, 5, 1], list("aabbcc")
    y_b, b, groups_b = [0, 1, 0, 1], [1, 3, 2, 1], list("wxyz")
    with pytest.warns(RuntimeWarning, match="2 of 6 rows left out: NaN in y_a or a"):
        result = delong_unpaired(y_a, a, y_b, b, nan_policy="omit", groups=(groups_a, groups_b))
    kept = delong_unpaired([0, 1, 0, 1], [1, 2, 3, 5], y_b, b, groups=(list("aabc"), groups_b))
    assert (result.statistic, result.df, result.n_a) == (kept.statistic, kept.df, 3)


def test_extreme_p_values_keep_their_logarithm():
    y, a, _ = sample(20_000, 0)
    result = delong_unpaired(y, a + 2 * y, y, -a)
    assert result.pvalue == 0
    assert -1e6 < result.log10_pvalue < -308


def test_infinite_scores_are_ranks_and_one_sided_intervals_open():
    y = [0, 0, 1, 1, 0, 1]
    infinite, ranks = [-np.inf, 1, np.inf, 2, np.inf, 3], [0, 1, 9, 2, 9, 3]
    other = [3, 1, 2, 4, 5, 6]
    assert delong_unpaired(y, infinite, y, other) == delong_unpaired(y, ranks, y, other)
    two_sided = delong_unpaired(y, ranks, y, other, confidence_level=0.9)
    greater = delong_unpaired(y, ranks, y, other, alternative="greater").confidence_interval(0.95)
    assert greater == pytest.approx((two_sided.confidence_interval().low, math.inf))


def test_result_becomes_plain_data():
    y, a, _ = sample(30, 0)
    as_dict = delong_unpaired(y, a, y, -a).to_dict()
    assert json.loads(json.dumps(as_dict)) == as_dict
    assert as_dict["log10_pvalue"] == pytest.approx(math.log10(as_dict["pvalue"]))


Y, S = [0, 1, 0, 1], [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("arguments", "keywords", "message"),
    [
        ((Y, [1, 2, np.nan, 4], Y, S), {}, "a is NaN at row 2.*nan_policy='omit'"),
        ((Y, S, Y, [np.nan, 2, 3, 4]), {}, "b is NaN at row 0"),
        (([0, 1, np.nan, 1], S, Y, S), {}, "y_a is NaN at row 2"),
        ((Y, S, [0, 0, 0, 0], S), {}, "y_b has no positive row"),
        ((Y, S, [0, 1, 2, 1], S), {}, "y_b is 2 at row 2"),
        ((Y, [1, 2], Y, S), {}, "a has 2 values; expected 4"),
        (
            (Y, S, Y, S),
            {"groups": list("abcdefg")},
            r"groups has shape \(7,\); expected \(8,\), one label per row of a",
        ),
        ((Y, S, Y, S), {"groups": (list("abcd"), list("efg"))}, r"groups of b has shape \(3,\)"),
        ((Y, S, Y, S), {"groups": (list("abcd"), ["e", None, "f", "g"])}, r"groups of b is missing \(None\) at row 1"),
        ((Y, S, Y, S), {"groups": [*"abcdef", math.nan, "g"]}, r"groups of b is missing \(nan\) at row 2"),
        (
            (Y, S, Y, S),
            {"groups": (list("abcd"), [1, 2, 3, 4])},
            "groups of a is 'a'.*groups of b is 1.*text and numbers",
        ),
        ((Y, S, Y, S), {"groups": list("abcdefbc")}, r"patient b is in both samples \(2 such patients.*delong_test"),
        ((Y, S, Y, S), {"groups": ([1, 2, 3, 4], [5, 6, 7, 1])}, "patient 1 is in both samples"),
        ((Y, S, Y, S), {"alternative": "bigger"}, "alternative is 'bigger'"),
        ((Y, S, Y, S), {"confidence_level": 95}, "confidence level is 95"),
        ((Y, S, Y, S), {"nan_policy": "propagate"}, "nan_policy is 'propagate'"),
    ],
)
def test_refuses_what_has_no_answer(arguments, keywords, message):
    with pytest.raises(ValueError, match=message):
        delong_unpaired(*arguments, **keywords)
