"""The interval of Cohen's d_z against the noncentral t distribution and published numbers."""

import math

import numpy as np
import pytest
from scipy.stats import nct

from evalkit.comparisons.estimation import effects
from evalkit.comparisons.estimation.effects import interval_of_dz, measure_effect, share_below


@pytest.mark.parametrize(("dz", "n"), [(0.0, 10), (0.4, 25), (-1.3, 8), (12.0, 100), (-60.0, 12)])
def test_the_value_found_is_at_the_tails_limits_under_the_bounds(dz, n):
    low, high = interval_of_dz(dz, n, 0.95)
    assert low < dz < high
    root = math.sqrt(n)
    assert nct.cdf(root * dz, n - 1, root * low) == pytest.approx(0.975, abs=1e-6)
    assert nct.cdf(root * dz, n - 1, root * high) == pytest.approx(0.025, abs=1e-6)


@pytest.mark.parametrize("dz", [0.01, 0.7, 5.0, 19.15, -19.15, 300.0])
@pytest.mark.parametrize("n", [2, 3])
def test_few_pairs_have_a_wide_interval_and_no_traceback(dz, n):
    low, high = interval_of_dz(dz, n, 0.95)
    assert low < dz < high
    assert share_below(math.sqrt(n) * dz, n - 1, math.sqrt(n) * low) == pytest.approx(0.975, abs=1e-6)
    assert share_below(math.sqrt(n) * dz, n - 1, math.sqrt(n) * high) == pytest.approx(0.025, abs=1e-6)


@pytest.mark.parametrize(("t", "df", "centre"), [(1.0, 1, 5.0), (-2.0, 4, 0.3), (30.0, 1, 27.0), (12.0, 60, 11.0)])
def test_where_scipy_has_no_probability_the_definition_gives_it(monkeypatch, t, df, centre):
    expected = nct.cdf(t, df, centre)
    monkeypatch.setattr(effects.nct, "cdf", lambda *_: math.nan)
    assert share_below(t, df, centre) == pytest.approx(expected, abs=1e-9)


def test_the_sign_of_the_difference_mirrors_the_interval():
    first, second = np.array([3.0, 4, 6, 5.5, 7]), np.array([2.0, 4.5, 5, 5, 5])
    one, other = measure_effect(first, second, 0.9), measure_effect(second, first, 0.9)
    assert (one.dz, one.rank_biserial) == (-other.dz, -other.rank_biserial)
    assert [one.low, one.high] == pytest.approx([-other.high, -other.low], abs=1e-9)


def test_without_a_spread_there_is_no_interval():
    effect = measure_effect(np.array([2.0, 3, 4]), np.array([1.0, 2, 3]), 0.95)
    assert effect.dz == math.inf
    assert math.isnan(effect.low)
    assert math.isnan(effect.high)
    assert interval_of_dz(0.3, 1, 0.95) == pytest.approx((math.nan, math.nan), nan_ok=True)
