"""The boxes that proposals start from."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torchvision.models.detection.image_list import ImageList


class Anchors(nn.Module):
    """The same boxes at each cell of a feature map, centred on pixel (stride * column, stride * row).

    torchvision's own generator rounds them, orders them by ratio first, and derives the stride from sizes that need
    not be multiples of it.

    Parameters
    ----------
    sizes : sequence of float
        Square roots of the areas, in pixels. The order of the boxes of a cell is by size, then by ratio.
    ratios : sequence of float
        Height over width.
    stride : int
        Pixels from cell to cell.
    """

    cell: Tensor

    def __init__(self, sizes: Sequence[float], ratios: Sequence[float], stride: int) -> None:
        super().__init__()
        half = [(size / math.sqrt(ratio) / 2, size * math.sqrt(ratio) / 2) for size in sizes for ratio in ratios]
        self.register_buffer("cell", torch.tensor([(-x, -y, x, y) for x, y in half]), persistent=False)
        self.stride = stride

    def forward(self, images: ImageList, features: Sequence[Tensor]) -> list[Tensor]:
        """Lay the boxes over a feature map.

        Parameters
        ----------
        images : ImageList
            Only counted.
        features : sequence of one Tensor
            Of shape (n, channels, rows, columns).

        Returns
        -------
        list of Tensor
            Per image the same (rows * columns * boxes per cell, 4), row by row, cell by cell.
        """
        rows, columns = features[0].shape[-2:]
        y, x = torch.meshgrid(self._centres(rows), self._centres(columns), indexing="ij")
        centres = torch.stack((x, y, x, y), dim=-1).reshape(-1, 1, 4)
        return [(centres + self.cell).reshape(-1, 4)] * len(images.image_sizes)

    def _centres(self, count: int) -> Tensor:
        return torch.arange(count, device=self.cell.device, dtype=self.cell.dtype) * self.stride
