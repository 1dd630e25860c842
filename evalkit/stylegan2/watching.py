"""What is noted of a generator in training: samples, and how far their features are from those of the images."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evalkit.config.gan import GanRecipe
from evalkit.stylegan2.frechet import frechet_distance
from evalkit.stylegan2.generator import Generator
from evalkit.stylegan2.snapshots import sample

#: Features of images: uint8 (n, side, side), with three channels (n, side, side, 3) -> float (n, d).
Features = Callable[[NDArray[np.uint8]], NDArray[np.floating]]


class Watch:
    """Looks at the averaged generator now and then.

    Parameters
    ----------
    average : Generator
    images : array of uint8, shape (n, side, side)
    rows : array of int
        Those that are trained on.
    recipe : GanRecipe
    seed : int
        The training's.
    features : callable or None
        With it, the Frechet distance is worked out as well.
    """

    def __init__(
        self,
        average: Generator,
        images: NDArray[np.uint8],
        rows: NDArray[np.int64],
        recipe: GanRecipe,
        *,
        seed: int,
        features: Features | None,
    ) -> None:
        self._average, self._recipe, self._seed, self._features = average, recipe, seed, features
        self._images, self._rows = images, rows[: recipe.frechet_images]
        self._of_real: NDArray[np.floating] | None = None

    def look(self, note: dict[str, float]) -> Tensor:
        """Make the samples of a note, and add the Frechet distance to it.

        Returns
        -------
        Tensor of uint8, shape (samples, side, side), with three channels (samples, side, side, 3)
        """
        if self._features is not None:
            made = sample(self._average, len(self._rows), seed=self._seed)
            if self._of_real is None:
                real = np.asarray(self._images[self._rows])
                self._of_real = self._features(np.stack([real] * 3, axis=-1) if made.ndim == 4 else real)
            note["frechet"] = frechet_distance(self._of_real, self._features(made))
        return torch.from_numpy(sample(self._average, self._recipe.samples, seed=self._seed))
