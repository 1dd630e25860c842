"""Making balanced training images."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evalkit.atomic import write_json, write_parquet
from evalkit.balancing.copies import plan_copies
from evalkit.balancing.stored import describe_origin, load_balanced, training_images
from evalkit.balancing.writing import Chunk, Writer
from evalkit.config.loading import Study
from evalkit.errors import InputError
from evalkit.packing.filling import CHUNK
from evalkit.packing.packed import Packed, load_packed
from evalkit.packing.pixel_file import PixelFile
from evalkit.processes import count_cores, spread
from evalkit.progress import progress
from evalkit.splits.stored import load_splits
from evalkit.splits.tally import tally_images

#: Below so many pixels of copies, starting processes takes longer than they save.
WORTH_PROCESSES = 200_000_000


def balance(study: Study, evaluation: str, *, workers: int | None = None) -> Packed:
    """Make the copies that bring every class of an evaluation's training images to the size of the largest.

    Parameters
    ----------
    study : Study
    evaluation : str
        A multi-class evaluation with ``trainset: balanced``; its data set packed and its splits made before.
    workers : int, optional
        Processes, by default as many as there are cores; see `evalkit.processes.spread`. The files are the same for
        any number of them.

    Returns
    -------
    Packed
        See `load_balanced`.

    Raises
    ------
    InputError
        The evaluation has no balanced training set, or what it is made from is missing.
    OSError
        The disk has no room for the array, before anything is written.
    """
    entry = study.classification(evaluation)
    if "balanced" not in entry.trainsets:
        raise InputError(
            f"the evaluation {evaluation!r} has no training set 'balanced'",
            "'balanced' among its settings.trainset",
            "add it there, or leave this step out",
        )
    splits = load_splits(study.layout.splits(evaluation))
    source = study.layout.packed(entry.dataset, study.file.image_size)
    packed, training = load_packed(source), training_images(splits)
    copies = plan_copies(training, splits.labels, entry.balancing, dataset=entry.dataset, seed=study.file.seed)
    rows = pd.concat([training.assign(source=training["image_id"], angle=0.0, zoom=1.0), copies], ignore_index=True)
    folder = study.layout.balanced(evaluation)
    folder.mkdir(parents=True, exist_ok=True)
    for stale in ("packing.json", "balancing.json"):
        (folder / stale).unlink(missing_ok=True)
    pixels = PixelFile(folder / "images.npy", len(rows), packed.images.shape[1])
    few = len(copies) * pixels.row_bytes < WORTH_PROCESSES
    hashes = _write_pixels(
        Writer(source / "images.npy", pixels),
        _cut(rows, packed.rows(rows["source"]).tolist()),
        workers=1 if few else workers or count_cores(),
        title=f"balancing {evaluation}",
    )
    write_parquet(folder / "index.parquet", _index(rows, hashes, packed))
    report = {
        "evaluation": evaluation,
        "dataset": entry.dataset,
        "labels": splits.labels,
        "before": _count(training, splits.labels),
        "after": _count(rows, splits.labels),
        "copies": len(copies),
        "made_from": describe_origin(splits, packed, entry.balancing, seed=study.file.seed),
    }
    write_json(folder / "balancing.json", report)
    about = {"size": pixels.size, "images": len(rows), "rows": len(rows), "bytes": pixels.total_bytes}
    write_json(folder / "packing.json", {**about, "manifest": packed.report["manifest"]})
    return load_balanced(study, evaluation)


def _write_pixels(writer: Writer, chunks: list[Chunk], *, workers: int, title: str) -> NDArray[np.object_]:
    """Write all rows and give the hash of each."""
    pixels = writer.pixels
    pixels.create()
    hashes = np.full(pixels.rows, "", dtype=object)
    with progress(title, pixels.rows) as advance:
        for start, found in spread(writer.write, chunks, workers=workers):
            hashes[start : start + len(found)] = found
            advance(len(found))
    pixels.sync()
    return hashes


def _cut(rows: pd.DataFrame, places: list[int]) -> list[Chunk]:
    angles, zooms = rows["angle"].tolist(), rows["zoom"].tolist()
    return [
        Chunk(start, places[start : start + CHUNK], angles[start : start + CHUNK], zooms[start : start + CHUNK])
        for start in range(0, len(rows), CHUNK)
    ]


def _index(rows: pd.DataFrame, hashes: NDArray[np.object_], packed: Packed) -> pd.DataFrame:
    ranges = packed.index.set_index("image_id").loc[rows["source"], ["low", "cap"]]
    return pd.DataFrame(
        {
            "row": np.arange(len(rows), dtype=np.int64),
            "image_id": rows["image_id"],
            "patient_id": rows["patient_id"],
            "sha256": pd.Series(hashes, dtype="str"),
            "low": ranges["low"].to_numpy(),
            "cap": ranges["cap"].to_numpy(),
            "source": rows["source"],
            "angle": rows["angle"],
            "zoom": rows["zoom"],
        }
    )


def _count(rows: pd.DataFrame, labels: list[str]) -> dict[str, Any]:
    one_hot = pd.DataFrame({label: (rows["class"] == label).astype(float) for label in labels})
    return tally_images(one_hot.assign(patient_id=rows["patient_id"]), labels).describe(labels)
