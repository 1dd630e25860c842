"""Ragged packing: images at their own aspect ratio, as detection needs them, decoded once, with their boxes.

The folder is like that of a squarely packed data set (see `evalkit.packing`), and is made in the same way, chunk by
chunk and going on after a kill. But ``images.npy`` is flat: image after image, each with a height and a width of its
own, which ``index.parquet`` has beside the place where the image begins. ``boxes.parquet`` has the boxes in pixels of
these images.
"""

from evalkit.packing.ragged.making import pack_ragged
from evalkit.packing.ragged.reading import Ragged, load_ragged

__all__ = ["Ragged", "load_ragged", "pack_ragged"]
