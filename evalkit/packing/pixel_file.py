"""The file of packed pixels: a NumPy array on disk that takes its whole room at the start and is written by rows."""

from __future__ import annotations

import errno
import io
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True)
class PixelFile:
    """``images.npy``: uint8, shape (rows, size, size).

    Rows are written with ordinary writes, not through a memory map, so that the memory of the writer does not grow
    with the data set.
    """

    path: Path
    rows: int
    size: int

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return self.size * self.size

    @property
    def total_bytes(self) -> int:
        """Bytes of the whole file."""
        return len(self._header()) + self.rows * self.row_bytes

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

    def write_rows(self, file: BinaryIO, start: int, pixels: NDArray[np.uint8]) -> None:
        """Write consecutive rows, shape (n, size, size), from row `start` on."""
        file.seek(len(self._header()) + start * self.row_bytes)
        left = memoryview(pixels.tobytes())
        while left:
            left = left[file.write(left) :]

    def read_rows(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Read rows `start` to `stop`, shape (stop - start, size, size)."""
        with self.path.open("rb") as file:
            file.seek(len(self._header()) + start * self.row_bytes)
            flat = np.frombuffer(file.read((stop - start) * self.row_bytes), np.uint8)
        return flat.reshape(stop - start, self.size, self.size)

    def sync(self) -> None:
        """Wait until the file is on the disk."""
        with self.path.open("rb") as file:
            os.fsync(file.fileno())

    def _header(self) -> bytes:
        buffer = io.BytesIO()
        described = {"descr": "|u1", "fortran_order": False, "shape": (self.rows, self.size, self.size)}
        np.lib.format.write_array_header_1_0(buffer, described)
        return buffer.getvalue()

    def _reserve(self, handle: int) -> None:
        if shutil.disk_usage(self.path.parent).free < self.rows * self.row_bytes:
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
        return (
            f"{reason}: {self.rows:,} images at {self.size} px need {self.total_bytes / 1e6:,.1f} MB, "
            f"and {free / 1e6:,.1f} MB are free"
        )
