"""Bones in both views: ribs, spine, clavicles, shoulder blades, upper arms, breastbone; as depth of compact bone, cm.

Ribs repeat with nearly equal spacing, so all of one kind are drawn at once: the height of a pixel over the course of
the first rib, in units of the spacing, says which rib is nearest and how far its axis is.
"""

from __future__ import annotations

import numpy as np

from evalkit.phantom.anatomy import Thorax
from evalkit.phantom.fields import Field, smooth_field, smoothstep
from evalkit.phantom.projection import Plane, capsule, segment_distance

#: Ribs that can show in a chest radiograph.
_RIBS = 11


def frontal_bones(thorax: Thorax, plane: Plane, rng: np.random.Generator) -> Field:
    """Depth of compact bone in a frontal view, cm."""
    jitter = np.clip(rng.normal(0, 1, (4, _RIBS + 2)), -2, 2).astype(np.float32)
    bones = _ribs(thorax, plane, jitter[:2], front=False) + _ribs(thorax, plane, jitter[2:], front=True)
    window, near = plane.crop((-4, 4), (-40, 40))
    bones[window] += _spine(thorax, near)
    top = thorax.shoulder
    window, near = plane.crop((-30, 30), (top - 3, top + 6))
    bones[window] += _clavicles(thorax, near, rng.normal(0, 0.25, 2))
    window, near = plane.crop((-30, 30), (top - 2, top + 20))
    bones[window] += _shoulders(thorax, near)
    bones *= 1 + 0.1 * smooth_field(rng, plane.size, 52)
    return bones * np.float32(thorax.bone)


def lateral_bones(thorax: Thorax, plane: Plane, rng: np.random.Generator) -> Field:
    """Depth of compact bone in a lateral view, cm."""
    y = plane.y
    back, front = thorax.profile(y)
    bones = _column_from_the_side(plane.u - back - 2.3, y)
    for offset in rng.normal(0, 0.3, 2) + np.array([0.0, 0.9]):
        bones += _ribs_from_the_side(thorax, plane.u - back, y + np.float32(offset), plane.pixel)
    breastbone = _tube(np.abs(plane.u - front + 0.4), np.float32(0.6), plane.pixel)
    joints = 1 - 0.4 * np.exp(-0.5 * np.square((np.mod(y + 7.5, 3.2) - 1.6) / 0.18))
    bones += 0.9 * breastbone * joints * smoothstep(y, -8.6, -7.6) * (1 - smoothstep(y, 6.5, 8.0))
    blade = segment_distance(plane.u, y, (-7.2, -9.0), (-8.6, 1.5))
    bones += 0.5 * np.exp(-0.5 * np.square(blade / 0.25))
    head = np.sqrt(np.maximum(1 - (np.square(plane.u - 0.5) + np.square(y + 13.0)) / 2.4**2, 0))
    bones += 1.4 * head + 0.7 * capsule(plane.u, y, (1.0, -13.5), (9.0, -26.0), (1.3, 1.1))
    bones *= 1 + 0.1 * smooth_field(rng, plane.size, 52)
    return bones * np.float32(thorax.bone)


def _column_from_the_side(u: Field, y: Field) -> Field:
    """Draw vertebral bodies with dense end plates, clear discs, and the arches behind them."""
    count = (y + 20) / (2.35 * (1 + 0.008 * y))
    phase = np.abs(count - np.floor(count) - 0.5)
    half = 1.45 * (1 + 0.02 * y) * (0.93 + 0.25 * np.square(phase))
    body = np.clip((half - np.abs(u)) / 0.3 + 0.5, 0, 1)
    disc = smoothstep(phase, 0.36, 0.44)
    plates = np.exp(-0.5 * np.square((phase - 0.37) / 0.04))
    rim = np.exp(-0.5 * np.square((np.abs(u) - half + 0.1) / 0.14)) * (1 - disc)
    arches = np.exp(-0.5 * (np.square((u + 2.6) / 0.7) + np.square((phase - 0.3) / 0.16)))
    return 1.1 * body * (0.75 - 0.5 * disc + 0.35 * plates) + 0.35 * rim + 0.55 * arches


