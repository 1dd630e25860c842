"""Patients with one class each: normal, or one finding that dominates, from subtle to obvious."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from evalkit.errors import InputError
from evalkit.phantom.order import Order, studies_of
from evalkit.phantom.patients import Patient, Study, random_stream
from evalkit.seeds import seed_from


class DrawnClass(NamedTuple):
    """A class of patients.

    Attributes
    ----------
    name : str
    finding : str or None
        The one of `disease.LABELS` that its patients have; None for normal.
    weight : float
        Patients of this class, in proportion to the others'.
    """

    name: str
    finding: str | None
    weight: float


#: The six classes of the IFA paper's Table 1. Of its counts only the largest, 1540, and the smallest, 280, are known;
#: which classes have them, and the four between, evenly spaced on a logarithmic scale, are this project's choice.
SIX_CLASSES = (
    DrawnClass("normal", None, 1540),
    DrawnClass("nodule", "nodule", 1095),
    DrawnClass("consolidation", "consolidation", 779),
    DrawnClass("interstitial_opacity", "interstitial opacity", 554),
    DrawnClass("pleural_effusion", "effusion", 394),
    DrawnClass("pneumothorax", "pneumothorax", 280),
)

# From findings that nobody sees to those that nobody misses. Strong ones are more frequent (density proportional to
# strength), so that a small network learns from a few hundred patients, and not everything.
_WEAKEST, _STRONGEST = 0.05, 0.98
_DRIFT = 0.06


def allot(total: int, weights: Sequence[float]) -> list[int]:
    """Share out a total in proportion to weights, by largest remainders, with at least one for each.

    Raises
    ------
    InputError
        `total` is smaller than the number of weights.
    """
    if total < len(weights):
        raise InputError(
            f"{total} patients are to be of {len(weights)} kinds", "at least one patient of each", "draw more patients"
        )
    spare = total - len(weights)
    # One for each is given first; a share that one patient already exceeds gets no more.
    exact = np.maximum(np.array(weights) * (total / sum(weights)) - 1, 0)
    exact = exact * (spare / exact.sum()) if spare else exact * 0
    counts = np.floor(exact).astype(int)
    behind = np.argsort(counts - exact, kind="stable")
    counts[behind[: spare - counts.sum()]] += 1
    return [int(count) + 1 for count in counts]


def kind_of(patient: Patient, order: Order, counts: Sequence[int]) -> tuple[int, int]:
    """Which of several kinds a patient of an order is, and how many of that kind have smaller numbers.

    Parameters
    ----------
    counts : sequence of int
        Patients of each kind; they add up to those of the order, among whom the kinds are mixed at random.
    """
    rng = np.random.default_rng(seed_from(purpose="phantom kinds", seed=order.seed, first=order.first_patient))
    kinds = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    place = patient.number - order.first_patient
    return int(kinds[place]), int((kinds[:place] == kinds[place]).sum())


def dominated_studies(patient: Patient, order: Order, finding: str | None) -> list[Study]:
    """A patient's studies with one finding, or none, and nothing else.

    How a patient is radiographed and with which devices is drawn as ever and owes nothing to the class, so that it
    does not give the class away. The finding's strength is a patient's own and drifts a little between studies.
    """
    strength = _STRONGEST * np.sqrt(random_stream(patient, "dominant").random())
    studies = []
    for study in studies_of(patient, order):
        drift = random_stream(patient, "dominant drift", study=study.number).normal(0, _DRIFT)
        strengths = {finding: float(np.clip(strength + drift, _WEAKEST, _STRONGEST))} if finding else {}
        studies.append(dataclasses.replace(study, strengths=strengths))
    return studies
