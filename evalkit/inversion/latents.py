"""Latents of a generator: where they lie, and the variables that are searched in their space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from evalkit.stylegan2.generator import Generator

#: Seed of the latents that are averaged, and how many are mapped at once. The seed is that of NVIDIA's projector, so
#: that the same weights give the same mean.
_SEED, _BATCH = 123, 2_000


@dataclass(frozen=True)
class LatentStatistics:
    """Where a generator's latents lie.

    Attributes
    ----------
    mean : Tensor, shape (w_dim,)
        Of w over many z, on the generator's device.
    std : float
        One number: the root of the mean squared distance from `mean`, summed over the w_dim dimensions.
    samples : int
        How many z.
    """

    mean: Tensor
    std: float
    samples: int


@torch.no_grad()
def latent_statistics(generator: Generator, samples: int = 10_000) -> LatentStatistics:
    """Map z drawn from a fixed seed, without truncation, and describe the resulting w.

    Notes
    -----
    Sums are taken in 64 bits. One call per generator will do: the result depends on the generator only.
    """
    like = generator.w_avg
    drawn = np.random.RandomState(_SEED).randn(samples, generator.spec.z_dim)
    mapped = [generator.map(torch.from_numpy(part).to(like)).double() for part in np.split(drawn, _cuts(samples))]
    latents = torch.cat(mapped)
    mean = latents.mean(dim=0)
    std = float(((latents - mean) ** 2).sum(dim=1).mean().sqrt())
    return LatentStatistics(mean.to(like), std, samples)


def start_latents(statistics: LatentStatistics, images: int, layers: int) -> Tensor:
    """The variables of a search: the mean w, for each image and layer its own.

    Parameters
    ----------
    statistics : LatentStatistics
    images : int
    layers : int
        1 in space W, where all layers share a vector; the generator's `num_ws` in W+.

    Returns
    -------
    Tensor, shape (images, layers, w_dim)
        With gradients.
    """
    return statistics.mean.repeat(images, layers, 1).requires_grad_()


def _cuts(samples: int) -> list[int]:
    return list(range(_BATCH, samples, _BATCH))
