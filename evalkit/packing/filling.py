"""Filling a packed data set row by row, and going on with one that was stopped; whatever shape its rows have."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evalkit.atomic import write_json
from evalkit.datasets.manifest import Manifest
from evalkit.errors import InputError
from evalkit.fingerprints import code_hash, value_hash
from evalkit.packing.journal import Journal, Rows
from evalkit.packing.pixel_file import RowFile
from evalkit.packing.workers import Packer, pack_chunks
from evalkit.processes import count_cores
from evalkit.progress import progress

#: Rows of a chunk, the unit of work that a kill can lose.
CHUNK = 32
#: Unreadable images that a message lists; the whole list is in ``unreadable.json``.
LISTED = 20


@dataclass(frozen=True)
class FoundFiles:
    """The files of a manifest.

    Attributes
    ----------
    folder : pathlib.Path
        Where the packed data set goes; what an earlier try said of itself is removed from it.
    unreadable : {'fail', 'exclude'}
    total : int
        Images of the manifest.
    present : DataFrame
        image_id, patient_id, path of those that have a file; their places are the rows of the packed data set.
    states : list of str
        Size and time of each file.
    problems : list of dict
        The images without one.
    """

    folder: Path
    unreadable: Literal["fail", "exclude"]
    total: int
    present: pd.DataFrame
    states: list[str]
    problems: list[dict[str, str]]


@dataclass(frozen=True)
class Filled:
    """What filling the rows gave.

    Attributes
    ----------
    index : DataFrame
        As of `Packed`.
    report : dict
        Counts, and what was left out.
    """

    index: pd.DataFrame
    report: dict[str, Any]

    def took(self, started: float) -> dict[str, float]:
        """How long it took since a time of the monotonic clock, and how fast that was."""
        seconds = time.monotonic() - started
        return {
            "seconds": round(seconds, 3),
            "images_per_second": round(self.report["packed_now"] / seconds, 1),
        }


def find_files(manifest: Manifest, root: Path, folder: Path, unreadable: Literal["fail", "exclude"]) -> FoundFiles:
    """Look for the files of a manifest, before anything is decoded.

    Raises
    ------
    InputError
        Files are missing and `unreadable` is ``fail``, or all of them are.
    """
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
    return FoundFiles(folder, unreadable, len(images), present, states[states != ""].tolist(), problems)


def fill(
    packer: Packer, found: FoundFiles, options: dict[str, Any], *, title: str, workers: int | None = None
) -> Filled:
    """Decode images into the rows of a file, going on where an earlier try with the same options stopped.

    Parameters
    ----------
    packer : Packer
        Decodes, and knows the file of pixels.
    found : FoundFiles
    options : dict
        What else than the images' own content decides their pixels, and their place in the file.
    title : str
        How the images are packed, for the progress.
    workers : int, optional
        Processes; by default as many as there are cores.

    Raises
    ------
    InputError
        Images cannot be read; or a path leads out of the data set's folder.
    OSError
        The disk has no room for the array, or fails.
    """
    folder, present, pixels = found.folder, found.present, packer.pixels
    journal = Journal(folder / "progress.jsonl", _key(present, options))
    rows = _restore(Rows(found.states), journal, pixels)
    before = len(present) - len(rows.pending())
    workers = workers or count_cores()
    chunks = [(start, present["path"][start:stop].tolist()) for start, stop in _spans(rows.pending())]
    title = f"packing {folder.parent.name} {title}"
    with progress(title, len(present), done=before) as advance, journal.append() as record:
        for result in pack_chunks(packer, chunks, workers=workers):
            record(result, rows.fill(result))
            advance(len(result.sha256))

    unread = [_problem(present.iloc[row], reason) for row, reason in sorted(rows.reasons.items())]
    problems = [*found.problems, *unread]
    if problems and (found.unreadable == "fail" or len(unread) == len(present)):
        raise _refuse(problems, found.total, folder)
    pixels.sync()
    index = rows.index(present)
    report = {
        "images": len(index),
        "rows": len(present),
        "bytes": pixels.total_bytes,
        "excluded": problems,
        "without_contrast": index.loc[index["low"] == index["cap"], "image_id"].tolist(),
        "workers": workers,
        "packed_now": len(present) - before,
        "kept_from_before": before,
    }
    return Filled(index, report)


def _restore(rows: Rows, journal: Journal, pixels: RowFile) -> Rows:
    """Take in what an earlier try left, or begin anew."""
    if pixels.is_whole() and journal.matches():
        rows.restore(journal.read(), pixels)
    else:
        journal.remove()
        pixels.create()
        journal.start()
    return rows


def _key(images: pd.DataFrame, options: dict[str, Any]) -> str:
    """Changes when rows mean other images, or when an image would give other pixels."""
    identity = value_hash([images["image_id"].tolist(), images["path"].tolist()])
    return value_hash({"images": identity, **options, "code": code_hash("evalkit.images")})


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
