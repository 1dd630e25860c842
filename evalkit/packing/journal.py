"""What is known of each row while packing goes on, and the journal that keeps it across a kill."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evalkit.packing.pixel_file import RowFile
from evalkit.packing.workers import ChunkResult, hash_pixels


class Rows:
    """What is known of each row while packing goes on."""

    def __init__(self, states: list[str]) -> None:
        self.states = states
        self.sha256 = np.full(len(states), "", dtype=object)
        self.low = np.zeros(len(states))
        self.cap = np.zeros(len(states))
        self.reasons: dict[int, str] = {}

    def pending(self) -> NDArray[np.intp]:
        """Rows that are not packed, in order."""
        return np.flatnonzero(self.sha256 == "")

    def fill(self, result: ChunkResult) -> list[str]:
        """Take a chunk in; give the states of its files, for the journal."""
        stop = result.start + len(result.sha256)
        self.sha256[result.start : stop] = result.sha256
        self.low[result.start : stop] = result.low
        self.cap[result.start : stop] = result.cap
        self.reasons.update(result.reasons)
        return self.states[result.start : stop]

    def restore(self, chunks: Iterator[tuple[ChunkResult, list[str]]], pixels: RowFile) -> None:
        """Take in what the journal says, as far as files and pixels are still as they were."""
        for result, states in chunks:
            stop = result.start + len(result.sha256)
            stored = hash_pixels(pixels.read_rows(result.start, stop))
            for offset, row in enumerate(range(result.start, stop)):
                unchanged = states[offset] == self.states[row] and stored[offset] == result.sha256[offset]
                self.sha256[row] = result.sha256[offset] if unchanged else ""
                self.low[row], self.cap[row] = result.low[offset], result.cap[offset]

    def index(self, images: pd.DataFrame) -> pd.DataFrame:
        """The table that says which row is which image; unreadable ones are not in it."""
        index = images[["image_id", "patient_id"]].copy()
        index.insert(0, "row", np.arange(len(images), dtype=np.int64))
        index["sha256"] = pd.Series(self.sha256, dtype="str")
        index["low"], index["cap"] = self.low, self.cap
        return index.drop(index=list(self.reasons)).reset_index(drop=True)


class Journal:
    """One line for the options, then one for each finished chunk; a line cut off by a kill is passed over."""

    def __init__(self, path: Path, key: str) -> None:
        self.path, self.key = path, key

    def matches(self) -> bool:
        """Whether the journal is there and about the same images and options."""
        return next(self._lines(), None) == {"key": self.key}

    def remove(self) -> None:
        """Forget what was packed; done before the pixels go, so that no journal ever speaks of other pixels."""
        self.path.unlink(missing_ok=True)

    def start(self) -> None:
        """Begin a journal."""
        self.path.write_text(json.dumps({"key": self.key}) + "\n", encoding="utf-8")

    def read(self) -> Iterator[tuple[ChunkResult, list[str]]]:
        """Finished chunks, in the order they were finished, with the states of their files."""
        for line in self._lines():
            if "start" in line:
                states = line.pop("states")
                yield ChunkResult(**line, reasons={}), states

    @contextlib.contextmanager
    def append(self) -> Iterator[Callable[[ChunkResult, list[str]], None]]:
        """Give a function that adds a finished chunk, with the states of its files."""
        with self.path.open("a", encoding="utf-8") as file:
            # A kill may have left half a line.
            file.write("\n")

            def record(result: ChunkResult, states: list[str]) -> None:
                line = {**result._asdict(), "states": states}
                del line["reasons"]
                file.write(json.dumps(line) + "\n")
                file.flush()

            yield record

    def _lines(self) -> Iterator[dict[str, Any]]:
        if not self.path.exists():
            return
        with self.path.open(encoding="utf-8") as file:
            for line in file:
                try:
                    yield json.loads(line)
                except ValueError:
                    continue
