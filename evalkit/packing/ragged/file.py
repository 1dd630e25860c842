"""The flat file of images of different sizes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from evalkit.packing.pixel_file import RowFile


@dataclass(frozen=True, eq=False)
class RaggedFile(RowFile):
    """``images.npy``: uint8, shape (pixels of all images,).

    Attributes
    ----------
    shapes : ndarray of int64, shape (rows, 2)
        Height and width of each image; 0 and 0 for one that has no size.
    longest : int
        The longest side that any has.
    """

    shapes: NDArray[np.int64]
    longest: int

    @cached_property
    def offsets(self) -> NDArray[np.int64]:
        """Where each image begins, and where the last one ends."""
        return np.concatenate([[0], np.cumsum(self.shapes.prod(axis=1))])

    @property
    def shape(self) -> tuple[int, ...]:
        """The array's shape."""
        return (int(self.offsets[-1]),)

    def shape_of(self, row: int) -> tuple[int, int]:
        """Height and width of an image."""
        height, width = self.shapes[row]
        return int(height), int(width)

    def offset_of(self, row: int) -> int:
        """Bytes of all images before this one."""
        return int(self.offsets[row])

    def describe(self) -> str:
        """What the file holds, for a message."""
        return f"{len(self.shapes):,} images, their longest side {self.longest} px,"


def fit_shapes(sizes: NDArray[np.int64], longest: int) -> NDArray[np.int64]:
    """Make images smaller, at their aspect ratio, until no side is longer than `longest`; others stay as they are.

    Parameters
    ----------
    sizes : ndarray of int64, shape (n, 2)
    longest : int

    Returns
    -------
    ndarray of int64, shape (n, 2)
        Rounded to the nearest pixel; no side becomes less than 1.
    """
    factors = np.minimum(longest / np.maximum(sizes.max(axis=1), 1), 1)
    return np.minimum(np.maximum(np.floor(sizes * factors[:, None] + 0.5), 1), sizes).astype(np.int64)
