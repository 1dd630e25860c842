"""The part of balancing that runs in worker processes: turn a chunk of images and write its rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from evalkit.balancing.warping import warp
from evalkit.packing.pixel_file import PixelFile
from evalkit.packing.workers import hash_pixels


class Chunk(NamedTuple):
    """Consecutive rows to write.

    Attributes
    ----------
    start : int
        The first.
    sources : list of int
        Rows of the packed data set that they are made of.
    angles, zooms : list of float
        How far each is turned and zoomed; with 0 and 1 it is the source, pixel by pixel.
    """

    start: int
    sources: list[int]
    angles: list[float]
    zooms: list[float]


@dataclass(frozen=True)
class Writer:
    """Writes rows of `pixels`, made of those of the array in the file `packed`."""

    packed: Path
    pixels: PixelFile

    def write(self, chunk: Chunk) -> tuple[int, list[str]]:
        """Write a chunk; give its first row and the hash of each row's pixels."""
        images = np.load(self.packed, mmap_mode="r")
        block = np.stack(
            [
                images[source] if (angle, zoom) == (0, 1) else warp(images[source], angle=angle, zoom=zoom)
                for source, angle, zoom in zip(chunk.sources, chunk.angles, chunk.zooms, strict=True)
            ]
        )
        with self.pixels.open_rows() as file:
            self.pixels.write_rows(file, chunk.start, block)
        return chunk.start, hash_pixels(block)
