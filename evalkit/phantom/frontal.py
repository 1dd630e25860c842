"""Soft parts of the chest seen from the front or the back: body, rib cage, mediastinum, lungs, diaphragm."""

from __future__ import annotations

import numpy as np

from evalkit.phantom.anatomy import Thorax
from evalkit.phantom.fields import Field, smoothstep, texture
from evalkit.phantom.projection import Ellipsoid, Plane, bend, capsule, union
from evalkit.phantom.scene import Scene


def frontal_scene(thorax: Thorax, plane: Plane, rng: np.random.Generator) -> Scene:
    """Lay out the soft parts of a frontal view; vessels, bone and findings are added by others.

    Parameters
    ----------
    thorax : Thorax
    plane : Plane
        A frontal one.
    rng : numpy.random.Generator
        For what makes outlines uneven and tissue patchy.
    """
    bent = bend(plane, rng, amount=0.24, cells=6)
    half_width, half_depth = thorax.widths(bent.y)
    q = np.abs(bent.u) / np.maximum(half_width, 0.1)
    cage = 2 * half_depth * np.sqrt(np.maximum(1 - q * q * np.sqrt(q), 0))
    centre = mediastinum(thorax, bent)
    # No wider than the cage is deep; the fourth power keeps silhouettes sharp and the middle flat.
    filled = np.square(np.square(centre / np.maximum(cage, 0.5)))
    centre = centre / np.sqrt(np.sqrt(1 + filled))
    lung = np.maximum(_above_diaphragm(thorax, bent, cage) - centre, 0)
    # Parenchyma is denser at the bases and patchy at every scale.
    patchy = 1 + texture(rng, plane.size, {11: 0.05, 36: 0.05, 80: 0.13})
    water = np.float32(thorax.water) * (1 + 0.012 * (plane.y + 2)) * patchy
    zero = np.zeros_like(cage)
    return Scene(
        thorax=thorax,
        plane=plane,
        body=_body(thorax, bent, rng) - _gas(thorax, bent),
        cage=cage,
        lung=lung,
        water=water,
        vessels=zero,
        strands=zero,
        bone=zero,
        devices=zero,
    )


def heart_shadow(thorax: Thorax, plane: Plane) -> Field:
    """Path length through the heart, cm."""
    return union(plane, *_cavities(thorax))


def mediastinum(thorax: Thorax, plane: Plane) -> Field:
    """Path length through heart, great vessels and what surrounds the spine, cm."""
    unfolded = thorax.aorta
    great = union(
        plane,
        Ellipsoid((1.5 + 0.9 * unfolded, -4.6 - 0.8 * unfolded, -0.8), (1.75, 1.9, 2.8)),
        Ellipsoid((1.7, -1.6, 1.0), (2.1, 3.4, 3.0), tilt=-0.12),
        Ellipsoid((-1.0 - 0.5 * unfolded, -2.4, 1.5), (1.9 + 0.2 * unfolded, 7.0, 2.6), tilt=0.05),
        Ellipsoid((0.0, -9.5, 0.2), (2.9, 7.0, 1.8)),
        Ellipsoid((1.3 + 0.7 * unfolded, 3.0, -4.2), (1.35, 9.5, 1.4)),
    )
    if plane.view == "lateral":
        return 1.3 * union(plane, *_cavities(thorax)) + 0.7 * great
    # The fat pads fill the angles between heart and diaphragm.
    floor = thorax.dome + 0.6 * thorax.dome_left
    pads = Ellipsoid((1.2, floor + 0.3, 2.0), (5.2 * thorax.heart, 1.7, 5.0), tilt=0.05)
    middle = plane.u - np.float32(plane.across(0.0, -6.0))
    spine = 9.0 * (1 - smoothstep(np.abs(middle), 0.2, 3.0))
    return 1.5 * union(plane, *_cavities(thorax), pads) + 1.5 * great + spine


def _cavities(thorax: Thorax) -> tuple[Ellipsoid, ...]:
    """Left ventricle, right atrium, and what joins them to the great vessels."""
    h = thorax.heart
    low = thorax.dome + 0.6 * thorax.dome_left - 3.05 * h
    return (
        Ellipsoid((2.4 * h + 0.2, low, 2.2), (6.0 * h, 3.5 * h, 5.0 * h), tilt=thorax.heart_tilt, lean=0.15),
        Ellipsoid((-0.7, low - 0.6, 2.6), (3.1 * h, 5.0, 5.0), tilt=0.12),
        Ellipsoid((1.2 * h, low - 3.4, 1.0), (3.0 * h, 4.6, 4.6), tilt=-0.45),
    )


