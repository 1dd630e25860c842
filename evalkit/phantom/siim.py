"""Phantoms in the layout of SIIM-FISABIO-RSNA COVID-19: train/<study>/<series>/<image>.dcm and two tables.

An opacity is a consolidation; each lung that shows one has a box around it.
"""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import os
from pathlib import Path

import numpy as np

from evalkit.atomic import write_text
from evalkit.phantom.dicom import DicomHeader
from evalkit.phantom.disease import PREVALENCE, SIDED
from evalkit.phantom.dominant import DrawnClass, allot, kind_of
from evalkit.phantom.order import Order, studies_of
from evalkit.phantom.patients import Patient, Study, random_stream
from evalkit.phantom.radiograph import Radiograph
from evalkit.phantom.writing import Outlines, Row, Shot, Written, write_folder

#: Patients of each class, in the proportions that give about 32 % of images no box, as in the public set. How the rest
#: is shared out, and what an appearance is made of, is this project's choice.
CLASSES = (
    DrawnClass("Negative for Pneumonia", None, 0.32),
    DrawnClass("Typical Appearance", "consolidation", 0.30),
    DrawnClass("Indeterminate Appearance", "consolidation", 0.24),
    DrawnClass("Atypical Appearance", "consolidation", 0.14),
)

#: Strengths of opacities: faint at one end and obvious at the other, but none that nobody would box.
_WEAKEST, _STRONGEST = 0.55, 0.98
_DRIFT = 0.05
_MOST_STUDIES = 2
#: Shares of studies with a second image, and of those in which it is a series of its own.
_SECOND_IMAGE, _SECOND_SERIES = 0.15, 0.5
#: Numbers of second exposures begin here, so that they differ in pose and grain from those of any study.
_SECOND = 100
_INVERTED, _COMPRESSED = 0.2, 0.15
#: A lung shows an opacity with at least this share of the other lung's pixels.
_LEAST_SHARE = 0.1


def write_siim(
    root: str | os.PathLike[str],
    *,
    patients: int,
    first_patient: int = 1,
    size: int = 128,
    seed: int = 0,
    layers: bool = False,
    masks: bool = False,
    workers: int | None = None,
) -> Path:
    """Write phantoms as a folder of the SIIM-FISABIO-RSNA COVID-19 data set.

    Parameters
    ----------
    root : path-like
        The folder that will hold train/ and the tables.
    patients, first_patient : int
        How many patients, and the number of the first. Two calls with ranges that do not overlap share no patient.
    size : int
        Pixels per side.
    seed : int
        World to which the patients belong.
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
    Files are DICOM of 12 bits: some with inverted grey (MONOCHROME1), some compressed in a way that needs no further
    package (RLE). One study in seven has two images, in one series or in two.
    """
    order = Order("siim", patients, first_patient, size, seed, 0.0, layers, masks, dict(PREVALENCE))
    allot(patients, [each.weight for each in CLASSES])  # refuses too few before anything is written
    folder = Path(root)
    write_folder(folder, order, plan=_plan, finish=_write_tables, outline=_outline_lungs, workers=workers)
    return folder


def _plan(order: Order, patient: Patient) -> list[tuple[Shot, Row]]:
    kind, _ = kind_of(patient, order, allot(order.patients, [each.weight for each in CLASSES]))
    images = []
    for study in studies_of(patient, order)[:_MOST_STUDIES]:
        rng = random_stream(patient, "siim files", study=study.number)
        shown = dataclasses.replace(study, strengths=_strengths(patient, study, CLASSES[kind]))
        exposures = [(1, shown)]
        second, own_series = rng.random(2)
        if second < _SECOND_IMAGE:
            series = 2 if own_series < _SECOND_SERIES else 1
            exposures.append((series, dataclasses.replace(shown, number=_SECOND + study.number)))
        study_name = _name(patient, "study", study.number)
        for series, exposure in exposures:
            names = study_name, _name(patient, "series", study.number, series), _name(patient, "image", exposure.number)
            inverted, compressed = rng.random(2)
            header = DicomHeader(
                f"phantom{patient.number:05d}",
                *names,
                sex=patient.sex[0],
                age=patient.age,
                projection=study.projection,
                inverted=inverted < _INVERTED,
                compressed=compressed < _COMPRESSED,
            )
            path = f"train/{'/'.join(names)}.dcm"
            row = {"path": path, "study": study_name, "image": names[2], "class": CLASSES[kind].name}
            images.append((Shot(path, exposure, "frontal", header=header), row))
    return images


