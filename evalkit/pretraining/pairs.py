"""Two views of each image of a batch, ready for an encoder."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evalkit.config.pretraining import Views
from evalkit.pretraining.views import draw_views, make_views
from evalkit.training.pixels import Normaliser, Pixels, shuffled, to_grey


def different_images(step: int, *, images: int, batch_size: int, seed: int) -> NDArray[np.int64]:
    """Say which images make up the batch of one step, each of them once.

    The images are shuffled anew for each pass, and what a pass leaves over after its last full batch is left out of
    it: in a batch that went on into the next pass an image could meet itself and be pushed away from itself.

    Parameters
    ----------
    step : int
        From 0.
    images : int
        At least a batch.
    batch_size : int
        Images of a whole batch, over all processes.
    seed : int

    Returns
    -------
    array of int, shape (batch_size,)
        Positions in [0, images), a pure function of the arguments.
    """
    epoch, within = divmod(step, images // batch_size)
    return shuffled(images, seed, epoch)[within * batch_size : (within + 1) * batch_size]


class Pairs:
    """The pairs of views of one run.

    Parameters
    ----------
    pixels : Pixels
        The run's images.
    normalise : Normaliser
    views : Views
    batch_size : int
        Images of a step, over all processes.
    seed : int
        The run's seed.
    device : torch.device

    Attributes
    ----------
    images : int
        Of the whole run.
    batch_size, seed : int
    """

    def __init__(
        self,
        pixels: Pixels,
        normalise: Normaliser,
        views: Views,
        *,
        batch_size: int,
        seed: int,
        device: torch.device,
    ) -> None:
        self.images, self.batch_size, self.seed = len(pixels), batch_size, seed
        self._pixels, self._normalise, self._views, self._device = pixels, normalise, views, device

    def load(self, step: int, first: NDArray[np.int64], second: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Load the first view of some images of a batch and the second view of the same or of others.

        Parameters
        ----------
        step : int
            From 0.
        first, second : array of int
            Places in the batch.

        Returns
        -------
        tuple of two Tensor, shape (len(first), channels, side, side) and (len(second), channels, side, side)
            Normalised.
        """
        whole = different_images(step, images=self.images, batch_size=self.batch_size, seed=self.seed)
        images = to_grey(self._pixels.take(whole[first]))
        others = images if np.array_equal(first, second) else to_grey(self._pixels.take(whole[second]))
        return self._view(images, step, 0, first), self._view(others, step, 1, second)

    def _view(self, images: Tensor, step: int, view: int, places: NDArray[np.int64]) -> Tensor:
        draws = draw_views(self.batch_size, seed=self.seed, step=step, view=view, views=self._views)
        chosen = draws[torch.from_numpy(places)].to(self._device, non_blocking=True)
        return self._normalise(make_views(images, chosen, self._views))
