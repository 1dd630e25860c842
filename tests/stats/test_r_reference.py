"""`stats` against the same names computed by R. What needs R is skipped, with the reason, where R is not installed."""

from __future__ import annotations

import inspect
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import stats
from stats.delong_unpaired import delong_unpaired
from stats.friedman import friedman_nemenyi

try:
    from stats import r_reference as r
    from stats.r_reference.session import RFunction

    WHY = ""
except ImportError as error:
    WHY = str(error)

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
needs_r = pytest.mark.skipif(bool(WHY), reason=WHY)
quick = settings(deadline=None, max_examples=60)
ALTERNATIVES = ["two-sided", "less", "greater"]
ROOT = Path(stats.__file__).parents[1]


def agree(ours, theirs, *names):
    """The named fields are equal to rounding, and the decimal logarithms of the p-values within 1e-6."""
    for name in names:
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=1e-8, atol=1e-9, err_msg=name)
    np.testing.assert_allclose(theirs.pvalue, ours.pvalue, rtol=1e-6, atol=1e-300)
    assert theirs.log10_pvalue == pytest.approx(ours.log10_pvalue, abs=1e-6)


@st.composite
def small_studies(draw, models=2):
    """Labels with at least two of either class, and scores with few distinct values."""
    n = draw(st.integers(5, 30))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    y = generator.integers(0, 2, n)
    y[:4] = [0, 0, 1, 1]
    scores = generator.normal(size=(models, n)) + 0.5 * y
    return y, np.round(scores * draw(st.sampled_from([1, 2, 50]))) / 4


small_tables = st.integers(2, 5).flatmap(
    lambda k: st.lists(
        st.lists(st.sampled_from([0, 0, 1, 2, 3, 7]), min_size=k, max_size=k).map(np.array), min_size=k, max_size=k
    ).map(np.array)
)
pairs_of_values = st.lists(st.tuples(st.integers(-6, 6), st.integers(-6, 6)), min_size=2, max_size=12).map(
    lambda pairs: np.array(pairs, float).T / 4
)


# The given cases


@needs_r
def test_proc_answers_the_given_cases(reference):
    case, close = reference("delong_paired__asah_s100b_vs_wfns")
    result = r.delong_test(**case["inputs"])
    close(
        [result.auc_a, result.auc_b, result.difference, result.se, result.statistic, result.pvalue],
        [case["expected"][name] for name in ("auc_a", "auc_b", "diff", "se", "statistic", "pvalue")],
    )
    close(result.confidence_interval(0.95), case["expected"]["ci_diff"])
    case, close = reference("auc_ci__asah_s100b_ci")
    result = r.auc_ci(case["inputs"]["y"], case["inputs"]["a"])
    close(
        [result.auc, result.variance, result.low, result.high],
        [*list(case["expected"].values())[:2], *case["expected"]["ci"]],
    )
    case, _ = reference("delong_paired__identical_predictors")
    result = r.delong_test(**case["inputs"])
    assert (result.difference, result.statistic, result.pvalue, result.log10_pvalue) == (0, 0, 1, 0)


@needs_r
@pytest.mark.parametrize("name", ["stuart1955_women_vision", "unused_category"])
def test_coin_answers_the_given_tables(reference, name):
    case, close = reference(f"stuart_maxwell__{name}")
    result = r.stuart_maxwell(case["inputs"]["table"])
    close(
        [result.statistic, result.df, result.pvalue], [case["expected"][key] for key in ("statistic", "df", "pvalue")]
    )


