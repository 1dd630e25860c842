"""Filters of a batch of grey images: median, motion blur, sharpening. Beyond an edge, its pixels are repeated."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def median_of_nine(images: Tensor) -> Tensor:
    """Replace each pixel by the median of its 3 x 3 neighbourhood.

    Each column of three is sorted once for all neighbourhoods it belongs to; the median of nine is then the median of
    the largest low, the middle of the middles and the smallest high. Minima and maxima alone: torch's own median of a
    dimension is many times slower on a CPU, and on a card it is not available in deterministic mode.

    Parameters
    ----------
    images : Tensor, shape (n, 1, height, width)

    Returns
    -------
    Tensor, shape (n, 1, height, width)

    References
    ----------
    J. L. Smith, Implementing median filters in XC4000E FPGAs. XCELL 23, 1996.
    """
    padded = _pad(images, 1)
    low, middle, high = _sort(padded[..., :-2, :], padded[..., 1:-1, :], padded[..., 2:, :])
    largest_low = torch.maximum(torch.maximum(low[..., :-2], low[..., 1:-1]), low[..., 2:])
    smallest_high = torch.minimum(torch.minimum(high[..., :-2], high[..., 1:-1]), high[..., 2:])
    middle_middle = _middle(middle[..., :-2], middle[..., 1:-1], middle[..., 2:])
    return _middle(largest_low, middle_middle, smallest_high)


def motion_blur(images: Tensor, *, size: int, direction: Tensor) -> Tensor:
    """Average each image along a line.

    Parameters
    ----------
    images : Tensor, shape (n, 1, height, width)
    size : int
        Length of the line in pixels, odd.
    direction : Tensor, shape (n,)
        Counter-clockwise as displayed, in degrees; 0 is horizontal.

    Returns
    -------
    Tensor, shape (n, 1, height, width)
    """
    from kornia.filters import filter2d, get_motion_kernel2d

    kernels = get_motion_kernel2d(size, direction, torch.zeros_like(direction), mode="bilinear")
    # One after the other: a convolution of several images is done in another order, by its number of images.
    blurred = [
        filter2d(image, kernel, border_type="replicate")
        for image, kernel in zip(images.split(1), kernels.split(1), strict=True)
    ]
    return torch.cat(blurred)


def sharpen(images: Tensor, share: Tensor) -> Tensor:
    """Mix each image with its sharpened version, from which the Laplacian of four neighbours is subtracted.

    Parameters
    ----------
    images : Tensor, shape (n, 1, height, width)
    share : Tensor, shape (n,)
        Of the sharpened version, 0 to 1.

    Returns
    -------
    Tensor, shape (n, 1, height, width)
        It overshoots at edges.
    """
    padded = _pad(images, 1)
    above, below = padded[..., :-2, 1:-1], padded[..., 2:, 1:-1]
    left, right = padded[..., 1:-1, :-2], padded[..., 1:-1, 2:]
    return images + share[:, None, None, None] * (4 * images - (above + below + left + right))


def _pad(images: Tensor, width: int) -> Tensor:
    return functional.pad(images, (width, width, width, width), mode="replicate")


def _sort(first: Tensor, second: Tensor, third: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    first, second = torch.minimum(first, second), torch.maximum(first, second)
    second, third = torch.minimum(second, third), torch.maximum(second, third)
    return torch.minimum(first, second), torch.maximum(first, second), third


def _middle(first: Tensor, second: Tensor, third: Tensor) -> Tensor:
    low, high = torch.minimum(first, second), torch.maximum(first, second)
    return torch.maximum(low, torch.minimum(high, third))
