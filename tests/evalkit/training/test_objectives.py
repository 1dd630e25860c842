from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score
from sklearn.utils.class_weight import compute_class_weight
from torch.nn import functional

from evalkit.training.losses import masked_bce
from evalkit.training.objectives import MultilabelObjective, choose_objective

CALLED = np.array([0, 0, 0, 0, 1, 2, 2, 0])
ONE_HOT = np.eye(3, dtype=np.float32)[CALLED]
LOGITS = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)


@pytest.mark.parametrize("class_weights", ["none", "balanced"])
def test_the_multiclass_loss_is_torchs_weighted_cross_entropy(class_weights: str) -> None:
    objective = choose_objective("multiclass", class_weights, ONE_HOT)
    weights = compute_class_weight("balanced", classes=np.arange(3), y=CALLED) if class_weights == "balanced" else None
    logits = torch.from_numpy(LOGITS)
    expected = functional.cross_entropy(
        logits, torch.from_numpy(CALLED), weight=None if weights is None else torch.tensor(weights, dtype=torch.float32)
    )
    total = float(objective.weigh(ONE_HOT).sum())
    loss = objective.loss(logits, torch.from_numpy(ONE_HOT), total=total)
    torch.testing.assert_close(loss, expected)
    parts = [
        objective.loss(logits[part], torch.from_numpy(ONE_HOT[part]), total=total)
        for part in (slice(0, 3), slice(3, 7), slice(7, 8))
    ]
    torch.testing.assert_close(sum(parts), expected)


def test_the_multiclass_score_is_balanced_accuracy_over_the_classes_there_are() -> None:
    objective = choose_objective("multiclass", "none", ONE_HOT)
    score = objective.score(ONE_HOT, LOGITS)
    assert score.kind == "mean recall"
    assert score.value == pytest.approx(balanced_accuracy_score(CALLED, LOGITS.argmax(axis=1)))
    some = CALLED != 1
    expected = balanced_accuracy_score(CALLED[some], np.delete(LOGITS[some], 1, axis=1).argmax(axis=1) * 2)
    without = LOGITS[some].copy()
    without[:, 1] = -9
    assert objective.score(ONE_HOT[some], without).value == pytest.approx(expected)
    assert np.isnan(objective.score(ONE_HOT, np.full_like(LOGITS, np.nan)).value)


def test_probabilities_add_up_and_survive_large_logits() -> None:
    objective = choose_objective("multiclass", "none", ONE_HOT)
    probabilities = objective.probabilities(np.array([[1000, -1000, 0], [0.1, 0.2, 0.3]], np.float32))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    np.testing.assert_array_equal(probabilities[0], [1, 0, 0])
    separate = MultilabelObjective().probabilities(np.array([[1000, -1000, 0]], np.float32))
    np.testing.assert_array_equal(separate, [[1, 0, 0.5]])


def test_balanced_weights_of_a_class_without_an_image_are_zero() -> None:
    objective = choose_objective("multiclass", "balanced", ONE_HOT[:, [0, 1, 2, 2]] * [1, 1, 1, 0])
    np.testing.assert_array_equal(objective.weigh(np.eye(4, dtype=np.float32))[3], 0)


def test_the_multilabel_objective_counts_known_labels() -> None:
    targets = np.array([[1, np.nan], [0, 1]], np.float32)
    objective = choose_objective("multilabel", "none", targets)
    np.testing.assert_array_equal(objective.weigh(targets), [1, 2])
    logits = torch.tensor([[0.3, 0.1], [-0.2, 0.9]])
    expected = masked_bce(logits, torch.from_numpy(targets))
    torch.testing.assert_close(objective.loss(logits, torch.from_numpy(targets), total=3.0), expected)
