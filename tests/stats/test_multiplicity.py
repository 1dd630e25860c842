from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from statsmodels.stats.multitest import multipletests

from stats import adjust_pvalues

METHODS = ["holm", "bh", "by", "bonferroni", "hochberg"]
families = st.lists(st.floats(0, 1), min_size=1, max_size=30)


def test_agrees_with_r(reference):
    case, agree = reference("p_adjust__bh1995")
    for method, in_r in zip(METHODS, ["holm", "BH", "BY", "bonferroni", "hochberg"], strict=True):
        agree(adjust_pvalues(case["inputs"]["p"], method), case["expected"][in_r])


@pytest.mark.parametrize("method", METHODS)
def test_nan_stays_and_is_not_counted(method):
    p = [0.01, np.nan, 0.03, 0.2, np.nan]
    adjusted = adjust_pvalues(p, method)
    assert np.isnan(adjusted[[1, 4]]).all()
    np.testing.assert_array_equal(adjusted[[0, 2, 3]], adjust_pvalues([0.01, 0.03, 0.2], method))


def test_peers_are_not_used_for_the_reasons_given():
    p = [0.01, np.nan, 0.03]
    for method in ("holm", "bonferroni"):
        counted = multipletests(p, method=method)[1]
        assert counted[0] == pytest.approx(0.03)
        assert adjust_pvalues(p, method)[0] == pytest.approx(0.02)
    for method in ("simes-hochberg", "fdr_bh", "fdr_by"):
        assert np.isnan(multipletests(p, method=method)[1]).all()
    with pytest.raises(ValueError, match="numbers between 0 and 1"):
        scipy_stats.false_discovery_control(p)


@pytest.mark.parametrize("method", METHODS)
@given(p=families)
def test_adjusted_values_are_no_smaller_and_keep_the_order(method, p):
    adjusted = adjust_pvalues(p, method)
    assert (adjusted >= np.array(p) - 1e-15).all()
    assert (adjusted <= 1).all()
    assert (np.diff(adjusted[np.argsort(p, kind="stable")]) >= -1e-15).all()


@given(p=families)
def test_false_discovery_rate_agrees_with_scipy(p):
    np.testing.assert_allclose(adjust_pvalues(p, "bh"), scipy_stats.false_discovery_control(p), atol=1e-15)
    np.testing.assert_allclose(adjust_pvalues(p, "by"), scipy_stats.false_discovery_control(p, method="by"), atol=1e-15)


def test_shape_is_kept_and_an_empty_family_is_empty():
    matrix = [[0.01, 0.2], [0.03, np.nan]]
    assert adjust_pvalues(matrix).tolist()[0] == pytest.approx([0.03, 0.2])
    assert adjust_pvalues([]).size == 0
    assert np.isnan(adjust_pvalues([np.nan, np.nan], "by")).all()


def test_refuses_what_is_not_a_p_value_or_method():
    with pytest.raises(ValueError, match=r"p has the value 1\.2"):
        adjust_pvalues([0.1, 1.2])
    with pytest.raises(ValueError, match="method is 'sidak'"):
        adjust_pvalues([0.1], "sidak")
