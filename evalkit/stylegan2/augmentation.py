"""Changes to the images that the discriminator sees, real and generated alike, and the probability they come with."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from evalkit.config.gan import AdaptiveAugmentation, Changes

#: Random numbers one image takes: a gate and a value for shift right and down (one gate), scale, stretch, rotation,
#: drift right and down (one gate), brightness, contrast.
_GATES, _VALUES = 7, 9


class Draws:
    """The random numbers of a batch's augmentation.

    Parameters
    ----------
    images : int
        Of the whole batch, so that the numbers do not depend on how it is divided.
    generator : torch.Generator
        Of the CPU.
    """

    def __init__(self, images: int, generator: torch.Generator) -> None:
        self.gates = torch.rand(images, _GATES, generator=generator)
        self.values = torch.randn(images, _VALUES, generator=generator)


def augment(images: Tensor, draws: Draws, share: slice, changes: Changes, probability: float) -> Tensor:
    """Change some of the images in some ways.

    Parameters
    ----------
    images : Tensor, shape (n, channels, side, side)
        Nominally in [-1, 1]. Gradients flow through.
    draws : Draws
        Of the whole batch.
    share : slice
        Which part of the batch `images` is.
    changes : Changes
    probability : float
        Of each change, for each image.

    Returns
    -------
    Tensor, shape (n, channels, side, side)
        Not clipped, since that could not be undone. What comes into view from outside is mirrored in.
    """
    gates, values = draws.gates[share] < probability, draws.values[share]
    side = images.shape[-1]
    # From the normal distribution to a uniform one in (-1, 1).
    uniform = torch.erf(values / math.sqrt(2))
    shift = (uniform[:, :2] * changes.shift * side).round() * gates[:, :1]
    scale = torch.exp2(values[:, 2] * changes.scale * gates[:, 1])
    stretch = torch.exp2(values[:, 3] * changes.stretch * gates[:, 2] / 2)
    angle = uniform[:, 4] * math.radians(changes.rotate) * gates[:, 3]
    shift = shift + values[:, 5:7] * changes.drift * side * gates[:, 4:5]
    offset = values[:, 7] * changes.brightness * gates[:, 5]
    gain = torch.exp2(values[:, 8] * changes.contrast * gates[:, 6])
    if gates[:, :5].any():
        cosine, sine = angle.cos(), angle.sin()
        rotation = torch.stack([cosine, -sine, sine, cosine], dim=1).unflatten(1, (2, 2))
        matrix = rotation * torch.stack([scale * stretch, scale / stretch], dim=1)[:, None, :]
        images = warp(images, matrix.to(images.device), shift.to(images.device))
    if gates[:, 5:].any():
        images = images * gain.to(images)[:, None, None, None] + offset.to(images)[:, None, None, None]
    return images


def warp(images: Tensor, matrix: Tensor, shift: Tensor) -> Tensor:
    """Read each pixel at another place, bilinearly; beyond the border the image is mirrored.

    Written with `gather` and not `grid_sample`, whose gradient is not deterministic on a GPU.

    Parameters
    ----------
    images : Tensor, shape (n, channels, side, side)
    matrix : Tensor, shape (n, 2, 2)
    shift : Tensor, shape (n, 2)
        In pixels. The pixel at (x, y), counted from the centre, is read at matrix (x, y) + shift.

    Returns
    -------
    Tensor, shape (n, channels, side, side)
    """
    side = images.shape[-1]
    centre = (side - 1) / 2
    line = torch.arange(side, device=images.device, dtype=matrix.dtype) - centre
    places = torch.stack([line[None, :].expand(side, -1), line[:, None].expand(-1, side)]).flatten(1)
    read = matrix @ places + shift[:, :, None] + centre
    period = 2 * (side - 1)
    read = (side - 1) - ((side - 1) - read.remainder(period)).abs()
    low = read.floor().clamp(0, side - 2)
    x, y = (read - low).unbind(1)
    left, top = low.long().unbind(1)
    pixels = images.flatten(2)

    def take(column: Tensor, row: Tensor) -> Tensor:
        return pixels.gather(2, (row * side + column)[:, None].expand(-1, images.shape[1], -1))

    x, y = x[:, None], y[:, None]
    upper = take(left, top) * (1 - x) + take(left + 1, top) * x
    lower = take(left, top + 1) * (1 - x) + take(left + 1, top + 1) * x
    return (upper * (1 - y) + lower * y).view_as(images)


def adjust(probability: float, r_t: float, settings: AdaptiveAugmentation, *, batch_size: int) -> float:
    """Move the augmentation's probability by what `settings.every` steps allow.

    Parameters
    ----------
    probability : float
        So far.
    r_t : float
        Mean sign of the discriminator's verdicts on real images since the last adjustment.
    settings : AdaptiveAugmentation
    batch_size : int

    Returns
    -------
    float
        In [0, 1].
    """
    direction = math.copysign(1, r_t - settings.target) if r_t != settings.target else 0
    return min(1.0, max(0.0, probability + direction * batch_size * settings.every / settings.images))
