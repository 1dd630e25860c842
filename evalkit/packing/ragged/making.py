"""Making a ragged packed data set."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evalkit.atomic import write_json, write_parquet
from evalkit.datasets.boxes import count_boxes, fit_boxes
from evalkit.datasets.manifest import Manifest
from evalkit.errors import InputError
from evalkit.fingerprints import value_hash
from evalkit.headers import read_image_headers
from evalkit.packing.filling import LISTED, fill, find_files
from evalkit.packing.ragged.file import RaggedFile, fit_shapes
from evalkit.packing.ragged.reading import Ragged, load_ragged
from evalkit.packing.workers import Packer


def pack_ragged(
    manifest: Manifest,
    root: Path,
    folder: Path,
    *,
    longest: int,
    antialias: bool,
    unreadable: Literal["fail", "exclude"],
    workers: int | None = None,
) -> Ragged:
    """Decode the images of a manifest at their aspect ratio, with their boxes, going on where an earlier try stopped.

    Parameters
    ----------
    manifest : Manifest
        The images, in the order their rows get, and boxes in pixels of the files.
    root : pathlib.Path
        The folder that the manifest's paths start from.
    folder : pathlib.Path
        Where the packed data set goes.
    longest : int
        No side of an image is longer, in pixels; images whose sides are shorter keep their size.
    antialias, unreadable, workers
        As of `evalkit.packing.pack`.

    Returns
    -------
    Ragged

    Raises
    ------
    InputError
        The data set has no boxes; boxes do not lie in their images; images cannot be read, each named; or a path leads
        out of `root`.
    OSError
        The disk has no room for the array (before anything is decoded), or fails.
    """
    started = time.monotonic()
    if manifest.boxes is None:
        raise InputError(
            f"the data set in {root} has no boxes",
            "images with boxes, as detection needs them",
            "pack it squarely (--size), or name a data set with boxes",
        )
    found = find_files(manifest, root, folder, unreadable)
    sizes = _read_sizes(root, found.present["path"].tolist())
    boxes, cut = _fit(manifest.boxes, found.present["image_id"], sizes)
    shapes = fit_shapes(sizes, longest)
    pixels = RaggedFile(folder / "images.npy", shapes, longest)
    options = {"longest": longest, "antialias": antialias}
    filled = fill(
        Packer(root, pixels, antialias, decoded=sizes),
        found,
        {**options, "sizes": value_hash(sizes.tolist())},
        title=f"at up to {longest} px",
        workers=workers,
    )
    index = _with_places(filled.index, pixels, sizes)
    scaled = _scale(boxes, index)
    counts = {**count_boxes(scaled, manifest.labels, images=len(index)), "cut_to_the_image": cut}
    write_parquet(folder / "index.parquet", index)
    write_parquet(folder / "boxes.parquet", scaled)
    report = {**options, **filled.report, "boxes": counts, "manifest": manifest.fingerprint(), **filled.took(started)}
    write_json(folder / "packing.json", report)
    return load_ragged(folder)


def _read_sizes(root: Path, paths: list[str]) -> NDArray[np.int64]:
    """Height and width of each image, from its header; 0 and 0 for one that cannot be read, as decoding will tell."""
    headers, _ = read_image_headers(root, paths)
    sizes = [(headers[path].height, headers[path].width) if path in headers else (0, 0) for path in paths]
    return np.array(sizes, dtype=np.int64).reshape(-1, 2)


def _fit(boxes: pd.DataFrame, image_ids: pd.Series, sizes: NDArray[np.int64]) -> tuple[pd.DataFrame, int]:
    """The boxes of images with a size, cut to them, and how many were cut."""
    table = pd.DataFrame(sizes, columns=["height", "width"], index=pd.Index(image_ids))
    table = table[table["height"] > 0]
    fitted = fit_boxes(boxes[boxes["image_id"].isin(table.index)].reset_index(drop=True), table)
    if fitted.problems:
        listed = "".join(f"\n  - {image}: {reason}" for image, reason in list(fitted.problems.items())[:LISTED])
        raise InputError(
            f"{len(fitted.problems):,} images have wrong boxes:{listed}",
            "boxes with an area that lie in their images",
            "correct them; or set 'bad_boxes: exclude', where the format has it, and make the manifest again",
        )
    return fitted.boxes, fitted.cut


def _with_places(index: pd.DataFrame, pixels: RaggedFile, sizes: NDArray[np.int64]) -> pd.DataFrame:
    """Add where each image lies in the file, its size there and the size of its own file."""
    rows = index["row"].to_numpy()
    return index.assign(
        offset=pixels.offsets[rows],
        height=pixels.shapes[rows, 0],
        width=pixels.shapes[rows, 1],
        file_height=sizes[rows, 0],
        file_width=sizes[rows, 1],
    )


def _scale(boxes: pd.DataFrame, index: pd.DataFrame) -> pd.DataFrame:
    """Boxes in pixels of the packed images, by row; each side is scaled as the image's was."""
    by_image = index.set_index("image_id")
    scaled = boxes[boxes["image_id"].isin(by_image.index)].copy()
    for side, names in (("width", ("x", "width")), ("height", ("y", "height"))):
        factor = scaled["image_id"].map(by_image[side] / by_image[f"file_{side}"])
        for name in names:
            scaled[name] *= factor
    scaled.insert(0, "row", scaled["image_id"].map(by_image["row"]).astype("int64"))
    return scaled.sort_values("row", kind="stable", ignore_index=True)