@needs_r
def test_base_r_answers_the_given_cases(reference):
    case, close = reference("mcnemar__mcnemar_performance")
    table, expected = case["inputs"]["table"], case["expected"]
    for method in ("exact", "chi2", "chi2_cc"):
        result = r.mcnemar(table, method=method)
        close(result.pvalue, expected[f"{method}_pvalue"])
        close([result.odds_ratio, result.difference], [expected["odds_ratio"], expected["diff"]])

    case, close = reference("ttest_paired__student_sleep")
    result = r.ttest_paired(**case["inputs"])
    close(
        [result.statistic, result.df, result.pvalue, result.mean_difference],
        [case["expected"][name] for name in ("statistic", "df", "pvalue", "mean_diff")],
    )
    close(result.confidence_interval(0.95), case["expected"]["ci"])

    case, close = reference("wilcoxon__hollander_wolfe_depression")
    exact = r.wilcoxon(**case["inputs"])
    close([exact.statistic, exact.pvalue, exact.hodges_lehmann], [40, 0.01953125, 0.46])
    for correct, name in ((False, "pvalue_asym"), (True, "pvalue_asym_cc")):
        result = r.wilcoxon(**case["inputs"], method="asymptotic", correct=correct)
        close(result.pvalue, case["expected"][name])

    case, close = reference("friedman_nemenyi__rounding_times")
    result, expected = r.friedman_nemenyi(case["inputs"]["scores"]), case["expected"]
    close([result.statistic, result.df, result.pvalue], [expected[name] for name in ("statistic", "df", "pvalue")])
    close(result.average_ranks, expected["avg_ranks_higher_is_better"])
    close(result.critical_difference, expected["cd_0.05"])
    close(result.pvalues, expected["nemenyi_pvalues"])

    case, close = reference("p_adjust__bh1995")
    for method, name in (("holm", "holm"), ("bh", "BH"), ("by", "BY"), ("bonferroni", "bonferroni")):
        close(r.adjust_pvalues(case["inputs"]["p"], method), case["expected"][name])


# Agreement on random data


@needs_r
@quick
@given(small_studies(), st.sampled_from(ALTERNATIVES))
def test_delong_agrees(study, alternative):
    y, (a, b) = study
    assert r.auc(y, a) == pytest.approx(stats.auc(y, a))
    one = r.auc_ci(y, a, confidence_level=0.9)
    ours = stats.auc_ci(y, a, confidence_level=0.9)
    np.testing.assert_allclose(
        [one.auc, one.variance, one.low, one.high], [ours.auc, ours.variance, ours.low, ours.high]
    )
    ours, theirs = (engine.delong_test(y, a, b, alternative=alternative) for engine in (stats, r))
    assert theirs.difference == pytest.approx(ours.difference)
    assume(ours.se > 0)
    agree(ours, theirs, "auc_a", "auc_b", "se", "statistic")
    both_sides = stats.delong_test(y, a, b)
    assert theirs.confidence_interval() == pytest.approx(both_sides.confidence_interval())
    assert theirs.confidence_interval(0.5) == pytest.approx(both_sides.confidence_interval(0.5))


@needs_r
@quick
@given(small_studies(), small_studies(), st.sampled_from(ALTERNATIVES))
def test_unpaired_delong_agrees(one, other, alternative):
    (y_a, (a, _)), (y_b, (b, _)) = one, other
    ours, theirs = (engine(y_a, a, y_b, b, alternative=alternative) for engine in (delong_unpaired, r.delong_unpaired))
    assert theirs.difference == pytest.approx(ours.difference)
    assume(ours.se > 0)
    agree(ours, theirs, "auc_a", "auc_b", "se", "statistic", "df")


@needs_r
@settings(deadline=None, max_examples=30)
@given(small_studies(models=4))
def test_delong_matrix_agrees(study):
    y, scores = study
    ours, theirs = (engine.delong_matrix(y, dict(zip("wxyz", scores, strict=True)), "bh") for engine in (stats, r))
    assert (theirs.names, theirs.pairs, theirs.correction) == (ours.names, ours.pairs, ours.correction)
    for name in ("auc", "covariance", "differences"):
        np.testing.assert_allclose(getattr(theirs, name), getattr(ours, name), atol=1e-12)
    assume(ours.se.min() > 0)
    for name in ("se", "statistics", "log10_pvalues", "pvalues_adjusted"):
        np.testing.assert_allclose(getattr(theirs, name), getattr(ours, name), rtol=1e-7, atol=1e-9, err_msg=name)
    if not math.isnan(theirs.omnibus.statistic) and ours.omnibus.df == 3:
        assert theirs.omnibus == pytest.approx(ours.omnibus, rel=1e-5)
        log_p = RFunction("function(x, k) list(p = pchisq(x, k, lower.tail = FALSE, log.p = TRUE) / log(10))")
        assert log_p(theirs.omnibus.statistic, 3)["p"] == pytest.approx(theirs.omnibus.log10_pvalue, abs=1e-9)


