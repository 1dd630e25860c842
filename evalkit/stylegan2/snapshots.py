"""Samples of the averaged generator, made of the same z each time, so that a training can be watched."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from evalkit.atomic import replacing
from evalkit.stylegan2.generator import Generator
from evalkit.stylegan2.latents import seeded

_AT_A_TIME = 32


@torch.no_grad()
def sample(generator: Generator, images: int, *, seed: int) -> NDArray[np.uint8]:
    """Make images of z drawn with the seed, with the stored noise and one w each.

    Returns
    -------
    array of uint8, shape (images, resolution, resolution), or (images, resolution, resolution, 3) with colour
    """
    device = generator.w_avg.device
    z = torch.randn(images, generator.spec.z_dim, generator=seeded("cpu", purpose="samples", seed=seed))
    parts = [to_uint8(generator(part.to(device), "constant")) for part in z.split(_AT_A_TIME)]
    return np.concatenate(parts)


def to_uint8(images: torch.Tensor) -> NDArray[np.uint8]:
    """Turn images (n, channels, side, side) in [-1, 1] into grey values, channels last if there are three."""
    values = ((images.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).cpu()
    return (values[:, 0] if values.shape[1] == 1 else values.permute(0, 2, 3, 1)).contiguous().numpy()


def save_snapshots(path: Path, snapshots: NDArray[np.uint8], steps: Sequence[int]) -> None:
    """Write snapshots as ``.npz``: ``images`` (snapshots, samples, side, side) and ``steps`` (snapshots,)."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, images=snapshots, steps=np.asarray(steps, dtype=np.int64))
