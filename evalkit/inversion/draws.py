"""Gaussian numbers of each image, whatever other images are in its batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from evalkit.seeds import seed_from


def draw_for_images(
    shape: Sequence[int], keys: Sequence[str], like: Tensor, *, seed: int, purpose: str, index: int
) -> Tensor:
    """Draw standard normal numbers, a pure function of (seed, image, purpose, index).

    Parameters
    ----------
    shape : sequence of int
        Of one image's numbers.
    keys : sequence of str
        Names of the images.
    like : Tensor
        Whose device and number format the result has. The numbers are drawn on the CPU in 32 bits, so they are the
        same for every device and format.
    seed : int
        Of the run.
    purpose : str
        What they are for.
    index : int
        Which of the purpose's draws: a step, or a layer.

    Returns
    -------
    Tensor, shape (len(keys), *shape)
    """
    drawn = [
        torch.randn(*shape, generator=_stream(seed_from(purpose=purpose, seed=seed, image=key, index=index)))
        for key in keys
    ]
    return torch.stack(drawn).to(like.device, like.dtype)


def _stream(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
