"""The search for latents and noise that make a generator reproduce given images, many images at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from evalkit.config.projection import ProjectionRecipe
from evalkit.inversion.draws import draw_for_images
from evalkit.inversion.latents import LatentStatistics, latent_statistics, start_latents
from evalkit.inversion.noise import draw_noise, noise_structure, renormalise
from evalkit.inversion.perceptual import PerceptualDistance
from evalkit.inversion.projections import Curve, Projection
from evalkit.inversion.schedule import latent_noise, learning_rate, recorded_steps
from evalkit.training.devices import Hardware

if TYPE_CHECKING:
    from evalkit.stylegan2.generator import Generator

#: Names of the terms in a convergence curve, the weighted sum last.
TERMS = ("pixel", "perceptual", "noise", "objective")


def project(
    generator: Generator,
    targets: Tensor,
    keys: Sequence[str],
    distance: PerceptualDistance | None,
    recipe: ProjectionRecipe,
    *,
    hardware: Hardware,
    seed: int,
    statistics: LatentStatistics | None = None,
    tell: Callable[[int], None] | None = None,
) -> list[Projection]:
    """Project images into a generator's latent space, each as if it were alone.

    The objective is summed over images, not averaged; every random number is a function of (seed, image, step), and
    Adam treats every number by itself. So an image's projection does not depend on the images of its batch, except
    that sums are rounded in another order.

    Parameters
    ----------
    generator : Generator
        On the device. It is put into evaluation mode and its parameters lose their gradients.
    targets : Tensor, shape (n, channels, side, side)
        The images, from 0 to 255, of the generator's channels and side.
    keys : sequence of str
        A name for each image, on which its random numbers depend.
    distance : PerceptualDistance or None
        The backbone's view. None leaves the pixels alone (the reference row "pixel only").
    recipe : ProjectionRecipe
    hardware : Hardware
        Its precision is that of the forward passes of the search. The reconstructions are made in full precision.
    seed : int
        Of the run.
    statistics : LatentStatistics, optional
        Of `latent_statistics` for ``recipe.latent_samples``; measured here if not given.
    tell : callable, optional
        Told how many steps are done.

    Returns
    -------
    list of Projection
        One per image, in their order.

    References
    ----------
    Karras et al., Analyzing and improving the image quality of StyleGAN. CVPR 2020, appendix D.
    """
    _check(generator, targets, keys)
    generator.eval().requires_grad_(False)
    statistics = statistics or latent_statistics(generator, recipe.latent_samples)
    latents = start_latents(statistics, len(keys), 1 if recipe.space == "w" else generator.num_ws)
    noise: list[Tensor] = []
    if recipe.noise == "optimised":
        noise = draw_noise(generator.noise_shapes, keys, latents, seed=seed)
    objective = _Objective(targets.to(latents), distance, recipe)
    optimizer = torch.optim.Adam([latents, *noise], lr=recipe.lr, betas=(0.9, 0.999))
    steps = recorded_steps(recipe)
    points = []
    for step in range(recipe.steps):
        optimizer.param_groups[0]["lr"] = learning_rate(recipe, step)
        searched = _with_noise(latents, latent_noise(recipe, step) * statistics.std, keys, seed, step)
        with hardware.autocast():
            images = _synthesise(generator, searched, noise)
        terms = objective(images.to(latents.dtype), noise)
        optimizer.zero_grad(set_to_none=True)
        terms[-1].sum().backward()
        optimizer.step()
        renormalise(noise)
        if step in steps:
            points.append(terms.detach())
        if tell is not None:
            tell(step + 1)
    return _collect(generator, keys, latents, noise, _curves(steps, points))


def project_to_mean(
    generator: Generator, keys: Sequence[str], recipe: ProjectionRecipe, *, statistics: LatentStatistics | None = None
) -> list[Projection]:
    """Give every image the generator's image of the mean latent, with its stored noise: the reference row "mean w".

    Parameters and result as for `project`; nothing is optimised, and all reconstructions are equal.
    """
    generator.eval().requires_grad_(False)
    statistics = statistics or latent_statistics(generator, recipe.latent_samples)
    latents = start_latents(statistics, 1, 1)
    (mean,) = _collect(generator, ["mean"], latents, [], [Curve((), {})])
    return [Projection(key, mean.ws, mean.noise, mean.reconstruction, mean.curve) for key in keys]


class _Objective:
    """What is minimised; all that depends on the targets only is computed once."""

    def __init__(self, targets: Tensor, distance: PerceptualDistance | None, recipe: ProjectionRecipe) -> None:
        self._targets, self._recipe = targets / 127.5 - 1, recipe
        self._distance = distance if recipe.perceptual_weight else None
        if self._distance is not None:
            with torch.no_grad():
                self._features = self._distance.features(targets / 255)

    def __call__(self, images: Tensor, noise: Sequence[Tensor]) -> Tensor:
        """Terms of each image (see `TERMS`), shape (4, n); images and targets are compared from -1 to 1."""
        pixel = (images - self._targets).square().mean(dim=(1, 2, 3))
        perceptual = torch.zeros_like(pixel)
        if self._distance is not None:
            perceptual = self._distance((images + 1) / 2, self._features)
        structure = noise_structure(noise) if noise else torch.zeros_like(pixel)
        recipe = self._recipe
        weighted = recipe.pixel_weight * pixel + recipe.noise_weight * structure
        if self._distance is not None:
            weighted = weighted + recipe.perceptual_weight * perceptual
        return torch.stack([pixel, perceptual, structure, weighted])


def _with_noise(latents: Tensor, std: float, keys: Sequence[str], seed: int, step: int) -> Tensor:
    """Latents with the step's noise on them, which smooths the search while it is wide."""
    if not std:
        return latents
    drawn = draw_for_images(latents.shape[1:], keys, latents, seed=seed, purpose="latent noise", index=step)
    return latents + std * drawn


def _synthesise(generator: Generator, latents: Tensor, noise: Sequence[Tensor]) -> Tensor:
    ws = latents.expand(-1, generator.num_ws, -1)
    return generator.synthesise(ws, noise or "constant")


@torch.no_grad()
def _collect(
    generator: Generator, keys: Sequence[str], latents: Tensor, noise: Sequence[Tensor], curves: Sequence[Curve]
) -> list[Projection]:
    images = ((_synthesise(generator, latents, noise) + 1) * 127.5).clamp(0, 255).float().cpu()
    ws = latents.detach().expand(-1, generator.num_ws, -1).cpu()
    fields = [field.detach().cpu() for field in noise]
    return [
        Projection(
            key, ws[place].clone(), tuple(field[place].clone() for field in fields), images[place].clone(), curve
        )
        for place, (key, curve) in enumerate(zip(keys, curves, strict=True))
    ]


def _curves(steps: tuple[int, ...], points: Sequence[Tensor]) -> list[Curve]:
    """One curve per image, from terms of shape (4, n) per recorded step."""
    values = torch.stack(list(points)).double().permute(2, 1, 0).tolist()
    return [Curve(steps, {name: tuple(term) for name, term in zip(TERMS, image, strict=True)}) for image in values]


def _check(generator: Generator, targets: Tensor, keys: Sequence[str]) -> None:
    side = generator.spec.resolution
    expected = (len(keys), generator.spec.img_channels, side, side)
    if tuple(targets.shape) != expected or not len(keys):
        raise ValueError(f"targets of shape {tuple(targets.shape)}, expected {expected}, and one image or more")
    if len(set(keys)) < len(keys):
        raise ValueError("two images have the same key, and would get the same random numbers")
