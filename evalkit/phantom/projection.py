"""The image plane in the patient's own centimetres, and the path lengths of simple solids seen along the beam.

Coordinates: x to the patient's left, y down, z forward, in cm, origin in the middle of the chest. A frontal image
looks along z (the patient's left is on the image's right), a lateral one along x (the spine is on the right).
"""

from __future__ import annotations

import dataclasses
import functools
import math
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from evalkit.phantom.fields import Field, smooth_field

View = Literal["frontal", "lateral"]
Point = tuple[float, float, float]


@dataclass(frozen=True)
class Pose:
    """How patient and detector met: all that differs between two exposures of one chest.

    Attributes
    ----------
    field_of_view : float
        Side of the square detector, cm.
    angle : float
        Rotation in the image plane, radians.
    shift : tuple of float
        Where the centre of the chest lies, cm right of and below the image's centre.
    yaw : float
        Rotation of the patient about the body's axis, radians; moves what lies in front against what lies behind.
    """

    field_of_view: float
    angle: float = 0.0
    shift: tuple[float, float] = (0.0, 0.0)
    yaw: float = 0.0


@dataclass(frozen=True, eq=False)
class Plane:
    """Pixel coordinates of one exposure.

    Attributes
    ----------
    view : {"frontal", "lateral"}
    size : int
        Pixels per side.
    pose : Pose
    u, y : ndarray of float32, shape (size, size)
        Coordinates of pixel centres, cm: `u` is x in a frontal and z in a lateral view.
    """

    view: View
    size: int
    pose: Pose
    u: Field = field(repr=False)
    y: Field = field(repr=False)

    @property
    def pixel(self) -> float:
        """Side of a pixel, cm."""
        return self.pose.field_of_view / self.size

    def crop(self, u: tuple[float, float], y: tuple[float, float]) -> tuple[tuple[slice, slice], Plane]:
        """Cut out the pixels near a rectangle: most parts of the body are small, and most time is saved here.

        Returns
        -------
        tuple of slice
            Rows and columns. A margin makes up for outlines bent by up to 1.5 cm.
        Plane
            The same exposure, coordinates of these pixels only.
        """
        places = [self._place(at_u, at_y) for at_u in (u[0] - 1.5, u[1] + 1.5) for at_y in (y[0] - 1.5, y[1] + 1.5)]
        columns, rows = (
            slice(max(0, math.floor(min(at))), max(0, math.ceil(max(at)) + 1)) for at in zip(*places, strict=True)
        )
        window = rows, columns
        return window, dataclasses.replace(self, u=self.u[window], y=self.y[window])

    def across(self, x: float, z: float) -> float:
        """Return the horizontal coordinate at which a point appears."""
        return x + self.pose.yaw * z if self.view == "frontal" else z + self.pose.yaw * x

    def pixels_of(self, points: Field) -> tuple[Field, Field]:
        """Return fractional columns and rows of points, shape (n, 3), for splatting."""
        x, y, z = points.T
        u = x + self.pose.yaw * z if self.view == "frontal" else z + self.pose.yaw * x
        return self._place(u, y)

    def _place(self, u: Any, y: Any) -> tuple[Any, Any]:
        """Fractional column and row of coordinates in the plane, single ones or arrays."""
        sign = 1.0 if self.view == "frontal" else -1.0
        cos, sin = math.cos(self.pose.angle), math.sin(self.pose.angle)
        right = sign * (cos * u - sin * y) + self.pose.shift[0]
        down = sin * u + cos * y + self.pose.shift[1]
        centre = (self.size - 1) / 2
        return right / self.pixel + centre, down / self.pixel + centre


def make_plane(view: View, size: int, pose: Pose) -> Plane:
    """Lay the pixel grid of an exposure over the patient; the inverse of `Plane.pixels_of`."""
    column, row = _grid(size)
    pixel = pose.field_of_view / size
    sign = 1.0 if view == "frontal" else -1.0
    right = sign * (column * np.float32(pixel) - np.float32(pose.shift[0]))
    down = row * np.float32(pixel) - np.float32(pose.shift[1])
    cos, sin = np.float32(math.cos(pose.angle)), np.float32(math.sin(pose.angle))
    return Plane(view, size, pose, u=cos * right + sin * down, y=cos * down - sin * right)


def bend(plane: Plane, rng: np.random.Generator, *, amount: float, cells: int) -> Plane:
    """Shift the coordinates unevenly, by `amount` cm on average, so that nothing drawn on them is a perfect oval."""
    return dataclasses.replace(
        plane,
        u=plane.u + np.float32(amount) * smooth_field(rng, plane.size, cells),
        y=plane.y + np.float32(amount) * smooth_field(rng, plane.size, cells),
    )


