"""The simulation of Table 7's design (benchmarks/table7_error_rates.py), with fewer studies."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats as scipy_stats
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "table7_error_rates.py"
N_STUDIES = 200
MARGIN = 3 * math.sqrt(0.05 * 0.95 / N_STUDIES)  # three standard deviations of a rate that is 5 %


@pytest.fixture(scope="module")
def simulation():
    spec = importlib.util.spec_from_file_location("table7_error_rates", BENCHMARK)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_learner_is_linear_discriminant_analysis(simulation):
    y, (first, second) = simulation.draw_patients(300, np.random.default_rng(0))
    for view in (first, second):
        theirs = LinearDiscriminantAnalysis(solver="lsqr").fit(view, y).coef_[0]
        direction = simulation.discriminant(view, y)
        assert np.corrcoef(view @ direction, view @ theirs)[0, 1] == pytest.approx(1, abs=1e-6)


def test_views_are_alike_and_share_what_they_should(simulation):
    y, (first, second) = simulation.draw_patients(100_000, np.random.default_rng(1))
    assert y.mean() == pytest.approx(simulation.PREVALENCE, abs=0.01)
    for view in (first, second):
        apart = view[y].mean(axis=0) - view[~y].mean(axis=0)
        assert np.linalg.norm(apart) == pytest.approx(simulation.SEPARATION, abs=0.03)
        assert view[~y].std(axis=0) == pytest.approx(1, abs=0.02)
    assert np.mean(first[~y] * second[~y]) == pytest.approx(simulation.SHARED, abs=0.01)
    assert np.mean(first[~y][:, 0] * second[~y][:, 1]) == pytest.approx(0, abs=0.02)


def test_rates_and_their_intervals(simulation):
    pvalues = np.array([[[0.01, np.nan]], [[0.05, np.nan]], [[0.2, np.nan]], [[0.04, np.nan]]])
    np.testing.assert_array_equal(simulation.rejection_rates(pvalues), [[0.5, np.nan]])
    low, high = simulation.wilson_interval(np.array([0.05, 0.95]), 1000)
    for place, rejected in enumerate((50, 950)):
        expected = scipy_stats.binomtest(rejected, 1000).proportion_ci(0.95, "wilson")
        assert (low[place], high[place]) == pytest.approx((expected.low, expected.high), abs=1e-5)


def test_the_figure_is_written(simulation, tmp_path):
    rates = np.array([[0.5, 0.03, 0.04], [0.8, 0.8, 0.04], [0.95, 0.95, 0.06], [0.15, 0.05, np.nan]])
    simulation.draw_rates(rates, 1000, tmp_path / "rates.png")
    assert (tmp_path / "rates.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "rates.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.slow
def test_equal_learners_are_told_apart_by_the_right_test_only(simulation):
    studies = np.array([simulation.simulate_study(study, n_resamples=500) for study in range(N_STUDIES)])
    rates = dict(zip(simulation.DESIGNS, simulation.rejection_rates(studies).tolist(), strict=True))

    for fraction in ("1%", "10%", "50%"):  # one test set
        plain, corrected, two_way = rates[fraction]
        assert plain > 0.3
        assert two_way < 0.05 + MARGIN
    for fraction, at_least in (("10%", 0.6), ("50%", 0.8)):
        plain, corrected, _ = rates[fraction]
        assert min(plain, corrected) > at_least

    plain, corrected, two_way = rates["re-splits"]
    assert corrected == pytest.approx(0.05, abs=MARGIN)
    assert plain > 0.05 + MARGIN
    assert math.isnan(two_way)
