"""How the pixels of images get to the network."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import psutil
import torch
from numpy.typing import NDArray
from torch import Tensor

from evalkit.seeds import seed_from

#: Share of the free memory that a run's images may take: of the machine's, and of the card's.
_HOST_SHARE, _CARD_SHARE = 0.5, 0.25


@functools.lru_cache(maxsize=4)
def shuffled(images: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """The order of a run's images in one pass, a pure function of the arguments."""
    return np.random.default_rng(seed_from(purpose="order", seed=seed, epoch=epoch)).permutation(images)


class Pixels:
    """The images of one run, held as near to the network as they fit: on the card, in memory, or in the file.

    Parameters
    ----------
    packed : array of uint8, shape (all images, side, side)
        Usually a memory-mapped file.
    rows : array of int, shape (images,)
        The run's images; position i of the run is row ``rows[i]``.
    device : torch.device
        Where `take` puts them.
    """

    def __init__(self, packed: NDArray[np.uint8], rows: NDArray[np.int64], device: torch.device) -> None:
        self._device = device
        self._held, self._rows = np.asarray(packed), rows
        self._on_card: Tensor | None = None
        size = len(rows) * packed[0].nbytes
        if device.type == "cuda" and size <= _CARD_SHARE * torch.cuda.mem_get_info(device)[0]:
            self._on_card = torch.from_numpy(self._held[rows]).to(device)
        elif size <= _HOST_SHARE * psutil.virtual_memory().available:
            self._held, self._rows = self._held[rows], np.arange(len(rows))

    def __len__(self) -> int:
        return len(self._rows)

    def take(self, positions: NDArray[np.int64]) -> Tensor:
        """Gather images.

        Returns
        -------
        Tensor of uint8, shape (len(positions), side, side)
            On the device; from the machine's memory to a card the copy runs beside the computation.
        """
        if self._on_card is not None:
            return self._on_card[torch.from_numpy(positions).to(self._device, non_blocking=True)]
        rows = self._rows[positions]
        if self._device.type == "cpu":
            return torch.from_numpy(self._held[rows])
        # torch keeps pinned blocks for reuse and gives one out again only after its copy has ended.
        buffer = torch.empty((len(rows), *self._held.shape[1:]), dtype=torch.uint8, pin_memory=True)
        np.take(self._held, rows, axis=0, out=buffer.numpy(), mode="clip")
        return buffer.to(self._device, non_blocking=True)


class Normaliser:
    """Grey values as the network's input: the backbone's own mean and standard deviation, one or three channels.

    Parameters
    ----------
    mean, std : sequence of float
        One value, or one per channel, on a scale where 1 is white.
    in_channels : int
        Channels of the network's first convolution; a grey image is repeated over them.
    device : torch.device

    Raises
    ------
    ValueError
        The number of values fits neither one nor `in_channels`.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float], *, in_channels: int, device: torch.device) -> None:
        if not len(mean) == len(std) or len(mean) not in (1, in_channels):
            raise ValueError(f"{len(mean)} means and {len(std)} standard deviations for {in_channels} channels")
        self._channels = in_channels
        # Equal values for all channels are applied once, and the channels are then views of one image.
        count = 1 if len(set(zip(mean, std, strict=True))) == 1 else in_channels
        shape: Any = {"device": device, "dtype": torch.float32}
        self._shift = torch.tensor(list(mean)[:count], **shape)[:, None, None]
        self._gain = 1 / torch.tensor(list(std)[:count], **shape)[:, None, None]

    def __call__(self, images: Tensor) -> Tensor:
        """Normalise.

        Parameters
        ----------
        images : Tensor, shape (n, 1, side, side)
            Grey values in [0, 1].

        Returns
        -------
        Tensor, shape (n, in_channels, side, side)
        """
        return ((images - self._shift) * self._gain).expand(-1, self._channels, -1, -1)


def to_grey(images: Tensor) -> Tensor:
    """Turn packed images, uint8 of shape (n, side, side), into float grey values in [0, 1], (n, 1, side, side)."""
    return images[:, None].to(torch.float32) / 255
