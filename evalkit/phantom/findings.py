"""What each finding does to a chest and to a scene, and where it lies.

The weakest findings cannot be seen, the strongest not be missed. Place and shape are drawn per patient and finding, so
that a finding stays where it was in the next study and in the other view.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial

import numpy as np

from evalkit.phantom.anatomy import Thorax
from evalkit.phantom.fields import Field, smooth_field, smoothstep, texture
from evalkit.phantom.frontal import heart_shadow
from evalkit.phantom.projection import Ellipsoid, bend, segment_distance, union
from evalkit.phantom.scene import Scene


def deform(thorax: Thorax, label: str, strength: float, rng: np.random.Generator) -> Thorax:
    """Return the chest as a finding reshapes it: a wider heart, fuller vessels, a raised diaphragm."""
    if label == "cardiomegaly":
        return dataclasses.replace(thorax, heart=thorax.heart * (1.02 + 0.30 * strength))
    if label == "edema":
        return dataclasses.replace(
            thorax, blood=thorax.blood * (1 + 0.4 * strength), hilum=thorax.hilum * (1 + 0.6 * strength)
        )
    if label == "atelectasis":
        rise = 0.3 + 2.2 * strength
        if _side(rng) < 0:
            return dataclasses.replace(thorax, dome=thorax.dome - rise, dome_left=thorax.dome_left + rise)
        return dataclasses.replace(thorax, dome_left=thorax.dome_left - rise)
    return thorax


def mark(scene: Scene, label: str, strength: float, rng: np.random.Generator) -> tuple[Field, ...]:
    """Draw a finding into a scene.

    Parameters
    ----------
    scene : Scene
        Changed in place.
    label : str
        One of `disease.LABELS` or `disease.SIDED`.
    strength : float
        In (0, 1).
    rng : numpy.random.Generator
        Seeded by patient and finding: it decides place and shape.

    Returns
    -------
    tuple of ndarray of float32, shape (size, size)
        For each place where the finding is (both sides of an effusion, each nodule), how much of it every pixel
        shows, up to a factor.
    """
    places = _MARKS[label](scene, strength, rng)
    return places if isinstance(places, tuple) else (places,)


def _side(rng: np.random.Generator) -> float:
    """-1 for the patient's right, on the image's left; the first draw of every one-sided finding."""
    return -1.0 if rng.random() < 0.55 else 1.0


def _one_side(scene: Scene, side: float) -> Field | np.float32:
    """Share of a pixel's lung that lies on a side: all or nothing from the front, half from the side."""
    if scene.plane.view == "lateral":
        return np.float32(0.5)
    return smoothstep(scene.plane.u * np.float32(side), -0.3, 0.3)


def _flood(scene: Scene, share: Field) -> Field:
    """Fill a share of each pixel's lung with water; return the depth of air replaced, cm."""
    added = share * (0.96 - scene.water)
    scene.water = scene.water + added
    # Vessels cannot be told from what is as dense as they are.
    scene.vessels = scene.vessels * (1 - 0.8 * share)
    return added * scene.lung


def _mark_cardiomegaly(scene: Scene, strength: float, rng: np.random.Generator) -> Field:
    return ((heart_shadow(scene.thorax, scene.plane) > 0) & (scene.cage > 0)).astype(np.float32)


def _mark_atelectasis(scene: Scene, strength: float, rng: np.random.Generator) -> Field:
    side = _side(rng)
    thorax, plane = scene.thorax, scene.plane
    floor = thorax.dome + (thorax.dome_left if side > 0 else 0)
    across = plane.u if plane.view == "lateral" else plane.u * np.float32(side)
    if rng.random() < 0.4:
        # A lobe collapsed towards the spine: a wedge from the hilum to the diaphragm with one sharp border.
        top, foot = floor - rng.uniform(6.5, 9.0), rng.uniform(6.0, 9.5)
        border = 2.6 + (foot - 2.6) * np.clip((plane.y - top) / (floor + 2 - top), 0, 1.2)
        if plane.view == "lateral":
            border = -7.5 + 0.6 * border
        wedge = smoothstep(border - across, -0.15, 0.25) * smoothstep(plane.y, top - 0.5, top + 2.5)
        wedge = wedge * (1 + texture(rng, plane.size, {9: 0.1, 23: 0.08}))
        return _flood(scene, np.clip((0.15 + 0.7 * strength) * wedge, 0, 1) * _one_side(scene, side))
    shown = np.zeros_like(plane.u)
    wavy = plane.y + np.float32(0.18) * smooth_field(rng, plane.size, 8)
    for band in range(1 + (strength > 0.3) + (strength > 0.65)):
        y = floor - 1.4 - 1.9 * band - rng.uniform(0, 0.9)
        start, end, fall = rng.uniform(3.0, 5.0), rng.uniform(8.0, 11.0), rng.normal(-0.5, 1.0)
        if plane.view == "lateral":
            start, end = rng.uniform(-6, -3), rng.uniform(0, 4)
        thickness = rng.uniform(0.13, 0.26) + 0.15 * strength
        away = segment_distance(across, wavy, (start, y), (end, y + fall))
        shown += np.exp(-0.5 * np.square(away / thickness))
    shown = shown * _one_side(scene, side) * np.minimum(scene.lung / 3, 1)
    scene.strands = scene.strands + (0.25 + 1.9 * strength) * shown
    low = smoothstep(plane.y, floor - 4.0, floor + 1.0) * _one_side(scene, side)
    _flood(scene, 0.3 * strength * low)
    return shown


