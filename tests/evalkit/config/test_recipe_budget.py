from __future__ import annotations

import pytest

from evalkit.config.recipe import Recipe
from evalkit.settings import format_setting, parse_setting


def test_epochs_are_passes_over_the_images_rounded_up_to_whole_batches() -> None:
    recipe = Recipe(lr=0.1, epochs=3, batch_size=32)
    assert recipe.count_steps(images=320) == 30
    assert recipe.count_steps(images=321) == 31
    assert recipe.count_steps(images=5) == 1


def test_steps_may_differ_by_fraction() -> None:
    recipe = Recipe(lr=0.1, steps={0.01: 5, 1 / 3: 7, 1.0: 30})
    for fraction, steps in ((0.01, 5), (1 / 3, 7), (1.0, 30)):
        spelled = parse_setting(format_setting({"regime": "finetune", "fraction": fraction}))["fraction"]
        assert recipe.count_steps(images=100, fraction=float(spelled)) == steps
    assert Recipe(lr=0.1, steps=9).count_steps(images=100, fraction=0.5) == 9


@pytest.mark.parametrize("budget", [{}, {"steps": 3, "epochs": 2}])
def test_the_budget_is_given_once(budget: dict) -> None:
    with pytest.raises(ValueError, match="either as 'steps' or as 'epochs'"):
        Recipe(lr=0.1, **budget)
