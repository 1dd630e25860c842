"""MoCo's key encoder and its queue of keys."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import get_ema_multi_avg_fn

from evalkit.seeds import seed_from


def make_key_encoder(encoder: nn.Module) -> nn.Module:
    """Copy an encoder; the copy has no gradients, and running statistics of its own from its own passes."""
    return copy.deepcopy(encoder).requires_grad_(False)


@torch.no_grad()
def follow(encoder: nn.Module, key_encoder: nn.Module, momentum: float) -> None:
    """Let the key encoder's parameters follow: key = momentum * key + (1 - momentum) * query.

    Buffers stay as they are (He et al. 2020, equation 2; FAIR's code averages parameters only).
    """
    average = get_ema_multi_avg_fn(momentum)
    average(list(key_encoder.parameters()), list(encoder.parameters()), 0)


class KeyQueue:
    """The newest keys, in a ring: a batch takes the place of the oldest.

    Parameters
    ----------
    size : int
        Keys kept; a multiple of the batch size.
    length : int
        Of a key.
    seed : int
        The first keys are points on the sphere drawn from it.
    device : torch.device

    Attributes
    ----------
    keys : Tensor of float32, shape (size, length)
    pointer : int
        Where the next keys go.
    """

    def __init__(self, size: int, length: int, *, seed: int, device: torch.device) -> None:
        # Drawn on the CPU, so that the numbers are the same on every device.
        generator = torch.Generator().manual_seed(seed_from(purpose="queue", seed=seed))
        self.keys = functional.normalize(torch.randn(size, length, generator=generator), dim=1).to(device)
        self.pointer = 0

    def enqueue(self, keys: Tensor) -> None:
        """Put a batch's keys in the place of the oldest.

        Parameters
        ----------
        keys : Tensor, shape (n, length)

        Raises
        ------
        ValueError
            The queue's size is no multiple of the batch's.
        """
        if len(self.keys) % len(keys):
            raise ValueError(f"a queue of {len(self.keys)} keys does not take batches of {len(keys)}")
        self.keys[self.pointer : self.pointer + len(keys)] = keys.detach()
        self.pointer = (self.pointer + len(keys)) % len(self.keys)
