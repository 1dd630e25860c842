"""From attenuation to a displayed picture: Beer-Lambert, scatter, quantum noise, detector blur, display curve."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from evalkit.phantom.fields import Field, blur


@dataclass(frozen=True, eq=False)
class Exposure:
    """How one image was exposed and displayed.

    Attributes
    ----------
    photons : float
        Quanta per pixel that would reach the detector without a patient.
    scatter : float
        Scattered over primary radiation behind an average chest.
    sharpness : float
        Detector blur, cm.
    gamma, shoulder : float
        Exponent of the display curve and how much it flattens at the bright end.
    equalisation : float
        Share of the coarse brightness differences that the display takes out, as digital systems do.
    noise : ndarray of float32, shape (size, size)
        Standard normal draws, kept so that the same grain lies on the image without bone.
    """

    photons: float
    scatter: float
    sharpness: float
    gamma: float
    shoulder: float
    equalisation: float
    noise: Field = field(repr=False)


def draw_exposure(rng: np.random.Generator, size: int, *, bedside: bool) -> Exposure:
    """Draw how an image is exposed; bedside images have more scatter, more noise and less contrast."""
    return Exposure(
        photons=float(np.exp(rng.normal(10.6 if bedside else 11.1, 0.35))),
        scatter=float(np.clip(rng.normal(0.6 if bedside else 0.45, 0.12), 0.15, 1.3)),
        sharpness=float(np.clip(rng.normal(0.075 if bedside else 0.055, 0.015), 0.02, 0.14)),
        gamma=float(np.exp(rng.normal(0.15, 0.16))),
        shoulder=float(np.clip(rng.normal(0.8, 0.25), 0.1, 1.5)),
        equalisation=float(np.clip(rng.normal(0.15, 0.08), 0.0, 0.4)),
        noise=rng.standard_normal((size, size), dtype=np.float32),
    )


def detect(attenuation: Field, exposure: Exposure, pixel: float) -> Field:
    """Return the logarithm of the exposure at the detector, negated: 0 for open air, larger behind more matter."""
    primary = np.exp(-attenuation)
    # Scatter is strongest where most radiation is removed nearby, and hardly varies over centimetres.
    veil = exposure.scatter * blur(primary * (1 - primary), 2.2 / pixel)
    arriving = blur(primary + veil, exposure.sharpness / pixel)
    arriving += np.sqrt(arriving * np.float32(1 / exposure.photons)) * exposure.noise
    return -np.log(np.maximum(arriving, 1e-4))


def display_window(signal: Field, *, inside: NDArray[np.bool_]) -> tuple[float, float]:
    """Choose the window of a display: from the lungs' blackest to the abdomen's whitest part of the field."""
    low, high = np.percentile(signal[::2, ::2][inside[::2, ::2]], (3, 99.5))
    return float(low), float(high)


def develop(signal: Field, exposure: Exposure, window: tuple[float, float], pixel: float) -> NDArray[np.uint8]:
    """Turn the detector's signal into grey levels, dark where much radiation arrived."""
    low, high = window
    span = high - low
    coarse = blur(signal, 3.5 / pixel)
    level = signal - exposure.equalisation * (coarse - 0.5 * (low + high))
    grey = np.maximum((level - low) / span * 0.86 + 0.14, 0)
    grey = np.power(grey, exposure.gamma)
    knee = exposure.shoulder
    grey = grey * (1 + 0.5 * knee) / (1 + 0.5 * knee * grey)
    return (np.clip(grey, 0, 1) * 243 + 0.5).astype(np.uint8)
