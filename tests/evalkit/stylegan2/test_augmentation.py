"""Augmentation of real and generated images, and its probability."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates

from evalkit.config.gan import AdaptiveAugmentation, Changes
from evalkit.stylegan2.augmentation import Draws, adjust, augment, warp

from .conftest import draw

ALL = slice(0, 6)
NOTHING = dict.fromkeys(Changes.model_fields, 0.0)


def draws(images: int = 6) -> Draws:
    return Draws(images, torch.Generator().manual_seed(4))


def test_probability_zero_changes_nothing_and_one_everything() -> None:
    images = draw(6, 1, 8, 8)
    assert torch.equal(augment(images, draws(), ALL, Changes(), 0.0), images)
    changed = augment(images, draws(), ALL, Changes(), 1.0)
    assert not any(torch.allclose(one, other) for one, other in zip(changed, images, strict=True))


def test_unchosen_images_keep_their_exact_values() -> None:
    images = draw(64, 1, 8, 8)
    changed = augment(images, draws(64), slice(0, 64), Changes(), 0.1)
    same = [torch.equal(one, other) for one, other in zip(changed, images, strict=True)]
    assert 64 * 0.9**7 * 0.5 < sum(same) < 64 * 0.9**7 * 1.5


def test_a_part_of_a_batch_is_changed_as_in_the_whole() -> None:
    images, part = draw(6, 3, 8, 8), slice(2, 5)
    whole = augment(images, draws(), ALL, Changes(), 0.7)
    torch.testing.assert_close(augment(images[part], draws(), part, Changes(), 0.7), whole[part])


def test_warp_reads_where_scipy_reads() -> None:
    image = draw(1, 2, 9, 9)
    angle, factor, shift = 0.3, 1.2, np.array([1.7, -0.6])
    matrix = factor * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    y, x = np.mgrid[:9, :9] - 4.0
    places = matrix @ np.stack([x.ravel(), y.ravel()]) + shift[:, None] + 4
    as_tensor = torch.tensor(matrix, dtype=torch.float32)[None], torch.tensor(shift, dtype=torch.float32)[None]
    found = warp(image, *as_tensor)
    for channel in range(2):
        expected = map_coordinates(image[0, channel].numpy(), places[::-1], order=1, mode="mirror").reshape(9, 9)
        np.testing.assert_allclose(found[0, channel].numpy(), expected, atol=1e-5)


def test_whole_shifts_are_exact_and_mirror_the_border() -> None:
    image = torch.arange(16.0).reshape(1, 1, 4, 4)
    moved = warp(image, torch.eye(2)[None], torch.tensor([[1.0, 0.0]]))
    assert torch.equal(moved[0, 0, :, :3], image[0, 0, :, 1:])
    assert torch.equal(moved[0, 0, :, 3], image[0, 0, :, 2])


def test_gradients_reach_the_images() -> None:
    images = draw(6, 1, 8, 8).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda each: augment(each, draws(), ALL, Changes(), 0.8), images)


@pytest.mark.parametrize("name", ["brightness", "contrast"])
def test_grey_values_change_alike_in_all_channels(name: str) -> None:
    changes = Changes.model_validate(NOTHING | {name: 0.5})
    images = draw(6, 1, 8, 8).expand(-1, 3, -1, -1)
    changed = augment(images, draws(), ALL, changes, 1.0)
    assert torch.equal(changed[:, 0], changed[:, 2])
    for before, after in zip(images[:, 0], changed[:, 0], strict=True):
        gain = (after.max() - after.min()) / (before.max() - before.min())
        torch.testing.assert_close(after, before * gain + (after - before * gain).mean(), atol=1e-5, rtol=1e-4)
        assert (gain == pytest.approx(1, abs=1e-4)) == (name == "brightness")


def test_no_image_is_ever_mirrored_or_turned_over() -> None:
    # A ramp from left to right stays one, though it is scaled, stretched and turned by at most 15 degrees.
    ramp = torch.linspace(-1, 1, 32).expand(200, 1, 32, 32)
    changed = augment(ramp, draws(200), slice(0, 200), Changes(shift=0, drift=0), 1.0)
    middle = changed[:, 0, 12:20, 12:20]
    assert (middle[:, :, -1] - middle[:, :, 0]).mean(dim=1).min() > 0


def test_probability_follows_the_sign_of_overfitting() -> None:
    settings = AdaptiveAugmentation(target=0.6, images=1000, every=5)
    assert adjust(0.5, 0.9, settings, batch_size=4) == pytest.approx(0.52)
    assert adjust(0.5, 0.1, settings, batch_size=4) == pytest.approx(0.48)
    assert adjust(0.5, 0.6, settings, batch_size=4) == 0.5
    assert adjust(0.01, 0.0, settings, batch_size=4) == 0
    assert adjust(0.99, 1.0, settings, batch_size=4) == 1
