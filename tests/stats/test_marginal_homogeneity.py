from __future__ import annotations

import itertools
import json
import math
import time
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from statsmodels.stats.contingency_tables import SquareTable

from stats.chisquare import chi2_log10_pvalue
from stats.contingency import label_codes
from stats.marginal_homogeneity import bowker, stuart_maxwell
from stats.mcnemar import mcnemar

R_CASES = ["stuart1955_women_vision", "unused_category", "two_classes", "sparse", "two_blocks", "one_way", "underflow"]
quick = settings(deadline=None, max_examples=80)
pytestmark = pytest.mark.filterwarnings(
    "ignore:no (image|patient) without the same difference:RuntimeWarning",
    "ignore:the difference .* has a variance of 0:RuntimeWarning",
)


@st.composite
def small_tables(draw, most_classes=6):
    """Counts with zeros here and there, so that classes are unused and the others fall into blocks."""
    size = draw(st.integers(1, most_classes))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    table = generator.poisson(draw(st.sampled_from([0.7, 3, 400])), (size, size))
    table *= generator.random((size, size)) < draw(st.sampled_from([0.2, 0.6, 1.0]))
    table[0, 0] += 1
    return table


@st.composite
def small_studies(draw, most_patients=8, most_classes=5):
    """Labels that two models gave to the images of a few patients."""
    n_patients = draw(st.integers(1, most_patients))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    n = n_patients * draw(st.integers(1, 4))
    a, b = generator.integers(0, draw(st.integers(1, most_classes)), (2, n))
    b = np.where(generator.random(n) < draw(st.sampled_from([0.0, 0.5])), a, b)
    return a, b, generator.integers(0, n_patients, n)


def rows_of(table):
    """Labels of the rows that a table counts."""
    return np.repeat(np.indices(table.shape).reshape(2, -1), table.ravel(), axis=1)


def rational_stuart(table):
    """Stuart's statistic and rank in rational numbers, by elimination."""
    size = len(table)
    exchanged = [[int(table[i][j] + table[j][i]) for j in range(size)] for i in range(size)]
    v = [[Fraction(-exchanged[i][j]) for j in range(size)] for i in range(size)]
    for i in range(size):
        v[i][i] = Fraction(sum(exchanged[i]) - exchanged[i][i])
    d = [Fraction(int(table[i].sum() - table[:, i].sum())) for i in range(size)]
    statistic, rank = Fraction(0), 0
    for i in range(size):
        if v[i][i] == 0:
            assert d[i] == 0  # d lies in the range of the covariance
            continue
        rank, statistic = rank + 1, statistic + d[i] ** 2 / v[i][i]
        for j in range(i + 1, size):
            factor = v[j][i] / v[i][i]
            d[j] -= factor * d[i]
            v[j] = [x - factor * y for x, y in zip(v[j], v[i], strict=True)]
    return float(statistic), rank


def patient_differences(a, b, groups, size):
    codes = np.arange(size)
    return np.array(
        [(a[groups == g][:, None] == codes).sum(0) - (b[groups == g][:, None] == codes).sum(0) for g in set(groups)]
    )


# Answers of R


@pytest.mark.parametrize("name", R_CASES)
def test_stuart_maxwell_agrees_with_r(reference, name):
    case, agree = reference(f"stuart_maxwell__{name}")
    table, expected = np.array(case["inputs"]["table"]), case["expected"]
    from_rows = stuart_maxwell(*rows_of(table), categories=range(len(table)))
    assert from_rows == stuart_maxwell(table)
    agree([from_rows.statistic, from_rows.df, from_rows.pvalue], [expected[k] for k in ("statistic", "df", "pvalue")])
    bhapkar = stuart_maxwell(table, method="bhapkar")
    agree([bhapkar.statistic, bhapkar.pvalue], [expected["bhapkar_statistic"], expected["bhapkar_pvalue"]])
    assert bhapkar.df == expected["df"]
    if "log10_pvalue" in expected:
        agree(from_rows.log10_pvalue, expected["log10_pvalue"])


