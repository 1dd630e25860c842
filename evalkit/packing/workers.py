"""The part of packing that runs in worker processes: decode a chunk of images and write its rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import InputError
from evalkit.images import locate_image, pack_image, read_gray
from evalkit.packing.pixel_file import RowFile
from evalkit.processes import spread

#: Below this many images, starting processes takes longer than they save.
_WORTH_PROCESSES = 200

#: First row and the paths of the images from that row on.
Chunk = tuple[int, list[str]]


class ChunkResult(NamedTuple):
    """What came of a chunk.

    Attributes
    ----------
    start : int
        Its first row.
    sha256 : list of str
        Hash of each row's pixels; empty for an image that could not be read.
    low, cap : list of float
        See `evalkit.images.PackedImage`.
    reasons : dict of int to str
        For each row that could not be read, why.
    """

    start: int
    sha256: list[str]
    low: list[float]
    cap: list[float]
    reasons: dict[int, str]


@dataclass(frozen=True)
class Packer:
    """Decodes images below `root` into rows of `pixels`.

    Attributes
    ----------
    root : pathlib.Path
    pixels : RowFile
        Its rows have the sizes that images get.
    antialias : bool
        See `evalkit.images.pack_image`.
    decoded : ndarray of int, shape (rows, 2), optional
        Height and width that each image has before; one that turns out to have others counts as unreadable.
    """

    root: Path
    pixels: RowFile
    antialias: bool
    decoded: NDArray[np.int64] | None = None

    def pack(self, chunk: Chunk) -> ChunkResult:
        """Decode a chunk and write its rows; an unreadable image becomes a row of zeros and a reason.

        Raises
        ------
        InputError
            A path leads out of the data set's folder.
        """
        start, paths = chunk
        block: list[NDArray[np.uint8]] = []
        low, cap, reasons = [0.0] * len(paths), [0.0] * len(paths), {}
        for offset, path in enumerate(paths):
            row = start + offset
            file, shape = locate_image(self.root, path), self.pixels.shape_of(row)
            try:
                image = read_gray(file)
                self._check_size(row, image, file)
            except InputError as error:
                reasons[row] = error.found
                block.append(np.zeros(shape, np.uint8))
                continue
            pixels, low[offset], cap[offset] = pack_image(image, shape, antialias=self.antialias)
            block.append(pixels)
        with self.pixels.open_rows() as opened:
            self.pixels.write_rows(opened, start, block)
        hashes = ["" if start + offset in reasons else each for offset, each in enumerate(hash_pixels(block))]
        return ChunkResult(start, hashes, low, cap, reasons)

    def _check_size(self, row: int, image: NDArray[np.generic], file: Path) -> None:
        if self.decoded is None or tuple(self.decoded[row]) == image.shape:
            return
        said, found = (f"{width} x {height}" for height, width in (self.decoded[row], image.shape))
        raise InputError(f"{file} has {found} pixels, and {said} by its header", "one size", "fetch the file again")


def hash_pixels(block: Iterable[NDArray[np.uint8]]) -> list[str]:
    """Hash each image of a block (the first 32 hexadecimal digits of SHA-256)."""
    return [hashlib.sha256(image.tobytes()).hexdigest()[:32] for image in block]


def pack_chunks(packer: Packer, chunks: list[Chunk], *, workers: int) -> Iterator[ChunkResult]:
    """Pack chunks, in processes where that is worth while, and give each result as soon as it is there."""
    few = sum(len(paths) for _, paths in chunks) < _WORTH_PROCESSES
    return spread(packer.pack, chunks, workers=1 if few else workers)
