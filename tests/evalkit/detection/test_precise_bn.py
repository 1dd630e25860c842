"""Normalisation statistics measured anew."""

from __future__ import annotations

import pytest
import torch

from evalkit.detection.precise_bn import precise_bn
from evalkit.detection.torchvision_engine import TorchvisionEngine
from evalkit.errors import InputError

from .conftest import CanonicalWeights, make_images, make_spec, make_target

ENGINE = TorchvisionEngine()


def _batches():
    images = make_images((64, 64), (64, 64), (64, 64), (64, 64))
    target = make_target([[10, 10, 40, 40]], [1])
    return [(images[:1], [target]), (images[1:], [target] * 3)]


def test_statistics_are_those_of_all_values_of_all_batches(canonical: CanonicalWeights) -> None:
    detector = ENGINE.build(make_spec("R50-C4"), canonical(), seed=0)
    before = {name: tensor.clone() for name, tensor in detector.state_dict().items()}

    measured = precise_bn(ENGINE, detector, _batches())

    with torch.no_grad():
        everything = detector.batch([image for images, _ in _batches() for image in images]).tensors
        values = detector.trunk.conv1(everything).transpose(0, 1).flatten(1)
    assert measured == 21
    torch.testing.assert_close(detector.trunk.bn1.running_mean, values.mean(dim=1), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(detector.trunk.bn1.running_var, values.var(dim=1), atol=1e-5, rtol=1e-5)
    changed = {name for name, tensor in detector.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == {name for name in before if name.endswith(("running_mean", "running_var"))}
    assert all(parameter.grad is None for parameter in detector.parameters())


def test_measuring_twice_gives_the_same(canonical: CanonicalWeights) -> None:
    detector = ENGINE.build(make_spec("R50-C4"), canonical(), seed=0)

    def measure():
        torch.manual_seed(5)
        precise_bn(ENGINE, detector, _batches())
        return {name: buffer.clone() for name, buffer in detector.named_buffers()}

    first, second = measure(), measure()

    assert all(torch.equal(first[name], second[name]) for name in first)


def test_frozen_normalisation_is_left_alone(canonical: CanonicalWeights) -> None:
    detector = ENGINE.build(make_spec("R50-C4", "detectron2"), canonical(), seed=0)
    before = detector.trunk.bn1.running_mean.clone()

    assert precise_bn(ENGINE, detector, _batches()) == 0
    assert torch.equal(detector.trunk.bn1.running_mean, before)


def test_no_batch_is_refused_and_changes_nothing() -> None:
    detector = ENGINE.build(make_spec(), None, seed=0)
    before = detector.trunk.bn1.running_var.clone()

    with pytest.raises(InputError, match="no batches"):
        precise_bn(ENGINE, detector, [])
    assert torch.equal(detector.trunk.bn1.running_var, before)
