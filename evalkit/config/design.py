"""What every kind of evaluation has: a data set, a division of its patients, and settings that are run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, Protocol

from pydantic import Field, PositiveInt

from evalkit.config.strict import Name, Share, Strict

Regime = Literal["finetune", "probe"]
Trainset = Literal["full", "undersampled", "modified", "balanced"]
Aggregate = Literal["image", "study", "patient"]

#: So many images of each class are held out, or a training set has.
PerClass = Annotated[int, Field(gt=0)]


class Divided(Strict):
    """The part of an evaluation that says what it is made on. Each kind of evaluation adds its own."""

    dataset: Name
    labels: list[str] | None = Field(None, min_length=1, description="Classes; else the data set's default.")
    seeds: PositiveInt = Field(1, description="Runs of each cell that has no draw.")
    validation_share: Share = Field(0.1, description="Share of the training patients kept for model selection.")
    test_share: Share = Field(0.2, description="Share of patients for testing, where the data set has no test split.")
    repeats_per_job: PositiveInt = Field(10, description="Runs that share a process, which saves its start-up.")


class Design(Protocol):
    """What dividing patients, planning runs and comparing them need to know of an evaluation of any kind."""

    @property
    def task(self) -> str:
        """Its kind."""
        ...

    @property
    def dataset(self) -> str:
        """The data set that is divided."""
        ...

    @property
    def labels(self) -> list[str] | None:
        """Classes; None for the data set's default."""
        ...

    @property
    def test_on(self) -> Sequence[str]:
        """Other data sets that runs are tested on as well."""
        ...

    @property
    def aggregate(self) -> Aggregate | None:
        """What is scored; None for what the data set prescribes."""
        ...

    @property
    def fractions(self) -> Sequence[float]:
        """Shares of the training patients."""
        ...

    @property
    def trainsets(self) -> Sequence[Trainset]:
        """Choices of training images by class."""
        ...

    @property
    def modified(self) -> dict[str, PerClass] | None:
        """Training images of each class for the training set 'modified'."""
        ...

    @property
    def repeats(self) -> int:
        """Random draws of each fraction below 1."""
        ...

    @property
    def seeds(self) -> int:
        """Runs of each cell that has no draw."""
        ...

    @property
    def repeats_per_job(self) -> int:
        """Runs that share a process."""
        ...

    @property
    def validation(self) -> Literal["fixed", "fraction"]:
        """Whether validation shrinks with the fraction."""
        ...

    @property
    def validation_share(self) -> float:
        """Share of the training patients kept for model selection."""
        ...

    @property
    def test_share(self) -> float:
        """Share of patients for testing."""
        ...

    @property
    def validation_per_class(self) -> PerClass | None:
        """Instead of the share, images of each class."""
        ...

    @property
    def test_per_class(self) -> PerClass | None:
        """Instead of the share, images of each class."""
        ...

    @property
    def split_by(self) -> Literal["patient", "image"]:
        """What is divided into training and validation."""
        ...

    @property
    def missing_class(self) -> Literal["redraw", "keep"]:
        """What is done where a class has no positive or no negative."""
        ...

    def list_settings(self) -> list[str]:
        """Every setting's name, in the order of the study file."""
        ...
