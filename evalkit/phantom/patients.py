"""Patients and their visits: who is radiographed, how, and with which findings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from evalkit.phantom.anatomy import Thorax, draw_thorax
from evalkit.phantom.disease import PREVALENCE, draw_liability, draw_strengths
from evalkit.phantom.vessels import Vessels, grow_vessels
from evalkit.seeds import seed_from

Projection = Literal["PA", "AP"]


@dataclass(frozen=True)
class Patient:
    """One patient of the phantom's world.

    Attributes
    ----------
    number : int
    seed : int
    sex : {"Female", "Male"}
    age : int
        Years at the first study.
    thorax : Thorax
    vessels : Vessels
    liability : tuple of float
        Standing inclination to each of `disease.LABELS`, standard normal and correlated between findings.
    frailty : float
        Standard normal; a frail patient is more often radiographed in bed (AP).
    """

    number: int
    seed: int
    sex: str
    age: int
    thorax: Thorax
    vessels: Vessels = field(repr=False)
    liability: tuple[float, ...]
    frailty: float


def draw_patient(patient: int, *, seed: int = 0) -> Patient:
    """Draw a patient; the same number and seed give the same patient, whatever was drawn before.

    Parameters
    ----------
    patient : int
        Patient number, positive.
    seed : int
        World to which the patient belongs.

    Returns
    -------
    Patient
    """
    rng = np.random.default_rng(seed_from(purpose="phantom patient", seed=seed, patient=patient))
    female = rng.random() < 0.46
    age = int(np.clip(rng.normal(58, 18), 18, 90))
    frailty = float(rng.normal() + 0.02 * (age - 58))
    thorax = draw_thorax(rng, female=female, age=age)
    liability = draw_liability(rng, age)
    return Patient(
        number=patient,
        seed=seed,
        sex="Female" if female else "Male",
        age=age,
        thorax=thorax,
        vessels=grow_vessels(rng, thorax.half_width, thorax.half_depth),
        liability=liability,
        frailty=frailty,
    )


@dataclass(frozen=True)
class Study:
    """One visit of a patient.

    Attributes
    ----------
    number : int
        From 1.
    projection : {"PA", "AP"}
        How the frontal image is taken: standing, from behind, or in bed, from the front.
    strengths : dict of str to float
        Findings present, each with a strength in (0, 1).
    devices : tuple of str
        Tubes and wires, of "tube", "line", "leads".
    """

    number: int
    projection: Projection
    strengths: Mapping[str, float]
    devices: tuple[str, ...] = ()


def draw_study(patient: Patient, number: int, *, prevalence: Mapping[str, float] = PREVALENCE) -> Study:
    """Draw what a patient has at a visit; findings persist from visit to visit and change gradually.

    Parameters
    ----------
    patient : Patient
    number : int
        Visit, from 1.
    prevalence : mapping of str to float
        Share of studies with each of `disease.LABELS`.
    """
    rng = random_stream(patient, "study", study=number)
    strengths = draw_strengths(rng, patient.liability, prevalence)
    illness = sum(strengths.values())
    bedside = bool(rng.random() < 1 / (1 + math.exp(-(0.7 * patient.frailty + 0.8 * illness - 0.9))))
    chances = (("tube", 0.15), ("line", 0.35), ("leads", 0.55)) if bedside else (("line", 0.05),)
    devices = tuple(name for name, chance in chances if rng.random() < chance)
    return Study(number, "AP" if bedside else "PA", strengths, devices)


def random_stream(patient: Patient, purpose: str, **names: str | int) -> np.random.Generator:
    """Return the random numbers of one purpose for one patient: the same, whatever else was drawn."""
    seed = seed_from(purpose=f"phantom {purpose}", seed=patient.seed, patient=patient.number, **names)
    return np.random.default_rng(seed)
