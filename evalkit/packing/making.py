"""Making a packed data set, and going on with one that was stopped."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evalkit.atomic import write_json, write_parquet
from evalkit.datasets.manifest import Manifest
from evalkit.errors import InputError
from evalkit.fingerprints import code_hash, value_hash
from evalkit.packing.journal import Journal, Rows
from evalkit.packing.packed import Packed, load_packed
from evalkit.packing.pixel_file import PixelFile
from evalkit.packing.workers import Packer, pack_chunks
from evalkit.processes import count_cores
from evalkit.progress import progress

#: Rows of a chunk, the unit of work that a kill can lose.
CHUNK = 32
#: Unreadable images that a message lists; the whole list is in ``unreadable.json``.
LISTED = 20


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
    images = manifest.images[["image_id", "patient_id", "path"]]
    states = pd.Series([_file_state(root, path) for path in images["path"]], index=images.index)
    absent = images[states == ""]
    folder.mkdir(parents=True, exist_ok=True)
    for stale in ("packing.json", "unreadable.json"):
        (folder / stale).unlink(missing_ok=True)
    problems = [_problem(image, "there is no such file") for image in absent.itertuples()]
    if problems and (unreadable == "fail" or len(problems) == len(images)):
        raise _refuse(problems, len(images), folder)

    present = images[states != ""].reset_index(drop=True)
    pixels = PixelFile(folder / "images.npy", len(present), size)
    journal = Journal(folder / "progress.jsonl", _key(present, size, antialias))
    rows = Rows(states[states != ""].tolist())
    if pixels.is_whole() and journal.matches():
        rows.restore(journal.read(), pixels)
    else:
        journal.remove()
        pixels.create()
        journal.start()

    before = len(present) - len(rows.pending())
    workers = workers or count_cores()
    chunks = [(start, present["path"][start:stop].tolist()) for start, stop in _spans(rows.pending())]
    title = f"packing {folder.parent.name} at {size} px"
    with progress(title, len(present), done=before) as advance, journal.append() as record:
        for result in pack_chunks(Packer(root, pixels, antialias), chunks, workers=workers):
            record(result, rows.fill(result))
            advance(len(result.sha256))

    problems += [_problem(present.iloc[row], reason) for row, reason in sorted(rows.reasons.items())]
    if problems and (unreadable == "fail" or len(rows.reasons) == len(present)):
        raise _refuse(problems, len(images), folder)
    pixels.sync()
    index = rows.index(present)
    write_parquet(folder / "index.parquet", index)
    seconds = time.monotonic() - started
    packed_now = len(present) - before
    report = {
        "size": size,
        "antialias": antialias,
        "images": len(index),
        "rows": len(present),
        "bytes": pixels.total_bytes,
        "manifest": manifest.fingerprint(),
        "excluded": problems,
        "without_contrast": index.loc[index["low"] == index["cap"], "image_id"].tolist(),
        "workers": workers,
        "packed_now": packed_now,
        "kept_from_before": before,
        "seconds": round(seconds, 3),
        "images_per_second": round(packed_now / seconds, 1),
    }
    write_json(folder / "packing.json", report)
    return load_packed(folder)


def _key(images: pd.DataFrame, size: int, antialias: bool) -> str:
    """Changes when rows mean other images, or when an image would give other pixels."""
    identity = value_hash([images["image_id"].tolist(), images["path"].tolist()])
    return value_hash({"images": identity, "size": size, "antialias": antialias, "code": code_hash("evalkit.images")})


def _file_state(root: Path, path: str) -> str:
    """Size and time of a file, or nothing where there is no such file."""
    try:
        state = (root / path).stat()
    except OSError:
        return ""
    return f"{state.st_size} {state.st_mtime_ns}"


def _spans(rows: NDArray[np.intp]) -> Iterator[tuple[int, int]]:
    """Cut rows into runs of consecutive ones, none longer than a chunk."""
    for run in np.split(rows, np.flatnonzero(np.diff(rows) != 1) + 1):
        for first in range(0, len(run), CHUNK):
            part = run[first : first + CHUNK]
            yield int(part[0]), int(part[-1]) + 1


def _problem(image: Any, reason: str) -> dict[str, str]:
    return {"image_id": image.image_id, "path": image.path, "reason": reason}


def _refuse(problems: list[dict[str, str]], total: int, folder: Path) -> InputError:
    write_json(folder / "unreadable.json", problems)
    listed = "".join(f"\n  - {problem['path']}: {problem['reason']}" for problem in problems[:LISTED])
    more = f"\n  - and {len(problems) - LISTED:,} more" if len(problems) > LISTED else ""
    return InputError(
        f"{len(problems):,} of {total:,} images cannot be read:{listed}{more}",
        "images that can be read",
        f"replace the files and run again (the others stay packed), or set 'unreadable: exclude' to leave them out; "
        f"all of them are listed in {folder / 'unreadable.json'}",
    )
