"""The sizes of everything in and around one chest.

Plain numbers here and in the modules that draw are centimetres in an average adult, set by eye against what a chest
radiograph looks like; they are not measurements.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from evalkit.phantom.fields import Field


@dataclass(frozen=True)
class Thorax:
    """Sizes of one chest, in cm unless said otherwise; see `projection` for the coordinates.

    Attributes
    ----------
    half_width, half_depth : float
        Inner half width and half depth of the rib cage at its widest.
    apex, base : float
        y of the lung's top, and of the level at which the cage is widest.
    fat, muscle : float
        Thickness of the soft coat of the trunk, and of the shoulders' muscles over the average.
    breast : float
        Depth of the breasts, 0 for none.
    arms_down : float
        1 for arms beside the body (bedside), 0 for arms turned away.
    shoulder : float
        y of the shoulders' top.
    rib_top, rib_spacing, rib_drop, rib_radius : float
        y of the first posterior rib, distance between ribs, half the drop of a rib from back to front, half its height.
    bone : float
        Bone density, 1 for an average adult.
    scoliosis, kyphosis : float
        Sideways and forward bend of the spine.
    heart : float
        Width of the heart over that of an average adult (1).
    heart_tilt : float
        Angle of the heart's long axis below the horizontal, radians.
    aorta : float
        Unfolding of the aorta, 0 (young) to 1 (old).
    dome, dome_left : float
        y of the right diaphragm's top, and how much lower the left one is.
    dome_bow : float
        Curvature of the diaphragm, 1 for average.
    hilum : float
        Prominence of the hila, 1 for average.
    blood : float
        Calibre of the lung's vessels, 1 for average.
    water : float
        Share of the lung's depth that is tissue and blood.
    gas : tuple of float
        Half width, half height and depth of the stomach's gas, 0 for none.
    """

    half_width: float
    half_depth: float
    apex: float
    base: float
    fat: float
    muscle: float
    breast: float
    arms_down: float
    shoulder: float
    rib_top: float
    rib_spacing: float
    rib_drop: float
    rib_radius: float
    bone: float
    scoliosis: float
    kyphosis: float
    heart: float
    heart_tilt: float
    aorta: float
    dome: float
    dome_left: float
    dome_bow: float
    hilum: float
    blood: float
    water: float
    gas: tuple[float, float, float]

    def widths(self, y: Field) -> tuple[Field, Field]:
        """Inner half width and half depth of the rib cage at heights `y`, 0 above the apex."""
        t = np.clip((y - np.float32(self.apex)) * np.float32(1 / (self.base - self.apex)), 0, 1)
        left = 1 - t
        rise = 1 - left * left * np.sqrt(np.sqrt(left))
        wide = np.sqrt(rise) * (1.1 - 0.1 * rise)
        return np.float32(self.half_width) * wide, np.float32(self.half_depth) * (0.25 + 0.75 * wide) * wide

    def half_width_at(self, y: float) -> float:
        """Inner half width of the rib cage at one height, cm."""
        return float(self.widths(np.array([y], np.float32))[0][0])

    def profile(self, y: Field) -> tuple[Field, Field]:
        """z of the rib cage's back and front at heights `y`, cm: the back bends with the spine, the front slopes."""
        t = np.clip((y - np.float32(self.apex)) * np.float32(1 / (self.base - self.apex)), 0, 1)
        back = -(self.half_depth - 1.2) - np.float32(self.kyphosis) * (1 - np.square((y + 1) / 13))
        front = -1.5 + (self.half_depth + 1.8) * np.power(t, np.float32(0.55))
        return back, front


def draw_thorax(rng: np.random.Generator, *, female: bool, age: int) -> Thorax:
    """Draw the chest of a patient of the given sex and age (years)."""
    old = (age - 58) / 18
    fat = float(np.clip(math.exp(rng.normal(0.55, 0.45)), 0.6, 5.0))
    lean = rng.normal(0, 1)  # long and narrow, or short and wide
    return Thorax(
        half_width=(12.4 if female else 13.5) - 0.5 * lean + rng.normal(0, 0.4) + 0.12 * fat,
        half_depth=8.0 + rng.normal(0, 0.7) + 0.35 * old + 0.15 * fat,
        apex=-13.2 - 0.4 * lean + rng.normal(0, 0.4),
        base=13.0,
        fat=fat,
        muscle=(0.0 if female else 0.6) - 0.3 * old + rng.normal(0, 0.3),
        breast=float(np.clip(rng.normal(2.6 + 0.5 * fat, 1.0), 0.8, 5.5)) if female else max(0.0, 0.35 * (fat - 1.5)),
        arms_down=0.0,
        shoulder=-12.0 + rng.normal(0, 0.8),
        rib_top=-12.6 + rng.normal(0, 0.3),
        rib_spacing=2.5 + rng.normal(0, 0.1),
        rib_drop=4.6 + 0.5 * lean + rng.normal(0, 0.5),
        rib_radius=(0.48 if female else 0.54) + rng.normal(0, 0.04),
        bone=float(np.clip((0.94 if female else 1.05) - 0.1 * old + rng.normal(0, 0.1), 0.6, 1.35)),
        scoliosis=rng.normal(0, 0.4),
        kyphosis=2.2 + 0.5 * old + rng.normal(0, 0.5),
        heart=1.0 - 0.035 * lean + 0.02 * old + 0.015 * (fat - 1.8) + rng.normal(0, 0.045),
        heart_tilt=float(np.clip(0.70 + 0.12 * lean - 0.05 * fat + rng.normal(0, 0.1), 0.48, 1.05)),
        aorta=float(np.clip(0.45 + 0.25 * old + rng.normal(0, 0.12), 0, 1.2)),
        dome=8.6 + 0.6 * lean - 0.2 * (fat - 1.8) + rng.normal(0, 0.6),
        dome_left=1.0 + rng.normal(0, 0.5),
        dome_bow=float(np.clip(1 - 0.12 * old + rng.normal(0, 0.15), 0.55, 1.5)),
        hilum=float(np.clip(rng.normal(1, 0.15), 0.6, 1.5)),
        blood=float(np.clip(rng.normal(1, 0.12), 0.7, 1.4)),
        water=float(np.clip(rng.normal(0.24, 0.025) + 0.008 * (fat - 1.8), 0.17, 0.34)),
        gas=(rng.uniform(1.6, 3.4), rng.uniform(0.8, 1.8), rng.uniform(1.5, 5.0)) if rng.random() < 0.7 else (0, 0, 0),
    )
