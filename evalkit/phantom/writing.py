"""Folders of phantoms: rendered in parallel, with a note at both ends, so that half a folder is never taken for whole.

Every folder the phantom begins holds `phantom/order.json`, every finished one `phantom.json` as well. Asked for again
with the same parameters and the same generator, a finished folder is left alone; otherwise what the phantom had written
there is removed and written anew. A folder that holds anything but is not the phantom's is refused.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import json
import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import track
from threadpoolctl import threadpool_limits

from evalkit.atomic import write_json, write_parquet
from evalkit.errors import InputError
from evalkit.phantom.dicom import DicomHeader
from evalkit.phantom.dominant import SIX_CLASSES
from evalkit.phantom.order import Order
from evalkit.phantom.patients import Patient, Study, draw_patient
from evalkit.phantom.projection import View
from evalkit.phantom.radiograph import Radiograph, render
from evalkit.phantom.saving import save_picture

FINISHED = "phantom.json"
#: Side files: the order, the boxes, and layers and masks where asked for.
SIDE = "phantom"
BEGUN = f"{SIDE}/order.json"
#: Everything that a layout may put beside them; removed before a folder is written anew.
_TABLES = (
    *("train.csv", "valid.csv", "Data_Entry_2017.csv", "BBox_List_2017.csv", "train_val_list.txt", "test_list.txt"),
    *("train_study_level.csv", "train_image_level.csv"),
)
_FOLDERS = ("train", "valid", "val", "test", "images", *(each.name for each in SIX_CLASSES))
_SIDE_FOLDERS = tuple(f"{SIDE}/{name}" for name in ("soft", "bone", "masks"))

#: Stored value of the bone layer per unit of attenuation.
BONE_SCALE = 10_000

Row = dict[str, Any]


@dataclass(frozen=True)
class Shot:
    """One image to be written: its path under the root, the study, the view, and how it is stored.

    That is whether grey is stored as colour and, for a DICOM file, what its header says.
    """

    path: str
    study: Study
    view: View
    colour: bool = False
    header: DicomHeader | None = None


#: Says which images of a patient to take, each with its row of the layout's table.
Plan = Callable[[Order, Patient], list[tuple[Shot, Row]]]

#: Label, strength and box (x, y, width, height) of everything that is to be outlined in an image.
Outlines = list[tuple[str, float, tuple[int, int, int, int]]]


def outline_findings(radiograph: Radiograph) -> Outlines:
    """Outline each finding at each of its places."""
    return [(found.label, found.strength, found.box) for found in radiograph.findings]


@dataclass(frozen=True)
class Written:
    """What writing a folder gave.

    Attributes
    ----------
    rows : pandas.DataFrame
        One row per image, as the plan gave them.
    boxes : pandas.DataFrame
        path, label, strength, x, y, width, height (pixels), one row per image and finding.
    """

    rows: pd.DataFrame
    boxes: pd.DataFrame


def write_folder(
    root: Path,
    order: Order,
    *,
    plan: Plan,
    workers: int | None,
    finish: Callable[[Path, Order, Written], None] | None = None,
    outline: Callable[[Radiograph], Outlines] = outline_findings,
) -> None:
    """Write a folder of phantoms.

    Parameters
    ----------
    root : pathlib.Path
    order : Order
    plan : callable
        A module-level function (it is sent to other processes).
    workers : int or None
        Processes; None for one per processor.
    finish : callable, optional
        Writes the layout's tables, if it has any, once all images are there.
    outline : callable
        Gives the boxes of an image; a module-level function too.

    Raises
    ------
    InputError
        `root` holds something that the phantom did not write, or the disk is full.
    """
    note = {"order": asdict(order), "generator": generator_version()}
    if _is_finished(root, note):
        return
    _refuse_foreign(root)
    try:
        write_json(root / BEGUN, note)
        _clear(root, (FINISHED, *_TABLES, *_FOLDERS, *_SIDE_FOLDERS))
        job = functools.partial(_write_patient, root, order, plan, outline)
        written = _render_all(job, order, workers or os.cpu_count() or 1)
        if finish:
            finish(root, order, written)
        write_parquet(root / SIDE / "boxes.parquet", written.boxes)
        counts = {"images": len(written.rows), "patients": order.patients, "boxes": len(written.boxes)}
        write_json(root / FINISHED, {**note, "counts": counts, "bone_scale": BONE_SCALE})
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise InputError(
            f"phantoms cannot be written to {root}: {error.strerror}",
            f"room for about {order.patients * 2} images of {order.size} x {order.size} pixels",
            "free some space or choose another folder, then run the same command again; it starts over",
        ) from error


@functools.cache
def generator_version() -> str:
    """Hash of this package's own source: another generator draws other pictures."""
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _is_finished(root: Path, note: Mapping[str, Any]) -> bool:
    if not (root / FINISHED).is_file():
        return False
    try:
        found = json.loads((root / FINISHED).read_text(encoding="utf-8"))
    except ValueError:
        return False  # damaged: draw anew, if the folder is the phantom's
    return isinstance(found, dict) and all(found.get(key) == value for key, value in note.items())


