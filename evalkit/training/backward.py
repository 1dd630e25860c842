"""The gradients of a whole batch, worked out in as many parts as memory asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import torch
from torch import Tensor, nn

from evalkit.seeds import seed_from
from evalkit.training.devices import Hardware, is_out_of_memory, release_memory
from evalkit.training.distributed import Ranks


class TrainingBatches(Protocol):
    """The training images of a run and what is learnt from them.

    Attributes
    ----------
    images : int
        Training images.
    batch_size : int
        Images of a step, over all processes.
    """

    images: int
    batch_size: int

    def parts(self, step: int, *, share: slice, size: int) -> Iterator[Callable[[nn.Module], Tensor]]:
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
        callable
            Given the network, a part's share of the loss of the whole batch: the shares add up to it.
        """
        ...


class BackwardPass:
    """Forward and backward through a network, batch after batch.

    The losses of the parts add up to that of the whole batch, and so do the gradients. Only batch normalisation sees
    the part.

    Parameters
    ----------
    network : nn.Module
    batches : TrainingBatches
    seed : int
        The run's training seed.
    micro_batch : int
        Images to work on at a time.
    hardware : Hardware
    ranks : Ranks

    Attributes
    ----------
    micro_batch : int
        Images worked on at a time; halved as often as need be.
    """

    def __init__(
        self,
        network: nn.Module,
        batches: TrainingBatches,
        *,
        seed: int,
        micro_batch: int,
        hardware: Hardware,
        ranks: Ranks,
    ) -> None:
        self.micro_batch = micro_batch
        self._network, self._batches, self._seed = network, batches, seed
        self._hardware, self._ranks = hardware, ranks
        self._fits = False

    def run(self, step: int, *, say: Callable[[str], None]) -> Tensor | None:
        """Work out the gradients of one step.

        Parameters
        ----------
        step : int
            From 0.
        say : callable
            Told when the micro-batch is halved.

        Returns
        -------
        Tensor, scalar, or None
            This process's share of the loss; None if memory does not hold even one image.
        """
        while True:
            loss = self._attempt(step)
            if loss is not None or self.micro_batch == 1:
                return loss
            self.micro_batch = -(-self.micro_batch // 2)
            say(f"out of memory; going on with {self.micro_batch} images at a time")

    def _attempt(self, step: int) -> Tensor | None:
        if self._fits and self._ranks.size > 1:
            # The other processes no longer ask whether it fitted here; an error ends them all.
            return self._work(step)
        # A pass that breaks off has already moved the running statistics of its first layers.
        buffers = list(self._network.buffers())
        before = [] if self._fits else [buffer.clone() for buffer in buffers]
        loss: Tensor | None = None
        try:
            loss = self._work(step)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        if self._ranks.any(loss is None, self._hardware.device):
            self._network.zero_grad()
            for buffer, value in zip(buffers, before, strict=False):
                buffer.copy_(value)
            release_memory(self._hardware)
            return None
        self._fits = True
        return loss

    def _work(self, step: int) -> Tensor:
        total = torch.zeros((), device=self._hardware.device)
        share = self._ranks.share(self._batches.batch_size)
        for number, part in enumerate(self._batches.parts(step, share=share, size=self.micro_batch)):
            noise = seed_from(purpose="noise", seed=self._seed, step=step, rank=self._ranks.rank, part=number)
            self._hardware.seed(noise)
            with self._hardware.autocast():
                loss = part(self._network)
            loss.backward()
            total += loss.detach()
        return total