@needs_r
@quick
@given(small_tables)
def test_stuart_maxwell_and_bowker_agree(table):
    used = np.flatnonzero(table.sum(axis=0) + table.sum(axis=1))
    assume(used.size > 1)
    agree(stats.stuart_maxwell(table), r.stuart_maxwell(table), "statistic", "df")
    exchanged = (table + table.T)[np.ix_(used, used)]
    if (exchanged[np.triu_indices(used.size, 1)] == 0).any():
        with pytest.raises(r.NotInR, match="never confused"):
            r.bowker(table)
    else:
        agree(stats.bowker(table), r.bowker(table), "statistic", "df")


@needs_r
def test_agreeing_rows_are_left_out_of_coins_work_only():
    coin = RFunction("""function(counts) {
      dimnames(counts) <- list(seq_len(nrow(counts)), seq_len(nrow(counts)))
      test <- coin::mh_test(as.table(counts))
      list(statistic = as.numeric(coin::statistic(test)), pvalue = as.numeric(coin::pvalue(test)))
    }""")
    generator = np.random.default_rng(0)
    for k in (2, 3, 6):
        table = generator.integers(0, 9, (k, k)) + np.diag(generator.integers(20, 60, k))
        whole, ours = coin(table), r.stuart_maxwell(table)
        assert (ours.statistic, ours.pvalue) == pytest.approx((whole["statistic"], whole["pvalue"]), rel=1e-10)


@needs_r
def test_labels_are_counted_by_r_as_in_stats():
    generator = np.random.default_rng(1)
    a, b = generator.integers(0, 4, (2, 300))
    names = np.array(["covid", "normal", "other", "pneumonia"])
    for engine in (stats, r):
        by_number = engine.stuart_maxwell(a, b, categories=range(6))
        assert engine.stuart_maxwell(names[a], names[b]).statistic == pytest.approx(by_number.statistic)
    agree(stats.stuart_maxwell(a, b), r.stuart_maxwell(a, b), "statistic", "df")
    agree(stats.bowker(a, b), r.bowker(a, b), "statistic", "df")
    for method in ("exact", "chi2", "chi2_cc"):
        ours, theirs = (engine.mcnemar(a < 2, b < 3, method=method) for engine in (stats, r))
        agree(ours, theirs, "statistic", "difference", "odds_ratio")


@needs_r
@quick
@given(st.lists(st.integers(0, 30), min_size=4, max_size=4), st.sampled_from(["exact", "chi2", "chi2_cc"]))
def test_mcnemar_agrees(counts, method):
    table = np.array(counts).reshape(2, 2)
    assume(table[0, 1] + table[1, 0] > 0)
    ours, theirs = (engine.mcnemar(table, method=method) for engine in (stats, r))
    agree(ours, theirs, "statistic", "difference", "odds_ratio")


@needs_r
@quick
@given(pairs_of_values, st.sampled_from(ALTERNATIVES))
def test_paired_t_agrees(pairs, alternative):
    x, y = pairs
    assume(np.unique(x - y).size > 1)
    ours, theirs = (engine.ttest_paired(x, y, alternative=alternative, popmean=0.1) for engine in (stats, r))
    agree(ours, theirs, "statistic", "df", "mean_difference", "difference", "se")
    for level in (0.95, 0.8):
        assert theirs.confidence_interval(level) == pytest.approx(ours.confidence_interval(level))


@needs_r
@settings(deadline=None, max_examples=120)
@given(
    pairs_of_values,
    st.sampled_from(ALTERNATIVES),
    st.sampled_from(["auto", "exact", "asymptotic"]),
    st.sampled_from(["wilcox", "pratt"]),
    st.booleans(),
)
def test_wilcoxon_agrees(pairs, alternative, method, zero_method, correct):
    x, y = pairs
    assume((x != y).any())
    options = {"alternative": alternative, "method": method, "zero_method": zero_method, "correct": correct}
    if correct and method == "asymptotic" and zero_method == "pratt":
        with pytest.raises(r.NotInR, match="continuity"):
            r.wilcoxon(x, y, **options)
        return
    agree(stats.wilcoxon(x, y, **options), r.wilcoxon(x, y, **options), "statistic")


