"""Noise and latents: draws that belong to an image, statistics, and what tells noise from structure."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from evalkit.inversion.draws import draw_for_images
from evalkit.inversion.latents import latent_statistics, start_latents
from evalkit.inversion.noise import draw_noise, noise_structure, renormalise

from .conftest import make_generator

LIKE = torch.zeros(())


def draw(keys: list[str], *, seed: int = 1, index: int = 0, purpose: str = "a") -> torch.Tensor:
    return draw_for_images((3, 4), keys, LIKE, seed=seed, purpose=purpose, index=index)


def test_an_images_numbers_do_not_depend_on_its_batch() -> None:
    batch = draw(["a", "b", "c"])
    assert torch.equal(batch[1:2], draw(["b"]))
    assert torch.equal(batch[[2, 0]], draw(["c", "a"]))


def test_every_name_counts() -> None:
    first = draw(["a"])
    others = [draw(["b"]), draw(["a"], seed=2), draw(["a"], index=1), draw(["a"], purpose="b")]
    assert not any(torch.equal(first, other) for other in others)


def test_draws_leave_the_global_generator_alone() -> None:
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    draw(["a"])
    assert torch.equal(before, torch.random.get_rng_state())


def test_noise_has_one_input_per_shape_and_image() -> None:
    noise = draw_noise([(4, 4), (8, 8), (8, 8)], ["a", "b"], LIKE, seed=0)
    assert [tuple(each.shape) for each in noise] == [(2, 1, 4, 4), (2, 1, 8, 8), (2, 1, 8, 8)]
    assert all(each.requires_grad and each.is_leaf for each in noise)
    assert not torch.equal(noise[1], noise[2])


def structure_by_loops(field: np.ndarray) -> float:
    """The regulariser of one input of one image, pixel by pixel."""
    total = 0.0
    while True:
        side = len(field)
        for down, across in ((1, 0), (0, 1)):
            products = [
                field[row, column] * field[(row - down) % side, (column - across) % side]
                for row in range(side)
                for column in range(side)
            ]
            total += np.mean(products) ** 2
        if side <= 8:
            return total
        field = field.reshape(side // 2, 2, side // 2, 2).mean(axis=(1, 3))


def test_structure_is_the_sum_over_the_pyramid() -> None:
    noise = [each.detach().double() for each in draw_noise([(4, 4), (32, 32)], ["a", "b"], LIKE, seed=0)]
    expected = [sum(structure_by_loops(field[image, 0].numpy()) for field in noise) for image in (0, 1)]
    np.testing.assert_allclose(noise_structure(noise), expected, rtol=1e-12)


def test_structure_tells_an_image_from_noise() -> None:
    noise = draw_noise([(32, 32)], ["a"], LIKE, seed=0)[0].detach()
    smooth = torch.nn.functional.avg_pool2d(noise, 5, stride=1, padding=2)
    renormalise([noise, smooth])
    assert noise_structure([smooth]) > 100 * noise_structure([noise])


def test_renormalised_noise_has_mean_0_and_variance_1_for_each_image() -> None:
    noise = draw_noise([(8, 8), (16, 16)], ["a", "b"], LIKE, seed=0)
    with torch.no_grad():
        for field in noise:
            field[0].mul_(3).add_(1)
    renormalise(noise)
    for field in noise:
        torch.testing.assert_close(field.mean(dim=(1, 2, 3)), torch.zeros(2), atol=1e-6, rtol=0)
        torch.testing.assert_close(field.square().mean(dim=(1, 2, 3)), torch.ones(2))


def test_statistics_are_those_of_nvidias_projector() -> None:
    generator = make_generator()
    found = latent_statistics(generator, 2_500)
    drawn = np.random.RandomState(123).randn(2_500, 16)
    with torch.no_grad():
        latents = generator.map(torch.from_numpy(drawn).float()).numpy().astype(np.float64)
    np.testing.assert_allclose(found.mean, latents.mean(axis=0), atol=1e-6)
    expected = (np.sum((latents - latents.mean(axis=0)) ** 2) / 2_500) ** 0.5
    assert found.std == pytest.approx(expected, rel=1e-6)
    assert found.samples == 2_500


def test_every_image_and_layer_begins_at_the_mean() -> None:
    statistics = latent_statistics(make_generator(), 100)
    latents = start_latents(statistics, 3, 8)
    assert latents.shape == (3, 8, 16)
    assert latents.is_leaf
    assert latents.requires_grad
    assert bool((latents == statistics.mean).all())
