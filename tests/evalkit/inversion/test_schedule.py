"""The schedules at points that can be worked out by hand."""

from __future__ import annotations

import pytest

from evalkit.config.projection import PerceptualRecipe, ProjectionRecipe
from evalkit.inversion.schedule import latent_noise, learning_rate, recorded_steps


def test_learning_rate_of_nvidias_projector() -> None:
    recipe = ProjectionRecipe()
    # 1000 steps: up over the first 50, level to 750, then half a cosine to 1000.
    rates = [learning_rate(recipe, step) for step in (0, 25, 50, 750, 875, 1000)]
    assert rates == pytest.approx([0, 0.05, 0.1, 0.1, 0.05, 0])


def test_latent_noise_of_nvidias_projector() -> None:
    recipe = ProjectionRecipe()
    levels = [latent_noise(recipe, step) for step in (0, 375, 750, 900)]
    assert levels == pytest.approx([0.05, 0.05 / 4, 0, 0])


def test_a_recipe_without_ramps_has_one_rate() -> None:
    recipe = ProjectionRecipe(steps=4, ramp_up=0, ramp_down=0)
    assert {learning_rate(recipe, step) for step in range(4)} == {0.1}


@pytest.mark.parametrize(
    ("steps", "every", "expected"), [(1, 10, (0,)), (10, 5, (0, 5, 9)), (11, 5, (0, 5, 10)), (3, 1, (0, 1, 2))]
)
def test_the_last_step_is_recorded_once(steps: int, every: int, expected: tuple[int, ...]) -> None:
    assert recorded_steps(ProjectionRecipe(steps=steps, record_every=every)) == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pixel_weight": 0, "perceptual_weight": 0}, "nothing would hold on"),
        ({"ramp_up": 0.6, "ramp_down": 0.6}, "together more than 1"),
        ({"space": "z"}, "'w' or 'w\\+'"),
        ({"step": 10}, "Extra inputs"),
    ],
)
def test_recipes_that_make_no_sense_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ProjectionRecipe.model_validate(changes)


def test_weights_of_taps() -> None:
    assert PerceptualRecipe(taps=("stem", "block2")).tap_weights == (0.5, 0.5)
    assert PerceptualRecipe(taps=("block4", "stem"), weights="chess").tap_weights == (1, 1 / 32)
    assert PerceptualRecipe(taps=("block1", "block2"), weights=(1, 0)).tap_weights == (1, 0)
    with pytest.raises(ValueError, match="3 values for 5 taps"):
        PerceptualRecipe(weights=(1, 2, 3))
    with pytest.raises(ValueError, match="twice"):
        PerceptualRecipe(taps=("stem", "stem"))
    with pytest.raises(ValueError, match="every weight is 0"):
        PerceptualRecipe(weights=(0,) * 5)
