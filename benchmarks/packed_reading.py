"""Reading packed radiographs beside torchxrayvision's NIH data set class on the same files.

    uv sync --group bench
    python benchmarks/packed_reading.py

Both give random batches of 32 as float32 arrays at the files' own size. The folder nih_chestxray14_subset is looked
for in CXR_EVALKIT_DATA. Interleaved pairs; the median ratio of images per second, and the spread.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from evalkit.config.datasets import NihEntry
from evalkit.datasets import read_dataset
from evalkit.packing import pack

BATCH, PAIRS, SECONDS = 32, 7, 1.0


def main() -> None:
    parser = argparse.ArgumentParser(description="Images per second of packed reading over torchxrayvision's.")
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("CXR_EVALKIT_DATA", default)))
    parser.add_argument("--size", type=int, default=256, help="side of the packed images; the files have 256")
    arguments = parser.parse_args()
    root = arguments.data / "nih_chestxray14_subset"
    if not root.is_dir():
        raise SystemExit(f"{root} does not exist: set CXR_EVALKIT_DATA to the folder that holds it")
    theirs = open_torchxrayvision(root)
    with tempfile.TemporaryDirectory() as folder:
        manifest = read_dataset(NihEntry.model_validate({"format": "nih", "root": str(root)}), root)
        packed = pack(manifest, root, Path(folder), size=arguments.size, antialias=True, unreadable="fail")
        print(f"packing: {packed.report['images_per_second']:,.0f} images/s with {packed.report['workers']} processes")
        compare(lambda rows: packed.images[rows].astype(np.float32), theirs, len(packed.index))


def open_torchxrayvision(root: Path) -> Callable[[NDArray[np.int64]], NDArray[np.float32]]:
    try:
        from torchxrayvision.datasets import NIH_Dataset
    except ImportError as error:
        raise SystemExit(f"{error}: install the peers first, uv sync --group bench") from None
    dataset = NIH_Dataset(
        imgpath=str(root / "images"),
        csvpath=str(root / "Data_Entry_2017.csv"),
        bbox_list_path=str(root / "BBox_List_2017.csv"),
        views=["PA", "AP"],
        unique_patients=False,
    )
    return lambda rows: np.stack([dataset[row]["img"][0] for row in rows])


def compare(
    ours: Callable[[NDArray[np.int64]], NDArray[np.float32]],
    theirs: Callable[[NDArray[np.int64]], NDArray[np.float32]],
    images: int,
) -> None:
    rng = np.random.default_rng(0)
    read_for(ours, images, rng, 0.1)
    read_for(theirs, images, rng, 0.1)
    rates = [(read_for(ours, images, rng, SECONDS), read_for(theirs, images, rng, SECONDS)) for _ in range(PAIRS)]
    ratios = np.array([own / other for own, other in rates])
    own, other = np.median(np.array(rates), axis=0)
    print(f"packed {own:,.0f} images/s, torchxrayvision {other:,.0f} images/s")
    print(f"ratio {np.median(ratios):.0f} (from {ratios.min():.0f} to {ratios.max():.0f}, {PAIRS} pairs)")


def read_for(
    read: Callable[[NDArray[np.int64]], NDArray[np.float32]], images: int, rng: np.random.Generator, seconds: float
) -> float:
    """Images per second of reading random batches for a while."""
    count, started = 0, perf_counter()
    while perf_counter() - started < seconds:
        batch = read(rng.choice(images, BATCH, replace=False))
        assert len(batch) == BATCH
        count += BATCH
    return count / (perf_counter() - started)


if __name__ == "__main__":
    main()
