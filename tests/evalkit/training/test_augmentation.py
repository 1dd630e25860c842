from __future__ import annotations

import math

import pytest
import torch

from evalkit.config.recipe import Augmentation
from evalkit.training.augmentation import DRAWS, augment, draw

NONE = {"shift": 0, "scale": 0, "rotate": 0, "brightness": 0, "contrast": 0}
SHIFT, DOWN, SCALE, ROTATE, BRIGHTNESS, CONTRAST = range(DRAWS)


def only(**bounds: float) -> Augmentation:
    return Augmentation.model_validate(NONE | bounds)


def drawn(**values: float) -> torch.Tensor:
    """Draws for one image: 1 is the bound itself."""
    draws = torch.zeros(1, DRAWS)
    for name, value in values.items():
        draws[0, globals()[name.upper()]] = value
    return draws


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(6, 1, 32, 32, generator=torch.Generator().manual_seed(0))


def test_draws_are_a_function_of_seed_and_step_and_lie_within_the_bounds() -> None:
    draws = draw(1000, seed=1, step=7)
    assert torch.equal(draws, draw(1000, seed=1, step=7))
    assert not torch.equal(draws, draw(1000, seed=1, step=8))
    assert not torch.equal(draws, draw(1000, seed=2, step=7))
    assert draws.shape == (1000, DRAWS)
    assert draws.abs().max() <= 1
    assert draws.mean(dim=0).abs().max() < 0.1


def test_the_global_generator_is_left_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    draw(10, seed=1, step=1)
    assert torch.equal(torch.rand(2), expected)


def test_bounds_of_zero_change_nothing(images) -> None:
    assert augment(images, draw(6, seed=1, step=1), only()) is images


def test_the_default_keeps_the_range_and_changes_every_image(images) -> None:
    changed = augment(images, draw(6, seed=1, step=1), Augmentation.model_validate({}))
    assert changed.shape == images.shape
    assert changed.min() >= 0
    assert changed.max() <= 1
    assert (changed - images).abs().amax(dim=(1, 2, 3)).min() > 0.05


def test_shift_moves_right_and_down_by_a_share_of_the_side(images) -> None:
    moved = augment(images[:1], drawn(shift=1, down=-0.5), only(shift=0.25))
    torch.testing.assert_close(moved[..., :-4, 8:], images[:1, :, 4:, :-8], atol=1e-5, rtol=0)
    assert moved[..., :8].abs().max() < 1e-5, "what is uncovered is black"


def test_scale_enlarges_about_the_middle() -> None:
    spot = torch.zeros(1, 1, 40, 40)
    spot[..., 25:27, 19:21] = 1  # 5 to 7 pixels below the middle.
    larger = augment(spot, drawn(scale=1), only(scale=0.5))
    rows = larger[0, 0].sum(dim=1)
    below = (rows * torch.arange(40)).sum() / rows.sum() - 19.5
    assert below == pytest.approx(1.5 * 6, abs=0.3)


def test_rotation_is_by_the_given_angle() -> None:
    spot = torch.zeros(1, 1, 41, 41)
    spot[..., 20, 33] = 1  # 13 pixels right of the middle.
    turned = augment(spot, drawn(rotate=1), only(rotate=30))[0, 0]
    row, column = divmod(int(turned.argmax()), 41)
    angle = math.degrees(math.atan2(row - 20, column - 20))
    assert abs(angle) == pytest.approx(30, abs=3)


def test_brightness_adds_and_contrast_spreads_about_the_mean() -> None:
    image = torch.tensor([[0.3, 0.5], [0.4, 0.4]])[None, None]
    brighter = augment(image, drawn(brightness=0.5), only(brightness=0.2))
    torch.testing.assert_close(brighter, image + 0.1)
    sharper = augment(image, drawn(contrast=1), only(contrast=0.5))
    torch.testing.assert_close(sharper[0, 0], torch.tensor([[0.25, 0.55], [0.4, 0.4]]))


def test_an_image_does_not_depend_on_its_neighbours(images) -> None:
    draws, bounds = draw(6, seed=1, step=1), Augmentation.model_validate({})
    together = augment(images, draws, bounds)
    torch.testing.assert_close(augment(images[2:4], draws[2:4], bounds), together[2:4])


def test_nothing_is_mirrored() -> None:
    image = torch.zeros(200, 1, 16, 16)
    image[..., :8] = 1
    changed = augment(image, draw(200, seed=1, step=1), Augmentation.model_validate({}))
    assert (changed[..., :8].mean(dim=(1, 2, 3)) > changed[..., 8:].mean(dim=(1, 2, 3))).all()