def _mark_edema(scene: Scene, strength: float, rng: np.random.Generator) -> Field:
    plane, thorax = scene.plane, scene.thorax
    wide = rng.uniform(3.6, 4.8)
    aside = (np.abs(plane.u) - 4.6) / wide if plane.view == "frontal" else (plane.u + 1.0) / 5.0
    wings = np.exp(-np.square(aside) - np.square((plane.y - 1.0) / rng.uniform(4.8, 6.5)))
    sink = smoothstep(plane.y, -6.0, thorax.dome)
    fluffy = np.clip(1 + texture(rng, plane.size, {9: 0.22, 19: 0.20, 41: 0.16}), 0, 2)
    haze = (0.75 * wings + 0.3 * sink) * fluffy
    shown = _flood(scene, np.clip((0.02 + 0.65 * strength**1.4) * haze, 0, 0.9))
    # Septa thickened by fluid: short level lines along the side walls, and a fine net everywhere.
    half_width, _ = thorax.widths(plane.y)
    wall = half_width - np.abs(plane.u) if plane.view == "frontal" else np.full_like(plane.u, 9.0)
    near_wall = smoothstep(wall, 0.15, 0.5) * (1 - smoothstep(wall, 1.2, 2.4)) * smoothstep(plane.y, 0.0, 4.0)
    wave = np.sin(plane.y * 8.5 + 1.6 * smooth_field(rng, plane.size, 14))
    net = np.exp(-np.square(smooth_field(rng, plane.size, 62) / 0.3))
    lines = 0.5 * near_wall * smoothstep(wave, 0.6, 0.95) + 0.22 * net * (wings + sink)
    scene.strands = scene.strands + 1.1 * strength * lines * np.minimum(scene.lung / 4, 1)
    return shown


def _mark_interstitial(scene: Scene, strength: float, rng: np.random.Generator) -> Field:
    plane, thorax = scene.plane, scene.thorax
    low, high = (-8.0, 5.0) if rng.random() < 0.7 else (12.0, -4.0)
    slope = (plane.y - low) / (high - low)
    region = 0.25 + 0.75 * np.clip(slope, 0, 1)
    if plane.view == "frontal":
        half_width, _ = thorax.widths(plane.y)
        region = region * (0.45 + 0.55 * np.square(np.clip(np.abs(plane.u) / np.maximum(half_width, 1), 0, 1)))
    region = region * np.clip(1 + texture(rng, plane.size, {6: 0.3, 12: 0.2}), 0.1, 2)
    net = sum(np.exp(-np.square(smooth_field(rng, plane.size, cells) / 0.28)) for cells in (46, 64))
    filled = np.minimum(scene.lung / 6, 1) * region
    scene.strands = scene.strands + (0.06 + 1.25 * strength) * net * filled
    _flood(scene, np.clip((0.01 + 0.22 * strength) * region, 0, 0.5))
    return region * (scene.lung > 1.5)


def _mark_consolidation(scene: Scene, strength: float, rng: np.random.Generator) -> Field:
    return _consolidate(scene, strength, rng, _side(rng))


def _consolidate(scene: Scene, strength: float, rng: np.random.Generator, side: float, extent: float = 1.0) -> Field:
    thorax, plane = scene.thorax, scene.plane
    y = rng.uniform(-8.0, thorax.dome - 1.5) if rng.random() < 0.35 else rng.uniform(1.0, thorax.dome - 1.0)
    x = side * rng.uniform(0.42, 0.75) * thorax.half_width_at(y)
    z = rng.uniform(-5, 4)
    wide, tall = rng.uniform(2.3, 3.7) + 1.9 * strength, rng.uniform(2.0, 3.0) + 1.5 * strength
    wide, tall = extent * wide, extent * tall
    u = (plane.u - plane.across(x, z)) / wide
    v = (plane.y - y) / tall
    far = np.sqrt(u * u + v * v) + texture(rng, plane.size, {8: 0.20, 16: 0.14, 32: 0.10})
    share = 1 - smoothstep(far, 0.35, 1.25)
    if rng.random() < 0.4:  # it stops at a fissure
        fissure = y + rng.choice([-0.45, 0.45]) * tall
        edge = (plane.y - fissure) * (1 if fissure < y else -1) + 0.08 * u * wide
        share = share * smoothstep(edge, -0.15, 0.3)
    share = share * np.clip(1 + texture(rng, plane.size, {24: 0.12, 50: 0.12}), 0, 1.5)
    return _flood(scene, np.clip((0.07 + 0.85 * strength) * share, 0, 0.97) * _one_side(scene, side))


