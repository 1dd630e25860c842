"""Which images are in which step of a training, and the batches made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from evalkit.config.recipe import Augmentation
from evalkit.training.augmentation import augment, draw
from evalkit.training.objectives import Objective
from evalkit.training.pixels import Normaliser, Pixels, shuffled, to_grey


def batch_positions(step: int, *, images: int, batch_size: int, seed: int) -> NDArray[np.int64]:
    """Say which images make up the batch of one step.

    The images are shuffled anew for each pass, and the passes follow each other without a gap: each batch is full,
    and no image comes up again before all others have. With fewer images than a batch holds, a batch spans passes.

    Parameters
    ----------
    step : int
        From 0.
    images : int
        Training images, at least 1.
    batch_size : int
        Images of a whole batch, over all processes.
    seed : int
        The run's training seed.

    Returns
    -------
    array of int, shape (batch_size,)
        Positions in [0, images), a pure function of the arguments.
    """
    first, last = step * batch_size, (step + 1) * batch_size
    parts = []
    for epoch in range(first // images, (last - 1) // images + 1):
        start = epoch * images
        parts.append(shuffled(images, seed, epoch)[max(first - start, 0) : min(last - start, images)])
    return np.concatenate(parts)


class Batches:
    """The training batches of one run, ready for the network.

    Parameters
    ----------
    pixels : Pixels
        The run's training images.
    targets : array of float, shape (images, classes)
        1, 0 or NaN for a missing label.
    normalise : Normaliser
    objective : Objective
        What the network is trained for.
    batch_size : int
        Images of a step, over all processes.
    augmentation : Augmentation or None
    seed : int
        The run's training seed.
    device : torch.device
    """

    def __init__(
        self,
        pixels: Pixels,
        targets: NDArray[np.float32],
        normalise: Normaliser,
        *,
        objective: Objective,
        batch_size: int,
        augmentation: Augmentation | None,
        seed: int,
        device: torch.device,
    ) -> None:
        self.batch_size = batch_size
        self.images = len(pixels)
        self.objective = objective
        self._pixels, self._normalise, self._augmentation = pixels, normalise, augmentation
        self._weights = objective.weigh(targets)
        self._targets = torch.from_numpy(targets).to(device)
        self._seed, self._device = seed, device

    def parts(self, step: int, *, share: slice, size: int) -> Iterator[Callable[[nn.Module], Tensor]]:
        """Give the loss of one step in parts, as functions of the network; see `TrainingBatches.parts`."""
        for inputs, targets, weight in self.load(step, share=share, size=size):
            yield partial(self._loss, inputs=inputs, targets=targets, weight=weight)

    def _loss(self, network: nn.Module, *, inputs: Tensor, targets: Tensor, weight: float) -> Tensor:
        return self.objective.loss(network(inputs).float(), targets, total=weight)

    def load(self, step: int, *, share: slice, size: int) -> Iterator[tuple[Tensor, Tensor, float]]:
        """Load the batch of one step in parts.

        Parameters
        ----------
        step : int
            From 0.
        share : slice
            The part of the batch that this process works on.
        size : int
            Images to load at a time.

        Yields
        ------
        tuple of Tensor, Tensor and float
            Inputs (n, channels, side, side), targets (n, classes), and the weight of the whole batch.
        """
        whole = batch_positions(step, images=self.images, batch_size=self.batch_size, seed=self._seed)
        weight = float(self._weights[whole].sum())
        draws = draw(self.batch_size, seed=self._seed, step=step) if self._augmentation else None
        for first in range(share.start, share.stop, size):
            part = slice(first, min(first + size, share.stop))
            images = to_grey(self._pixels.take(whole[part]))
            if self._augmentation and draws is not None:
                images = augment(images, draws[part].to(self._device), self._augmentation)
            chosen = torch.from_numpy(whole[part]).to(self._device, non_blocking=True)
            yield self._normalise(images), self._targets[chosen], weight
