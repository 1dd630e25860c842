"""Doubling and halving of feature maps and images with the low-pass filter [1, 3, 3, 1].

The filter runs as a depthwise convolution over both axes at once: on a CPU that is faster than two passes of one axis.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def binomial_kernel() -> Tensor:
    """The filter [1, 3, 3, 1] over both axes, with sum 1; shape (4, 4)."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
    return torch.outer(taps, taps) / taps.sum() ** 2


class LowPass(nn.Module):
    """The filter, and what is done with it. It is a constant and not part of the weights on disk."""

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kernel", binomial_kernel(), persistent=False)

    def _per_channel(self, maps: Tensor) -> Tensor:
        return self.kernel.to(maps.dtype).expand(maps.shape[1], 1, -1, -1)

    def smooth(self, maps: Tensor, *, padding: int, gain: float = 1.0) -> Tensor:
        """Filter; the result is larger by 2 padding - 3 in each direction."""
        return functional.conv2d(maps, self._per_channel(maps) * gain, padding=padding, groups=maps.shape[1])

    def upsample(self, images: Tensor) -> Tensor:
        """Resample (n, c, h, w) to (n, c, 2h, 2w); brightness is kept."""
        # Three of four values that the filter meets are the zeros in between: hence the factor.
        kernel = self._per_channel(images) * 4
        return functional.conv_transpose2d(images, kernel, stride=2, padding=1, groups=images.shape[1])

    def downsample(self, maps: Tensor) -> Tensor:
        """Resample (n, c, 2h, 2w) to (n, c, h, w)."""
        return functional.conv2d(maps, self._per_channel(maps), stride=2, padding=1, groups=maps.shape[1])