def _ribs_from_the_side(thorax: Thorax, behind: Field, y: Field, pixel: float) -> Field:
    """Draw the ribs of one side falling forwards from the spine; `behind` is the distance from the cage's back."""
    spacing = np.float32(thorax.rib_spacing)
    forward = np.clip(behind - 0.5, 0, None)
    fall = np.float32(thorax.rib_drop) * 0.105 * (1 + 0.02 * (y + 12))
    axis = fall * forward + 1.2 * np.exp(-forward / 1.2)
    rank = (y - np.float32(thorax.rib_top) - axis) / spacing
    index = np.rint(rank)
    away = np.abs(rank - index) * spacing / np.sqrt(1 + np.square(fall))
    shell = _tube(away, np.float32(0.9 * thorax.rib_radius), pixel)
    seen = (index >= 0) & (index < _RIBS) & (behind > 0.2)
    return np.where(seen, 0.3 * shell * (1 - 0.9 * smoothstep(behind, 8.0, 13.0)), 0)


def _ribs(thorax: Thorax, plane: Plane, jitter: Field, *, front: bool) -> Field:
    """Draw the posterior or the anterior halves of all ribs, both sides.

    A rib is half an ellipse round the cage in a plane that falls forwards: at q = |x| / half width its axis lies
    drop * sqrt(1 - q^2) above (behind) or below (in front) its outermost point.
    """
    u = plane.u - np.float32(plane.across(0, 7.0 if front else -7.0))
    half_width, _ = thorax.widths(plane.y + (1.0 if front else 2.0))
    q = np.abs(u) / np.maximum(half_width + np.float32(0.35), 1.0)
    round_ = np.sqrt(np.maximum(1 - q * q, 0.02))
    drop = np.float32(thorax.rib_drop) * (0.62 + 0.03 * (plane.y + 12))
    sign = 1.0 if front else -1.0
    spacing = np.float32(thorax.rib_spacing)
    # Behind, the ribs leave the spine a little upwards before they fall.
    axis = sign * drop * round_ + (0.0 if front else 0.5 * np.float32(thorax.rib_drop) * (1 - q) * q)
    slope = drop * q / round_ / np.maximum(half_width, 1.0)
    rank = (plane.y - np.float32(thorax.rib_top + thorax.rib_drop * (0.78 if front else 0.62)) - axis) / spacing
    nearest = np.clip(np.rint(rank), 0, _RIBS + 1) + np.float32(_RIBS + 2) * (u > 0)
    odd = jitter.ravel().take(nearest.astype(np.intp))
    rank = rank + 0.06 * odd
    index = np.rint(rank)
    seen = (index >= 0) & (index < (9 if front else _RIBS)) & (q < 1)
    away = np.abs(rank - index) * spacing / np.sqrt(1 + np.square(np.minimum(slope, 2.5)))
    radius = np.float32(thorax.rib_radius) * (1.0 if front else 0.92) * (1 + 0.05 * odd)
    shell = _tube(away, radius, plane.pixel)
    # Along the side wall the beam runs along the rib; in front, ribs end in cartilage that does not show.
    along = 1 / np.sqrt(1 - 0.8 * np.minimum(q * q, 1))
    length = smoothstep(q, 0.42, 0.56) * 0.75 if front else smoothstep(q, 0.13, 0.2)
    return np.where(seen, 0.6 * shell * along * length, 0)


def _tube(away: Field, radius: Field | np.float32, pixel: float) -> Field:
    """Profile of a bone with a dense rim, 1 at the middle and a little more at the edge, over the distance `away`."""
    t = away / radius
    edge = np.float32(max(0.08, 0.6 * pixel)) / np.float32(np.mean(radius))
    body = np.clip((1 - t) / edge + 0.5, 0, 1)
    t2 = np.square(np.minimum(t, 1))
    return body * (0.55 + 0.75 * t2 * t2 * t2)


