"""What is not the patient: tubes, lines, monitoring leads, the side marker and the collimator's edge."""

from __future__ import annotations

import math

import numpy as np

from evalkit.phantom.anatomy import Thorax
from evalkit.phantom.fields import Field, blur
from evalkit.phantom.projection import Plane, segment_distance
from evalkit.phantom.vessels import splat

_LETTERS = {
    "L": ((0.0, 0.0), (0.0, 1.0), (0.6, 1.0)),
    "R": ((0.0, 1.0), (0.0, 0.0), (0.45, 0.03), (0.58, 0.25), (0.45, 0.48), (0.0, 0.5), (0.6, 1.0)),
}


def draw_devices(names: tuple[str, ...], thorax: Thorax, plane: Plane, rng: np.random.Generator) -> Field:
    """Attenuation of the named devices ("tube", "line", "leads") in a frontal or lateral view."""
    total = np.zeros((plane.size, plane.size), np.float32)
    if not names:
        return total
    wires: list[Field] = []
    if "tube" in names:
        tip = rng.uniform(-7.0, -4.0)
        for x in (-0.55, -0.4, 0.25):  # two walls, one of them with the stripe that is meant to be seen
            wires.append(_wire([(x + 0.6, -26, 0), (x + 0.4, -18, 0), (x, -10, 0), (x, tip, 0)], 0.035))
    if "line" in names:
        side = rng.choice([-1.0, 1.0])
        start = (side * rng.uniform(4, 12), thorax.shoulder - rng.uniform(0, 4), 3.0)
        bends = [start, (side * 4.5, thorax.shoulder + 1.5, 3.0), (-2.2, -8.0, 2.0), (-2.2, rng.uniform(-1, 2), 2.0)]
        wires.append(_wire(bends, 0.1))
    if "leads" in names:
        for x, y in ((-9.0, -6.5), (9.5, -7.0), (8.5, 7.5)):
            pad = (x + rng.normal(0, 1.2), y + rng.normal(0, 1.5), 9.0)
            edge = 22.0 if y > 0 or rng.random() < 0.6 else -22.0
            away = (rng.uniform(-14, 14), edge, 9.0)
            near, far = (pad[0] + rng.normal(0, 4), pad[1] + 5, 9.0), (away[0] + rng.normal(0, 5), edge / 2, 9.0)
            wires.append(_wire([pad, near, far, away], 0.07))
            _add_electrode(total, pad, plane)
    column, row = plane.pixels_of(np.concatenate([wire[:, :3] for wire in wires]))
    area = np.concatenate([wire[:, 3] for wire in wires])
    drawn = blur(splat(column, row, area, plane.size), max(0.05 / plane.pixel, 0.3))
    return total + drawn * np.float32(1 / plane.pixel**2)


def draw_marker(plane: Plane, rng: np.random.Generator) -> Field:
    """Attenuation of the lead letter that names the side, in a corner of the image."""
    letter = "L" if rng.random() < 0.75 else "R"
    half = plane.pose.field_of_view / 2
    right = 1.0 if letter == "L" or plane.view == "lateral" else -1.0
    corner_u, corner_y = right * half * rng.uniform(0.72, 0.88), -half * rng.uniform(0.66, 0.9)
    tall, turn = rng.uniform(1.1, 1.7), math.radians(rng.normal(0, 8))
    axis = (np.arange(plane.size, dtype=np.float32) - (plane.size - 1) / 2) * np.float32(plane.pixel)
    columns, rows = np.abs(axis - corner_u) < 3, np.abs(axis - corner_y) < 3
    u, y = (axis - np.float32(corner_u))[None, columns], (axis - np.float32(corner_y))[rows, None]
    turned_u = math.cos(turn) * u + math.sin(turn) * y
    turned_y = math.cos(turn) * y - math.sin(turn) * u
    strokes = zip(_LETTERS[letter], _LETTERS[letter][1:], strict=False)
    away = np.minimum.reduce(
        [segment_distance(turned_u, turned_y, (a * tall, b * tall), (c * tall, d * tall)) for (a, b), (c, d) in strokes]
    )
    marker = np.zeros((plane.size, plane.size), np.float32)
    soft = max(plane.pixel, 0.1)
    marker[np.ix_(rows, columns)] = np.float32(1.8) * np.clip((0.14 - away) / soft + 0.5, 0, 1)
    return marker


def draw_frame(plane: Plane, rng: np.random.Generator) -> Field:
    """1 in the collimator's opening and 0 outside; most images show no edge."""
    frame = np.ones((plane.size, plane.size), np.float32)
    axis = np.linspace(-1, 1, plane.size, dtype=np.float32)
    for side in range(4):
        if rng.random() > 0.14:
            continue
        across, along = (axis[None, :], axis[:, None]) if side < 2 else (axis[:, None], axis[None, :])
        sign = 1 if side % 2 else -1
        edge = rng.uniform(0.88, 0.98) + rng.normal(0, 0.012) * along
        frame = frame * np.clip((edge - sign * across) * plane.size * 0.4 + 0.5, 0, 1)
    return frame


def _wire(controls: list[tuple[float, float, float]], share: float) -> Field:
    """Sample a Bezier curve: positions and the attenuation times area that each carries, shape (n, 4).

    `share` is attenuation times width of the wire, cm.
    """
    t = np.linspace(0, 1, 500, dtype=np.float32)[:, None]
    weights = np.concatenate([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3], axis=1)
    points = weights @ np.array(controls, np.float32)
    steps = np.linalg.norm(np.diff(points, axis=0, append=points[-1:]), axis=1, keepdims=True)
    return np.concatenate([points, steps * np.float32(share)], axis=1)


def _add_electrode(total: Field, centre: tuple[float, float, float], plane: Plane) -> None:
    """Add a disc of gel with a metal stud."""
    u, y = plane.across(centre[0], centre[2]), centre[1]
    window, near = plane.crop((u, u), (y, y))
    distance = np.sqrt(np.square(near.u - np.float32(u)) + np.square(near.y - np.float32(y)))
    total[window] += 0.55 * np.clip((0.55 - distance) / 0.2, 0, 1) + 0.12 * np.clip((1.3 - distance) / 0.2, 0, 1)
