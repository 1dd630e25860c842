"""What a study trains with: a device, and the processes that train together."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from evalkit.config.loading import Study
from evalkit.config.recipe import Training
from evalkit.layout import Layout
from evalkit.training.devices import Hardware, choose_hardware
from evalkit.training.distributed import Ranks, joined_ranks
from evalkit.training.state import TrainingState


@dataclass(frozen=True)
class Session:
    """A device and the processes that train together.

    Attributes
    ----------
    hardware : Hardware
    ranks : Ranks
    layout : Layout
        Where unfinished trainings lie.
    """

    hardware: Hardware
    ranks: Ranks
    layout: Layout

    def describe(self) -> dict[str, Any]:
        """What decides a result, for a run's key and its record."""
        return {
            "device": self.hardware.device.type,
            "precision": self.hardware.precision,
            "threads": self.hardware.threads,
            "processes": self.ranks.size,
        }

    def states(self, key: str, recipe: Training) -> list[TrainingState]:
        """Where the training with this key saves its state: one place for each learning rate."""
        return [
            TrainingState(self.layout.training_state(f"{key}-{rate}"), writes=self.ranks.is_first)
            for rate in recipe.learning_rates
        ]


@contextlib.contextmanager
def training_session(study: Study) -> Iterator[Session]:
    """Join the other processes, if torchrun started any, and take the device the study asks for.

    Raises
    ------
    InputError
        The study asks for a device or a precision that is not there.
    """
    with joined_ranks() as ranks:
        file = study.file
        hardware = choose_hardware(file.device, file.precision, file.threads, local_rank=ranks.local)
        yield Session(hardware, ranks, study.layout)
