from __future__ import annotations

import math
import re
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats as scipy_stats

from stats import delong_matrix, delong_test, paired_bootstrap, ttest_corrected, ttest_paired
from stats.delong_unpaired import delong_unpaired
from stats.noninferiority import noninferiority
from stats.wilcoxon import wilcoxon


def known(difference, se, **more):
    return SimpleNamespace(difference=difference, se=se, **more)


@pytest.fixture
def study():
    generator = np.random.default_rng(0)
    y = generator.integers(0, 2, 80)
    a, b = generator.normal(size=(2, 80)) + y
    return y, a, b


def test_agrees_with_rs_t_test_against_minus_the_margin(reference):
    case, agree = reference("ttest_paired__shifted_one_sided")
    x, y, popmean = (case["inputs"][name] for name in ("x", "y", "popmean"))
    result = noninferiority(ttest_paired(x, y), margin=-popmean)
    expected = case["expected"]
    agree([result.statistic, result.df, result.pvalue], [expected[k] for k in ("statistic", "df", "pvalue_greater")])
    agree([result.difference, result.se], [expected["mean_diff"], expected["se"]])
    assert result.margin == 0.005


def test_two_aucs_are_normal(study):
    delong = delong_test(*study)
    result = noninferiority(delong, margin=0.1)
    assert result.statistic == pytest.approx((delong.difference + 0.1) / delong.se)
    assert result.pvalue == pytest.approx(scipy_stats.norm.sf(result.statistic))
    assert (result.df, result.margin, result.difference, result.se) == (math.inf, 0.1, delong.difference, delong.se)


def test_independent_aucs_have_students_t(study):
    y, a, b = study
    unpaired = delong_unpaired(y[:40], a[:40], y[40:], b[40:])
    result = noninferiority(unpaired, margin=0.05)
    assert result.df == unpaired.df
    assert result.pvalue == pytest.approx(scipy_stats.t.sf((unpaired.difference + 0.05) / unpaired.se, unpaired.df))


def test_any_result_with_a_standard_error_will_do(study):
    y, a, b = study
    bootstrap = paired_bootstrap("auc", y, a, b, n_resamples=200)
    result = noninferiority(bootstrap, margin=0.05)
    assert result.pvalue == pytest.approx(scipy_stats.norm.sf((bootstrap.difference + 0.05) / bootstrap.se))
    corrected = ttest_corrected(a[:10], b[:10], n_train=9, n_test=1)
    assert noninferiority(corrected, margin=0.05).se == corrected.se


def test_a_small_p_value_is_a_lower_bound_above_minus_the_margin(study):
    delong = delong_test(*study, alternative="greater")
    low = delong.confidence_interval(0.95).low
    assert noninferiority(delong, margin=-low * 1.001).pvalue < 0.05
    assert noninferiority(delong, margin=-low * 0.999).pvalue > 0.05


def test_extreme_p_values_keep_their_logarithm():
    normal = noninferiority(known(1.0, 0.02), margin=0.2)
    assert normal.pvalue == 0
    assert normal.log10_pvalue == pytest.approx(scipy_stats.norm.logsf(60) / math.log(10))
    of_t = noninferiority(known(1.0, 0.02, df=3000), margin=0.2)
    assert -800 < of_t.log10_pvalue < -308
    assert noninferiority(known(-1.0, 0.01), margin=0.2).log10_pvalue == 0
    assert normal.to_dict()["log10_pvalue"] == normal.log10_pvalue


def test_no_variance_has_defined_answers():
    y = [0, 1, 0, 1]
    a = [1, 2, 1, 2.5]
    with pytest.warns(RuntimeWarning, match="variance of 0"):
        same = noninferiority(delong_test(y, a, a), margin=0.01)
    assert (same.statistic, same.pvalue, same.log10_pvalue) == (math.inf, 0, -math.inf)
    assert same.warnings
    for df in ({}, {"df": 9}):
        with pytest.warns(RuntimeWarning, match="taken as certain"):
            worse = noninferiority(known(-0.5, 0.0, **df), margin=0.25)
        assert (worse.statistic, worse.pvalue) == (-math.inf, 1)
        with pytest.warns(RuntimeWarning, match="taken as certain"):
            on_the_margin = noninferiority(known(-0.25, 0.0, **df), margin=0.25)
        assert (on_the_margin.statistic, on_the_margin.pvalue) == (0, 1)


def test_no_standard_error_is_said():
    with pytest.warns(RuntimeWarning, match="at least two"):
        one_pair = ttest_paired([3.0], [1.0])
    with pytest.warns(RuntimeWarning, match="standard error of the difference is not defined"):
        result = noninferiority(one_pair, margin=1)
    assert np.isnan([result.statistic, result.pvalue, result.log10_pvalue]).all()


def test_a_rank_test_is_refused(study):
    y, a, b = study
    with pytest.raises(TypeError, match=r"WilcoxonResult has no \.se; expected .* such as that of delong_test"):
        noninferiority(wilcoxon(a, b), margin=0.1)
    with pytest.raises(TypeError, match=r"DelongMatrix has no \.difference"):
        noninferiority(delong_matrix(y, [a, b]), margin=0.1)
    with pytest.raises(TypeError, match=r"float has no \.difference and no \.se"):
        noninferiority(0.3, margin=0.1)


@pytest.mark.parametrize("margin", [0, -0.1, math.nan, math.inf, "x", "0.1", None, [0.1], 1j])
def test_the_margin_is_above_0(margin):
    with pytest.raises(ValueError, match=re.escape(f"margin is {margin!r}; expected a positive number")):
        noninferiority(known(0.1, 0.1), margin=margin)
