"""What the projection of an image gives."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Curve:
    """How a projection converged.

    Attributes
    ----------
    steps : tuple of int
        Updates made before each point.
    terms : dict of str to tuple of float
        By name: ``pixel``, ``perceptual`` (calibrated and weighted over taps) and ``noise`` without their weights in
        the objective, and ``objective``, their weighted sum. They are of the latent with the noise of the step on it.
    """

    steps: tuple[int, ...]
    terms: dict[str, tuple[float, ...]]


@dataclass(frozen=True)
class Projection:
    """The projection of one image; tensors lie on the CPU.

    Attributes
    ----------
    key : str
        Name of the image.
    ws : Tensor, shape (num_ws, w_dim)
        The latent of each layer, in space W the same for all.
    noise : tuple of Tensor, each of shape (1, height, width)
        The noise inputs; empty where the generator's stored ones were used.
    reconstruction : Tensor of float32, shape (channels, side, side)
        What the generator makes of them, on the scale of uint8 (0 to 255) and cut to it, but not rounded.
    curve : Curve
        Empty where nothing was optimised.
    """

    key: str
    ws: Tensor
    noise: tuple[Tensor, ...]
    reconstruction: Tensor
    curve: Curve

    @property
    def diverged(self) -> bool:
        """Whether the search ran away: its latent, noise or image is not finite."""
        return not all(bool(torch.isfinite(each).all()) for each in (self.ws, *self.noise, self.reconstruction))
