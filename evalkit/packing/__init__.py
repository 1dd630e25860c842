"""Packing: every image of a data set decoded once, into one memory-mapped array.

A packed data set is a folder. ``images.npy`` (uint8, shape (rows, size, size)) takes its room at the start and is
filled chunk by chunk; ``progress.jsonl`` gets a line for each finished chunk; ``index.parquet`` says which row is
which image; ``packing.json``, the report, is written last and is the mark of a complete folder.

A killed packing therefore loses the chunks in flight and no more. On the next start every row of the journal is
checked: its image file must have the size and time it had, and its pixels the hash they had. What does not agree is
packed again.
"""

from evalkit.packing.making import pack
from evalkit.packing.packed import Packed, load_packed

__all__ = ["Packed", "load_packed", "pack"]