def _mark_nodule(scene: Scene, strength: float, rng: np.random.Generator) -> tuple[Field, ...]:
    side = _side(rng)
    thorax, plane = scene.thorax, scene.plane
    bent = bend(plane, rng, amount=0.12, cells=40)
    places = []
    for smaller in (1.0, 0.8, 0.7)[: int(rng.choice([1, 2, 3], p=[0.6, 0.2, 0.2]))]:
        y = rng.uniform(-9.0, thorax.dome - 1.5)
        centre = (side * rng.uniform(0.42, 0.82) * thorax.half_width_at(y), y, rng.uniform(-4, 4))
        radius = smaller * (rng.uniform(0.45, 0.8) + 1.35 * strength)
        stretch = rng.uniform(0.85, 1.2)
        solid = Ellipsoid(centre, (radius * stretch, radius / stretch, radius), tilt=rng.uniform(0, 3))
        places.append(union(bent, solid) * (scene.lung > 0))
        side = -side
    scene.strands = scene.strands + (0.4 + 0.6 * strength) * sum(places)
    return tuple(places)


def _mark_pneumothorax(scene: Scene, strength: float, rng: np.random.Generator) -> Field:
    side = _side(rng)
    thorax, plane = scene.thorax, scene.plane
    gap = 0.5 + 4.4 * strength
    if plane.view == "lateral":
        shown = smoothstep(-plane.y, 2.0, 9.0) * np.minimum(scene.lung / 4, 1)
        scene.water = scene.water * (1 - 0.25 * strength * shown)
        return shown
    shrunk = dataclasses.replace(thorax, half_width=thorax.half_width - 0.75 * gap, apex=thorax.apex + 1.3 * gap)
    wavy = plane.y + np.float32(0.25) * smooth_field(rng, plane.size, 7)
    edge, _ = shrunk.widths(wavy)
    higher, _ = shrunk.widths(wavy + np.float32(0.2))
    out = plane.u * np.float32(side)
    away = (out - edge) / np.sqrt(1 + np.square((higher - edge) / 0.2))
    beyond = smoothstep(away, -0.08, 0.08)
    # Towards the base the lung stays at the wall.
    beyond = beyond * (1 - 0.75 * smoothstep(plane.y, 3.0, thorax.dome + 3)) * (out > 0.5)
    here = _one_side(scene, side)
    scene.water = scene.water * (1 - 0.93 * beyond * here) * (1 + 0.35 * strength * here * (1 - beyond))
    scene.vessels = scene.vessels * (1 - beyond * here)
    line = np.exp(-0.5 * np.square(away / 0.09)) * (plane.y < 7) * here
    scene.strands = scene.strands + 0.55 * line * (scene.lung > 1.0)
    return beyond * here * (scene.lung > 0.8)


def _mark_effusion(scene: Scene, strength: float, rng: np.random.Generator) -> tuple[Field, ...]:
    side, both = _side(rng), rng.random() < 0.35
    worse = _pool(scene, strength, side, rng)
    return (worse, _pool(scene, strength * rng.uniform(0.3, 0.9), -side, rng)) if both else (worse,)


def _pool(scene: Scene, strength: float, side: float, rng: np.random.Generator) -> Field:
    """Fluid in one pleural space: it climbs the walls, and behind a patient in bed it spreads upwards as a veil."""
    thorax, plane = scene.thorax, scene.plane
    floor = thorax.dome + (thorax.dome_left if side > 0 else 0)
    level = floor + 2.7 - 9.0 * strength**1.6 + 0.25 * smooth_field(rng, plane.size, 6)
    if plane.view == "frontal":
        half_width, _ = thorax.widths(plane.y)
        wall = np.clip(plane.u * np.float32(side) / np.maximum(half_width, 1), 0, 1)
    else:
        back, front = thorax.profile(plane.y)
        wall = np.clip(np.abs(2 * plane.u - back - front) / np.maximum(front - back, 1), 0, 1)
    climb = 2.6 * np.square(wall) * wall - 0.9
    depth = plane.y - (level - climb * (0.5 + strength))
    share = 0.97 * smoothstep(depth, -0.5 - 0.6 * strength, 0.9 + 1.2 * strength)
    if thorax.arms_down:
        share = np.maximum(share, 0.30 * strength * smoothstep(plane.y, -11.0, floor))
    return _flood(scene, share * _one_side(scene, side))


_MARKS: dict[str, Callable[[Scene, float, np.random.Generator], Field | tuple[Field, ...]]] = {
    "cardiomegaly": _mark_cardiomegaly,
    "atelectasis": _mark_atelectasis,
    "edema": _mark_edema,
    "interstitial opacity": _mark_interstitial,
    "consolidation": _mark_consolidation,
    # As large as the opacities that readers box in COVID-19.
    "right consolidation": partial(_consolidate, side=-1.0, extent=1.6),
    "left consolidation": partial(_consolidate, side=1.0, extent=1.6),
    "nodule": _mark_nodule,
    "pneumothorax": _mark_pneumothorax,
    "effusion": _mark_effusion,
}
