"""Precision, recall and F1: scikit-learn's numbers, and the literal bootstrap's replicates."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, precision_recall_fscore_support

from stats import (
    bootstrap_replicates,
    called_classes,
    class_replicates,
    class_scores,
    difference_from_replicates,
    paired_bootstrap,
    resampling,
    two_way_bootstrap,
)

quick = settings(deadline=None, max_examples=40)
N_RESAMPLES = 60
OF_EACH_CLASS = ("precision", "recall", "f1")
# Small random studies leave replicates out; that this is said is tested by name below and in test_bootstrap.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*replicates left out:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:.*the same on every replicate:RuntimeWarning"),
]


def by_scikit_learn(y, called, n_classes):
    """(precision, recall, F1) of each class; what has no case is not defined here."""
    scores = precision_recall_fscore_support(y, called, labels=range(n_classes), zero_division=0)
    present = np.isin(np.arange(n_classes), y)
    return {name: np.where(present, values, np.nan) for name, values in zip(OF_EACH_CLASS, scores, strict=False)}


def naive_replicates(y, runs, n_classes, groups, seed):
    """Literal bootstrap by scikit-learn: rows of drawn groups one after the other, every repeat as often as drawn."""
    names, index = np.unique(groups, return_inverse=True)
    draws = np.random.default_rng(np.random.SeedSequence(seed).spawn(2)[0])
    repeats = resampling.repeat_weights(len(runs), N_RESAMPLES, seed)
    values = {name: np.empty((N_RESAMPLES, n_classes)) for name in OF_EACH_CLASS}
    for replicate in range(N_RESAMPLES):
        drawn = draws.integers(names.size, size=names.size)
        rows = np.concatenate([np.flatnonzero(index == group) for group in drawn])
        measured = [by_scikit_learn(y[rows], runs[r, rows], n_classes) for r in np.flatnonzero(repeats[replicate])]
        times = repeats[replicate][repeats[replicate] > 0]
        for name in OF_EACH_CLASS:
            values[name][replicate] = np.average([one[name] for one in measured], axis=0, weights=times)
    return values


@st.composite
def studies(draw, n_repeats=None):
    """y (n,), called classes of two models (repeats, n), number of classes, groups, seed; classes may be absent."""
    n, seed = draw(st.integers(5, 40)), draw(st.integers(0, 2**32))
    n_repeats, n_classes = n_repeats or draw(st.integers(1, 3)), draw(st.integers(2, 5))
    generator = np.random.default_rng(seed)
    y = generator.integers(0, draw(st.integers(1, n_classes)), n)
    anything = generator.integers(0, draw(st.integers(1, n_classes)), (2, n_repeats, n))
    called = np.where(generator.random((2, n_repeats, n)) < draw(st.sampled_from([0.2, 0.8])), y, anything)
    return y, called[0], called[1], n_classes, generator.integers(0, draw(st.sampled_from([4, 100])), n), seed % 1000


# Values


@quick
@given(study=studies(n_repeats=1))
def test_values_are_scikit_learns(study):
    y, (called,), _, n_classes, _, _ = study
    ours, theirs = class_scores(y, called, categories=range(n_classes)), by_scikit_learn(y, called, n_classes)
    for name in OF_EACH_CLASS:
        np.testing.assert_allclose(getattr(ours, name), theirs[name], rtol=1e-14)
    assert ours.accuracy == pytest.approx(accuracy_score(y, called), rel=1e-14)
    assert ours.n_true.tolist() == np.bincount(y, minlength=n_classes).tolist()
    # Where every class has a case, the plain mean is scikit-learn's macro average.
    if len(np.unique(y)) == n_classes:
        assert ours.f1.mean() == pytest.approx(f1_score(y, called, average="macro"), rel=1e-14)


def test_a_class_that_is_never_called_has_precision_and_f1_of_zero():
    scores = class_scores([0, 0, 1, 2], [0, 1, 1, 0], categories=range(3))
    assert scores.precision.tolist() == [0.5, 0.5, 0]
    assert scores.recall.tolist() == [0.5, 1, 0]
    assert scores.f1.tolist() == [0.5, 2 / 3, 0]


@pytest.mark.parametrize("called", [[0, 0, 1, 1], [0, 2, 2, 1]])
def test_a_class_without_a_case_is_not_defined_whether_called_or_not(called):
    scores = class_scores([0, 0, 1, 1], called, categories=range(3))
    for name in OF_EACH_CLASS:
        values = getattr(scores, name)
        assert np.isnan(values).tolist() == [False, False, True]
        assert math.isnan(values.mean())
    assert scores.n_true.tolist() == [2, 2, 0]


def test_classes_are_those_of_y_unless_they_are_given():
    y, called = ["viral", "normal", "viral", "normal"], ["viral", "bacterial", "normal", "normal"]
    scores = class_scores(y, called)
    assert scores.categories == ["normal", "viral"]
    assert scores.recall.tolist() == [0.5, 0.5]
    assert scores.precision.tolist() == [0.5, 1]
    assert scores.accuracy == 0.5
    given_order = class_scores(y, called, categories=["viral", "normal", "bacterial"])
    assert given_order.precision[:2].tolist() == [1, 0.5]
    assert given_order.to_dict()["categories"] == ["viral", "normal", "bacterial"]


# Replicates


@quick
@given(study=studies())
def test_replicates_are_the_naive_loop_on_the_same_resamples(study):
    y, runs, _, n_classes, groups, seed = study
    options = {"categories": range(n_classes), "groups": groups, "n_resamples": N_RESAMPLES, "rng": seed}
    expected, together = naive_replicates(y, runs, n_classes, groups, seed), class_replicates(y, runs, **options)
    for name in OF_EACH_CLASS:
        np.testing.assert_allclose(together[name], expected[name], rtol=1e-12)
        alone = bootstrap_replicates(name, y, runs, per_class=True, **options)
        np.testing.assert_array_equal(alone, together[name])
        macro = bootstrap_replicates(name, y, runs, **options)
        np.testing.assert_array_equal(macro, alone.mean(axis=1))
    del options["categories"]
    accuracy = bootstrap_replicates("accuracy", y, runs, **options)
    np.testing.assert_allclose(together["accuracy"][:, 0], accuracy, rtol=1e-14)


@pytest.mark.parametrize("name", OF_EACH_CLASS)
@quick
@given(study=studies())
def test_differencing_replicates_of_two_models_is_their_comparison(name, study):
    # Four copies, so that resamples have a case of each class.
    y, a, b, seed = (*(np.concatenate([part] * 4, axis=-1) for part in study[:3]), study[-1])
    options = {"groups": np.arange(y.size) // 2, "n_resamples": N_RESAMPLES, "rng": seed}
    compared = two_way_bootstrap(name, y, a, b, **options)
    estimates = [np.mean([getattr(class_scores(y, run), name).mean() for run in runs]) for runs in (a, b)]
    replicates = [bootstrap_replicates(name, y, runs, **options) for runs in (a, b)]
    by_hand = difference_from_replicates(estimates[0], replicates[0], estimates[1], replicates[1])
    assert by_hand.difference == pytest.approx(compared.difference, abs=1e-15)
    assert (by_hand.se, by_hand.pvalue) == (compared.se, compared.pvalue)


def test_a_callable_of_scikit_learn_gives_what_the_fast_path_gives():
    generator = np.random.default_rng(0)
    y = generator.integers(0, 3, 90)
    a, b = (np.where(generator.random(90) < quality, y, generator.integers(0, 3, 90)) for quality in (0.4, 0.8))
    options = {"groups": np.arange(90) // 2, "n_resamples": 100, "method": "BCa"}
    fast = paired_bootstrap("f1", y, a, b, **options)
    slow = paired_bootstrap(lambda true, called: f1_score(true, called, average="macro"), y, a, b, **options)
    assert (fast.difference, fast.se, fast.low, fast.high) == pytest.approx(
        (slow.difference, slow.se, slow.low, slow.high)
    )
    assert fast.pvalue == slow.pvalue


def test_text_and_numbers_of_classes_are_alike():
    generator = np.random.default_rng(1)
    y, called = generator.integers(0, 3, (2, 50))
    names = np.array(["bacterial", "normal", "viral"])
    by_number = bootstrap_replicates("precision", y, called, n_resamples=50, per_class=True)
    by_name = bootstrap_replicates("precision", names[y], list(names[called]), n_resamples=50, per_class=True)
    np.testing.assert_array_equal(by_number, by_name)


def test_batches_and_counts_too_large_for_float32_do_not_change_the_answer(monkeypatch):
    generator = np.random.default_rng(2)
    y, runs = generator.integers(0, 4, 37), generator.integers(0, 4, (3, 37))
    whole = class_replicates(y, runs, n_resamples=300)
    monkeypatch.setattr(resampling, "BATCH_ELEMENTS", 37 * 23)
    monkeypatch.setattr(called_classes, "WHOLE_IN_FLOAT32", 1)
    parts = class_replicates(y, runs, n_resamples=300)
    for name, values in whole.items():
        np.testing.assert_array_equal(parts[name], values)


def test_identical_calls_differ_by_nothing():
    y, called = np.random.default_rng(3).integers(0, 3, (2, 60))
    for name in OF_EACH_CLASS:
        result = paired_bootstrap(name, y, called, called.copy(), n_resamples=100)
        assert (result.difference, result.se, result.pvalue, result.low, result.high) == (0, 0, 1, 0, 0)


def test_replicates_without_a_class_are_left_out_and_told():
    y = np.r_[1, np.zeros(29, int)]
    a, b = np.random.default_rng(4).integers(0, 2, (2, 30))
    with pytest.warns(RuntimeWarning, match="without a case of some class"):
        result = paired_bootstrap("recall", y, a, b, n_resamples=1000)
    assert result.n_resamples == pytest.approx(1000 * (1 - (1 - 1 / 30) ** 30), abs=60)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda y, a: class_scores(y, a[:-1]), r"called has shape \(3,\) beside y of shape \(4,\)"),
        (lambda y, a: class_scores(y, [a, a]), r"expected \(4,\), one class per case"),
        (lambda y, a: class_scores([], []), "at least one case"),
        (
            lambda y, a: class_scores([0, 1, 1, 0], a, categories=[0, 1]),
            "called is 2 at row 3, which is not one",
        ),
        (lambda y, a: class_scores(y, a, categories=[0, 1, 2, 2]), "expected each label once"),
        (lambda y, a: class_scores(y, ["0", "1", "1", "2"]), "numbers and text; expected labels of one kind"),
        (lambda y, a: class_scores(["p", "q"], ["p", None]), "called is missing"),
        (lambda y, a: class_scores([0.0, np.nan], [0, 1]), "y is missing"),
        (lambda y, a: bootstrap_replicates("f1", ["p", "q"], ["p", math.nan]), "score is missing"),
        (lambda y, a: class_replicates(y, [a, [0, 1, 1, 7]], categories=range(3)), "called of repeat 1 is 7 at row 3"),
        (lambda y, a: class_scores(np.arange(1001), np.arange(1001)), "1001 different labels"),
        (lambda y, a: bootstrap_replicates("f1", np.eye(2), np.eye(2)), r"expected \(n,\) for 'f1'"),
        (lambda y, a: bootstrap_replicates("auc", y, a, categories=[0, 1]), "categories .* precision, recall, f1"),
        (lambda y, a: paired_bootstrap("mean", a, categories=[0, 1]), "they are for precision, recall and f1"),
        (lambda y, a: paired_bootstrap("recall", y, a, a, categories=range(4)), "NaN on the data themselves"),
    ],
)
def test_what_cannot_be_measured_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call([0, 1, 1, 2], [0, 0, 1, 2])
