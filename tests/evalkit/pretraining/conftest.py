"""A few random images and a small encoder, and everything contrastive pretraining needs to run on one CPU thread."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from evalkit.config.pretraining import Contrastive, Moco, Simclr
from evalkit.pretraining.encoders import Encoder
from evalkit.pretraining.loop import Course, contrast
from evalkit.pretraining.methods import Method, make_method
from evalkit.pretraining.pairs import Pairs
from evalkit.training.devices import Hardware, choose_hardware
from evalkit.training.distributed import Ranks
from evalkit.training.pixels import Normaliser, Pixels
from evalkit.training.progress import Progress
from evalkit.training.state import TrainingState

SIDE, IMAGES, PROJECTION = 16, 20, 8
ONE = Ranks()


class Trunk(nn.Module):
    """Four small blocks, as a ResNet has, with normalisation within an image or over the batch."""

    def __init__(self, norm: str) -> None:
        super().__init__()
        widths = (1, 4, 8, 8, 12)
        for block in range(4):
            normalisation = nn.BatchNorm2d(widths[block + 1]) if norm == "batch" else nn.GroupNorm(2, widths[block + 1])
            convolution = nn.Conv2d(widths[block], widths[block + 1], 3, stride=2 if block else 1, padding=1)
            self.add_module(f"block{block + 1}", nn.Sequential(convolution, normalisation, nn.ReLU()))

    def forward(self, images: Tensor) -> Tensor:
        for block in self.children():
            images = block(images)
        return images.mean(dim=(2, 3))


def make_encoder(*, norm: str = "batch", blocks: tuple[int, ...] = ()) -> Encoder:
    """A small encoder, the same at each call."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        stages = {block: f"block{block}" for block in blocks}
        return Encoder(Trunk(norm), width=12, projection=PROJECTION, stages=stages)


def make_entry(method: str = "moco", *, ifa: dict[str, Any] | None = None, **recipe: Any) -> Contrastive:
    """A pretraining entry with batches of 6 and 4 steps."""
    recipe = {"optimizer": "sgd", "lr": 0.05, "batch_size": 6, "steps": 4, **recipe}
    values: dict[str, Any] = {"method": method, "data": "any", "recipe": recipe, "projection": PROJECTION}
    values |= {"records": 4, "ifa": ifa}
    if method == "moco":
        return Moco.model_validate(values | {"queue": 6 * recipe["batch_size"], "momentum": 0.9})
    return Simclr.model_validate(values)


class Bench:
    """Pretrains small encoders on a few images."""

    def __init__(self, folder: Path, hardware: Hardware) -> None:
        self.folder, self.hardware = folder, hardware
        self.images = np.random.default_rng(0).integers(0, 256, (IMAGES, SIDE, SIDE)).astype(np.uint8)

    def pairs(self, entry: Contrastive, seed: int = 1) -> Pairs:
        return Pairs(
            Pixels(self.images, np.arange(IMAGES), self.hardware.device),
            Normaliser([0.5], [0.25], in_channels=1, device=self.hardware.device),
            entry.views,
            batch_size=entry.recipe.batch_size,
            seed=seed,
            device=self.hardware.device,
        )

    def method(self, entry: Contrastive, *, norm: str = "batch", seed: int = 1, ranks: Ranks = ONE) -> Method:
        blocks = tuple(entry.ifa.terms) if entry.ifa else ()
        return make_method(entry, make_encoder(norm=norm, blocks=blocks), self.pairs(entry, seed), self.hardware, ranks)

    def contrast(
        self, method: Method, entry: Contrastive, *, seed: int = 1, state: str = "state.pt", ranks: Ranks = ONE
    ) -> Course:
        return contrast(
            method,
            self.pairs(entry, seed),
            entry.recipe,
            steps=entry.recipe.count_steps(images=IMAGES),
            records=entry.records,
            hardware=self.hardware,
            ranks=ranks,
            state=TrainingState(self.folder / state, writes=ranks.is_first),
            progress=Progress("test", bar=None, quiet=True),
        )


@pytest.fixture(scope="session")
def hardware() -> Hardware:
    return choose_hardware("cpu", "auto", 1)


@pytest.fixture
def bench(tmp_path: Path, hardware: Hardware) -> Bench:
    return Bench(tmp_path, hardware)


@pytest.fixture
def entry() -> Callable[..., Contrastive]:
    return make_entry


@pytest.fixture
def encoder() -> Callable[..., Encoder]:
    return make_encoder