def _above_diaphragm(thorax: Thorax, plane: Plane, cage: Field) -> Field:
    """Depth of the rib cage that lies above the two domes, which bow in depth as well as sideways, cm."""
    top = np.float32(thorax.dome) + np.float32(thorax.dome_left) * smoothstep(plane.u, -2.5, 2.5)
    aside = np.abs(plane.u) - np.float32(6.0)
    bow = np.float32(thorax.dome_bow)
    sink = bow * np.square(aside) * np.where(aside > 0, np.float32(0.075), np.float32(0.014))
    under = np.sqrt(np.maximum((plane.y - top - sink) / (np.float32(0.013) * bow), 0))
    half = 0.5 * cage
    before, behind = half - 2.0 - under, half + 2.0 - under
    return np.minimum(np.maximum(before, 0) + np.maximum(behind, 0), cage)


def _body(thorax: Thorax, plane: Plane, rng: np.random.Generator) -> Field:
    """Depth from skin to skin, cm: trunk, shoulders, arms, neck and breasts."""
    u, y = np.abs(plane.u), plane.y
    coat = 1.7 + thorax.fat
    flank = 1.0 * np.exp(-0.5 * np.square((y + 4.5) / 4.5)) + 0.03 * (y - 5)
    breadth = np.float32(thorax.half_width + coat) + flank
    depth = 2 * (thorax.half_depth + 1.6 + 0.75 * thorax.fat)
    q = u / breadth
    trunk = depth * np.sqrt(np.maximum(1 - q * q * q, 0))
    trunk *= smoothstep(y - 0.3 * u, thorax.shoulder - 8.0, thorax.shoulder + 1.0)
    thick = 3.7 + 0.5 * thorax.muscle + 0.3 * thorax.fat
    top, down = thorax.shoulder, thorax.arms_down
    fourth = np.square(np.square(trunk))
    for start, end, radius in (
        ((3.5, top - 4.5), (15.5 + 0.3 * coat, top + 2.6), (thick, thick + 0.6)),
        ((16.2 + 0.3 * coat, top + 3.2), (23.5 - 3.5 * down + 0.6 * coat, top + 20), (thick + 0.3, thick - 0.4)),
        ((0, -30), (0, top), (5.6 + 0.3 * thorax.fat, 6.4 + 0.4 * thorax.fat)),
    ):
        window, near = plane.crop((-99, 99), (start[1] - max(radius), end[1] + max(radius)))
        fourth[window] += np.square(np.square(capsule(np.abs(near.u), near.y, start, end, radius)))
    body = np.sqrt(np.sqrt(fourth))
    body *= 1 + texture(rng, plane.size, {6: 0.02, 22: 0.012})
    return body + _breasts(thorax, plane)


def _breasts(thorax: Thorax, plane: Plane) -> Field:
    depth = np.zeros_like(plane.u)
    if thorax.breast <= 0:
        return depth
    half = 4.8 + 0.35 * thorax.breast
    low = 4.2 + 0.4 * thorax.breast
    window, near = plane.crop((-99, 99), (low - 2.4 * half, low + half))
    u = (np.abs(near.u) - 8.3) / half
    y = (near.y - low) / half
    # Full below, fading into the chest above.
    y = np.where(y > 0, 1.15 * y, 0.42 * y)
    depth[window] = 0.45 * thorax.breast * np.power(np.maximum(1 - u * u - y * y, 0), 0.7)
    return depth


def _gas(thorax: Thorax, plane: Plane) -> Field:
    """Depth of air in windpipe, main bronchi and stomach, cm."""
    depth = np.zeros_like(plane.u)
    window, near = plane.crop((-4, 4.5), (-30, 0))
    windpipe = capsule(near.u, near.y, (0.0, -24.0), (-0.25, -3.6), (0.9, 0.8))
    right = capsule(near.u, near.y, (-0.25, -3.6), (-3.0, -0.6), (0.75, 0.6))
    left = capsule(near.u, near.y, (-0.25, -3.6), (3.6, -0.6), (0.65, 0.5))
    depth[window] = 1.3 * np.maximum(windpipe, 0.6 * np.maximum(right, left))
    width, height, deep = thorax.gas
    if deep == 0:
        return depth
    return depth + union(
        plane, Ellipsoid((5.6, thorax.dome + thorax.dome_left + 1.1 + height, 0.0), (width, height, 0.5 * deep))
    )
