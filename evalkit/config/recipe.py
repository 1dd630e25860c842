"""Training recipes: everything that decides how a network is trained, and nothing else."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from evalkit.config.strict import Strict

LearningRate = Annotated[float, Field(gt=0)]
#: How the learning rate goes on after the warm-up; ``steps`` lowers it to a tenth now and then.
Schedule = Literal["constant", "cosine", "steps"]


class Augmentation(Strict):
    """Random changes to a training batch; each bound at 0 switches its change off. There is no horizontal flip."""

    shift: float = Field(0.0625, ge=0, lt=1, description="Largest shift, as a share of the image's side.")
    scale: float = Field(0.1, ge=0, lt=1, description="Largest relative change of size.")
    rotate: float = Field(10.0, ge=0, le=180, description="Largest rotation, in degrees.")
    brightness: float = Field(0.2, ge=0, lt=1, description="Largest change of brightness; 1 is the full grey range.")
    contrast: float = Field(0.2, ge=0, lt=1, description="Largest relative change of contrast about the mean.")


class Training(Strict):
    """What every recipe has: optimiser, schedule and budget. The budget is either steps or epochs."""

    optimizer: Literal["sgd", "adamw"] = "adamw"
    lr: LearningRate | list[LearningRate] = Field(
        description="Learning rate; a list is tried with an equal budget per backbone and chosen on validation."
    )
    weight_decay: float = Field(1e-4, ge=0)
    momentum: float = Field(0.9, ge=0, lt=1, description="Used by sgd only.")
    schedule: Schedule = "cosine"
    warmup: float = Field(0.0, ge=0, lt=1, description="Share of the steps in which the rate rises from 0.")
    batch_size: PositiveInt = 32
    steps: PositiveInt | None = Field(None, description="Optimiser steps.")
    epochs: PositiveInt | None = Field(None, description="Passes over the training images.")
    validations: PositiveInt = Field(1, description="How often per run the validation set is scored; the best is kept.")

    @model_validator(mode="after")
    def _check(self) -> Training:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("give the budget either as 'steps' or as 'epochs'")
        if isinstance(self.lr, list) and (not self.lr or len(set(self.lr)) < len(self.lr)):
            raise ValueError(f"lr is {self.lr}; a list needs one or more different rates")
        return self

    @property
    def learning_rates(self) -> list[float]:
        """The rates to try, one or more."""
        return self.lr if isinstance(self.lr, list) else [self.lr]

    @property
    def drops(self) -> list[float]:
        """Shares of the steps at which a schedule in steps lowers the rate to a tenth; none by default."""
        return []

    def count_steps(self, *, images: int, fraction: float = 1.0) -> int:
        """Number of optimiser steps of a run.

        Parameters
        ----------
        images : int
            Training images. Batches are always full; the last one of the run begins another pass if need be.
        fraction : float
            The run's label fraction, for a budget given per fraction.
        """
        if self.epochs is not None:
            return -(-self.epochs * images // self.batch_size)
        assert self.steps is not None
        return self.steps


class Recipe(Training):
    """How a classifier is trained. The budget is either steps or epochs."""

    schedule: Literal["constant", "cosine"] = "cosine"
    steps: PositiveInt | dict[float, PositiveInt] | None = Field(  # type: ignore[assignment]
        None, description="Optimiser steps; a mapping gives them for each fraction."
    )
    augmentation: Augmentation | None = Field(Augmentation.model_validate({}), description="null switches it off.")

    def count_steps(self, *, images: int, fraction: float = 1.0) -> int:
        """Number of optimiser steps of a run; see `Training.count_steps`."""
        if not isinstance(self.steps, dict):
            return super().count_steps(images=images)
        # A fraction that went through a setting's name has lost its last digits.
        return next(steps for each, steps in self.steps.items() if math.isclose(each, fraction))