@needs_r
@settings(deadline=None, max_examples=30)
@given(st.integers(6, 30), st.integers(0, 2**32), st.sampled_from(ALTERNATIVES))
def test_exact_wilcoxon_without_ties_agrees_with_its_estimate_and_interval(n, seed, alternative):
    x, y = np.random.default_rng(seed).normal(size=(2, n))
    ours, theirs = (engine.wilcoxon(x, y, alternative=alternative) for engine in (stats, r))
    agree(ours, theirs, "statistic", "hodges_lehmann", "difference")
    for level in (0.95, 0.9):
        assert theirs.confidence_interval(level) == pytest.approx(ours.confidence_interval(level))


@needs_r
@quick
@given(st.integers(2, 12), st.integers(2, 6), st.integers(0, 2**32), st.sampled_from([2, 5, 100]))
def test_friedman_and_nemenyi_agree(n, k, seed, distinct):
    scores = np.random.default_rng(seed).integers(0, distinct, (n, k)) / 4
    assume((np.ptp(scores, axis=1) > 0).any())
    ours, theirs = (engine(scores, alpha=0.1) for engine in (friedman_nemenyi, r.friedman_nemenyi))
    agree(ours, theirs, "statistic", "df", "average_ranks", "critical_difference")
    np.testing.assert_allclose(theirs.pvalues, ours.pvalues, atol=1e-9)
    np.testing.assert_allclose(theirs.log10_pvalues, ours.log10_pvalues, atol=1e-6)


@needs_r
@quick
@given(
    st.lists(st.one_of(st.floats(0, 1), st.just(math.nan)), min_size=1, max_size=12),
    st.sampled_from(["holm", "bh", "by", "bonferroni", "hochberg"]),
)
def test_adjustments_agree(p, method):
    np.testing.assert_allclose(r.adjust_pvalues(p, method), stats.adjust_pvalues(p, method), rtol=1e-12)


@needs_r
def test_groups_that_repeat_are_averaged_or_refused():
    generator = np.random.default_rng(2)
    x, y = generator.normal(size=(2, 20))
    groups = np.arange(20) // 2
    agree(stats.ttest_paired(x, y, groups=groups), r.ttest_paired(x, y, groups=groups), "statistic", "df")
    agree(stats.wilcoxon(x, y, groups=groups), r.wilcoxon(x, y, groups=groups), "statistic")
    labels = np.arange(20) % 2
    for refused in (
        lambda: r.delong_test(labels, x, y, groups=groups),
        lambda: r.delong_unpaired(labels, x, labels, y, groups=(groups, groups + 10)),
        lambda: r.delong_matrix(labels, [x, y], groups=groups),
        lambda: r.auc_ci(labels, x, groups=groups),
        lambda: r.mcnemar(x > 0, y > 0, groups=groups),
        lambda: r.stuart_maxwell(x > 0, y > 0, groups=groups),
    ):
        with pytest.raises(r.NotInR, match="must not repeat"):
            refused()
    one_each = [f"patient {i}" for i in range(20)]
    assert r.delong_test(labels, x, y, groups=one_each).statistic == r.delong_test(labels, x, y).statistic


# Far tails


@needs_r
def test_logarithms_agree_where_the_p_values_underflow():
    generator = np.random.default_rng(4)
    y = np.arange(8000) % 2
    good, useless = 4 * y + generator.normal(size=y.size), generator.normal(size=y.size)
    x = generator.normal(size=5000) + 5
    for ask in (
        lambda engine: engine.delong_test(y, good, useless),
        lambda engine: engine.ttest_paired(x, np.zeros(x.size), alternative="greater"),
        lambda engine: engine.mcnemar([[0, 2000], [0, 0]]),
        lambda engine: engine.mcnemar([[0, 2000], [0, 0]], method="chi2"),
        lambda engine: engine.stuart_maxwell([[0, 4000, 10], [0, 0, 1500], [20, 0, 0]]),
        lambda engine: engine.bowker([[0, 4000, 10], [0, 0, 1500], [20, 0, 0]]),
        lambda engine: engine.wilcoxon(x, np.zeros(x.size)),
        lambda engine: engine.wilcoxon(x, np.zeros(x.size), zero_method="pratt", method="asymptotic"),
    ):
        ours, theirs = ask(stats), ask(r)
        assert theirs.pvalue == 0
        assert theirs.log10_pvalue < -308
        assert theirs.log10_pvalue == pytest.approx(ours.log10_pvalue, rel=1e-9)


