"""The lung's vessels: two trees that branch and taper from the hila outwards."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from evalkit.phantom.fields import Field, blur
from evalkit.phantom.projection import Plane

#: Generations of branches, the stems included.
_GENERATIONS = 6
#: Branches thicker than this are blurred to their calibre, cm; thinner ones are thinner than a pixel.
_THICK = 0.2
_TAPER = 0.22  # share of its radius that a branch loses from end to end

# The stems of one lung: angle below the horizontal in degrees, and radius in cm.
_STEMS = np.array(
    [
        [-84, 0.17],
        [-70, 0.22],
        [-60, 0.24],
        [-45, 0.20],
        [-25, 0.18],
        [-5, 0.18],
        [15, 0.20],
        [32, 0.24],
        [45, 0.30],
        [58, 0.34],
        [66, 0.36],
        [78, 0.26],
    ]
)


@dataclass(frozen=True, eq=False)
class Vessels:
    """All branches of both lungs, each a parabola through space, ordered by generation.

    Attributes
    ----------
    path : ndarray of float32, shape (n, 3, 3)
        Coefficients of 1, t and t^2 of the point at t in [0, 1], cm; see `projection` for the axes.
    length : ndarray of float32, shape (n,)
        cm.
    radius : ndarray of float32, shape (n,)
        At the start, cm.
    bounds : tuple of int
        Where each generation starts, and n.
    """

    path: Field = field(repr=False)
    length: Field = field(repr=False)
    radius: Field = field(repr=False)
    bounds: tuple[int, ...]


def grow_vessels(rng: np.random.Generator, half_width: float, half_depth: float) -> Vessels:
    """Grow the trees of both lungs into a rib cage of the given inner half width and depth, cm."""
    stretch = np.array([half_width / 13, 1.0, half_depth / 8], np.float32)
    stems = [_stems(rng, side) for side in (-1.0, 1.0)]
    start, direction, radius, length = (np.concatenate(parts) for parts in zip(*stems, strict=True))
    paths, lengths, radii, bounds = [], [], [], [0]
    for _ in range(_GENERATIONS):
        reach = direction * length[:, None]
        bulge = rng.standard_normal(start.shape, dtype=np.float32) * (0.36 * length[:, None])
        paths.append(np.stack([start, reach + bulge, -bulge], axis=1) * stretch)
        lengths.append(length)
        radii.append(radius)
        bounds.append(bounds[-1] + len(length))
        start, direction, radius, length = _split(rng, start + reach, direction, radius, length)
    return Vessels(np.concatenate(paths), np.concatenate(lengths), np.concatenate(radii), tuple(bounds))


def project_vessels(vessels: Vessels, plane: Plane) -> Field:
    """Path length through the vessels, cm; branches are sampled about once per pixel."""
    places = plane.pixels_of(np.concatenate([vessels.path.reshape(-1, 3), np.zeros((1, 3), np.float32)]))
    # The projection is linear but for its origin, which the coefficients of t and t^2 must not carry.
    column, row = (at[:-1].reshape(-1, 3) - np.array([0, at[-1], at[-1]], np.float32) for at in places)
    columns, rows, volumes, calibres = [], [], [], []
    for first, last in zip(vessels.bounds, vessels.bounds[1:], strict=False):
        length = vessels.length[first:last, None]
        samples = max(3, int(np.ceil(float(length.mean()) / (0.8 * plane.pixel))))
        t = (np.arange(samples, dtype=np.float32) + 0.5) / samples
        powers = np.stack([np.ones_like(t), t, t * t])
        columns.append((column[first:last] @ powers).ravel())
        rows.append((row[first:last] @ powers).ravel())
        radius = vessels.radius[first:last, None] * (1 - _TAPER * t)
        calibres.append(radius.ravel())
        volumes.append((np.float32(np.pi / samples) * np.square(radius) * length).ravel())
    all_columns, all_rows, volume, calibre = (np.concatenate(parts) for parts in (columns, rows, volumes, calibres))
    wide = calibre > _THICK
    broad = splat(all_columns[wide], all_rows[wide], volume[wide], plane.size)
    fine = splat(all_columns[~wide], all_rows[~wide], volume[~wide], plane.size)
    return (blur(broad, 0.5 * _THICK / plane.pixel) + fine) * np.float32(1 / plane.pixel**2)


def splat(column: Field, row: Field, weight: Field, size: int) -> Field:
    """Share the weight of each point among its four nearest pixels; points outside the image are lost.

    Parameters
    ----------
    column, row, weight : ndarray of float32, shape (n,)
        Positions in pixels, and what each point carries.
    size : int
        Pixels per side.

    Returns
    -------
    ndarray of float32, shape (size, size)
    """
    left, top = np.floor(column), np.floor(row)
    inside = (left >= 0) & (top >= 0) & (left < size - 1) & (top < size - 1)
    column, row, weight, left, top = (a[inside] for a in (column, row, weight, left, top))
    fx, fy = column - left, row - top
    corner = top.astype(np.intp) * size + left.astype(np.intp)
    lower = weight * fy
    upper = weight - lower
    total = np.zeros(size * size)
    for offset, share in (
        (0, upper * (1 - fx)),
        (1, upper * fx),
        (size, lower * (1 - fx)),
        (size + 1, lower * fx),
    ):
        total += np.bincount(corner + offset, share, size * size)
    return total.reshape(size, size).astype(np.float32)


def _stems(rng: np.random.Generator, side: float) -> tuple[Field, Field, Field, Field]:
    """First branches of one lung: start (n, 3), unit direction (n, 3), radius (n,), length (n,)."""
    n = len(_STEMS)
    angle = np.radians(_STEMS[:, 0]) + rng.normal(0, 0.09, n)
    radius = _STEMS[:, 1] * rng.normal(1, 0.08, n)
    down = np.sin(angle)
    direction = np.stack([side * np.cos(angle), down, rng.normal(0, 0.45, n)], 1)
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    hilum = np.array([3.6 * side, 0.6 if side < 0 else -0.5, -0.8])
    start = hilum + np.stack([np.zeros(n), 1.3 * down, rng.normal(0, 0.5, n)], 1)
    # Downwards there is more lung to cross than sideways.
    length = 2.8 * (1 + 0.2 * (down > 0.5)) * (0.95 + 0.15 * (np.abs(down) > 0.7)) * rng.normal(1, 0.12, n)
    return tuple(a.astype(np.float32) for a in (start, direction, radius, length))  # type: ignore[return-value]


def _split(
    rng: np.random.Generator, end: Field, direction: Field, radius: Field, length: Field
) -> tuple[Field, Field, Field, Field]:
    """Split every branch in two; the thicker child keeps nearer to its parent's direction."""
    sideways = rng.standard_normal(direction.shape, dtype=np.float32)
    sideways -= (sideways * direction).sum(1, keepdims=True) * direction
    sideways[:, 2] *= 0.8
    sideways /= np.linalg.norm(sideways, axis=1, keepdims=True)
    children = []
    for turn, narrowing, shortening in ((0.28, 0.84, 0.84), (-0.72, 0.69, 0.76)):
        angle = np.float32(turn) * _about_one(rng, len(end), 0.3)[:, None]
        heading = np.cos(angle) * direction + np.sin(angle) * sideways
        children.append((end, heading, radius * narrowing, length * shortening * _about_one(rng, len(end), 0.12)))
    joined = [np.concatenate(parts) for parts in zip(*children, strict=True)]
    return joined[0], joined[1], joined[2], np.abs(joined[3])


def _about_one(rng: np.random.Generator, n: int, spread: float) -> NDArray[np.float32]:
    return 1 + np.float32(spread) * rng.standard_normal(n, dtype=np.float32)