@pytest.mark.parametrize("name", ["stuart1955_women_vision", "five_classes"])
def test_bowker_agrees_with_r(reference, name):
    case, agree = reference(f"bowker__{name}")
    table, expected = np.array(case["inputs"]["table"]), case["expected"]
    result = bowker(table)
    assert result == bowker(*rows_of(table))
    agree([result.statistic, result.df, result.pvalue], [expected[k] for k in ("statistic", "df", "pvalue")])
    theirs = SquareTable(table, shift_zeros=False).symmetry()
    agree([result.statistic, result.df, result.pvalue], [theirs.statistic, theirs.df, theirs.pvalue])


@pytest.mark.parametrize(
    ("statistic", "df", "expected"),  # R: pchisq(statistic, df, lower.tail = FALSE, log.p = TRUE) / log(10)
    [
        (5000, 3, -1083.9846928616225),
        (5000, 2, -1085.7362047581294),
        (5000, 1, -1087.6838365143219),
        (1500, 6, -320.27061077907086),
        (20000, 999, -3478.960893069559),
        (1e6, 7, -217133.515100652),
        (30, 4, -5.3102972458928521),
    ],
)
def test_logarithm_of_a_chi_square_p_value_agrees_with_r(statistic, df, expected):
    assert chi2_log10_pvalue(statistic, df) == pytest.approx(expected, rel=1e-12)


# Peers


@pytest.mark.parametrize("method", ["stuart", "bhapkar"])
@quick
@given(small_tables(most_classes=5))
def test_agrees_with_statsmodels_where_it_is_right(method, table):
    np.fill_diagonal(table, table.diagonal() + 1)
    assume(len(table) > 1)
    assume(stuart_maxwell(table).df == len(table) - 1)
    theirs = SquareTable(table, shift_zeros=False).homogeneity("stuart_maxwell" if method == "stuart" else "bhapkar")
    ours = stuart_maxwell(table, method=method)
    assert (ours.statistic, ours.df) == pytest.approx((theirs.statistic, theirs.df), rel=1e-9, abs=1e-9)
    assert ours.pvalue == pytest.approx(theirs.pvalue, rel=1e-6, abs=1e-13)  # theirs is 1 - cdf


@pytest.mark.filterwarnings("ignore:Unable to invert")
def test_answers_where_statsmodels_does_not():
    unused = np.array([[20, 10, 0, 5], [3, 30, 0, 15], [0, 0, 0, 0], [1, 5, 0, 40]])
    assert math.isnan(SquareTable(unused, shift_zeros=False).homogeneity().pvalue)
    assert SquareTable(unused).homogeneity().statistic != pytest.approx(stuart_maxwell(unused).statistic, rel=0.01)
    last = unused[[0, 1, 3, 2]][:, [0, 1, 3, 2]]
    theirs = SquareTable(last, shift_zeros=False).homogeneity()
    assert (theirs.statistic, theirs.df) == (pytest.approx(stuart_maxwell(last).statistic), 3)
    assert stuart_maxwell(last).df == 2

    blocks = np.array([[20, 7, 0, 0], [2, 15, 0, 0], [0, 0, 11, 4], [0, 0, 9, 12]])
    assert SquareTable(blocks, shift_zeros=False).homogeneity().df == 3
    expected = (7 - 2) ** 2 / (7 + 2) + (4 - 9) ** 2 / (4 + 9)  # a McNemar test in each block
    assert (stuart_maxwell(blocks).statistic, stuart_maxwell(blocks).df) == (pytest.approx(expected), 2)
    assert (bowker(blocks).statistic, bowker(blocks).df) == (pytest.approx(expected), 2)
    assert SquareTable(blocks, shift_zeros=False).symmetry().df == 6

    agreement = np.diag([3, 4, 5])
    assert math.isnan(SquareTable(agreement, shift_zeros=False).homogeneity().pvalue)
    assert SquareTable(agreement, shift_zeros=False).symmetry().df == 3


# Brute force


@quick
@given(small_tables())
def test_statistic_and_rank_are_those_of_rational_arithmetic(table):
    statistic, rank = rational_stuart(table)
    result = stuart_maxwell(table)
    assert result.statistic == pytest.approx(statistic, rel=1e-12, abs=1e-20)
    assert result.df == rank
    assert result.pvalue == pytest.approx(scipy_stats.chi2.sf(statistic, rank) if rank else 1, rel=1e-10)


