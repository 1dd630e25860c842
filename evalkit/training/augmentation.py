"""Random changes to a batch, on the device: shift, scale, rotate, brightness, contrast; never a flip.

A mirrored chest has its heart on the wrong side, and laterality is part of some findings.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from evalkit.config.recipe import Augmentation
from evalkit.seeds import seed_from

#: Random numbers that one image takes: shift right, shift down, scale, rotation, brightness, contrast.
DRAWS = 6


def draw(images: int, *, seed: int, step: int) -> Tensor:
    """Draw what `augment` needs for one step.

    Drawn on the CPU for the whole batch, so that the numbers are the same on every device and however the batch is
    divided over processes or in parts.

    Returns
    -------
    Tensor, shape (images, 6)
        Uniform in [-1, 1), a pure function of seed and step.
    """
    generator = torch.Generator().manual_seed(seed_from(purpose="augmentation", seed=seed, step=step))
    return torch.rand(images, DRAWS, generator=generator) * 2 - 1


def augment(images: Tensor, draws: Tensor, bounds: Augmentation) -> Tensor:
    """Change a batch within the bounds; what the image does not cover becomes black.

    Parameters
    ----------
    images : Tensor, shape (n, 1, side, side)
        Grey values in [0, 1].
    draws : Tensor, shape (n, 6)
        From `draw`, on the device of `images`.
    bounds : Augmentation
        The largest changes; a change whose bound is 0 is left out altogether.

    Returns
    -------
    Tensor, shape (n, 1, side, side)
        Grey values in [0, 1].
    """
    right, down, scale, rotation, brightness, contrast = draws.unbind(1)
    if bounds.shift or bounds.scale or bounds.rotate:
        shift = torch.stack([right, down], dim=1) * bounds.shift
        images = _warp(images, shift, 1 + scale * bounds.scale, rotation * math.radians(bounds.rotate))
    if bounds.brightness or bounds.contrast:
        mean = images.mean(dim=(1, 2, 3), keepdim=True)
        gain = (1 + contrast * bounds.contrast)[:, None, None, None]
        offset = (brightness * bounds.brightness)[:, None, None, None]
        images = ((images - mean) * gain + mean + offset).clamp(0, 1)
    return images


def _warp(images: Tensor, shift: Tensor, scale: Tensor, angle: Tensor) -> Tensor:
    """Resample once, with the map from output to input places in coordinates that run from -1 to 1."""
    cosine, sine = angle.cos() / scale, angle.sin() / scale
    rotation = torch.stack([torch.stack([cosine, -sine], dim=1), torch.stack([sine, cosine], dim=1)], dim=1)
    # The side is 2 in these coordinates; an image moved right is read further left.
    matrix = torch.cat([rotation, -2 * shift[:, :, None]], dim=2)
    grid = functional.affine_grid(matrix, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
