"""Features of images that need no weights: what the grey values in each cell of a grid are like."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Cells along each side of an image.
GRID = 16


def describe_cells(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Describe images by the mean and the standard deviation of the grey values in each of 16 x 16 cells.

    Means hold the layout of an image, deviations how finely it is textured. A Frechet distance between such features
    is not the "FID", whose features are those of an Inception network and take a download of its weights; it is
    comparable only between generators of one training set, at one size and from as many images.

    Parameters
    ----------
    images : array of uint8, shape (n, side, side), with colour (n, side, side, 3)
        The side is a multiple of 16, or less than 16: then each pixel is a cell. Colours are averaged to grey.

    Returns
    -------
    array of float, shape (n, 2 * cells)
        The cells' means, row by row, then their deviations (population), of grey values from 0 to 1.
    """
    return np.stack([_describe(image) for image in images])


def spread_places(count: int, wanted: int) -> NDArray[np.int64]:
    """Choose places among `count`, evenly spread over all of them; all places where there are no more than `wanted`."""
    chosen = min(count, wanted)
    return np.arange(chosen, dtype=np.int64) * count // max(chosen, 1)


def _describe(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    grey = image.astype(np.float64) / 255
    if grey.ndim == 3:
        grey = grey.mean(axis=2)
    cells = min(GRID, len(grey))
    pixels = len(grey) // cells
    split = grey.reshape(cells, pixels, cells, pixels)
    return np.concatenate([each.ravel() for each in (split.mean(axis=(1, 3)), split.std(axis=(1, 3)))])
