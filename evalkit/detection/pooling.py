"""Pooling of regions, exact to the fraction of a cell (RoIAlign, He et al. 2017, with detectron2's alignment)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint
from torchvision.ops import roi_align

#: Regions worked on at once on a card: some 200 MB beside the result at full size.
_AT_ONCE = 64


def pool_regions(features: Tensor, regions: Sequence[Tensor], side: int, *, scale: float) -> Tensor:
    """Pool regions of feature maps to squares.

    The centre of a feature map's first cell is at half a cell (``aligned``), where torchvision's `MultiScaleRoIAlign`
    has it at 0.

    Parameters
    ----------
    features : Tensor, shape (images, channels, rows, columns)
    regions : sequence of Tensor, each of shape (regions of an image, 4)
        Left, top, right and bottom in pixels.
    side : int
        Cells along each side of the result.
    scale : float
        Cells of the feature map for a pixel.

    Returns
    -------
    Tensor, shape (all regions, channels, side, side)

    Notes
    -----
    torchvision's kernel adds gradients in any order on a card; where results must be the same every time, it gives
    way to a form that holds, for each region, every cell of the feature map. The samples of a region are a grid, so
    here they are taken along one axis and then along the other, by two products of matrices.
    """
    if features.is_cuda and torch.are_deterministic_algorithms_enabled():
        return pool_by_axes(features, regions, side, scale=scale)
    return roi_align(features, list(regions), side, spatial_scale=scale, sampling_ratio=0, aligned=True)


def pool_by_axes(features: Tensor, regions: Sequence[Tensor], side: int, *, scale: float) -> Tensor:
    """Compute what `pool_regions` does by products of matrices; the gradient reaches the features only."""
    rows, columns = features.shape[-2:]
    parts = []
    with torch.autocast(features.device.type, enabled=False):
        for image, boxes in zip(features.float(), regions, strict=True):
            left, top, right, bottom = (boxes.detach().float() * scale - 0.5).unbind(dim=1)
            down, across = _axis(top, bottom, side, rows), _axis(left, right, side, columns)
            for first in range(0, len(boxes), _AT_ONCE):
                chosen = slice(first, first + _AT_ONCE)
                # Worked out again for the gradient: what lies between the two products is large.
                parts.append(checkpoint(_contract, image, down[chosen], across[chosen], use_reentrant=False))
    return torch.cat(parts) if parts else features.new_zeros(0, features.shape[1], side, side)


def _axis(start: Tensor, stop: Tensor, side: int, cells: int) -> Tensor:
    """How much each cell of an axis counts in each cell of a pooled region, shape (regions, side, cells).

    A pooled cell is the mean of samples at equal distances, as many as the cells of the feature map that it covers,
    rounded up; a sample lies between two cells, and none that is further than a cell outside counts.
    """
    width = (stop - start) / side
    counts = width.ceil().clamp(min=0)
    sample = torch.arange(max(1, int(counts.max())) if len(counts) else 1, device=start.device)
    step = width[:, None] / counts.clamp(min=1)[:, None]
    within = (sample + 0.5) * step
    place = (
        start[:, None, None] + torch.arange(side, device=start.device)[:, None] * width[:, None, None] + within[:, None]
    )
    counted = (sample < counts[:, None])[:, None] & (place >= -1) & (place <= cells)
    away = (place.clamp(0, cells - 1)[..., None] - torch.arange(cells, device=start.device)).abs()
    weights = ((1 - away).clamp(min=0) * counted[..., None]).sum(dim=2)
    return weights / counts.clamp(min=1)[:, None, None]


def _contract(image: Tensor, down: Tensor, across: Tensor) -> Tensor:
    """Take the samples of regions (k, side, rows) and (k, side, columns) from an image (channels, rows, columns)."""
    channels, rows, columns = image.shape
    regions, side, _ = across.shape
    sampled = image.reshape(channels * rows, columns) @ across.reshape(regions * side, columns).T
    by_region = sampled.reshape(channels, rows, regions, side).permute(2, 1, 0, 3).reshape(regions, rows, -1)
    pooled = down @ by_region
    return pooled.reshape(regions, side, channels, side).transpose(1, 2)
