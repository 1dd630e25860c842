"""Whether a reconstruction is still the same to a classifier that took no part in making it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from evalkit.errors import InputError
from evalkit.inversion.metrics import Floats
from evalkit.training.devices import Hardware
from evalkit.training.features import build_trunk
from evalkit.training.networks import Network
from evalkit.training.pixels import Normaliser

#: What a run says where the study names no network for it.
NOT_ASKED = "unavailable: no backbone is named for it"

#: Images compared at once.
_BATCH = 32


class Identity:
    """Cosine similarity of pooled features.

    Parameters
    ----------
    network : Network
        A trained classifier, of any architecture; none of the backbones that are compared.
    side : int
        Of the images in pixels.
    hardware : Hardware

    Raises
    ------
    ValueError
        The network has no weights.
    """

    def __init__(self, network: Network, *, side: int, hardware: Hardware) -> None:
        if network.weights is None:
            raise ValueError(f"identity needs a trained classifier, and this {network.arch} has no weights")
        self._plan, self._hardware = network, hardware
        self._trunk = build_trunk(network, side=side, seed=0, hardware=hardware).requires_grad_(False)
        self._normalise = Normaliser(network.mean, network.std, in_channels=network.in_channels, device=hardware.device)

    @torch.no_grad()
    def __call__(self, originals: Tensor, images: Tensor) -> Floats:
        """Measure.

        Parameters
        ----------
        originals, images : Tensor, shape (n, 1 or 3, side, side)
            From 0 to 255; of three channels the mean is seen.

        Returns
        -------
        ndarray of float64, shape (n,)
            1 for equal images; higher is better.
        """
        parts = [
            cosine_similarity(self._features(one), self._features(other)).cpu()
            for one, other in zip(originals.split(_BATCH), images.split(_BATCH), strict=True)
        ]
        return np.asarray(torch.cat(parts))

    def describe(self) -> dict[str, Any]:
        """What decides a result, for a run's key and its record."""
        return self._plan.describe()

    def _features(self, images: Tensor) -> Tensor:
        grey = images.to(self._hardware.device, torch.float32).mean(dim=1, keepdim=True) / 255
        with self._hardware.autocast():
            return self._trunk(self._normalise(grey)).double()


def refuse_own_weights(evaluation: str, judge: str, row: str, weights: Mapping[str, str | None]) -> None:
    """Refuse a row that looks at images through the very weights that identity is measured by.

    Parameters
    ----------
    evaluation, judge, row : str
        The judge is the backbone that `evaluation` measures identity by.
    weights : mapping of str to str or None
        Fingerprints of backbones.

    Raises
    ------
    InputError
        Both have the same.
    """
    if weights.get(judge) is not None and weights.get(judge) == weights.get(row):
        raise InputError(
            f"evaluations.{evaluation}.identity is {judge!r}, which has the weights of the row {row!r} (fingerprint "
            f"{str(weights[row])[:12]})",
            "a backbone that had no part in any reconstruction",
            "name another backbone there",
        )