@quick
@given(small_tables())
def test_bhapkar_is_the_wald_test(table):
    n = table.sum()
    d = (table.sum(1) - table.sum(0)).astype(float)
    v = -(table + table.T).astype(float)
    np.fill_diagonal(v, 0)
    np.fill_diagonal(v, -v.sum(1))
    wald = v - np.outer(d, d) / n
    result = stuart_maxwell(table, method="bhapkar")
    assert result.statistic == pytest.approx(
        d @ np.linalg.pinv(wald, hermitian=True, rcond=1e-10) @ d, rel=1e-8, abs=1e-8
    )


@quick
@given(small_studies())
def test_groups_are_swaps_of_patients(study):
    a, b, groups = study
    d = patient_differences(a, b, groups, 5)
    matrix = d.T @ d
    inverse = np.linalg.pinv(matrix.astype(float), hermitian=True, rcond=1e-10)
    sums = np.array([np.array(signs) @ d for signs in itertools.product([1, -1], repeat=len(d))])
    statistics = np.einsum("si,ij,sj->s", sums, inverse, sums)
    result = stuart_maxwell(a, b, groups=groups)
    assert result.null_distribution == "all swaps"
    assert result.statistic == pytest.approx(statistics[0], rel=1e-9, abs=1e-9)
    assert result.df == np.linalg.matrix_rank(matrix.astype(float), hermitian=True, rtol=1e-10)
    assert result.pvalue == pytest.approx((statistics >= statistics[0] - 1e-8).mean(), rel=1e-12)
    if result.df:
        assert statistics.mean() == pytest.approx(result.df)  # as under the chi-square distribution
    bhapkar = stuart_maxwell(a, b, groups=groups, method="bhapkar")
    assert bhapkar.pvalue == result.pvalue
    if math.isfinite(bhapkar.statistic):
        assert bhapkar.statistic == pytest.approx(result.statistic / (1 - result.statistic / len(d)))


def test_random_swaps_come_near_all_swaps():
    generator = np.random.default_rng(4)
    groups = np.repeat(np.arange(14), 3)
    a, b = generator.integers(0, 4, (2, groups.size))
    b = np.where(generator.random(groups.size) < 0.3, 0, b)
    everything = stuart_maxwell(a, b, groups=groups, n_resamples=2**13)
    random = stuart_maxwell(a, b, groups=groups, n_resamples=2**13 - 1)
    assert (everything.null_distribution, random.null_distribution) == ("all swaps", "random swaps")
    spread = math.sqrt(everything.pvalue * (1 - everything.pvalue) / 2**13)
    assert 0.01 < everything.pvalue < 0.99
    assert abs(random.pvalue - everything.pvalue) < 4 * spread
    assert random.pvalue * 2**13 == pytest.approx(round(random.pvalue * 2**13))  # (1 + count) / (B + 1)


def test_random_swaps_of_many_patients_come_near_chi_square():
    generator = np.random.default_rng(5)
    groups = generator.integers(0, 3000, 9000)
    a = generator.integers(0, 5, 9000)
    b = np.where(generator.random(9000) < 0.3, generator.integers(0, 5, 9000), a)
    result = stuart_maxwell(a, b, groups=groups)
    assert result.n_clusters == np.unique(groups).size
    assert result.pvalue == pytest.approx(scipy_stats.chi2.sf(result.statistic, 4), abs=0.02)


# Properties


@quick
@given(small_tables())
def test_order_of_classes_models_and_rows_does_not_matter(table):
    a, b = rows_of(table)
    result = stuart_maxwell(a, b)
    order = np.random.default_rng(0).permutation(len(table))
    shuffled = np.random.default_rng(1).permutation(a.size)
    names = np.array([f"class {i}" for i in order])
    for x, y in ((b, a), (a[shuffled], b[shuffled]), (names[a], names[b]), (order[a] * 1000, order[b] * 1000)):
        other = stuart_maxwell(x, y)
        assert (other.df, other.n) == (result.df, result.n)
        assert (other.statistic, other.pvalue) == pytest.approx((result.statistic, result.pvalue), rel=1e-9, abs=1e-20)
        assert bowker(x, y).statistic == pytest.approx(bowker(a, b).statistic)
        assert bowker(x, y).df == bowker(a, b).df


