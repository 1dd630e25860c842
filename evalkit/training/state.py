"""An unfinished training on disk, so that a killed run goes on where it was.

Nothing random is saved: every draw is a pure function of the seed and the step. The state lies outside the results,
under a name that is a hash of everything that decides the run, so a changed recipe never meets an old state. A state
whose run is no longer wanted may be deleted.
"""

from __future__ import annotations

import os
import pickle
import time
from pathlib import Path
from typing import Any

import torch

from evalkit.atomic import replacing
from evalkit.errors import InputError

#: Seconds between two saves, unless EVALKIT_SAVE_SECONDS says otherwise: the most work that a kill can cost.
SAVE_SECONDS = 120.0


class TrainingState:
    """One run's state file.

    Parameters
    ----------
    path : pathlib.Path
        Where it lies.
    writes : bool
        False in all but the first of several processes.
    """

    def __init__(self, path: Path, *, writes: bool = True) -> None:
        self.path = path
        self._writes = writes
        self._every = float(os.environ.get("EVALKIT_SAVE_SECONDS", SAVE_SECONDS))
        self._saved = time.monotonic()

    def load(self) -> dict[str, Any] | None:
        """Read the state back, or None where there is none.

        Raises
        ------
        InputError
            The file is damaged.
        """
        try:
            return torch.load(self.path, map_location="cpu", weights_only=True)
        except FileNotFoundError:
            return None
        except (RuntimeError, EOFError, OSError, ValueError, pickle.UnpicklingError) as error:
            raise InputError(
                f"{self.path} is not readable: {error}",
                "the state of an unfinished training, as this program wrote it",
                "delete the file; the run then starts again from its first step",
            ) from error

    def is_due(self) -> bool:
        """Whether it is time to save."""
        return self._writes and time.monotonic() - self._saved >= self._every

    def save(self, values: dict[str, Any]) -> None:
        """Write the state: tensors, numbers, texts, lists and dictionaries."""
        if not self._writes:
            return
        write_tensors(self.path, values)
        self._saved = time.monotonic()

    def discard(self) -> None:
        """Delete the state, once the results are written."""
        if self._writes:
            self.path.unlink(missing_ok=True)


def write_tensors(path: Path, values: dict[str, Any]) -> None:
    """Write a dictionary with torch.save, whole or not at all.

    Raises
    ------
    OSError
        As the file system raises it, for one when the disk is full; torch alone would hide it behind an error of
        its own.
    """
    with replacing(path) as temporary, temporary.open("wb") as file:
        try:
            torch.save(values, file)
        except RuntimeError as error:
            if isinstance(error.__context__, OSError):
                raise error.__context__ from error
            raise
