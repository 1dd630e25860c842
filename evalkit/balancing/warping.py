"""An image turned and zoomed about its middle."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def warp(pixels: NDArray[np.uint8], *, angle: float, zoom: float) -> NDArray[np.uint8]:
    """Turn and zoom an image about its middle, by bilinear interpolation.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (size, size)
    angle : float
        Degrees, counter-clockwise.
    zoom : float
        Above 1 enlarges.

    Returns
    -------
    ndarray of uint8, shape (size, size)
        What the image does not cover is its mirror image at the border.
    """
    size = len(pixels)
    cosine, sine = math.cos(math.radians(angle)) / zoom, math.sin(math.radians(angle)) / zoom
    # How far the corners of the result reach beyond the image; one pixel more, for interpolation.
    reach = max(0, math.ceil(size / 2 * (abs(cosine) + abs(sine) - 1))) + 1
    mirrored = np.pad(pixels, reach, mode="symmetric")
    middle = size / 2
    # From a place in the result to the place in the mirrored image that it is read from; rows run downwards.
    across = (cosine, -sine, middle + reach - cosine * middle + sine * middle)
    down = (sine, cosine, middle + reach - sine * middle - cosine * middle)
    # In floats, for Pillow cuts the decimals of whole numbers off, which would darken every copy by half a grey value.
    image = Image.fromarray(mirrored.astype(np.float32))
    turned = image.transform((size, size), Image.Transform.AFFINE, (*across, *down), Image.Resampling.BILINEAR)
    return np.rint(np.asarray(turned)).astype(np.uint8)
