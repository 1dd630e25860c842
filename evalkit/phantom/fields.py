"""Random fields and blurs on a square pixel grid, as products of small matrices.

A field is drawn on a coarse lattice and interpolated by cubic B-splines, so the same draw gives the same field at
every image size; only the quantum noise of `radiograph` is drawn per pixel.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray

#: An image or a list of numbers; float32 wherever it is of the size of an image.
Field = NDArray[np.floating]


def smooth_field(rng: np.random.Generator, size: int, cells: int) -> Field:
    """Draw a smooth random field of mean 0 and standard deviation about 1.

    Parameters
    ----------
    rng : numpy.random.Generator
        Its draws do not depend on `size`.
    size : int
        Pixels per side.
    cells : int
        Lattice cells per side: the field varies over about ``size / cells`` pixels.

    Returns
    -------
    ndarray of float32, shape (size, size)
    """
    lattice = rng.standard_normal((cells + 3, cells + 3), dtype=np.float32)
    basis = _spline_basis(size, cells)
    return basis @ lattice @ basis.T


def texture(rng: np.random.Generator, size: int, amplitudes: dict[int, float]) -> Field:
    """Sum `smooth_field` over scales; `amplitudes` maps cells per side to a standard deviation."""
    total = np.zeros((size, size), np.float32)
    for cells, amplitude in amplitudes.items():
        total += np.float32(amplitude) * smooth_field(rng, size, cells)
    return total


def blur(image: Field, sigma: float) -> Field:
    """Blur with a Gaussian of `sigma` pixels, which below 0.3 does nothing; a constant image stays as it is."""
    if sigma < 0.3:
        return image
    # In steps of 5 %, so that images of slightly different scale share their kernels.
    kernel = _gaussian_matrix(image.shape[0], math.exp(round(20 * math.log(sigma)) / 20))
    return kernel @ image @ kernel.T


def smoothstep(value: Field, low: float, high: float) -> Field:
    """Rise from 0 at `low` to 1 at `high` with zero slope at both ends."""
    t = np.clip((value - np.float32(low)) * np.float32(1 / (high - low)), 0, 1)
    return t * t * (3 - 2 * t)


@functools.lru_cache(maxsize=64)
def _spline_basis(size: int, cells: int) -> Field:
    position = (np.arange(size) + 0.5) * cells / size
    cell = np.floor(position).astype(int)
    t = position - cell
    weights = np.stack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3], axis=1) / 6
    basis = np.zeros((size, cells + 3))
    for offset in range(4):
        basis[np.arange(size), cell + offset] = weights[:, offset]
    # White noise loses variance in the interpolation; give it back on average, per axis.
    basis /= math.sqrt(float((weights**2).sum(axis=1).mean()))
    return np.ascontiguousarray(basis, dtype=np.float32)


@functools.lru_cache(maxsize=64)
def _gaussian_matrix(size: int, sigma: float) -> Field:
    pixels = np.arange(size)
    matrix = np.exp(-0.5 * ((pixels[:, None] - pixels[None, :]) / sigma) ** 2)
    matrix /= matrix.sum(axis=1, keepdims=True)
    return matrix.astype(np.float32)
