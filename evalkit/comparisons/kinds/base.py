"""What a kind of predictions must answer for its runs to be checked, read, compared and described."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evalkit.comparisons.cells import Cell
from evalkit.comparisons.estimation.base import Estimates
from evalkit.comparisons.procedure import Procedure
from evalkit.comparisons.runs import FoundRun, Gathered
from evalkit.config.loading import Study

#: A key of a run's record: ``("data", "train", "sha256")``.
Place = tuple[str, ...]

#: Cells of one setting, and the numbers of an engine: `stats`, or `stats.r_reference`.
Compared = tuple[list[Cell[Any]], Callable[[Any], Estimates[Any]]]


class Part(Protocol):
    """Some of the test cases; metrics and settings share what is computed of them."""

    def compare(self, setting: str, procedure: Procedure) -> Compared:
        """A setting's cells, with outcomes of the kind that the metric is measured on, and how to estimate with them.

        Parameters
        ----------
        setting : str
        procedure : Procedure
            Says the metric.
        """
        ...


@dataclass(frozen=True)
class Facts:
    """What renderings of a table say of its predictions.

    Attributes
    ----------
    test_set : dict
        images, patients, unit, cases and, of each class, how many there are.
    definitions : list of str
        What the metrics are.
    training : list of str
        What the networks learnt from, and how.
    caveats : list of str
    tests : mapping of str to str
        Tests in words, where they are not those of `evalkit.comparisons.wording.TESTS`.
    further : dict
        Other values, by key.
    """

    test_set: dict[str, Any]
    definitions: list[str]
    training: list[str]
    caveats: list[str] = field(default_factory=list)
    tests: Mapping[str, str] = field(default_factory=dict)
    further: dict[str, Any] = field(default_factory=dict)


class Predictions(Protocol):
    """What the runs of a selection predicted, read and aligned by image id."""

    @property
    def gathered(self) -> Gathered:
        """The runs."""
        ...

    @property
    def cells(self) -> Mapping[str, Sequence[Cell[Any]]]:
        """By setting."""
        ...

    @property
    def images(self) -> pd.Series:
        """Number of each test image's case, 0 .. cases - 1, by image id."""
        ...

    @property
    def unit(self) -> str:
        """What a case is: image, study or patient."""
        ...

    def count_patients(self, cases: NDArray[np.bool_]) -> int:
        """How many patients some of the cases come from."""
        ...

    def within(self, cases: NDArray[np.bool_]) -> Part:
        """Some of the cases, to be compared on."""
        ...

    def describe(self, targets: Mapping[str, Sequence[str]]) -> Facts:
        """What a table's renderings say of them; `targets` are those shown of each metric."""
        ...


class Kind(Protocol):
    """A kind of predictions."""

    @property
    def alike(self) -> Sequence[Place]:
        """What records of a setting's runs have in common, beside what those of all kinds have."""
        ...

    def ask_of(self, study: Study, each: FoundRun, labels: Sequence[str]) -> Iterator[tuple[Place, Any]]:
        """What a run's record should hold, place by place, if the study as it is now had made it.

        Parameters
        ----------
        study : Study
        each : FoundRun
            Its record is there.
        labels : sequence of str
            The classes that the evaluation predicts now.
        """
        ...

    def read(self, gathered: Gathered) -> Predictions:
        """Read the predictions of runs that belong together.

        Raises
        ------
        InputError
            Predictions are missing or broken, or do not match each other or the task.
        """
        ...


def count_recorded_images(record: Mapping[str, Any]) -> int:
    """Training images that a run's record tells; 0 where it tells none."""
    train = (record.get("data") or {}).get("train") or {}
    return int(train.get("images") or 0)