# What R says at the edges, passed on


@needs_r
def test_what_r_says_at_the_edges_of_an_auc():
    y, score = [0, 0, 0, 1, 1], np.arange(5.0)
    assert r.delong_test(y, score, score**3).pvalue == 1
    assert r.delong_test(y, score, score**3, alternative="less").pvalue == 0.5
    assert r.delong_test(y, score, -score).statistic == math.inf
    assert "AUC == 1" in r.auc_ci(y, score).warnings[0]
    one_positive = r.delong_test([0, 0, 0, 1], [1, 2, 3, 4], [1, 2, 4, 3])
    assert math.isnan(one_positive.pvalue)
    with pytest.raises(r.RError, match="TRUE/FALSE needed"):
        r.delong_test([0, 0, 0, 1], [1, 2, 3, 4], [1, 2, 3, 4])
    with pytest.raises(r.NotInR, match="infinite"):
        r.auc(y, [0, 1, 2, 3, math.inf])
    singular = r.delong_matrix([0, 1, 0, 1, 1], [[1, 3, 2, 2, 0]] * 3).omnibus
    assert math.isnan(singular.pvalue)
    assert np.isnan(r.delong_unpaired(y, score, y, [1, 0, 2, 1, 3]).confidence_interval()).all()


@needs_r
def test_what_r_says_at_the_edges_of_counts_and_values():
    agreement = r.stuart_maxwell([[3, 0], [0, 4]])
    assert (agreement.statistic, agreement.df, agreement.pvalue) == (0, 0, 1)
    with pytest.raises(r.RError, match="only one level"):
        r.stuart_maxwell([[3]])
    assert math.isnan(r.mcnemar([[3, 0], [0, 4]], method="chi2").pvalue)
    with pytest.raises(r.RError, match="positive integer"):
        r.mcnemar([[3, 0], [0, 4]])
    assert math.isnan(r.ttest_paired([1, 2], [1, 2]).pvalue)
    with pytest.raises(r.RError, match="essentially constant"):
        r.ttest_paired([1, 2, 3], [0, 1, 2])
    with pytest.raises(r.RError, match="differences equal zero"):
        r.wilcoxon([1, 2], [1, 2])
    assert math.isnan(r.friedman_nemenyi(np.ones((4, 3))).pvalue)


@needs_r
def test_what_r_has_not_is_refused_with_the_reason():
    y, a, b = [0, 1, 0, 1], [1, 2, 3, 4], [2, 1, 4, 3]
    for refused, reason in (
        (lambda: r.auc_ci(y, a, method="logit"), "logit"),
        (lambda: r.auc_ci(y, a, method="bootstrap"), "resamples"),
        (lambda: r.delong_test(y, a, b, nan_policy="omit"), "NaN"),
        (lambda: r.stuart_maxwell([[1, 2], [3, 4]], method="bhapkar"), "bhapkar"),
        (lambda: r.stuart_maxwell([[1, r.MAX_ROWS], [3, 4]]), f"{r.MAX_ROWS + 3} disagreeing rows"),
        (lambda: r.mcnemar([[1, 2], [3, 4]], method="midp"), "midp"),
        (lambda: r.effect_size(a, b), "effect_size"),
        (lambda: r.ttest_corrected(a, b, n_train=9, n_test=1), "ttest_corrected"),
        (lambda: r.paired_bootstrap("auc", y, a, b), "resamples"),
    ):
        with pytest.raises(r.NotInR, match=reason):
            refused()
    assert issubclass(r.NotInR, NotImplementedError)


# The two engines are interchangeable


@needs_r
def test_signatures_accept_what_those_of_stats_accept():
    ours = {"delong_unpaired": delong_unpaired, "friedman_nemenyi": friedman_nemenyi}
    ours |= {name: getattr(stats, name) for name in stats.__all__ if hasattr(r, name)}
    assert len(ours) > 15
    for name, function in ours.items():
        theirs = inspect.signature(getattr(r, name)).parameters
        if "options" not in theirs:  # of a test that R has not
            assert set(inspect.signature(function).parameters) <= set(theirs), name