def _spine(thorax: Thorax, plane: Plane) -> Field:
    """Vertebral bodies with pedicles, end plates and spinous processes."""
    y = plane.y
    middle = np.float32(plane.across(0, -6.5)) + np.float32(thorax.scoliosis) * np.sin((y + 4) / 7)
    u = plane.u - middle
    grow = 1 + 0.018 * y  # lower vertebrae are larger
    count = (y + 20) / (2.35 * (1 + 0.008 * y))
    phase = count - np.floor(count)
    width = 1.55 * grow
    waist = width * (0.92 + 0.10 * np.square(2 * phase - 1))
    side = np.clip((waist - np.abs(u)) / 0.35 + 0.5, 0, 1)
    disc = smoothstep(np.abs(phase - 0.5), 0.38, 0.46)
    plates = np.exp(-0.5 * np.square((np.abs(phase - 0.5) - 0.36) / 0.045))
    rim = np.exp(-0.5 * np.square((np.abs(u) - waist + 0.12) / 0.15))
    bodies = side * (0.72 - 0.38 * disc + 0.16 * plates) + 0.2 * rim * (1 - disc)
    pedicle = np.exp(-0.5 * (np.square((np.abs(u) - 1.0 * grow) / 0.2) + np.square((phase - 0.36) * 2.35 / 0.34)))
    spinous = np.exp(-0.5 * (np.square(u / 0.2) + np.square((phase - 0.75) * 2.35 / 0.5)))
    transverse = np.exp(-0.5 * np.square((phase - 0.3) * 2.35 / 0.36)) * (1 - smoothstep(np.abs(u), 2.4, 3.2))
    transverse = transverse * smoothstep(np.abs(u), 1.1, 1.6)
    return 0.38 * bodies + 0.25 * pedicle + 0.3 * spinous + 0.25 * transverse


def _clavicles(thorax: Thorax, plane: Plane, uneven: Field) -> Field:
    """Draw both collar bones: thick at the inner end, S-shaped, rising outwards."""
    u = plane.u - np.float32(plane.across(0, 6.0))
    out = np.abs(u)
    t = np.clip((out - 2.0) / 13.5, 0, 1)
    raised = np.where(u > 0, np.float32(uneven[0]), np.float32(uneven[1]))
    rise, wave = 4.6 - 1.2 * thorax.arms_down, 0.55
    axis = thorax.shoulder + 4.2 - 0.8 * thorax.arms_down + raised - rise * t + wave * np.sin(2 * np.pi * t - 0.3)
    slope = (2 * np.pi * wave * np.cos(2 * np.pi * t - 0.3) - rise) / 13.5
    away = np.abs(plane.y - axis) / np.sqrt(1 + np.square(slope))
    radius = 0.5 + 0.45 * np.square(1 - t) * (1 - t) + 0.14 * t
    ends = smoothstep(out, 1.7, 2.2) * (1 - smoothstep(out, 14.8, 15.4))
    return 1.15 * _tube(away, radius, plane.pixel) * ends


def _shoulders(thorax: Thorax, plane: Plane) -> Field:
    """Draw shoulder blades and upper arms; turned away from the lungs unless the arms are down."""
    u, y = np.abs(plane.u), plane.y
    top, down = thorax.shoulder, thorax.arms_down
    out = 1.6 - 2.0 * down + (thorax.half_width - 13)
    glenoid, tip, corner = (15.0 + 0.5 * out, top + 3.6), (11.6 + out, top + 14.5), (9.8 + out, top + 1.5)
    blade: Field = np.ones_like(u)
    for (ax, ay), (bx, by) in ((glenoid, tip), (tip, corner), (corner, glenoid)):
        length = float(np.hypot(bx - ax, by - ay))
        inward = ((bx - ax) * (y - ay) - (by - ay) * (u - ax)) / length
        blade = blade * np.clip(inward / 0.5 + 0.5, 0, 1)
    rims = sum(
        weight * np.exp(-0.5 * np.square(segment_distance(u, y, a, b) / 0.22))
        for a, b, weight in ((glenoid, tip, 0.42), (tip, corner, 0.22))
    )
    spine = np.clip((0.55 - segment_distance(u, y, corner, (17.2 + 0.4 * out, top + 0.8))) / 0.4 + 0.5, 0, 1)
    coracoid = np.clip(
        (0.6 - segment_distance(u, y, (13.0 + 0.5 * out, top + 2.2), (14.6 + 0.5 * out, top + 2.9))) / 0.4 + 0.5, 0, 1
    )
    head = np.sqrt(np.maximum(1 - (np.square(u - 17.4 - 0.4 * out) + np.square(y - top - 3.4)) / 2.35**2, 0))
    start, end = (18.0 + 0.4 * out, top + 4.5), (24.0 - 3.5 * down, top + 20)
    shaft = 0.5 * capsule(u, y, start, end, (1.2, 1.0)) - 0.42 * capsule(u, y, start, end, (0.75, 0.55))
    return 0.25 * blade + 1.3 * rims + 0.3 * spine + 0.4 * coracoid + 1.2 * head + 1.1 * np.maximum(shaft, 0)
