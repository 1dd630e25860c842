"""Which findings a patient has, how strong they are, and how they come together.

A finding is present where a patient's liability to it, correlated between findings and drifting a little from study
to study, exceeds the threshold that its prevalence sets. How far it exceeds it is its strength, uniform in (0, 1).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from scipy.special import ndtr

#: All findings, in the order in which they are drawn into a scene.
LABELS = (
    "cardiomegaly",
    "atelectasis",
    "edema",
    "interstitial opacity",
    "consolidation",
    "nodule",
    "pneumothorax",
    "effusion",
)

#: Findings that nobody has by chance, drawn after all others where a data set asks for them.
SIDED = ("right consolidation", "left consolidation")

#: Share of studies with a finding; the five classes of the CheXpert competition are frequent enough for small draws.
PREVALENCE: Mapping[str, float] = MappingProxyType(
    {
        "cardiomegaly": 0.30,
        "atelectasis": 0.30,
        "edema": 0.30,
        "interstitial opacity": 0.15,
        "consolidation": 0.30,
        "nodule": 0.12,
        "pneumothorax": 0.10,
        "effusion": 0.30,
    }
)

# Loadings on age, heart failure and infection; what is left is the finding's own.
_LOADINGS = np.array(
    [
        [0.25, 0.55, 0.00],
        [0.15, 0.10, 0.35],
        [0.15, 0.70, 0.05],
        [0.20, 0.15, 0.20],
        [0.00, 0.00, 0.60],
        [0.20, 0.00, 0.00],
        [-0.15, -0.10, 0.00],
        [0.15, 0.50, 0.35],
    ]
)
_PERSISTENCE = 0.93


def draw_liability(rng: np.random.Generator, age: int) -> tuple[float, ...]:
    """Draw a patient's standing inclination to each of `LABELS`: standard normal, correlated, rising with age."""
    factors = np.array([(age - 58) / 18, rng.normal(), rng.normal()])
    own = np.sqrt(1 - np.square(_LOADINGS).sum(1))
    return tuple(float(g) for g in _LOADINGS @ factors + own * rng.normal(size=len(LABELS)))


def draw_strengths(
    rng: np.random.Generator, liability: tuple[float, ...], prevalence: Mapping[str, float]
) -> dict[str, float]:
    """Draw which findings a study has, and how strong each is.

    Parameters
    ----------
    rng : numpy.random.Generator
    liability : tuple of float
        From `draw_liability`.
    prevalence : mapping of str to float
        Share of studies that have each finding.

    Returns
    -------
    dict of str to float
        Present findings with a strength in (0, 1).
    """
    drift = math.sqrt(1 - _PERSISTENCE**2) * rng.normal(size=len(LABELS))
    share = ndtr(_PERSISTENCE * np.array(liability) + drift)
    excess = {label: float(s) - (1 - prevalence[label]) for label, s in zip(LABELS, share, strict=True)}
    return {label: over / prevalence[label] for label, over in excess.items() if over > 0}
