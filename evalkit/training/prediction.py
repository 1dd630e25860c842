"""What a network says about images."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from evalkit.training.devices import Hardware
from evalkit.training.pixels import Normaliser, Pixels, to_grey


def predict(
    network: nn.Module,
    pixels: Pixels,
    normalise: Normaliser,
    hardware: Hardware,
    *,
    batch_size: int,
    tell: Callable[[int], None] | None = None,
) -> NDArray[np.float32]:
    """Run a network over images in their order; it is left in training mode if it was in it.

    Parameters
    ----------
    tell : callable, optional
        Told how many images are done.

    Returns
    -------
    array, shape (images, outputs)
        Logits; of a network without a head, features.
    """
    was_training = network.training
    network.eval()
    parts = []
    with torch.inference_mode(), hardware.autocast():
        for first in range(0, len(pixels), batch_size):
            positions = np.arange(first, min(first + batch_size, len(pixels)))
            parts.append(network(normalise(to_grey(pixels.take(positions)))).float())
            if tell is not None:
                tell(int(positions[-1]) + 1)
    network.train(was_training)
    return torch.cat(parts).cpu().numpy()
