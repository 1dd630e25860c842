"""Reading a ragged packed data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evalkit.damage import refusing_damage
from evalkit.errors import InputError
from evalkit.packing.packed import Packed, load_packed


class ImageBoxes(NamedTuple):
    """The boxes of one image.

    Attributes
    ----------
    corners : ndarray of float64, shape (n, 4)
        x, y, width, height in pixels of the packed image, x and y of the upper left corner.
    labels : list of str, length n
    """

    corners: NDArray[np.float64]
    labels: list[str]


@dataclass(frozen=True, eq=False)
class Ragged:
    """A ragged packed data set.

    Attributes
    ----------
    packed : Packed
        The flat array of all pixels, the index and the report. The index has beside the columns of a square one offset
        (where the image begins), height and width, and file_height and file_width, the size it had before.
    boxes : DataFrame
        row, image_id, label, x, y, width, height in pixels of the packed images, by row.
    """

    packed: Packed
    boxes: pd.DataFrame

    @property
    def index(self) -> pd.DataFrame:
        """One line for each image that was read."""
        return self.packed.index

    @property
    def report(self) -> dict[str, Any]:
        """Counts, options, what was left out and how fast it went."""
        return self.packed.report

    def rows(self, image_ids: Sequence[str] | NDArray[Any] | pd.Series) -> NDArray[np.int64]:
        """The rows of some images, in the order asked for; an `InputError` names one that is not there."""
        return self.packed.rows(image_ids)

    def image(self, row: int) -> NDArray[np.uint8]:
        """An image, mapped from the file, read-only.

        Parameters
        ----------
        row : int
            As `rows` gives it.

        Returns
        -------
        ndarray of uint8, shape (height, width)

        Raises
        ------
        KeyError
            The row is of an image that could not be read, or there is no such row.
        """
        offset, height, width = self._places[int(row)]
        return self.packed.images[offset : offset + height * width].reshape(height, width)

    def boxes_of(self, row: int) -> ImageBoxes:
        """The boxes of an image; none where it has none."""
        first, last = np.searchsorted(self._box_rows, [row, row + 1])
        return ImageBoxes(self._corners[first:last].copy(), self._labels[first:last])

    @cached_property
    def _places(self) -> dict[int, tuple[int, int, int]]:
        columns = (self.index[name].tolist() for name in ("row", "offset", "height", "width"))
        return {row: place for row, *place in zip(*columns, strict=True)}  # type: ignore[misc]

    @cached_property
    def _box_rows(self) -> NDArray[np.int64]:
        return self.boxes["row"].to_numpy(dtype=np.int64)

    @cached_property
    def _corners(self) -> NDArray[np.float64]:
        return self.boxes[["x", "y", "width", "height"]].to_numpy(dtype=np.float64)

    @cached_property
    def _labels(self) -> list[str]:
        return self.boxes["label"].tolist()


def load_ragged(folder: Path) -> Ragged:
    """Open a ragged packed data set.

    Raises
    ------
    InputError
        The folder is missing or holds square images, its packing was not finished, or one of its files is missing or
        damaged.
    """
    command = "python -m evalkit.packing --study STUDY --dataset DATASET --longest PIXELS"
    packed = load_packed(folder, command=command)
    if packed.images.ndim != 1 or "longest" not in packed.report:
        raise InputError(
            f"{folder} holds images squashed to squares", "images at their aspect ratio", f"make them: {command}"
        )
    expected, remedy = "a packed data set as this program wrote it", f"run again: {command}"
    with refusing_damage(path := folder / "boxes.parquet", expected=expected, remedy=remedy):
        return Ragged(packed, pd.read_parquet(path))
