"""Shift, change of size, rotation and optical distortion of a batch, in one resampling."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

#: Above it, optical distortion would fold an image at its corners: the radius read must grow with the radius shown.
LARGEST_DISTORTION = 1 / 3


def warp(images: Tensor, *, shift: Tensor, scale: Tensor, angle: Tensor, distortion: Tensor | None = None) -> Tensor:
    """Move, enlarge, turn and distort each image about its middle; what it does not cover becomes black.

    The distortion is the first radial term of the Brown-Conrady model: a place at radius r of the result shows what
    lies at ``r (1 + k r^2)``, where r is 1 at the corners.

    Parameters
    ----------
    images : Tensor, shape (n, 1, height, width)
    shift : Tensor, shape (n, 2)
        To the right and down, as a share of the side.
    scale : Tensor, shape (n,)
        Above 1 enlarges.
    angle : Tensor, shape (n,)
        Counter-clockwise as displayed, in radians.
    distortion : Tensor, shape (n,), optional
        k: how far outside a corner's place is read, relative to its distance from the middle. Above 0 gives the shape
        of a barrel, below 0 that of a pincushion; at most `LARGEST_DISTORTION`.

    Returns
    -------
    Tensor, shape (n, 1, height, width)
    """
    # In grid_sample's coordinates the side is 2, and pixels have their centres half a pixel inside the edge.
    down, right = (_centres(length, images) for length in images.shape[-2:])
    cosine, sine = ((part / scale)[:, None] for part in (angle.cos(), angle.sin()))
    # Written out rather than as a matrix product, whose last digits depend on how many images there are.
    x = (cosine * right)[:, None, :] - (sine * down)[:, :, None]
    y = (sine * right)[:, None, :] + (cosine * down)[:, :, None]
    if distortion is not None:
        # The distortion is seen from the result, so it commutes with the turn and the change of size.
        squared_radius = (right[None, :] ** 2 + down[:, None] ** 2) / 2
        stretch = 1 + distortion[:, None, None] * squared_radius
        x, y = x * stretch, y * stretch
    # An image moved right is read further left.
    moved = 2 * shift[:, :, None, None]
    grid = torch.stack([x - moved[:, 0], y - moved[:, 1]], dim=3)
    return functional.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def _centres(length: int, like: Tensor) -> Tensor:
    return (torch.arange(length, device=like.device, dtype=like.dtype) * 2 + 1) / length - 1
