"""Losses against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torch.nn import functional

from evalkit.stylegan2.frechet import frechet_distance
from evalkit.stylegan2.losses import discriminator_loss, generator_loss, gradient_penalty, path_lengths

from .conftest import draw


def test_logistic_losses() -> None:
    real, generated = torch.tensor([2.0, -1.0]), torch.tensor([0.5, -3.0])
    as_real = torch.tensor([1.0, 1, 0, 0])
    expected = functional.binary_cross_entropy_with_logits(torch.cat([real, generated]), as_real, reduction="sum")
    torch.testing.assert_close(discriminator_loss(real, generated), expected)
    expected = functional.binary_cross_entropy_with_logits(generated, torch.ones(2), reduction="sum")
    torch.testing.assert_close(generator_loss(generated), expected)


def test_gradient_penalty_of_a_quadratic() -> None:
    images, weight = draw(3, 1, 2, 2).requires_grad_(), torch.tensor(0.7, requires_grad=True)
    penalty = gradient_penalty(images, weight * images.square().sum(dim=(1, 2, 3)))
    expected = (2 * 0.7) ** 2 * images.detach().square().sum()
    torch.testing.assert_close(penalty.detach(), expected)
    penalty.backward()
    torch.testing.assert_close(weight.grad, 2 * expected / 0.7)


def test_path_length_of_a_linear_generator() -> None:
    jacobian, ws, directions = draw(4, 3), draw(2, 5, 3).requires_grad_(), draw(2, 1, 2, 2, seed=2)
    images = (ws.sum(dim=1) @ jacobian.T).reshape(2, 1, 2, 2)
    lengths = path_lengths(images, ws, directions)
    expected = (directions.flatten(1) @ jacobian / math.sqrt(4)).norm(dim=1)
    torch.testing.assert_close(lengths.detach(), expected)


@pytest.mark.parametrize("images", [(40, 50), (5, 4)])
def test_frechet_distance_is_the_formula(images: tuple[int, int]) -> None:
    random = np.random.default_rng(0)
    first, second = random.normal(size=(images[0], 6)), random.normal(1, 2, size=(images[1], 6))
    one, two = np.cov(first.T), np.cov(second.T)
    expected = np.sum((first.mean(0) - second.mean(0)) ** 2) + np.trace(one + two - 2 * np.real(sqrtm(one @ two)))
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-4)
    assert frechet_distance(first, first) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(first, first + 2) == pytest.approx(6 * 4)


def test_features_that_cannot_be_compared_are_refused() -> None:
    for other in (np.zeros((3, 5)), np.zeros((1, 6)), np.full((3, 6), np.nan)):
        with pytest.raises(ValueError, match="features"):
            frechet_distance(np.zeros((4, 6)), other)
