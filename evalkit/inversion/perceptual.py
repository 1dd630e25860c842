"""The difference of two images as a backbone sees it, on one scale for all backbones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from evalkit.config.projection import PerceptualRecipe
from evalkit.errors import InputError
from evalkit.inversion.averaging import average
from evalkit.inversion.encoders import Encoder
from evalkit.training.devices import Hardware

#: Pairs of calibration images compared at once.
_BATCH = 16


class PerceptualDistance:
    """Weighted sum over taps of the mean difference of features, each tap on its own scale.

    Made by `calibrate`.

    Parameters
    ----------
    encoder : Encoder
        Tapped at ``recipe.taps``.
    recipe : PerceptualRecipe
    scales : sequence of float
        What each tap's difference is divided by.
    hardware : Hardware
        Its precision is that of the encoder's forward pass.
    """

    def __init__(self, encoder: Encoder, recipe: PerceptualRecipe, scales: Sequence[float], hardware: Hardware) -> None:
        if encoder.taps != recipe.taps or len(scales) != len(recipe.taps):
            raise ValueError(f"an encoder tapped at {encoder.taps} and {len(scales)} scales for {recipe.taps}")
        self.scales = tuple(scales)
        self._encoder, self._recipe, self._hardware = encoder, recipe, hardware
        factors = [weight / scale for weight, scale in zip(recipe.tap_weights, scales, strict=True)]
        self._factors = torch.tensor(factors, dtype=torch.float64, device=hardware.device)

    def features(self, images: Tensor) -> tuple[Tensor, ...]:
        """Features at the taps, with gradients if `images` have any.

        Parameters
        ----------
        images : Tensor, shape (n, 1 or 3, side, side)
            From 0 to 1.
        """
        with self._hardware.autocast():
            return self._encoder(reduce_to(images, self._recipe.limit))

    def differences(self, features: Sequence[Tensor], others: Sequence[Tensor]) -> Tensor:
        """Mean absolute or squared difference at each tap, neither scaled nor weighted.

        Returns
        -------
        Tensor, shape (n, taps)
        """
        pairs = zip(features, others, strict=True)
        # Under automatic mixed precision features have 16 bits; the sums need more.
        gaps = (one.to(_at_least_32(one)) - other for one, other in pairs)
        if self._recipe.distance == "l1":
            return torch.stack([gap.abs().mean(dim=(1, 2, 3)) for gap in gaps], dim=1)
        return torch.stack([gap.square().mean(dim=(1, 2, 3)) for gap in gaps], dim=1)

    def __call__(self, images: Tensor, targets: Sequence[Tensor]) -> Tensor:
        """Distance of images from the images that `targets` are the features of.

        Returns
        -------
        Tensor, shape (n,)
            Each image's own; of the mean difference between two calibration images, with weights that sum to 1, it
            is 1.
        """
        differences = self.differences(self.features(images), targets)
        return (differences * self._factors.to(differences.dtype)).sum(dim=1)

    def describe(self) -> dict[str, Any]:
        """What decides a result, for a run's key and its record."""
        return {
            "encoder": self._encoder.describe(),
            "recipe": self._recipe.model_dump(mode="json"),
            "scales": list(self.scales),
        }


@torch.no_grad()
def calibrate(
    encoder: Encoder, recipe: PerceptualRecipe, images: Tensor | None, hardware: Hardware
) -> PerceptualDistance:
    """Put an encoder's taps on one scale, so that the magnitude of features decides nothing.

    Networks differ by orders of magnitude in the size of their features, and so do the layers of one network. With
    the raw differences, that size would decide how much an encoder weighs beside the pixels, and which of its layers
    counts. Each tap is therefore divided by its mean difference between calibration images: 1 then means as different
    as two radiographs are, for every tap of every network.

    Parameters
    ----------
    encoder : Encoder
        Tapped at ``recipe.taps``.
    recipe : PerceptualRecipe
        With ``calibration: raw`` nothing is measured and every scale is 1.
    images : Tensor, shape (n, channels, side, side), or None
        Two or more images from 0 to 255, the same for all encoders and none of them inverted. Each is paired with the
        next, the last with the first, so every image counts twice and memory does not grow with their number. One per
        patient is best. None will do for ``raw``.
    hardware : Hardware

    Raises
    ------
    InputError
        At some tap all calibration images look the same, or features are not finite.
    """
    distance = PerceptualDistance(encoder, recipe, (1.0,) * len(recipe.taps), hardware)
    if recipe.calibration == "raw":
        return distance
    if images is None or len(images) < 2:
        raise ValueError("a calibration needs two images or more")
    total = torch.zeros(len(recipe.taps), dtype=torch.float64)
    for first in range(0, len(images), _BATCH):
        places = torch.arange(first, min(first + _BATCH, len(images)) + 1) % len(images)
        features = distance.features(images[places.to(images.device)].to(hardware.device) / 255)
        pairs = distance.differences([each[:-1] for each in features], [each[1:] for each in features])
        total += pairs.double().sum(dim=0).cpu()
    scales = (total / len(images)).tolist()
    _check_scales(scales, encoder)
    return PerceptualDistance(encoder, recipe, scales, hardware)


def reduce_to(images: Tensor, limit: int | None) -> Tensor:
    """Average square images down to a side of `limit` pixels, if they are larger.

    Raises
    ------
    InputError
        The side is no multiple of the limit.
    """
    side = images.shape[-1]
    if limit is None or side <= limit:
        return images
    if side % limit:
        raise InputError(
            f"images of {side} px cannot be averaged down to {limit} px",
            "a whole number of pixels in each",
            f"set the perceptual encoder's limit to a divisor of {side}",
        )
    return average(images, side // limit)


def _check_scales(scales: Sequence[float], encoder: Encoder) -> None:
    for tap, scale in zip(encoder.taps, scales, strict=True):
        if not (math.isfinite(scale) and scale > 0):
            raise InputError(
                f"the encoder's features at {tap} differ by {scale} between calibration images",
                "a number above 0",
                "leave this tap out, give other calibration images, or check the backbone's weights",
            )


def _at_least_32(tensor: Tensor) -> torch.dtype:
    return torch.promote_types(tensor.dtype, torch.float32)
