"""What is to be written: which patients, how large, how ill."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from evalkit.errors import InputError
from evalkit.phantom.disease import LABELS
from evalkit.phantom.patients import Patient, Study, draw_study, random_stream


@dataclass(frozen=True)
class Order:
    """What is to be written; two equal orders give the same files.

    Attributes
    ----------
    layout : {"chexpert", "nih", "folder", "kermany", "siim"}
    patients, first_patient : int
        How many patients, and the number of the first.
    size : int
        Pixels per side.
    seed : int
    held_out_share : float
        Share of the patients, the last ones, that are kept out of training; 0 where the layout decides it otherwise.
    layers, masks : bool
        Whether bone and bone-free images, and masks, are written too.
    prevalence : dict of str to float
        Share of studies with each finding. In layouts of one class per patient it makes up the company only: who lies
        in bed, with which devices.
    names : str
        How files are named, in a layout that has more than one way.
    """

    layout: str
    patients: int
    first_patient: int
    size: int
    seed: int
    held_out_share: float
    layers: bool
    masks: bool
    prevalence: dict[str, float]
    names: str = ""

    def __post_init__(self) -> None:
        for name, value, low in (
            ("patients", self.patients, 1),
            ("first_patient", self.first_patient, 1),
            ("size", self.size, 16),
        ):
            if value < low:
                raise InputError(f"{name} is {value}", f"at least {low}", f"give a larger {name}")
        if not 0 <= self.held_out_share < 1:
            raise InputError(
                f"the held-out share is {self.held_out_share}", "at least 0 and below 1", "give a fraction"
            )
        _check_prevalence(self.prevalence)

    @property
    def numbers(self) -> range:
        """The patients' numbers."""
        return range(self.first_patient, self.first_patient + self.patients)

    @property
    def first_held_out(self) -> int:
        """Number of the first patient kept out of training."""
        return self.numbers.stop - round(self.patients * self.held_out_share)


def studies_of(patient: Patient, order: Order) -> list[Study]:
    """Return a patient's one to three studies."""
    rng = random_stream(patient, "visits")
    number = 1 + int(rng.random() < 0.4) + int(rng.random() < 0.3)
    return [draw_study(patient, visit, prevalence=order.prevalence) for visit in range(1, number + 1)]


def _check_prevalence(prevalence: Mapping[str, float]) -> None:
    if set(prevalence) != set(LABELS):
        raise InputError(
            f"the prevalence names {', '.join(sorted(prevalence)) or 'nothing'}",
            f"exactly {', '.join(LABELS)}",
            "start from dict(evalkit.phantom.PREVALENCE) and change the values",
        )
    wrong = {label: share for label, share in prevalence.items() if not 0 < share < 1}
    if wrong:
        raise InputError(f"the prevalence has {wrong}", "shares above 0 and below 1", "give fractions")
