"""Images at the size a detector sees them, with their boxes."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional


def fit_sides(height: int, width: int, *, short: int, longest: int) -> tuple[int, int]:
    """Give the size of an image whose shorter side is to be `short`, unless the longer one would exceed `longest`.

    Parameters
    ----------
    height, width : int
        As it is.
    short, longest : int
        In pixels.

    Returns
    -------
    tuple of int
        Height and width, rounded as detectron2's ResizeShortestEdge does: the nearest, halves upwards.
    """
    factor = min(short / min(height, width), longest / max(height, width))
    return max(1, int(height * factor + 0.5)), max(1, int(width * factor + 0.5))


def resize_image(pixels: NDArray[np.uint8], size: tuple[int, int], device: torch.device) -> Tensor:
    """Resize a packed image, bilinear and antialiased, to grey values in [0, 1].

    Parameters
    ----------
    pixels : ndarray of uint8, shape (height, width)
    size : tuple of int
        Height and width to be.
    device : torch.device
        Where the result is, and where it is computed.

    Returns
    -------
    Tensor of float32, shape (1, *size)
    """
    grey = torch.from_numpy(np.array(pixels)).to(device, non_blocking=True).to(torch.float32) / 255
    if tuple(grey.shape) == size:
        return grey[None]
    resized = functional.interpolate(grey[None, None], size=size, mode="bilinear", antialias=True, align_corners=False)
    return resized[0].clamp(0, 1)


def scale_boxes(boxes: NDArray[np.float64], before: tuple[int, int], after: tuple[int, int]) -> NDArray[np.float64]:
    """Scale boxes (n, 4), left, top, right and bottom, from one (height, width) of their image to another."""
    y, x = after[0] / before[0], after[1] / before[1]
    return boxes * np.array([x, y, x, y])


def mirror_boxes(boxes: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Boxes (n, 4) in the mirrored image, which is `width` pixels wide."""
    mirrored = boxes.copy()
    mirrored[:, 0], mirrored[:, 2] = width - boxes[:, 2], width - boxes[:, 0]
    return mirrored
