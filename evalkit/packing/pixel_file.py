"""The file of packed pixels: a NumPy array on disk that takes its whole room at the start and is written by rows."""

from __future__ import annotations

import errno
import io
import math
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True)
class RowFile(ABC):
    """An array of uint8 on disk in which images lie one behind the other, each in a row of its own.

    Rows are written with ordinary writes, not through a memory map, so that the memory of the writer does not grow
    with the data set.
    """

    path: Path

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """The array's shape."""

    @abstractmethod
    def shape_of(self, row: int) -> tuple[int, int]:
        """Height and width of an image."""

    @abstractmethod
    def offset_of(self, row: int) -> int:
        """Bytes of all rows before this one."""

    @abstractmethod
    def describe(self) -> str:
        """What the file holds, for a message."""

    @property
    def total_bytes(self) -> int:
        """Bytes of the whole file."""
        return len(self._header()) + math.prod(self.shape)

    def is_whole(self) -> bool:
        """Whether the file is there with this shape; what its rows hold is another question."""
        try:
            with self.path.open("rb") as file:
                header = self._header()
                return file.read(len(header)) == header and file.seek(0, os.SEEK_END) == self.total_bytes
        except OSError:
            return False

    def create(self) -> None:
        """Make the file anew, all zeros, with its room on the disk reserved.

        A file that was there before is removed first; who has it open keeps it.

        Raises
        ------
        OSError
            With ENOSPC, EDQUOT or EFBIG and the room needed and free, where it does not fit; nothing is left behind.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.unlink(missing_ok=True)
        try:
            with self.path.open("xb") as file:
                file.write(self._header())
                file.flush()
                self._reserve(file.fileno())
        except OSError as error:
            self.path.unlink(missing_ok=True)
            if error.errno not in _FULL:
                raise
            raise OSError(error.errno, self._describe_room(error.strerror), str(self.path)) from None

    def open_rows(self) -> BinaryIO:
        """Open the file for `write_rows`."""
        return self.path.open("r+b", buffering=0)

    def write_rows(self, file: BinaryIO, start: int, images: Iterable[NDArray[np.uint8]]) -> None:
        """Write images, each of the shape of its row, into consecutive rows from `start` on."""
        file.seek(len(self._header()) + self.offset_of(start))
        left = memoryview(b"".join(image.tobytes() for image in images))
        while left:
            left = left[file.write(left) :]

    def read_rows(self, start: int, stop: int) -> list[NDArray[np.uint8]]:
        """Read the images of the rows `start` to `stop`."""
        first = self.offset_of(start)
        with self.path.open("rb") as file:
            file.seek(len(self._header()) + first)
            flat = np.frombuffer(file.read(self.offset_of(stop) - first), np.uint8)
        return [
            flat[self.offset_of(row) - first : self.offset_of(row + 1) - first].reshape(self.shape_of(row))
            for row in range(start, stop)
        ]

    def sync(self) -> None:
        """Wait until the file is on the disk."""
        with self.path.open("rb") as file:
            os.fsync(file.fileno())

    def _header(self) -> bytes:
        buffer = io.BytesIO()
        described = {"descr": "|u1", "fortran_order": False, "shape": self.shape}
        np.lib.format.write_array_header_1_0(buffer, described)
        return buffer.getvalue()

    def _reserve(self, handle: int) -> None:
        if shutil.disk_usage(self.path.parent).free < math.prod(self.shape):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        try:
            os.posix_fallocate(handle, 0, self.total_bytes)
        except (AttributeError, OSError) as error:
            # Some systems and file systems cannot reserve; the file then grows as it is written.
            if isinstance(error, OSError) and error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
                raise
            os.ftruncate(handle, self.total_bytes)

    def _describe_room(self, reason: str | None) -> str:
        free = shutil.disk_usage(self.path.parent).free
        return f"{reason}: {self.describe()} need {self.total_bytes / 1e6:,.1f} MB, and {free / 1e6:,.1f} MB are free"


@dataclass(frozen=True)
class PixelFile(RowFile):
    """``images.npy``: uint8, shape (rows, size, size)."""

    rows: int
    size: int

    @property
    def shape(self) -> tuple[int, ...]:
        """The array's shape."""
        return self.rows, self.size, self.size

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return self.size * self.size

    def shape_of(self, row: int) -> tuple[int, int]:
        """Height and width of an image: the same for all."""
        return self.size, self.size

    def offset_of(self, row: int) -> int:
        """Bytes of all rows before this one."""
        return row * self.row_bytes

    def describe(self) -> str:
        """What the file holds, for a message."""
        return f"{self.rows:,} images at {self.size} px"
