"""The training batches of a detector: multi-scale, mirrored, the same for every backbone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from evalkit.config.detection import DetectionRecipe
from evalkit.detection.engine import Engine, Target
from evalkit.detection.examples import BoxedExamples
from evalkit.detection.resizing import fit_sides, mirror_boxes, resize_image, scale_boxes
from evalkit.seeds import seed_from
from evalkit.training.batches import batch_positions


class DetectionBatches:
    """The training batches of one run; see `evalkit.training.backward.TrainingBatches`.

    Which images are in a step, their sizes and which of them are mirrored are pure functions of the seed and the step.

    Parameters
    ----------
    examples : BoxedExamples
        The run's training images.
    engine : Engine
        What the network was built by.
    recipe : DetectionRecipe
    longest : int
        Longest side of an image, in pixels.
    seed : int
        The run's training seed.
    device : torch.device
    """

    def __init__(
        self,
        examples: BoxedExamples,
        engine: Engine,
        recipe: DetectionRecipe,
        *,
        longest: int,
        seed: int,
        device: torch.device,
    ) -> None:
        self.images, self.batch_size = len(examples), recipe.batch_size
        self._examples, self._engine, self._recipe = examples, engine, recipe
        self._longest, self._seed, self._device = longest, seed, device

    def parts(self, step: int, *, share: slice, size: int) -> Iterator[Callable[[nn.Module], Tensor]]:
        """Give the loss of one step in parts, as functions of the network.

        A part's loss counts by its number of images. The losses of the proposals are means over images, so that the
        parts add up to the whole batch's; those of the regions are means over sampled regions, of which an image has
        the same number unless it has few proposals.
        """
        whole = batch_positions(step, images=self.images, batch_size=self.batch_size, seed=self._seed)
        draws = self._draw(step)
        for first in range(share.start, share.stop, size):
            part = slice(first, min(first + size, share.stop))
            images, targets = self._load(whole[part], draws[part])
            yield partial(self._loss, images=images, targets=targets, weight=len(images) / self.batch_size)

    def measured(self, count: int, *, step: int, size: int) -> Iterator[tuple[list[Tensor], list[Target]]]:
        """Training batches of `size` images to measure normalisation on, other ones after each step."""
        for number in range(count):
            seed = seed_from(purpose="precise normalisation", seed=self._seed, step=step, number=number)
            draws = np.random.default_rng(seed).random((size, 2))
            yield self._load(batch_positions(number, images=self.images, batch_size=size, seed=seed), draws)

    def _draw(self, step: int) -> NDArray[np.float64]:
        """What decides size and mirroring, shape (batch, 2)."""
        seed = seed_from(purpose="detection augmentation", seed=self._seed, step=step)
        return np.random.default_rng(seed).random((self.batch_size, 2))

    def _load(self, positions: NDArray[np.int64], draws: NDArray[np.float64]) -> tuple[list[Tensor], list[Target]]:
        loaded = [
            self._load_one(int(position), *draw) for position, draw in zip(positions, draws.tolist(), strict=True)
        ]
        return [image for image, _ in loaded], [target for _, target in loaded]

    def _load_one(self, position: int, size_draw: float, flip_draw: float) -> tuple[Tensor, Target]:
        pixels, sides = self._examples.pixels(position), self._recipe.short_sides
        before = (pixels.shape[0], pixels.shape[1])
        after = fit_sides(*before, short=sides[int(size_draw * len(sides))], longest=self._longest)
        image = resize_image(pixels, after, self._device)
        boxes = scale_boxes(self._examples.boxes[position], before, after)
        if self._recipe.flip and flip_draw < 0.5:
            image, boxes = image.flip(-1), mirror_boxes(boxes, after[1])
        return image, {
            "boxes": torch.from_numpy(boxes.astype(np.float32)).to(self._device),
            "labels": torch.from_numpy(self._examples.classes[position]).to(self._device),
        }

    def _loss(self, network: nn.Module, *, images: list[Tensor], targets: list[Target], weight: float) -> Tensor:
        losses = self._engine.losses(network, images, targets)
        return torch.stack(list(losses.values())).sum() * weight
