from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from evalkit.pretraining.collapse import alignment, describe_collapse, feature_spread, uniformity


def sphere(count: int, length: int, seed: int = 0) -> torch.Tensor:
    return functional.normalize(torch.randn(count, length, generator=torch.Generator().manual_seed(seed)), dim=1)


def test_equal_features_have_collapsed() -> None:
    same = sphere(1, 32).expand(10, -1)
    found = describe_collapse(same, same)
    assert found == {"feature_std": pytest.approx(0, abs=1e-6), "alignment": 0.0, "uniformity": pytest.approx(0)}


def test_features_all_over_the_sphere_have_not() -> None:
    first, second = sphere(2000, 64), sphere(2000, 64, seed=1)
    found = describe_collapse(first, second)
    assert found["feature_std"] == pytest.approx(1, abs=0.01)
    assert found["alignment"] == pytest.approx(2, abs=0.02)
    # E exp(-2 |x - y|^2) = E exp(-4 + 4 x.y), and x.y is about normal with variance 1/d.
    assert found["uniformity"] == pytest.approx(-4 + 8 / 64, abs=0.02)


def test_each_is_its_formula() -> None:
    first, second = sphere(6, 5), sphere(6, 5, seed=1)
    x, y = first.double().numpy(), second.double().numpy()
    assert feature_spread(first).item() == pytest.approx(x.std(axis=0).mean() * math.sqrt(5), rel=1e-5)
    assert alignment(first, second).item() == pytest.approx(np.mean(np.linalg.norm(x - y, axis=1) ** 2), rel=1e-5)
    pairs = [math.exp(-2 * np.sum((x[i] - x[j]) ** 2)) for i in range(6) for j in range(i)]
    assert uniformity(first).item() == pytest.approx(math.log(np.mean(pairs)), rel=1e-5)
    found = describe_collapse(first, second)
    assert found["uniformity"] == pytest.approx((uniformity(first).item() + uniformity(second).item()) / 2)
