"""Latents: those of a training step, and the mean of w."""

from __future__ import annotations

import torch
from torch import Tensor

from evalkit.seeds import seed_from
from evalkit.stylegan2.generator import Generator

#: How many z the mean of w is taken over.
DRAWS = 10_000
_AT_A_TIME = 1000


def seeded(device: torch.device | str, **names: str | int) -> torch.Generator:
    """A torch generator on the device, seeded from names."""
    return torch.Generator(device).manual_seed(seed_from(**names))


@torch.no_grad()
def mean_w(generator: Generator) -> Tensor:
    """Mean of w over 10,000 z drawn with a fixed seed; shape (w_dim,), on the generator's device.

    Every published file of a generator has it, for it is what samples are truncated towards, and so has every file of
    ours. Nothing here truncates, and a search begins elsewhere: at the mean of `latent_statistics`, which is that of
    NVIDIA's projector and is taken over as many z as the recipe says.
    """
    random = seeded("cpu", purpose="mean w")
    total = torch.zeros_like(generator.w_avg, dtype=torch.float64)
    for _ in range(DRAWS // _AT_A_TIME):
        z = torch.randn(_AT_A_TIME, generator.spec.z_dim, generator=random)
        total += generator.map(z.to(generator.w_avg.device)).double().sum(dim=0)
    return (total / DRAWS).to(generator.w_avg.dtype)


def mixed_ws(generator: Generator, images: int, share: slice, random: torch.Generator, *, mixing: float) -> Tensor:
    """Draw z for a batch and make w of them, some images of two: one w for the coarse layers, one for the fine.

    Parameters
    ----------
    generator : Generator
    images : int
        Of the whole batch.
    share : slice
        The part of it that is wanted.
    random : torch.Generator
        On the generator's device.
    mixing : float
        Share of images with two w; where the second begins is uniform.

    Returns
    -------
    Tensor, shape (share, num_ws, w_dim)
    """
    device, layers = random.device, generator.num_ws
    z = torch.randn(2, images, generator.spec.z_dim, generator=random, device=device)[:, share]
    is_mixed = torch.rand(images, generator=random, device=device)[share] < mixing
    border = torch.randint(1, layers, (images,), generator=random, device=device)[share]
    border = torch.where(is_mixed, border, layers)
    coarse, fine = generator.map(z.flatten(0, 1)).unflatten(0, (2, -1))
    is_coarse = torch.arange(layers, device=device)[None, :] < border[:, None]
    return torch.where(is_coarse[:, :, None], coarse[:, None], fine[:, None])


def noise_for(generator: Generator, images: int, share: slice, random: torch.Generator) -> list[Tensor]:
    """Draw the noise inputs of a batch's images; each of shape (share, 1, height, width)."""
    device = random.device
    return [torch.randn(images, 1, *shape, generator=random, device=device)[share] for shape in generator.noise_shapes]
