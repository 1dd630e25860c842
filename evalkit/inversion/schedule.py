"""How the step size and the noise on the latent change over a projection, as in NVIDIA's projector."""

from __future__ import annotations

import math

from evalkit.config.projection import ProjectionRecipe


def learning_rate(recipe: ProjectionRecipe, step: int) -> float:
    """Adam's rate at a step, counted from 0, where it is 0 unless there is no ramp.

    Notes
    -----
    With t = step / steps: ``lr * min(1, t / up) * (1 - cos(pi * min(1, (1 - t) / down))) / 2``.
    """
    elapsed = step / recipe.steps
    rising = min(1.0, elapsed / recipe.ramp_up) if recipe.ramp_up else 1.0
    falling = min(1.0, (1 - elapsed) / recipe.ramp_down) if recipe.ramp_down else 1.0
    return recipe.lr * rising * (1 - math.cos(math.pi * falling)) / 2


def latent_noise(recipe: ProjectionRecipe, step: int) -> float:
    """Standard deviation of the noise on the latent at a step, in units of the latents' own.

    Notes
    -----
    With t = step / steps: ``latent_noise * max(0, 1 - t / until) ** 2``.
    """
    elapsed = step / recipe.steps
    return recipe.latent_noise * max(0.0, 1 - elapsed / recipe.latent_noise_until) ** 2


def recorded_steps(recipe: ProjectionRecipe) -> tuple[int, ...]:
    """The steps of the convergence curve: every `record_every`-th from the first, and the last."""
    last = recipe.steps - 1
    return (*range(0, last, recipe.record_every), last)