@quick
@given(small_tables(), st.integers(0, 3))
def test_unused_classes_change_nothing(table, where):
    wider = np.insert(np.insert(table, min(where, len(table)), 0, axis=0), min(where, len(table)), 0, axis=1)
    a, b = rows_of(table)
    for test in (stuart_maxwell, bowker):
        assert test(wider) == test(table)
        assert test(a, b, categories=range(len(table) + 7)) == test(table)


@quick
@given(small_studies(most_classes=2), st.booleans())
def test_two_classes_are_mcnemars_test(study, clustered):
    a, b, groups = study
    right_a, right_b = a == 0, b == 0
    plain = mcnemar(right_a, right_b, method="chi2")
    result = stuart_maxwell(a, b)
    assert (result.statistic, result.pvalue) == pytest.approx((plain.statistic, plain.pvalue))
    assert (bowker(a, b).statistic, bowker(a, b).pvalue) == pytest.approx((plain.statistic, plain.pvalue))
    swapped = stuart_maxwell(a, b, groups=groups)
    assert swapped.statistic == pytest.approx(mcnemar(right_a, right_b, groups=groups, method="chi2").statistic)
    assert swapped.pvalue == pytest.approx(mcnemar(right_a, right_b, groups=groups).pvalue)


@quick
@given(small_studies(most_patients=12))
def test_one_image_per_patient_has_the_plain_statistic(study):
    a, b, _ = study
    for method in ("stuart", "bhapkar"):
        plain = stuart_maxwell(a, b, method=method)
        clustered = stuart_maxwell(a, b, method=method, groups=np.arange(a.size), n_resamples=50)
        assert clustered.df == plain.df
        assert clustered.statistic == pytest.approx(plain.statistic, rel=1e-9, abs=1e-12)


@quick
@given(small_studies(), st.integers(2, 4))
def test_repeated_images_of_a_patient_add_nothing(study, times):
    a, b, groups = study
    once = stuart_maxwell(a, b, groups=groups)
    repeated = stuart_maxwell(np.tile(a, times), np.tile(b, times), groups=np.tile(groups, times))
    assert repeated.statistic == pytest.approx(once.statistic, rel=1e-9, abs=1e-12)
    assert (repeated.df, repeated.pvalue) == (once.df, pytest.approx(once.pvalue))


def test_random_swaps_are_seeded():
    generator = np.random.default_rng(6)
    groups = np.arange(60) // 2
    a, b = generator.integers(0, 3, (2, 60))
    answers = [stuart_maxwell(a, b, groups=groups, n_resamples=500, rng=seed).pvalue for seed in (0, 0, 1, 2, 3)]
    assert answers[0] == answers[1]
    assert len(set(answers)) > 1
    drawn = [stuart_maxwell(a, b, groups=groups, rng=np.random.default_rng(9)).pvalue for _ in range(2)]
    assert drawn[0] == drawn[1]


@pytest.mark.slow
def test_error_rate_with_images_of_one_patient_alike():
    generator = np.random.default_rng(7)
    groups = np.repeat(np.arange(50), 5)
    rejected = np.zeros(2)
    for _ in range(1500):
        # Where the models differ on a patient they differ alike on all images.
        a, b = np.repeat(generator.integers(0, 4, (2, 50)), 5, axis=1)
        noise = generator.random((2, 250)) < 0.3
        a, b = np.where(noise, generator.integers(0, 4, (2, 250)), [a, b])
        rejected += [
            stuart_maxwell(a, b).pvalue <= 0.05,
            stuart_maxwell(a, b, groups=groups, n_resamples=499).pvalue <= 0.05,
        ]
    plain, clustered = rejected / 1500
    assert plain > 0.1
    assert 0.035 < clustered < 0.065


# Edges


