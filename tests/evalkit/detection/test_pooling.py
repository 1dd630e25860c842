from __future__ import annotations

import pytest
import torch
from torchvision.ops import roi_align

from evalkit.detection.pooling import pool_by_axes, pool_regions


def regions() -> list[torch.Tensor]:
    """Small, large, reaching out of the image, thin, empty, and none at all."""
    return [
        torch.tensor(
            [[3.0, 5.0, 20.0, 33.0], [0.0, 0.0, 320.0, 208.0], [-40.0, -9.0, 60.0, 30.0], [290.0, 150.0, 400.0, 300.0]]
        ),
        torch.tensor([[100.2, 50.7, 101.0, 180.3], [64.0, 64.0, 64.0, 96.0], [7.7, 7.7, 255.1, 90.4]]),
        torch.zeros(0, 4),
    ]


@pytest.mark.parametrize("side", [7, 14])
def test_two_products_give_what_the_kernel_gives(side: int) -> None:
    torch.manual_seed(0)
    features = torch.rand(3, 5, 13, 20, requires_grad=True)
    expected = roi_align(features, regions(), side, spatial_scale=1 / 16, sampling_ratio=0, aligned=True)
    found = pool_by_axes(features, regions(), side, scale=1 / 16)
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-5)
    weights = torch.rand_like(expected)
    (gradient,) = torch.autograd.grad((expected * weights).sum(), features)
    (ours,) = torch.autograd.grad((found * weights).sum(), features)
    torch.testing.assert_close(ours, gradient, atol=1e-4, rtol=1e-4)


def test_many_regions_are_pooled_in_parts() -> None:
    torch.manual_seed(0)
    features = torch.rand(1, 2, 8, 8)
    corners = torch.rand(150, 2) * 100
    many = [torch.cat([corners, corners + 5 + torch.rand(150, 2) * 60], dim=1)]
    expected = pool_regions(features, many, 7, scale=1 / 16)
    torch.testing.assert_close(pool_by_axes(features, many, 7, scale=1 / 16), expected, atol=2e-5, rtol=1e-5)


def test_without_any_region_there_is_nothing() -> None:
    assert pool_by_axes(torch.rand(1, 4, 8, 8), [torch.zeros(0, 4)], 7, scale=1 / 16).shape == (0, 4, 7, 7)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("head", ["R50-C4", "R50-DC5"])
def test_a_step_on_a_card_is_the_same_every_time(head: str) -> None:
    from evalkit.config.detector import DetectorSpec
    from evalkit.detection.engine import engine_named

    engine = engine_named("torchvision")
    torch.use_deterministic_algorithms(True)
    try:
        gradients = []
        for _ in range(2):
            model = engine.build(DetectorSpec.model_validate({"head": head, "arch": "resnet18"}), None, 0).cuda()
            torch.manual_seed(0)
            images = [torch.rand(1, 320, 320).cuda()]
            boxes = torch.tensor([[40.0, 40.0, 200.0, 180.0]]).cuda()
            losses = engine.losses(
                model, images, [{"boxes": boxes, "labels": torch.zeros(1, dtype=torch.int64).cuda()}]
            )
            torch.stack(list(losses.values())).sum().backward()
            gradients.append(next(model.parameters()).grad)
        assert torch.equal(*gradients)
    finally:
        torch.use_deterministic_algorithms(False)
