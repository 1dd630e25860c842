"""A few random images, and everything a training needs to run on them on one CPU thread."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from evalkit.config.recipe import Recipe
from evalkit.training.batches import Batches
from evalkit.training.devices import Hardware, choose_hardware
from evalkit.training.distributed import Ranks
from evalkit.training.loop import Fit, fit
from evalkit.training.objectives import MultilabelObjective
from evalkit.training.pixels import Normaliser, Pixels
from evalkit.training.prediction import predict
from evalkit.training.progress import Progress
from evalkit.training.selection import Score, score_labels
from evalkit.training.state import TrainingState

SIDE, CLASSES = 16, 3
ONE = Ranks()


@pytest.fixture(scope="session")
def hardware() -> Hardware:
    return choose_hardware("cpu", "auto", 1)


def make_images(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Images whose brightness says something about the first class; a fifth of the labels is missing."""
    random = np.random.default_rng(seed)
    targets = random.integers(0, 2, (count, CLASSES)).astype(np.float32)
    images = random.integers(0, 200, (count, SIDE, SIDE)) + (targets[:, 0, None, None] * 50).astype(int)
    targets[random.random(targets.shape) < 0.2] = np.nan
    return images.astype(np.uint8), targets


def make_network(*, norm: bool = False, dropout: float = 0.0) -> nn.Module:
    """A small convolutional network, the same at each call."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        return nn.Sequential(
            nn.Conv2d(1, 8, 3, stride=2, padding=1),
            nn.BatchNorm2d(8) if norm else nn.Identity(),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(32, CLASSES),
        )


class Bench:
    """Trains small networks on a few images; every argument has a default."""

    def __init__(self, folder: Path, hardware: Hardware) -> None:
        self.folder, self.hardware = folder, hardware
        self.images, self.targets = make_images(40)
        self.normalise = Normaliser([0.5], [0.25], in_channels=1, device=hardware.device)

    def recipe(self, **changes: object) -> Recipe:
        return Recipe.model_validate(
            {"lr": 0.01, "steps": 8, "batch_size": 8, "validations": 2, "augmentation": None} | changes
        )

    def batches(self, recipe: Recipe, seed: int = 1) -> Batches:
        return Batches(
            Pixels(self.images, np.arange(30), self.hardware.device),
            self.targets[:30],
            self.normalise,
            objective=MultilabelObjective(),
            batch_size=recipe.batch_size,
            augmentation=recipe.augmentation,
            seed=seed,
            device=self.hardware.device,
        )

    def logits(self, network: nn.Module) -> np.ndarray:
        pixels = Pixels(self.images, np.arange(30, 40), self.hardware.device)
        return predict(network, pixels, self.normalise, self.hardware, batch_size=4)

    def fit(
        self,
        network: nn.Module,
        recipe: Recipe,
        *,
        seed: int = 1,
        state: str = "state.pt",
        ranks: Ranks = ONE,
        validate: Callable[[nn.Module, int], Score] | None = None,
    ) -> Fit:
        return fit(
            network,
            self.batches(recipe, seed),
            recipe,
            lr=recipe.learning_rates[0],
            steps=recipe.count_steps(images=30),
            seed=seed,
            hardware=self.hardware,
            ranks=ranks,
            validate=validate or (lambda net, _: score_labels(self.targets[30:], self.logits(net))),
            state=TrainingState(self.folder / state),
            progress=Progress("test", bar=None, quiet=True),
        )


@pytest.fixture
def bench(tmp_path: Path, hardware: Hardware) -> Bench:
    return Bench(tmp_path, hardware)


@pytest.fixture
def small_network() -> Callable[..., nn.Module]:
    return make_network
