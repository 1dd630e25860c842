"""What jobs may take of this machine, and what all hashes of a configuration share."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from evalkit.config.loading import Study

#: Cores this process may use; --cores may say otherwise.
REAL_CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def training_slots(study: Study) -> int:
    """How many trainings may run at once here: the real cores shared out by the threads of each."""
    return max(1, REAL_CORES // study.file.threads)


def gpus(study: Study) -> int:
    """How many cards a training asks the scheduler for; with ``device: auto`` one, where this machine has any."""
    has_card = Path("/proc/driver/nvidia/version").exists()
    return {"cpu": 0, "cuda": 1, "auto": int(has_card)}[study.file.device]


def machine_values(study: Study) -> Mapping[str, Any]:
    """What of a study file changes every network."""
    return study.file.model_dump(mode="json", include={"seed", "image_size", "device", "precision", "threads"})


def values_of(model: BaseModel, *, leave_out: set[str] = frozenset()) -> dict[str, Any]:  # type: ignore[assignment]
    """A part of the configuration as plain values, for a hash."""
    return model.model_dump(mode="json", exclude=set(leave_out))


def one_of(names: Iterable[str]) -> str:
    """A wildcard's pattern that matches these names and nothing else."""
    return "|".join(map(re.escape, names)) or "(?!)"