@pytest.mark.parametrize("groups", [None, [1, 1, 2, 2]])
@pytest.mark.parametrize("method", ["stuart", "bhapkar"])
def test_perfect_agreement_answers_p_1(method, groups):
    labels = ["mass", "mass", "none", "effusion"]
    result = stuart_maxwell(labels, labels, method=method, groups=groups)
    assert (result.statistic, result.df, result.pvalue, result.log10_pvalue) == (0, 0, 1, 0)
    assert not result.warnings
    assert bowker(labels, labels).pvalue == 1
    assert (bowker(labels, labels).statistic, bowker(labels, labels).df) == (0, 0)
    assert stuart_maxwell([[7]]).pvalue == stuart_maxwell(np.diag([3, 0, 5])).pvalue == 1


def test_patients_on_whom_the_models_are_equal_answer_p_1():
    result = stuart_maxwell([0, 1, 2, 0], [1, 0, 0, 2], groups=["p", "p", "q", "q"])
    assert (result.statistic, result.df, result.pvalue) == (0, 0, 1)


def test_equal_margins_answer_p_1_with_their_df():
    result = stuart_maxwell([[5, 2, 1], [2, 5, 3], [1, 3, 5]])
    assert (result.statistic, result.df, result.pvalue) == (0, 2, 1)


def test_bhapkar_without_variance_is_infinite_and_warned_about():
    with pytest.warns(RuntimeWarning, match="no image without the same difference"):
        result = stuart_maxwell([[0, 4, 0], [0, 0, 3], [0, 0, 0]], method="bhapkar")
    assert (result.statistic, result.df, result.pvalue, result.log10_pvalue) == (math.inf, 2, 0, -math.inf)
    assert result.warnings
    # One image against the others, or one that agrees: finite, however many the others are.
    for table in ([[0, 10**6, 1], [0, 0, 10**6], [0, 0, 0]], [[1, 10**6], [0, 0]], [[0, 10**6], [1, 0]]):
        assert math.isfinite(stuart_maxwell(table, method="bhapkar").statistic)
    with pytest.warns(RuntimeWarning, match="no patient without the same difference"):
        clustered = stuart_maxwell([0, 0, 0, 1], [1, 1, 1, 1], groups=[1, 2, 3, 3], method="bhapkar")
    assert (clustered.statistic, clustered.pvalue) == (math.inf, 0.25)


def test_labels_of_any_kind():
    a, b = np.array([0, 1, 2, 2, 1, 0, 0]), np.array([1, 1, 0, 2, 2, 2, 1])
    expected = stuart_maxwell(a, b)
    names = np.array(["effusion", "mass", "no finding"])
    kinds = [
        (a.tolist(), b.tolist()),
        (a.astype(np.int8) - 50, b.astype(np.int8) - 50),
        (a.astype(np.uint64) + 2**63, b.astype(np.uint64) + 2**63),
        (a * 10**12, b * 10**12),
        (a / 3, b / 3),
        (names[a], names[b]),
        (names[a].tolist(), names[b].tolist()),
        (pd.Series(names[a]), pd.Series(names[b]).to_numpy()),
        (pd.Series(names[a]).astype("category"), names[b]),
        (names[a].astype("S"), names[b].astype("S")),
    ]
    for x, y in kinds:
        result = stuart_maxwell(x, y)
        assert (result.statistic, result.df, result.n) == (pytest.approx(expected.statistic), 2, 7)
    flags = stuart_maxwell(a > 0, b > 0)
    assert flags == stuart_maxwell((a > 0).astype(int), b > 0)
    assert flags == stuart_maxwell(a > 0, b > 0, categories=[False, True])


def test_categories_are_checked_not_observed():
    a, b = ["mass", "none"], ["none", "none"]
    assert label_codes(a, b, ["none", "edema", "mass"])[2] == 3
    np.testing.assert_array_equal(label_codes(a, b, ["none", "edema", "mass"])[:2], [[2, 0], [0, 0]])
    assert label_codes([3, 5], [5, 5], [5, 4, 3])[0].tolist() == [2, 0]


def test_results_become_plain_data():
    a, b = np.array([0, 1, 2, 0, 1, 2, 2]), np.array([1, 1, 0, 2, 0, 2, 1])
    for result in (stuart_maxwell(a, b), bowker(a, b), stuart_maxwell(a, b, groups=a)):
        as_dict = result.to_dict()
        assert json.loads(json.dumps(as_dict)) == as_dict
        assert as_dict["log10_pvalue"] == pytest.approx(math.log10(as_dict["pvalue"]))


