"""Frozen normalisation."""

from __future__ import annotations

import torch
from torch import nn

from evalkit.detection.freezing import FrozenNormalisation, freeze_normalisation, freeze_weights


def _layer() -> nn.BatchNorm2d:
    layer = nn.BatchNorm2d(3).eval()
    with torch.no_grad():
        for tensor in (layer.weight, layer.bias, layer.running_mean, layer.running_var):
            tensor.uniform_(0.5, 2)
    return layer


def test_it_computes_what_normalisation_does_in_evaluation_with_and_without_gradients() -> None:
    layer = _layer()
    network = nn.Sequential(layer)
    freeze_normalisation(network)
    network.train()
    images = torch.randn(2, 3, 4, 5)

    assert isinstance(network[0], FrozenNormalisation)
    torch.testing.assert_close(network(images), layer(images))
    torch.testing.assert_close(network(images.clone().requires_grad_()), layer(images))
    assert not list(network.parameters())


def test_it_keeps_half_precision() -> None:
    network = nn.Sequential(_layer())
    freeze_normalisation(network)

    for images in (torch.randn(2, 3, 4, 5), torch.randn(2, 3, 4, 5, requires_grad=True)):
        assert network(images.bfloat16()).dtype == torch.bfloat16


def test_frozen_weights_pass_gradients_on() -> None:
    layer, images = nn.Conv2d(1, 1, 3), torch.randn(1, 1, 5, 5, requires_grad=True)
    freeze_weights(layer)

    layer(images).sum().backward()

    assert layer.weight.grad is None
    assert images.grad is not None