@dataclass(frozen=True)
class Ellipsoid:
    """A solid.

    Attributes
    ----------
    centre, semi : tuple of float
        Centre and semi-axes along x, y, z, cm.
    tilt, lean : float
        Rotations, radians: `tilt` turns the x axis towards y (about z), `lean` turns the y axis towards z (about x).
    """

    centre: Point
    semi: Point
    tilt: float = 0.0
    lean: float = 0.0


def union(plane: Plane, *solids: Ellipsoid) -> Field:
    """Path length, cm, through solids that overlap softly: the root of the sum of their squared chords.

    Notes
    -----
    For (p - c)' Q (p - c) = 1 with Q split into the image plane (A), the beam (q) and their mix (b), the chord at r
    is 2 sqrt((1 - r' (A - b b'/q) r) / q).
    """
    squares = np.zeros((plane.size, plane.size), np.float32)
    for solid in solids:
        q_uu, q_uy, q_yy, q_beam = _shadow(plane.view, solid)
        u0, y0 = plane.across(solid.centre[0], solid.centre[2]), solid.centre[1]
        determinant = q_uu * q_yy - q_uy * q_uy
        reach_u, reach_y = math.sqrt(q_yy / determinant), math.sqrt(q_uu / determinant)
        window, near = plane.crop((u0 - reach_u, u0 + reach_u), (y0 - reach_y, y0 + reach_y))
        u, y = near.u - np.float32(u0), near.y - np.float32(y0)
        inside = 1 - (np.float32(q_uu) * u + np.float32(2 * q_uy) * y) * u - np.float32(q_yy) * y * y
        squares[window] += np.maximum(inside, 0) * np.float32(4 / q_beam)
    return np.sqrt(squares)


def capsule(
    u: Field, y: Field, start: tuple[float, float], end: tuple[float, float], radius: tuple[float, float]
) -> Field:
    """Path length, cm, through a round limb from `start` to `end` whose radius runs between the two given."""
    along, distance2 = _segment(u, y, start, end)
    r = np.float32(radius[0]) + np.float32(radius[1] - radius[0]) * along
    return 2 * np.sqrt(np.maximum(r * r - distance2, 0))


def segment_distance(u: Field, y: Field, start: tuple[float, float], end: tuple[float, float]) -> Field:
    """Distance, cm, from the segment between two points of the image plane."""
    return np.sqrt(_segment(u, y, start, end)[1])


def _segment(u: Field, y: Field, start: tuple[float, float], end: tuple[float, float]) -> tuple[Field, Field]:
    du, dy = end[0] - start[0], end[1] - start[1]
    length2 = du * du + dy * dy
    pu, py = u - np.float32(start[0]), y - np.float32(start[1])
    along = np.clip(pu * np.float32(du / length2) + py * np.float32(dy / length2), 0, 1)
    pu = pu - np.float32(du) * along
    py = py - np.float32(dy) * along
    return along, pu * pu + py * py


@functools.lru_cache(maxsize=8)
def _grid(size: int) -> tuple[Field, Field]:
    axis = np.arange(size, dtype=np.float32) - np.float32((size - 1) / 2)
    column, row = np.meshgrid(axis, axis)
    return column, row


def _shadow(view: View, solid: Ellipsoid) -> tuple[float, float, float, float]:
    """A - b b'/q as its three entries, and q; see `union`."""
    ct, st, cl, sl = math.cos(solid.tilt), math.sin(solid.tilt), math.cos(solid.lean), math.sin(solid.lean)
    # The axes of the solid: x and y turned by the tilt, then y and z by the lean.
    axes = ((ct, cl * st, sl * st), (-st, cl * ct, sl * ct), (0.0, -sl, cl))
    across, beam = (0, 2) if view == "frontal" else (2, 0)
    uu = uy = yy = u_beam = y_beam = q = 0.0
    for axis, half in zip(axes, solid.semi, strict=True):
        weight = 1 / (half * half)
        uu += weight * axis[across] * axis[across]
        uy += weight * axis[across] * axis[1]
        yy += weight * axis[1] * axis[1]
        u_beam += weight * axis[across] * axis[beam]
        y_beam += weight * axis[1] * axis[beam]
        q += weight * axis[beam] * axis[beam]
    return uu - u_beam * u_beam / q, uy - u_beam * y_beam / q, yy - y_beam * y_beam / q, q