def _refuse_foreign(root: Path) -> None:
    if root.exists() and not root.is_dir():
        raise InputError(f"{root} is a file", "a folder to write phantoms to", "give another path")
    if root.is_dir() and not (root / BEGUN).is_file() and any(root.iterdir()):
        raise InputError(
            f"{root} holds files that the phantom did not write (there is no {BEGUN})",
            "a new or empty folder, or one the phantom wrote",
            "choose another folder; nothing was changed in this one",
        )


def _clear(root: Path, names: Iterable[str]) -> None:
    for name in names:
        path = root / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _render_all(job: Callable[[int], tuple[list[Row], list[Row]]], order: Order, workers: int) -> Written:
    results: list[tuple[list[Row], list[Row]]] = []
    console = Console(stderr=True)
    with _mapped(job, order.numbers, min(workers, order.patients)) as done:
        for result in track(
            done,
            description=f"phantoms ({order.layout}, {order.size} px)",
            total=order.patients,
            console=console,
            disable=not console.is_terminal,
            transient=True,
        ):
            results.append(result)
    columns = ["path", "label", "strength", "x", "y", "width", "height"]
    return Written(
        rows=pd.DataFrame([row for rows, _ in results for row in rows]),
        boxes=pd.DataFrame([box for _, boxes in results for box in boxes], columns=columns),
    )


@contextlib.contextmanager
def _mapped(
    job: Callable[[int], tuple[list[Row], list[Row]]], numbers: range, workers: int
) -> Iterator[Iterator[tuple[list[Row], list[Row]]]]:
    """Apply `job` to all numbers, in order; in this process if there is but one worker.

    Every process computes on one thread: the processes already share the processors, and sums split in another way
    would round in another way.
    """
    if workers == 1:
        with threadpool_limits(limits=1, user_api="blas"):
            yield map(job, numbers)
        return
    # Forking a process that runs threads (a progress display, torch) can hang.
    with multiprocessing.get_context("spawn").Pool(workers, _use_one_thread) as pool:
        yield pool.imap(job, numbers, chunksize=max(1, min(16, len(numbers) // (4 * workers))))


def _write_patient(
    root: Path, order: Order, plan: Plan, outline: Callable[[Radiograph], Outlines], number: int
) -> tuple[list[Row], list[Row]]:
    rows, boxes = [], []
    patient = draw_patient(number, seed=order.seed)
    for shot, row in plan(order, patient):
        radiograph = render(patient, shot.study, view=shot.view, size=order.size)
        image = np.repeat(radiograph.image[..., None], 3, axis=2) if shot.colour else radiograph.image
        save_picture(root / shot.path, image, shot.header)
        _save_sides(root / SIDE, order, shot, radiograph)
        rows.append(row)
        boxes += [_box(shot.path, *outlined) for outlined in outline(radiograph)]
    return rows, boxes


def _box(path: str, label: str, strength: float, box: tuple[int, int, int, int]) -> Row:
    x, y, width, height = box
    return {"path": path, "label": label, "strength": strength, "x": x, "y": y, "width": width, "height": height}


def _save_sides(side: Path, order: Order, shot: Shot, radiograph: Radiograph) -> None:
    stem = Path(shot.path).with_suffix("")
    if order.layers:
        save_picture(side / "soft" / f"{stem}.png", radiograph.soft)
        save_picture(side / "bone" / f"{stem}.png", np.round(radiograph.bone * BONE_SCALE).astype(np.uint16))
    if order.masks:
        for label in shot.study.strengths:
            places = [found.mask for found in radiograph.findings if found.label == label]
            if places:
                name = f"{stem.name}_{label.replace(' ', '_')}.png"
                mask = np.logical_or.reduce(places)
                save_picture(side / "masks" / stem.parent / name, mask.astype(np.uint8) * np.uint8(255))


def _use_one_thread() -> None:
    """Limit a worker's BLAS; being of this module, it runs after numpy is loaded, as the limit needs."""
    threadpool_limits(limits=1, user_api="blas")
