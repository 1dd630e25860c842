"""Several processes that train one network, started by torchrun; or one process, with the same code.

Every process knows the whole batch of each step and works on its share. The loss of a share is divided by the
labelled entries of the whole batch, so that the sum of the processes' gradients is the gradient of one process with
the whole batch. What differs is batch normalisation: on the CPU each process normalises with its own share, on GPUs
the statistics are shared (SyncBN). The first process selects, predicts and writes.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
from torch import Tensor, distributed, nn

from evalkit.errors import InputError

T = TypeVar("T")


@dataclass(frozen=True)
class Ranks:
    """This process among those that train together.

    Attributes
    ----------
    rank : int
        Its number, from 0.
    size : int
        How many there are.
    local : int or None
        Its number on this machine; None without torchrun.
    """

    rank: int = 0
    size: int = 1
    local: int | None = None

    @property
    def is_first(self) -> bool:
        """Whether this process selects, predicts and writes."""
        return self.rank == 0

    def share(self, count: int) -> slice:
        """The part of `count` things that this process works on; shares differ by at most one."""
        return slice(count * self.rank // self.size, count * (self.rank + 1) // self.size)

    def prepare(self, network: nn.Module) -> nn.Module:
        """Make batch normalisation share its statistics where that is possible: on GPUs, with several processes."""
        on_gpu = next(network.parameters()).is_cuda
        return nn.SyncBatchNorm.convert_sync_batchnorm(network) if self.size > 1 and on_gpu else network

    def add_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace each gradient by its sum over the processes, in one transfer."""
        if self.size == 1:
            return
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        joined = torch.cat([gradient.reshape(-1) for gradient in gradients])
        distributed.all_reduce(joined)
        for gradient, total in zip(gradients, joined.split([each.numel() for each in gradients]), strict=True):
            gradient.copy_(total.view_as(gradient))

    def add(self, value: Tensor) -> Tensor:
        """The sum of a tensor over the processes."""
        if self.size > 1:
            value = value.clone()
            distributed.all_reduce(value)
        return value

    def any(self, flag: bool, device: torch.device) -> bool:
        """Whether a flag is set in any process."""
        return flag if self.size == 1 else bool(self.add(torch.tensor(int(flag), device=device)).item())

    def from_first(self, value: T) -> T:
        """The first process's value, in every process."""
        if self.size == 1:
            return value
        box = [value]
        distributed.broadcast_object_list(box, src=0)
        return box[0]


@contextlib.contextmanager
def joined_ranks() -> Iterator[Ranks]:
    """Join the processes that torchrun started; without torchrun, be the only one.

    Yields
    ------
    Ranks
    """
    if not distributed.is_torchelastic_launched():
        yield Ranks()
        return
    ranks = Ranks(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]), int(os.environ["LOCAL_RANK"]))
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    # The first process validates alone while the others wait; the usual ten minutes can be too short for that.
    distributed.init_process_group(backend, timeout=timedelta(hours=6))
    try:
        yield ranks
    finally:
        distributed.destroy_process_group()


def check_batch(batch_size: int, ranks: Ranks) -> None:
    """Refuse more processes than a batch has images.

    Raises
    ------
    InputError
        A process would have nothing to do.
    """
    if batch_size < ranks.size:
        raise InputError(
            f"{ranks.size} processes are to share batches of {batch_size}",
            "at least one image for each process",
            f"start torchrun with at most {batch_size} processes, or make the recipe's batch_size larger",
        )