def test_thousands_of_labels_take_no_time():
    generator = np.random.default_rng(8)
    a, b = generator.integers(0, 5, (2, 20_000))
    names = np.array(["atelectasis", "effusion", "mass", "no finding", "pneumonia"])
    assert best_time(stuart_maxwell, a, b) < 0.002
    assert best_time(stuart_maxwell, names[a], names[b]) < 0.02


def best_time(function, *arguments):
    times = []
    for _ in range(20):
        started = time.perf_counter()
        function(*arguments)
        times.append(time.perf_counter() - started)
    return min(times)


# Refusals


@pytest.mark.parametrize("test", [stuart_maxwell, bowker])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[1, 2, 3], [4, 5, 6]],), r"shape \(2, 3\); expected a square table"),
        (([1, 2, 3],), r"shape \(3,\); expected a square table of counts, or one vector for each of the two models"),
        (([[1, 2], [-3, 4]],), "table is -3 at row 1, column 0"),
        (([[1, 2], [3, np.inf]],), "table is inf at row 1, column 1"),
        (([[1, 2.5], [3, 4]],), r"table is 2\.5 at row 0, column 1"),
        (([["x", 2], [3, 4]],), "table holds something that is not a number"),
        (([[0, 0], [0, 0]],), "counts no row"),
        ((np.zeros((0, 0)),), "counts no row"),
        (([], []), "empty; expected at least one row"),
        (([0, 1, 1], [0, 1]), "labels_b has 2 labels; expected 3"),
        (([0, 1, 1], [0, None, 1]), r"labels_b is missing \(None\) at row 1"),
        (([0, np.nan, np.nan], [0, 1, 1]), r"labels_a is missing \(nan\) at row 1 \(2 missing in all\)"),
        ((["mass", math.nan], ["mass", "mass"]), r"labels_a is missing \(nan\) at row 1"),
        ((["mass", "mass"], pd.Series(["mass", pd.NA])), "labels_b is missing .* at row 1"),
        (([0, 1], ["0", "1"]), "numbers and text"),
        (([[0, 1], [1, 0]], [0, 1]), r"labels_a has shape \(2, 2\)"),
        ((np.random.default_rng(0).random((2, 2000))), "4000 different labels; expected classes, at most 1000"),
    ],
)
def test_refuses_what_has_no_answer(test, arguments, message):
    with pytest.raises(ValueError, match=message):
        test(*arguments)


def test_refuses_labels_outside_the_categories():
    with pytest.raises(ValueError, match=r"labels_a is 7 at row 2, which is not one of categories \[0, 1\]"):
        stuart_maxwell([0, 1, 7], [0, 1, 1], categories=[0, 1])
    with pytest.raises(ValueError, match=r"labels_b is 'edema' at row 1, which is not one of"):
        bowker(["mass", "none"], ["mass", "edema"], categories=["mass", "none"])
    with pytest.raises(ValueError, match="labels_a is 0 at row 0"):
        stuart_maxwell([0, 1], [1, 1], categories=["0", "1"])
    with pytest.raises(ValueError, match="expected each label once"):
        stuart_maxwell([0, 1], [1, 1], categories=[0, 1, 1])


def test_refuses_unknown_choices():
    table, a, b = [[5, 2], [3, 4]], [0, 1, 2, 0], [1, 2, 2, 2]
    with pytest.raises(ValueError, match="method is 'maxwell'"):
        stuart_maxwell(table, method="maxwell")
    with pytest.raises(ValueError, match="groups were given with a table"):
        stuart_maxwell(table, groups=[1, 2])
    with pytest.raises(ValueError, match="categories were given with a table"):
        bowker(table, categories=[0, 1])
    with pytest.raises(ValueError, match="groups has shape"):
        stuart_maxwell(a, b, groups=[1, 2])
    with pytest.raises(ValueError, match="n_resamples is 0"):
        stuart_maxwell(a, b, groups=[1, 1, 2, 2], n_resamples=0)
    with pytest.raises(ValueError, match="rng is -1"):
        stuart_maxwell(a, b, groups=[1, 1, 2, 2], rng=-1)