@needs_r
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda engine: engine.delong_test([0, 1, 1], [1, 2], [1, 2, 3]), "a has 2 values; expected 3"),
        (lambda engine: engine.auc([0, 1, 1], [1, np.nan, 2]), "score is NaN at row 1"),
        (lambda engine: engine.delong_matrix([0, 0, 0], np.ones((2, 3))), "no positive row"),
        (lambda engine: engine.delong_matrix([0, 1], {}), "holds no model"),
        (
            lambda engine: engine.delong_matrix([0, 1, 1], np.ones((3, 2))),
            r"scores has shape \(3, 2\); expected \(k, 3\)",
        ),
        (lambda engine: engine.delong_test([0, 1], [1, 2], [2, 1], groups=["p", math.nan]), "groups is missing"),
        (lambda engine: engine.mcnemar([[1, 2, 3]]), "table has shape"),
        (lambda engine: engine.stuart_maxwell(["a"], ["b"], categories=["a"]), "not one of categories"),
        (lambda engine: engine.stuart_maxwell([[1, 2], [3, 4]], categories=[0, 1]), "given with a table"),
        (lambda engine: engine.ttest_paired([], []), "empty"),
        (lambda engine: engine.wilcoxon([1, 2], [1, np.inf]), "y is inf at row 1"),
        (lambda engine: engine.wilcoxon([1, 2], [2, 4], method="wald"), "method is 'wald'"),
        (lambda engine: engine.adjust_pvalues([0.1], "fdr"), "method is 'fdr'"),
        (lambda engine: engine.delong_test([0, 1], [1, 2], [1, 2], alternative="more"), "alternative is 'more'"),
    ],
)
def test_refusals_are_those_of_stats(call, message):
    for engine in (stats, r):
        with pytest.raises(ValueError, match=message):
            call(engine)


@needs_r
def test_results_become_plain_data():
    y, a, b = [0, 1, 0, 1, 1], [1, 2, 3, 4, 5], [2, 1, 3, 5, 4]
    for result in (r.delong_test(y, a, b), r.wilcoxon(a, b), r.delong_matrix(y, {"a": a, "b": b})):
        as_dict = result.to_dict()
        assert not any(name.startswith("_") or callable(value) for name, value in as_dict.items())
    assert as_dict["names"] == ["a", "b"]
    assert r.mcnemar([[1, 2], [3, 4]]).to_dict()["odds_ratio"] == 2 / 3


@needs_r
def test_r_says_nothing_on_the_console():
    program = """
from stats import r_reference as r
from stats.r_reference.session import RFunction
r.delong_test([0, 0, 1, 1], [1, 2, 3, 4], [1, 2, 3, 4])
r.stuart_maxwell([[3, 0], [0, 4]])
try:
    RFunction("function() { message('chatter'); warning('noted'); stop('broken') }")()
except r.RError as error:
    assert str(error) == "broken"
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout + done.stderr == ""


# Without R


def hidden_from_r(program):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("R_")}
    environment |= {"PATH": "", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=False)
    return done.returncode, done.stderr


def test_stats_works_without_r_and_without_importing_rpy2():
    code, message = hidden_from_r("import sys, stats; stats.auc([0, 1], [1, 2]); assert 'rpy2' not in sys.modules")
    assert (code, message) == (0, "")


@pytest.mark.parametrize(
    ("before", "missing"),
    [
        ("", "no program R on PATH"),
        ("import importlib.util; importlib.util.find_spec = lambda name: None", "rpy2 is not installed"),
    ],
)
def test_import_without_r_teaches(before, missing):
    if WHY and "rpy2 is not installed" in WHY:
        missing = "rpy2 is not installed"
    code, message = hidden_from_r(f"{before}\nimport stats.r_reference")
    assert code == 1
    last = message.strip().splitlines()[-1]
    assert last.startswith("stats.r_reference.session.RNotAvailable: ")
    assert missing in last
    assert "apt-get install r-base-core r-cran-proc r-cran-coin" in last
    assert "cxr-evalkit[r]" in last
    code, _ = hidden_from_r(f"{before}\ntry:\n    import stats.r_reference\nexcept ImportError:\n    pass")
    assert code == 0
