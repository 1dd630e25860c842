from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.calibration import calibration_curve

import stats
from stats.probabilities import expected_calibration_error


def draw(n, seed=0):
    rng = np.random.default_rng(seed)
    score = rng.random(n)
    return (rng.random(n) < score).astype(float), score


@pytest.mark.parametrize("bins", [5, 10, 13])
def test_points_are_scikit_learns(bins) -> None:
    y, score = draw(300)
    score[:4] = (0, 0.2, 0.6, 1)
    result = stats.reliability(y, score, n_bins=bins)
    observed, predicted = calibration_curve(y, score, n_bins=bins)
    np.testing.assert_allclose(result.observed, observed)
    np.testing.assert_allclose(result.predicted, predicted)
    assert result.cases.sum() == 300
    assert result.edges.tolist() == [k / bins for k in range(bins + 1)]


def test_intervals_are_wilsons() -> None:
    y, score = draw(60)
    result = stats.reliability(y, score, confidence_level=0.9)
    for k in range(10):
        cases = int(result.cases[k])
        interval = binomtest(round(result.observed[k] * cases), cases).proportion_ci(0.9, method="wilson")
        assert (result.low[k], result.high[k]) == pytest.approx((interval.low, interval.high), abs=1e-12)


def test_bins_without_a_case_have_no_share() -> None:
    result = stats.reliability([1, 0, 0], [0.95, 0.91, 0.92])
    assert result.cases.tolist() == [0] * 9 + [3]
    assert np.isnan(result.observed[:9]).all()
    assert np.isnan(result.low[:9]).all()
    assert result.observed[9] == pytest.approx(1 / 3)


def test_a_bin_of_one_kind_has_an_interval_with_a_width() -> None:
    result = stats.reliability([0] * 5, [0.05] * 5)
    assert result.low[0] == result.observed[0] == 0
    assert result.high[0] > 0.4


def test_intervals_count_patients_and_not_their_images() -> None:
    y, score = draw(50)
    once = stats.reliability(y, score)
    twice = stats.reliability(np.repeat(y, 2), np.repeat(score, 2), groups=np.repeat(np.arange(50), 2))
    np.testing.assert_array_equal(twice.cases, 2 * once.cases)
    np.testing.assert_array_equal(twice.groups, once.cases)
    np.testing.assert_allclose(twice.low, once.low)
    np.testing.assert_allclose(twice.ece, once.ece)


def test_runs_are_pooled_and_count_as_one() -> None:
    (y, first), (_, second) = draw(80), draw(80, seed=1)
    result = stats.reliability(y, [first, second])
    pooled = stats.reliability([*y, *y], [*first, *second])
    np.testing.assert_allclose(result.observed, pooled.observed)
    np.testing.assert_allclose(result.predicted, pooled.predicted)
    np.testing.assert_allclose(result.cases, pooled.cases / 2)
    assert (result.high - result.low > pooled.high - pooled.low).all()
    errors = [expected_calibration_error(y, score) for score in (first, second)]
    assert result.ece == pytest.approx(np.mean(errors))


def test_what_happened_may_differ_between_runs() -> None:
    score = [[0.9, 0.8], [0.7, 0.6]]
    result = stats.reliability([[1, 0], [0, 1]], score, n_bins=2)
    assert result.observed[1] == 0.5
    assert result.predicted[1] == 0.75
    assert result.cases.tolist() == [0, 2]


@pytest.mark.parametrize(
    ("y", "score", "message"),
    [
        ([1, 0], [0.1], "shape"),
        ([], [], "at least one"),
        ([1, 0.5], [0.1, 0.2], "expected 1"),
        ([1, np.nan], [0.1, 0.2], "NaN"),
        ([1, 0], [0.1, 1.2], "probabilities"),
        ([1, 0], [0.1, np.nan], "NaN"),
    ],
)
def test_what_is_no_probability_or_no_event_is_refused(y, score, message) -> None:
    with pytest.raises(ValueError, match=message):
        stats.reliability(y, score)
