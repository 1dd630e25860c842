"""What is noted of a generator in training: samples, and how far their cells are from those of the images."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evalkit.config.gan import GanRecipe
from evalkit.stylegan2.cells import describe_cells, spread_places
from evalkit.stylegan2.frechet import frechet_distance
from evalkit.stylegan2.generator import Generator
from evalkit.stylegan2.snapshots import sample


class Watch:
    """Looks at the averaged generator now and then.

    Parameters
    ----------
    average : Generator
    images : array of uint8, shape (n, side, side)
    rows : array of int
        Those that are trained on. The distance is to `recipe.frechet_images` of them, spread over all: neighbours are
        often of one patient or one scanner.
    recipe : GanRecipe
    seed : int
        The training's.
    """

    def __init__(
        self,
        average: Generator,
        images: NDArray[np.uint8],
        rows: NDArray[np.int64],
        recipe: GanRecipe,
        *,
        seed: int,
    ) -> None:
        self._average, self._recipe, self._seed = average, recipe, seed
        self._images, self._rows = images, rows[spread_places(len(rows), recipe.frechet_images)]
        self._of_real: NDArray[np.float64] | None = None

    def look(self, note: dict[str, float]) -> Tensor:
        """Make the samples of a note, and add the Frechet distance to it, unless there is but one training image.

        Returns
        -------
        Tensor of uint8, shape (samples, side, side), with three channels (samples, side, side, 3)
        """
        if len(self._rows) > 1:
            if self._of_real is None:
                self._of_real = describe_cells(self._images[self._rows])
            made = sample(self._average, len(self._rows), seed=self._seed)
            note["frechet"] = frechet_distance(self._of_real, describe_cells(made))
        return torch.from_numpy(sample(self._average, self._recipe.samples, seed=self._seed))