def _strengths(patient: Patient, study: Study, kind: DrawnClass) -> dict[str, float]:
    """What a study shows: the opacities of its class, and a large heart where it has one."""
    strengths = {label: strength for label, strength in study.strengths.items() if label == "cardiomegaly"}
    if kind.finding is None:
        return strengths
    *levels, first = random_stream(patient, "siim opacities").random(3)
    drift = random_stream(patient, "siim drift", study=study.number).normal(0, _DRIFT)
    # A typical appearance is one in both lungs.
    lungs = SIDED if kind.name == "Typical Appearance" else (SIDED[:1] if first < 0.5 else SIDED[1:])
    for lung, level in zip(lungs, levels, strict=False):
        strengths[lung] = float(np.clip(_WEAKEST + (_STRONGEST - _WEAKEST) * level + drift, _WEAKEST, _STRONGEST))
    if kind.name == "Atypical Appearance":
        strengths["effusion"] = 0.5
    return strengths


def _outline_lungs(radiograph: Radiograph) -> Outlines:
    """One box for each lung that shows an opacity."""
    found = [each for each in radiograph.findings if each.label in SIDED]
    if not found:
        return []
    mask = np.logical_or.reduce([each.mask for each in found])
    sides = [mask & (radiograph.plane.u < 0), mask & (radiograph.plane.u >= 0)]
    least = max(1.0, _LEAST_SHARE * max(side.sum() for side in sides))
    outlines: Outlines = []
    for side in sides:
        if side.sum() >= least:
            rows, columns = np.flatnonzero(side.any(axis=1)), np.flatnonzero(side.any(axis=0))
            x, y = int(columns[0]), int(rows[0])
            box = (x, y, int(columns[-1]) - x + 1, int(rows[-1]) - y + 1)
            outlines.append(("opacity", max(each.strength for each in found), box))
    return outlines


def _name(patient: Patient, kind: str, *numbers: int) -> str:
    """Twelve hexadecimal digits, as the original has for studies, series and images."""
    text = "/".join(map(str, (kind, patient.seed, patient.number, *numbers)))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _write_tables(root: Path, order: Order, written: Written) -> None:
    boxes = dict(iter(written.boxes.groupby("path")))
    images = []
    for row in written.rows.itertuples():
        corners = [] if row.path not in boxes else boxes[row.path][["x", "y", "width", "height"]].to_numpy().tolist()
        literal = [dict(zip(("x", "y", "width", "height"), map(float, box), strict=True)) for box in corners]
        label = " ".join(f"opacity 1 {x} {y} {x + width} {y + height}" for x, y, width, height in corners)
        images.append([f"{row.image}_image", str(literal) if literal else "", label or "none 1 0 0 1 1", row.study])
    write_text(root / "train_image_level.csv", _csv(["id", "boxes", "label", "StudyInstanceUID"], images))
    names = [each.name for each in CLASSES]
    classes = written.rows.drop_duplicates("study")
    studies = [
        [f"{study}_study", *(int(name == own) for name in names)]
        for study, own in zip(classes["study"], classes["class"], strict=True)
    ]
    write_text(root / "train_study_level.csv", _csv(["id", *names], studies))


def _csv(header: list[str], rows: list[list[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    return text.getvalue()
