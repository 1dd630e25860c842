"""Brier score, calibration error and sensitivity: by hand, against scikit-learn, and on literal resamples."""

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, recall_score

from stats import (
    bootstrap_replicates,
    brier_score,
    called_calibration_error,
    expected_calibration_error,
    multiclass_brier_score,
    paired_bootstrap,
    sensitivity,
)
from stats.probabilities import bins_of
from stats.resampling import repeat_weights

FUNCTIONS = {
    "brier": brier_score,
    "ece": expected_calibration_error,
    "sensitivity": sensitivity,
    "multiclass_brier": multiclass_brier_score,
    "called_ece": called_calibration_error,
}


def naive_ece(right, confidence):
    """Guo et al. 2017, equations 3 and 5, bin by bin."""
    total = 0.0
    for k in range(10):
        inside = (confidence > k / 10) & (confidence <= (k + 1) / 10) | ((k == 0) & (confidence == 0))
        if inside.any():
            total += inside.sum() * abs(right[inside].mean() - confidence[inside].mean())
    return total / len(right)


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def test_the_brier_score_is_scikit_learns(rng):
    y, score = rng.integers(0, 2, 60), rng.random(60)
    assert brier_score(y, score) == pytest.approx(brier_score_loss(y, score), abs=1e-14)


def test_over_classes_it_is_briers_own_from_0_to_2(rng):
    y, score = np.eye(4)[rng.integers(0, 4, 60)], rng.dirichlet(np.ones(4), 60)
    assert multiclass_brier_score(y, score) == pytest.approx(((y - score) ** 2).sum(axis=1).mean(), abs=1e-14)
    assert multiclass_brier_score(y, y) == 0
    assert multiclass_brier_score(y, np.roll(y, 1, axis=1)) == 2
    by_class = sum(brier_score(y[:, k], score[:, k]) for k in range(4))
    assert multiclass_brier_score(y, score) == pytest.approx(by_class, abs=1e-14)


def test_the_calibration_error_is_that_of_guo(rng):
    y, score = rng.integers(0, 2, 200), np.round(rng.random(200), 2)  # many on the edges of bins
    assert expected_calibration_error(y, score) == pytest.approx(naive_ece(y, score), abs=1e-14)
    one_hot, scores = np.eye(3)[rng.integers(0, 3, 200)], rng.dirichlet(np.ones(3), 200)
    called = scores.argmax(axis=1)
    right = one_hot[np.arange(200), called]
    assert called_calibration_error(one_hot, scores) == pytest.approx(naive_ece(right, scores.max(axis=1)), abs=1e-14)


def test_the_calibration_error_by_hand():
    # Bin 0: one of two positive at .1 on average; bin 9: none of one at .95.
    assert expected_calibration_error([0, 1, 0], [0.1, 0.1, 0.95]) == pytest.approx((2 * 0.4 + 0.95) / 3)
    assert expected_calibration_error([0, 1], [0.0, 1.0]) == 0


def test_bins_hold_their_upper_edge():
    edges = np.arange(11) / 10
    assert bins_of(edges).tolist() == [0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert bins_of(np.nextafter(edges[1:-1], 1)).tolist() == list(range(1, 10))
    assert bins_of([0.0, 0.5, 0.51, 1.0], 2).tolist() == [0, 0, 1, 1]


def test_sensitivity_is_the_share_of_positives_called(rng):
    y, called = rng.integers(0, 2, 60), rng.integers(0, 2, 60)
    assert sensitivity(y, called) == pytest.approx(recall_score(y, called), abs=1e-15)


@pytest.mark.parametrize("name", list(FUNCTIONS))
def test_replicates_are_those_of_the_resampled_rows(rng, name):
    n, classes, repeats, seed = 40, 3, 2, 7
    patients = rng.integers(0, 15, n)
    y = np.eye(classes)[rng.integers(0, classes, n)]
    score = rng.dirichlet(np.ones(classes), (repeats, n))
    if name == "sensitivity":
        score = (score > 0.3).astype(float)
    whole = name in ("multiclass_brier", "called_ece")
    if not whole:
        y[:5, 1] = np.nan
    found = bootstrap_replicates(name, y, score, groups=patients, n_resamples=50, rng=seed, per_class=True)
    names, group = np.unique(patients, return_inverse=True)
    draws = np.random.default_rng(np.random.SeedSequence(seed).spawn(2)[0])
    times = repeat_weights(repeats, 50, seed)
    for replicate in range(50):
        drawn = draws.integers(names.size, size=names.size)
        rows = np.concatenate([np.flatnonzero(group == each) for each in drawn])
        for column in range(1 if whole else classes):
            kept = rows if whole else rows[~np.isnan(y[rows, column])]
            part = slice(None) if whole else column
            labels = y[kept][:, part]
            if name == "sensitivity" and not (labels == 1).any():
                assert np.isnan(found[replicate, column])
                continue
            values = [FUNCTIONS[name](labels, score[r, kept][:, part]) for r in range(repeats)]
            assert found[replicate, column] == pytest.approx(times[replicate] @ values / repeats, abs=1e-12)


def test_differences_are_paired(rng):
    y = rng.integers(0, 2, 80)
    a, b = np.clip(0.6 * y + rng.normal(0.2, 0.1, (2, 80)), 0, 1)
    result = paired_bootstrap("brier", y, a, b, n_resamples=500)
    by_hand = paired_bootstrap("mean", (a - y) ** 2 - (b - y) ** 2, n_resamples=500)
    assert result.difference == pytest.approx(by_hand.difference, abs=1e-14)
    assert result.pvalue == by_hand.pvalue
    same = paired_bootstrap("ece", y, a, a, n_resamples=100)
    assert (same.difference, same.pvalue, same.low, same.high) == (0, 1, 0, 0)


def test_the_calibration_error_of_a_calibrated_model_is_biased_upwards(rng):
    score = rng.random((200, 50))
    y = (rng.random((200, 50)) < score).astype(float)
    errors = [expected_calibration_error(*pair) for pair in zip(y, score, strict=True)]
    larger = expected_calibration_error((rng.random(20_000) < (p := rng.random(20_000))).astype(float), p)
    assert np.mean(errors) > 0.08
    assert larger < 0.02


@pytest.mark.parametrize(
    ("name", "y", "score", "message"),
    [
        ("brier", [0, 2], [0.1, 0.2], "y is 2"),
        ("brier", [0, 1], [0.1, 1.2], "score holds 1.2; expected probabilities"),
        ("ece", [0, 1], [0.1, np.nan], "score .* is NaN"),
        ("ece", [0, 1], [0.1], "expected the same|expected \\(n,\\)"),
        ("brier", [np.nan, np.nan], [0.1, 0.2], "expected a case with a label"),
        ("sensitivity", [0, 0], [1, 0], "expected a positive case"),
        ("sensitivity", [0, 1], [0.4, 0.6], "expected calls of 1 and 0"),
        ("multiclass_brier", [[1, 1], [0, 1]], [[0.5, 0.5], [0.5, 0.5]], "not one-hot"),
        ("called_ece", [[np.nan, 1]], [[0.5, 0.5]], "y is NaN"),
        ("called_ece", [0, 1], [0.5, 0.5], "expected \\(n, classes\\)|not one-hot"),
    ],
)
def test_what_cannot_be_is_refused(name, y, score, message):
    with pytest.raises(ValueError, match=message):
        FUNCTIONS[name](y, score)
    with pytest.raises(ValueError, match=message):
        bootstrap_replicates(name, y, score, n_resamples=10)
