"""What is compared: one test set, and for each backbone what its runs gave on it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Outcome = TypeVar("Outcome")

#: The target that is the unweighted mean over the declared classes, and the one that is all cases together.
MEAN, ALL = "mean", "all"


def count_cases(n: int, unit: str) -> str:
    """Spell a number of cases: ``1 image``, ``1,234 studies``."""
    return f"{n:,} {unit}" if n == 1 else f"{n:,} {unit[:-1] + 'ie' if unit.endswith('y') else unit}s"


@dataclass(frozen=True, eq=False)
class TestSet:
    """The cases every backbone is scored on.

    Attributes
    ----------
    classes : tuple of str
        In declared order.
    targets : ndarray (n, classes)
        1, 0, or NaN where the label is missing.
    patients : ndarray (n,)
        A number for each case's patient, 0 .. n_patients - 1.
    unit : str
        What a case is: image, study or patient.
    """

    __test__ = False  # a name pytest would otherwise collect

    classes: tuple[str, ...]
    targets: Floats
    patients: NDArray[np.intp]
    unit: str

    @property
    def n_patients(self) -> int:
        """How many patients the cases come from."""
        return int(self.patients.max()) + 1 if self.patients.size else 0

    def scored(self, column: int | None) -> NDArray[np.bool_]:
        """Which cases have a label of one class, or of any class for ``None``."""
        labelled: NDArray[np.bool_] = ~np.isnan(self.targets)
        return np.any(labelled, axis=1) if column is None else labelled[:, column]

    def why_undefined(self, column: int, needs: Collection[int] = (1, 0)) -> str:
        """Why a class has no number that `needs` cases of these labels, as a status; empty where it has one."""
        values = self.targets[:, column]
        if not self.scored(column).any():
            return f"undefined: no {self.unit} with a label"
        if 1 in needs and not (values == 1).any():
            return f"undefined: no positive {self.unit}"
        if 0 in needs and not (values == 0).any():
            return f"undefined: no negative {self.unit}"
        return ""

    def patients_repeat(self, column: int) -> bool:
        """Whether a patient has several cases with a label of this class."""
        patients = self.patients[self.scored(column)]
        return np.unique(patients).size < patients.size

    def within(self, cases: NDArray[np.bool_]) -> TestSet:
        """Some of the cases (n,) as a test set of its own."""
        patients = np.unique(self.patients[cases], return_inverse=True)[1]
        return dataclasses.replace(self, targets=self.targets[cases], patients=patients)


@dataclass(frozen=True, eq=False)
class Cell(Generic[Outcome]):
    """One backbone in one setting.

    Attributes
    ----------
    backbone, label : str
        Key and printed name.
    expected : int
        How many runs the study asks for.
    repeats : tuple of int
        The runs that are there, in order.
    outcomes : tuple
        What each of them gave on the test set, of the kind that the setting's estimates take: scores (n, classes),
        called classes (n,), values (n,), or detections.
    missing : str
        Where no run is there, why, as a status: ``failed: diverged``, ``unavailable: weights``, ``out of date``,
        ``not run``.
    """

    backbone: str
    label: str
    expected: int
    repeats: tuple[int, ...]
    outcomes: tuple[Outcome, ...]
    missing: str = ""

    @property
    def status(self) -> str:
        """``ok``, ``7/10 repeats``, or why there is nothing."""
        if not self.repeats:
            return self.missing
        complete = len(self.repeats) == self.expected
        return "ok" if complete else f"{len(self.repeats)}/{self.expected} repeats"

    def keep(self, repeats: Sequence[int]) -> Cell[Outcome]:
        """The same cell with only some of its runs."""
        if tuple(repeats) == self.repeats:
            return self
        kept = tuple(self.outcomes[self.repeats.index(repeat)] for repeat in repeats)
        return dataclasses.replace(self, repeats=tuple(repeats), outcomes=kept)

    def map(self, function: Callable[[Outcome], Any]) -> Cell[Any]:
        """The same cell with something made of each run's outcome."""
        # Not by replace(): outcomes become of another kind.
        return Cell(
            self.backbone, self.label, self.expected, self.repeats, tuple(map(function, self.outcomes)), self.missing
        )
