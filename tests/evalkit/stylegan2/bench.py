"""A short training, also for processes that torchrun starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.config.gan import GanRecipe
from evalkit.config.generator import GeneratorSpec
from evalkit.stylegan2.training import TrainedGenerator, train_generator
from evalkit.training.devices import Precision, choose_hardware
from evalkit.training.distributed import Ranks
from evalkit.training.progress import showing_progress
from evalkit.training.state import TrainingState

SPEC = {"resolution": 16, "z_dim": 12, "w_dim": 10, "mapping_layers": 2, "channel_base": 128, "channel_max": 12}
RECIPE = {"steps": 7, "notes": 3, "samples": 4, "r1_every": 3, "path_every": 2, "average_images": 20, "average_rise": 1}


def make_images(count: int = 20) -> NDArray[np.uint8]:
    """Bright discs of random size and place; always the same."""
    random = np.random.default_rng(1)
    y, x = np.mgrid[:16, :16]
    discs = [(x - a) ** 2 + (y - b) ** 2 < c**2 for a, b, c in random.uniform(4, 8, size=(count, 3))]
    return (np.stack(discs) * 200 + 20).astype(np.uint8)


def train(
    folder: Path, *, channels: int = 1, precision: Precision = "fp32", ranks: Ranks | None = None, **changes: Any
) -> TrainedGenerator:
    """Train for seven steps, in which everything happens that happens in a training."""
    ranks = ranks or Ranks()
    other = {name: changes.pop(name) for name in ("rows", "images") if name in changes}
    spec = GeneratorSpec.model_validate(SPEC | {"img_channels": channels})
    adaptive = {"first": 0.3, "every": 2, "images": 400}
    recipe = GanRecipe.model_validate(RECIPE | {"augmentation": adaptive} | changes)
    with showing_progress("generator", quiet=True) as progress:
        return train_generator(
            spec,
            other.pop("images", make_images()),
            recipe,
            seed=3,
            hardware=choose_hardware("cpu", precision, 1, local_rank=ranks.local),
            ranks=ranks,
            state=TrainingState(folder / "state.pt", writes=ranks.is_first),
            progress=progress,
            **other,
        )
