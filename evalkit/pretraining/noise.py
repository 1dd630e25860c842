"""Fields of noise that are functions of a seed, the same on every device and for every division of a batch.

A generator of torch would give other numbers on a card than on a CPU. Here each pixel's number is a hash of its place
and the image's seed, as in counter-based generators (Salmon et al., Parallel random numbers: as easy as 1, 2, 3. SC
2011), so a whole batch is made at once on any device.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

#: Seeds are below it: that many steps a float32 in [0, 1) from `torch.rand` can take.
SEEDS = 2**24

#: The hash: shifts and odd factors of lowbias32 (C. Wellons, hash-prospector, public domain), factors as signed.
_SHIFTS, _FACTORS = (16, 15, 16), (0x7FEB352D, 0x846CA68B - 2**32)


def uniform_fields(seeds: Tensor, shape: torch.Size) -> Tensor:
    """Draw fields of uniform noise.

    Parameters
    ----------
    seeds : Tensor of int32, shape (n,)
        From 0 to below `SEEDS`.
    shape : torch.Size
        (n, 1, height, width).

    Returns
    -------
    Tensor, shape (n, 1, height, width)
        Above -1 and below 1.
    """
    places = torch.arange(shape[1:].numel(), dtype=torch.int32, device=seeds.device)
    bits = _hash(_hash(places ^ seeds[:, None]).add_(seeds[:, None]))
    # The upper 24 bits as odd numbers about 0, which a float32 holds exactly.
    odd = ((bits >> 8) & (SEEDS - 1)) * 2 + (1 - SEEDS)
    return (odd.to(torch.float32) / SEEDS).reshape(shape)


def normal_fields(seeds: Tensor, shape: torch.Size) -> Tensor:
    """Draw fields of Gaussian noise of standard deviation 1, by inverting the distribution function.

    Parameters and shape as for `uniform_fields`.
    """
    return torch.erfinv(uniform_fields(seeds, shape)).mul_(math.sqrt(2))


def _hash(numbers: Tensor) -> Tensor:
    """Mix the bits of new int32 numbers, in place; products wrap."""
    for shift, factor in zip(_SHIFTS, (*_FACTORS, None), strict=True):
        # int32 keeps its sign when shifted; the mask leaves what a shift without sign would.
        numbers ^= (numbers >> shift) & (2 ** (32 - shift) - 1)
        if factor is not None:
            numbers *= factor
    return numbers
