"""Making a packed data set of squares."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Literal

from evalkit.atomic import write_json, write_parquet
from evalkit.datasets.manifest import Manifest
from evalkit.packing.filling import fill, find_files
from evalkit.packing.packed import Packed, load_packed
from evalkit.packing.pixel_file import PixelFile
from evalkit.packing.workers import Packer


def pack(
    manifest: Manifest,
    root: Path,
    folder: Path,
    *,
    size: int,
    antialias: bool,
    unreadable: Literal["fail", "exclude"],
    workers: int | None = None,
) -> Packed:
    """Decode the images of a manifest into a packed data set, going on where an earlier try stopped.

    Parameters
    ----------
    manifest : Manifest
        The images, in the order their rows get.
    root : pathlib.Path
        The folder that the manifest's paths start from.
    folder : pathlib.Path
        Where the packed data set goes.
    size : int
        Side of the square images, in pixels.
    antialias : bool
        See `evalkit.images.pack_image`.
    unreadable : {'fail', 'exclude'}
        Whether images that cannot be read are an error, after all others are packed, or are left out and counted.
    workers : int, optional
        Processes; by default as many as there are cores. They import the script that calls this, which must therefore
        do its work below ``if __name__ == "__main__":``.

    Returns
    -------
    Packed

    Raises
    ------
    InputError
        Images cannot be read, each named; or a path leads out of `root`.
    OSError
        The disk has no room for the array (before anything is decoded), or fails.
    """
    started = time.monotonic()
    found = find_files(manifest, root, folder, unreadable)
    pixels = PixelFile(folder / "images.npy", len(found.present), size)
    options = {"size": size, "antialias": antialias}
    filled = fill(Packer(root, pixels, antialias), found, options, title=f"at {size} px", workers=workers)
    report = {**options, **filled.report, "manifest": manifest.fingerprint(), **filled.took(started)}
    write_parquet(folder / "index.parquet", filled.index)
    write_json(folder / "packing.json", report)
    return load_packed(folder)
