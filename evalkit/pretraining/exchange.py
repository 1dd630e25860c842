"""What processes that compare images with each other send one another."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed
from torch.autograd.function import FunctionCtx

from evalkit.seeds import seed_from
from evalkit.training.distributed import Ranks


def gather(own: Tensor, ranks: Ranks, images: int) -> Tensor:
    """Put the processes' rows together, in every process; gradients find their way back.

    The gradient of the sum of what the processes work out with the result: a process's rows get it from all of them.

    Parameters
    ----------
    own : Tensor, shape (n, ...)
        This process's share, as `Ranks.share` divides the batch.
    ranks : Ranks
    images : int
        Rows of all processes together.

    Returns
    -------
    Tensor, shape (images, ...)
        In the order of the ranks.
    """
    return own if ranks.size == 1 else _Gather.apply(own, ranks, images)


class Shuffle:
    """Another division of a step's images over the processes, for the keys (shuffle-BN, He et al. 2020, section 3.3).

    Without it, the batch normalisation of a query and of its key would see the same images, and their statistics would
    give away which key belongs to which query. Every process knows the whole batch, so it makes the views of the images
    that the shuffled order gives it, and only outputs are sent. One process keeps the order: in one batch, it changes
    nothing.

    Parameters
    ----------
    ranks : Ranks
    images : int
        Of the whole batch.
    seed : int
        The run's seed.
    step : int
        The order is a function of seed and step.

    Attributes
    ----------
    own : array of int, shape (n,)
        Which images of the batch this process works on, in this order.
    """

    def __init__(self, ranks: Ranks, images: int, *, seed: int, step: int) -> None:
        self._ranks, self._images = ranks, images
        self._order: NDArray[np.int64] = np.arange(images)
        if ranks.size > 1:
            generator = np.random.default_rng(seed_from(purpose="shuffle", seed=seed, step=step))
            self._order = generator.permutation(images)
        self.own = self._order[ranks.share(images)]

    def restore_all(self, rows: Tensor) -> Tensor:
        """Give outputs for the whole batch, in its order, to every process.

        Parameters
        ----------
        rows : Tensor, shape (n, ...)
            Of the images in `own`.

        Returns
        -------
        Tensor, shape (images, ...)
        """
        if self._ranks.size == 1:
            return rows
        places = torch.from_numpy(np.argsort(self._order)).to(rows.device)
        return gather(rows, self._ranks, self._images)[places]

    def restore_share(self, rows: Tensor) -> Tensor:
        """Give each process the outputs for its unshuffled share of the batch, in order; without gradients.

        Unlike `restore_all`, it sends each row to the one process that needs it: feature maps are large.

        Parameters
        ----------
        rows : Tensor, shape (n, ...)
            Of the images in `own`.

        Returns
        -------
        Tensor, shape (share, ...)
        """
        if self._ranks.size == 1:
            return rows
        everyone = [replace(self._ranks, rank=rank) for rank in range(self._ranks.size)]
        # Shares are contiguous, so in ascending order the rows lie by the process they go to.
        sent = np.sort(self.own)
        wanted = np.arange(self._images)[self._ranks.share(self._images)]
        received = [np.intersect1d(self._order[each.share(self._images)], wanted) for each in everyone]
        counts = [len(np.intersect1d(np.arange(self._images)[each.share(self._images)], sent)) for each in everyone]
        outgoing = rows.detach()[torch.from_numpy(np.argsort(self.own)).to(rows.device)].contiguous()
        incoming = outgoing.new_empty((len(wanted), *rows.shape[1:]))
        distributed.all_to_all_single(incoming, outgoing, [len(each) for each in received], counts)
        return incoming[torch.from_numpy(np.argsort(np.concatenate(received))).to(rows.device)]


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, own: Tensor, ranks: Ranks, images: int) -> Tensor:
        ctx.ranks, ctx.images = ranks, images  # type: ignore[attr-defined]
        counts = [
            share.stop - share.start
            for share in (replace(ranks, rank=rank).share(images) for rank in range(ranks.size))
        ]
        # The transfer takes equal shares; the longest decides, and the others are filled up.
        padded = own.new_zeros((max(counts), *own.shape[1:]))
        padded[: len(own)] = own
        joined = own.new_empty((ranks.size * max(counts), *own.shape[1:]))
        distributed.all_gather_into_tensor(joined, padded)
        return torch.cat([part[:count] for part, count in zip(joined.split(max(counts)), counts, strict=True)])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return ctx.ranks.add(gradient.contiguous())[ctx.ranks.share(ctx.images)], None, None
