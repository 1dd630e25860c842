from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from evalkit.training.selection import score_labels

NAN = np.nan


def test_it_is_the_mean_auc_of_the_classes_that_have_one() -> None:
    random = np.random.default_rng(0)
    targets = random.integers(0, 2, (30, 3)).astype(np.float32)
    targets[:, 2] = 1
    targets[:10, 0] = NAN
    logits = random.normal(size=(30, 3)).astype(np.float32)
    expected = (roc_auc_score(targets[10:, 0], logits[10:, 0]) + roc_auc_score(targets[:, 1], logits[:, 1])) / 2
    score = score_labels(targets, logits)
    assert (score.kind, score.value) == ("mean auc", pytest.approx(expected))


def test_ties_count_half() -> None:
    targets = np.array([[1], [0], [1], [0], [0]], np.float32)
    logits = np.array([[2], [2], [3], [1], [3]], np.float32)
    assert score_labels(targets, logits).value == pytest.approx(roc_auc_score(targets[:, 0], logits[:, 0]))


def test_without_an_auc_it_is_the_negative_loss() -> None:
    targets = np.array([[1, NAN], [1, 0]], np.float32)
    logits = np.array([[2.0, 9.0], [0.0, -1.0]], np.float32)
    terms = [math.log1p(math.exp(-2)), math.log(2), math.log1p(math.exp(-1))]
    score = score_labels(targets, logits)
    assert (score.kind, score.value) == ("negative loss", pytest.approx(-sum(terms) / 3))


def test_without_a_label_it_is_zero() -> None:
    assert score_labels(np.full((2, 2), NAN, np.float32), np.ones((2, 2), np.float32)).value == 0


def test_logits_that_are_not_finite_have_no_score() -> None:
    score = score_labels(np.array([[1], [0]], np.float32), np.array([[NAN], [1]], np.float32))
    assert math.isnan(score.value)
