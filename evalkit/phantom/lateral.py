"""Soft parts of the chest seen from the side: both lungs over each other, heart, diaphragm, spine behind."""

from __future__ import annotations

import numpy as np

from evalkit.phantom.anatomy import Thorax
from evalkit.phantom.fields import Field, smoothstep, texture
from evalkit.phantom.frontal import mediastinum
from evalkit.phantom.projection import Ellipsoid, Plane, bend, capsule, union
from evalkit.phantom.scene import Scene


def lateral_scene(thorax: Thorax, plane: Plane, rng: np.random.Generator) -> Scene:
    """Lay out the soft parts of a lateral view with raised arms; vessels, bone and findings are added by others."""
    bent = bend(plane, rng, amount=0.24, cells=6)
    half_width, _ = thorax.widths(bent.y)
    back, front = thorax.profile(bent.y)
    middle, half = 0.5 * (front + back), np.maximum(0.5 * (front - back), 0.1)
    q = np.abs(bent.u - middle) / half
    cage = 2 * half_width * np.sqrt(np.maximum(1 - q * q * np.sqrt(q), 0))
    centre = mediastinum(thorax, bent)
    # Besides heart and vessels, the midline itself takes room, most of it in front of the spine.
    centre = centre + 4.0 * np.exp(-0.5 * np.square((bent.u + 1.0) / 4.0))
    lung = np.maximum(_above_domes(thorax, bent, 0.5 * cage) - 0.85 * np.minimum(centre, cage), 0)
    patchy = 1 + texture(rng, plane.size, {11: 0.05, 36: 0.04, 80: 0.11})
    zero = np.zeros_like(cage)
    return Scene(
        thorax=thorax,
        plane=plane,
        body=_body(thorax, bent, middle, half, rng) - _gas(thorax, bent),
        cage=cage,
        lung=lung,
        water=np.float32(thorax.water) * patchy,
        vessels=zero,
        strands=zero,
        bone=zero,
        devices=zero,
    )


def _above_domes(thorax: Thorax, plane: Plane, side: Field) -> Field:
    """Depth of both lungs above their domes, cm; `side` is the half depth of the cage at each pixel."""
    bow = np.float32(thorax.dome_bow)
    depth = np.zeros_like(side)
    for top in (thorax.dome, thorax.dome + thorax.dome_left):
        below = plane.y - np.float32(top) - np.float32(0.05) * bow * np.square(plane.u - 2.5)
        depth += np.maximum(side - np.sqrt(np.maximum(below, 0) / (np.float32(0.02) * bow)), 0)
    return depth


def _body(thorax: Thorax, plane: Plane, middle: Field, half: Field, rng: np.random.Generator) -> Field:
    u, y = plane.u, plane.y
    coat = 1.8 + thorax.fat
    below = np.where(y > 5.0, np.float32(2.6), np.float32(4.5))
    bulge = 0.9 * thorax.breast * np.exp(-0.5 * np.square((y - 5.0) / below))
    reach = np.abs(u - middle + 0.3 - 0.5 * bulge) / (half + coat * (1 + 0.02 * (y + 5)) + 0.5 * bulge)
    trunk = 2 * (thorax.half_width + 0.8 * coat) * np.sqrt(np.maximum(1 - reach * reach * np.sqrt(reach), 0))
    trunk *= smoothstep(y, thorax.shoulder - 5.0, thorax.shoulder + 4.0)
    arms = 2.2 * capsule(u, y, (-1.0, thorax.shoulder + 1.0), (10.0, thorax.shoulder - 14), (5.0, 4.2))
    neck = 1.2 * capsule(u, y, (-2.0, thorax.shoulder + 1), (0.5, -32), (5.2, 4.8))
    back = 1.5 * capsule(u, y, (-5.0, thorax.shoulder + 2.0), (-6.5, thorax.shoulder + 9.0), (3.8, 3.4))
    fourth = sum(np.square(np.square(part)) for part in (trunk, arms, neck, back))
    body = np.sqrt(np.sqrt(fourth))
    body *= 1 + texture(rng, plane.size, {6: 0.02, 22: 0.012})
    return body


def _gas(thorax: Thorax, plane: Plane) -> Field:
    windpipe = 1.4 * capsule(plane.u, plane.y, (0.8, -24.0), (-2.0, -3.4), (0.9, 0.8))
    carina = Ellipsoid((0.0, -2.6, -2.2), (1.0, 0.8, 0.8))
    width, height, deep = thorax.gas
    if deep == 0:
        return windpipe + union(plane, carina)
    level = thorax.dome + thorax.dome_left + 1.1 + height
    return windpipe + union(plane, carina, Ellipsoid((0.0, level, 1.5), (0.5 * deep, height, width)))
