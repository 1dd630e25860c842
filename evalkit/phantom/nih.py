"""Phantoms in the layout of NIH ChestX-ray14: images/*.png, Data_Entry_2017.csv, BBox_List_2017.csv, two lists."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from evalkit.atomic import write_text
from evalkit.phantom.disease import PREVALENCE
from evalkit.phantom.order import Order, studies_of
from evalkit.phantom.patients import Patient, random_stream
from evalkit.phantom.writing import Row, Shot, Written, write_folder

#: NIH's name of each of the phantom's findings.
NAMES = {
    "atelectasis": "Atelectasis",
    "cardiomegaly": "Cardiomegaly",
    "consolidation": "Consolidation",
    "edema": "Edema",
    "effusion": "Effusion",
    "interstitial opacity": "Infiltration",
    "nodule": "Nodule",
    "pneumothorax": "Pneumothorax",
}
# The box file covers some labels only, and spells one of them in its own way.
_BOX_NAMES = {
    "Atelectasis": "Atelectasis",
    "Cardiomegaly": "Cardiomegaly",
    "Effusion": "Effusion",
    "Infiltration": "Infiltrate",
    "Nodule": "Nodule",
    "Pneumothorax": "Pneumothorax",
}
_BOX_SIDE = 1024  # pixels of the image on which the box file counts
_FIELD_MM = 360  # about the side of the square field
_ENTRY_HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
)
_BOX_HEADER = "Image Index,Finding Label,Bbox [x,y,w,h],,,"


def write_nih(
    root: str | os.PathLike[str],
    *,
    patients: int,
    first_patient: int = 1,
    size: int = 128,
    seed: int = 0,
    test_share: float = 0.25,
    prevalence: Mapping[str, float] = PREVALENCE,
    layers: bool = False,
    masks: bool = False,
    workers: int | None = None,
) -> Path:
    """Write phantoms as a ChestX-ray14 folder.

    Parameters
    ----------
    root : path-like
        The folder that will hold Data_Entry_2017.csv.
    patients, first_patient : int
        How many patients, and the number of the first. Two calls with ranges that do not overlap share no patient.
    size : int
        Pixels per side; boxes are counted on 1024 pixels all the same, as in the original.
    seed : int
        World to which the patients belong.
    test_share : float
        Share of the patients, the last ones, that go to test_list.txt.
    prevalence : mapping of str to float
        Share of studies with each of `evalkit.phantom.LABELS`.
    layers, masks : bool
        Write bone and bone-free images, and masks, below ``root/phantom``.
    workers : int, optional
        Processes; one per processor by default. The files do not depend on it. More than one are spawned, so a
        script needs the usual ``if __name__ == "__main__":``.

    Returns
    -------
    pathlib.Path
        `root`.

    Raises
    ------
    InputError
        A parameter makes no sense, `root` holds files that the phantom did not write, or the disk is full.

    Notes
    -----
    Two in five consolidations are also labelled Pneumonia, an inference from the picture that the picture alone does
    not settle.
    """
    order = Order("nih", patients, first_patient, size, seed, test_share, layers, masks, dict(prevalence))
    folder = Path(root)
    write_folder(folder, order, plan=_plan, finish=_write_tables, workers=workers)
    return folder


def _plan(order: Order, patient: Patient) -> list[tuple[Shot, Row]]:
    images = []
    for follow_up, study in enumerate(studies_of(patient, order)):
        name = f"{patient.number:08d}_{follow_up:03d}.png"
        labels = sorted(NAMES[label] for label in study.strengths)
        pneumonia = random_stream(patient, "pneumonia").random() < 0.4
        if pneumonia and "Consolidation" in labels:
            labels = sorted([*labels, "Pneumonia"])
        row = {
            "name": name,
            "labels": "|".join(labels) or "No Finding",
            "follow_up": follow_up,
            "patient": patient.number,
            "age": patient.age,
            "gender": patient.sex[0],
            "view": study.projection,
        }
        images.append((Shot(f"images/{name}", study, "frontal"), row))
    return images


def _write_tables(root: Path, order: Order, written: Written) -> None:
    rows = written.rows
    spacing = round(_FIELD_MM / order.size, 4)
    entries = [[*row, order.size, order.size, spacing, spacing] for row in rows.itertuples(index=False)]
    write_text(root / "Data_Entry_2017.csv", _csv(_ENTRY_HEADER, entries))
    write_text(root / "BBox_List_2017.csv", _csv(_BOX_HEADER, _boxes(written.boxes, order.size)))
    held_out = rows["patient"] >= order.first_held_out
    for list_name, members in (("train_val_list.txt", rows[~held_out]), ("test_list.txt", rows[held_out])):
        write_text(root / list_name, "".join(f"{name}\n" for name in members["name"]))


def _boxes(boxes: pd.DataFrame, size: int) -> list[list[object]]:
    label = boxes["label"].map(NAMES).map(_BOX_NAMES)
    known = boxes[label.notna()]
    corners = np.round(known[["x", "y", "width", "height"]].to_numpy() * (_BOX_SIDE / size), 6)
    names = known["path"].map(lambda path: Path(path).name)
    return [
        [name, box_label, *map(float, corner), "", "", ""]
        for name, box_label, corner in zip(names, label.dropna(), corners, strict=True)
    ]


def _csv(header: str, rows: list[list[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return f"{header}\n{text.getvalue()}"
