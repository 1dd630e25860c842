from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score, roc_curve

import stats
from stats.resampling import batch_size, group_weights, repeat_weights


def read_naively(y, score, rates):
    """Where a curve rises straight up, its upper value; else on the line between its points."""
    false, true, _ = roc_curve(y, score, drop_intermediate=False)
    values = np.interp(rates, false, true)
    for k, rate in enumerate(rates):
        here = np.isclose(false, rate, rtol=0, atol=1e-9)
        if here.any():
            values[k] = true[here].max()
    return values


def make_scores(n, *, seed=0, share=0.3, runs=1, rounded=False):
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < share).astype(float)
    y[:2] = (0, 1)
    scores = rng.normal(size=(runs, n)) + y
    return y, np.round(scores) if rounded else scores


@pytest.mark.parametrize("rounded", [False, True])
@pytest.mark.parametrize("n", [7, 50, 300])
def test_the_curve_is_scikit_learns_with_and_without_ties(n, rounded) -> None:
    y, scores = make_scores(n, rounded=rounded)
    band = stats.roc_band(y, scores[0], n_resamples=50)
    np.testing.assert_allclose(band.tpr, read_naively(y, scores[0], band.fpr), atol=1e-12)
    assert band.auc == pytest.approx(roc_auc_score(y, scores[0]), abs=1e-12)
    assert band.fpr.tolist() == np.linspace(0, 1, 201).tolist()
    assert band.tpr[-1] == 1


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=25),
    rates=st.lists(st.sampled_from([0, 0.1, 0.2, 0.25, 1 / 3, 0.5, 2 / 3, 0.9, 1]), min_size=1, unique=True),
)
def test_any_curve_with_ties_is_read_off_rightly(rows, rates) -> None:
    y = np.array([True, False, *(positive for positive, _ in rows)], float)
    score = np.array([3, 3, *(value for _, value in rows)], float)
    rates = sorted(rates)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        band = stats.roc_band(y, score, fpr=rates, n_resamples=2)
    np.testing.assert_allclose(band.tpr, read_naively(y, score, rates), atol=1e-12)
    assert band.auc == pytest.approx(roc_auc_score(y, score), abs=1e-12)


def test_the_band_is_that_of_resampled_rows_by_patient_and_run() -> None:
    n_patients, n_resamples, seed = 30, 60, 3
    patients = np.repeat(np.arange(n_patients), 2)
    y, scores = make_scores(2 * n_patients, runs=3)
    scores[1] = np.round(scores[1], 1)
    rates = np.linspace(0, 1, 11)
    band = stats.roc_band(
        y, scores, fpr=rates, groups=patients, n_resamples=n_resamples, rng=seed, confidence_level=0.9
    )
    assert band.tpr == pytest.approx(np.mean([read_naively(y, run, rates) for run in scores], axis=0))

    (everything,) = group_weights(n_patients, n_resamples, seed, batch_size(y.size))
    repeats = repeat_weights(3, n_resamples, seed)
    curves = []
    for weights, times in zip(everything[1].T, repeats, strict=True):
        rows = np.concatenate(
            [np.flatnonzero(patients == each) for each in np.repeat(np.arange(30), weights.astype(int))]
        )
        of_runs = [read_naively(y[rows], run[rows], rates) for run in scores]
        curves.append(np.average(of_runs, axis=0, weights=times))
    low, high = np.quantile(curves, [0.05, 0.95], axis=0)
    np.testing.assert_allclose(band.low, low, atol=1e-9)
    np.testing.assert_allclose(band.high, high, atol=1e-9)


def test_the_area_has_the_replicates_of_tables() -> None:
    patients = np.repeat(np.arange(40), 2)
    y, scores = make_scores(80, runs=4)
    y[5] = np.nan
    band = stats.roc_band(y, scores, groups=patients, n_resamples=300, rng=11)
    replicates = stats.bootstrap_replicates("auc", y, scores, groups=patients, n_resamples=300, rng=11)
    assert (band.auc_low, band.auc_high) == pytest.approx(tuple(np.quantile(replicates, [0.025, 0.975])), abs=1e-9)
    assert band.n_resamples == 300
    assert band.warnings == ()


def test_rows_without_a_label_do_not_count() -> None:
    y, scores = make_scores(60)
    more = np.concatenate([y, [np.nan, np.nan]]), np.concatenate([scores[0], [np.nan, 99]])
    one, other = (stats.roc_band(*each, n_resamples=20) for each in ((y, scores[0]), more))
    np.testing.assert_array_equal(one.tpr, other.tpr)


def test_batches_do_not_change_the_band(monkeypatch) -> None:
    y, scores = make_scores(50)
    whole = stats.roc_band(y, scores, n_resamples=100)
    monkeypatch.setattr("stats.roc.batch_size", lambda n: 16)
    parts = stats.roc_band(y, scores, n_resamples=100)
    np.testing.assert_array_equal(whole.low, parts.low)


def test_resamples_without_a_class_are_left_out_and_told() -> None:
    y = np.array([1.0, 0, 0, 0])
    with pytest.warns(RuntimeWarning, match="left out"):
        band = stats.roc_band(y, [0.9, 0.1, 0.2, 0.3], n_resamples=200)
    assert band.n_resamples < 200
    assert band.warnings[0].startswith(f"{200 - band.n_resamples} of 200 replicates left out")
    assert (band.low == 1).all(), "a perfect curve is perfect on every resample"


def test_one_patient_has_a_curve_and_no_band() -> None:
    with pytest.warns(RuntimeWarning, match="one patient"):
        band = stats.roc_band([1, 0, 1], [0.9, 0.1, 0.05], groups=["a", "a", "a"])
    assert band.auc == 0.5
    assert np.isnan(band.low).all()
    assert np.isnan(band.auc_low)


@pytest.mark.parametrize(
    ("y", "score", "options", "message"),
    [
        ([1, 0], [[[0.1, 0.2]]], {}, "score has shape"),
        ([1, 0], [0.1], {}, "score has shape"),
        ([1, 1], [0.1, 0.2], {}, "no negative"),
        ([1, 2], [0.1, 0.2], {}, "expected 1"),
        ([1, 0], [0.1, np.nan], {}, "NaN"),
        ([1, 0], [0.1, 0.2], {"fpr": [0, 2]}, "rates in"),
        ([1, 0], [0.1, 0.2], {"fpr": [0.5, 0.2]}, "rising"),
        ([1, 0], [0.1, 0.2], {"confidence_level": 95}, "confidence level"),
        ([1, 0], [0.1, 0.2], {"n_resamples": 1}, "n_resamples"),
    ],
)
def test_what_makes_no_curve_is_refused(y, score, options, message) -> None:
    with pytest.raises(ValueError, match=message):
        stats.roc_band(y, score, **options)
