"""Reading a packed data set."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evalkit.damage import refusing_damage
from evalkit.errors import InputError


@dataclass(frozen=True)
class Packed:
    """A packed data set.

    Attributes
    ----------
    images : ndarray of uint8, shape (rows, size, size)
        Mapped from the file, read-only. The row of an unreadable image is zeros and is in no line of the index.
    index : DataFrame
        row, image_id, patient_id, sha256 (of the row's pixels, 32 hexadecimal digits), low and cap (the values of the
        image that became 0 and 255; equal where the image has no contrast).
    report : dict
        Counts, options, what was left out and how fast it went.
    """

    images: NDArray[np.uint8]
    index: pd.DataFrame
    report: dict[str, Any]

    def rows(self, image_ids: Sequence[str] | NDArray[Any] | pd.Series) -> NDArray[np.int64]:
        """The rows of some images, in the order asked for.

        Raises
        ------
        InputError
            An image is not in the packed data set.
        """
        positions = pd.Index(self.index["image_id"]).get_indexer(pd.Index(image_ids))
        absent = np.flatnonzero(positions < 0)
        if len(absent):
            raise InputError(
                f"{len(absent):,} images are not in the packed data set, the first is {list(image_ids)[absent[0]]!r}",
                "images of the same data set",
                "make the splits again from this packed data set",
            )
        return self.index["row"].to_numpy()[positions]


def load_packed(folder: Path, *, command: str = "python -m evalkit.packing --study STUDY --dataset DATASET") -> Packed:
    """Open a packed data set.

    Parameters
    ----------
    folder : pathlib.Path
        Where it is.
    command : str
        What makes it, for the message.

    Raises
    ------
    InputError
        The folder is missing, its packing was not finished, or one of its files is missing or damaged.
    """
    again = f"run, or run again: {command}"
    if not (folder / "packing.json").exists():
        raise InputError(
            f"{folder} holds no finished packed data set",
            "packing.json, which is written last",
            again,
        )
    expected = "a packed data set as this program wrote it"
    with refusing_damage(path := folder / "packing.json", expected=expected, remedy=again):
        report = dict(json.loads(path.read_text(encoding="utf-8")))
    with refusing_damage(path := folder / "index.parquet", expected=expected, remedy=again):
        index = pd.read_parquet(path)
    with refusing_damage(path := folder / "images.npy", expected=expected, remedy=again):
        images = np.load(path, mmap_mode="r")
    return Packed(images, index, report)
