"""Phantoms as images in one folder per class: ``<class>/patient00012_1.png``."""

from __future__ import annotations

import os
from pathlib import Path

from evalkit.phantom.disease import PREVALENCE
from evalkit.phantom.dominant import SIX_CLASSES, allot, dominated_studies, kind_of
from evalkit.phantom.order import Order
from evalkit.phantom.patients import Patient
from evalkit.phantom.writing import Row, Shot, write_folder


def write_classes(
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
    r"""Write phantoms of six classes, one folder each, in unequal numbers (`dominant.SIX_CLASSES`).

    Parameters
    ----------
    root : path-like
        The folder that will hold those of the classes.
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
    Each patient has one class and one to three images. The pattern ``patient(\d+)`` finds the patient in a file's name.
    """
    order = Order("folder", patients, first_patient, size, seed, 0.0, layers, masks, dict(PREVALENCE))
    allot(patients, [each.weight for each in SIX_CLASSES])  # refuses too few before anything is written
    folder = Path(root)
    write_folder(folder, order, plan=_plan, workers=workers)
    return folder


def _plan(order: Order, patient: Patient) -> list[tuple[Shot, Row]]:
    counts = allot(order.patients, [each.weight for each in SIX_CLASSES])
    kind, _ = kind_of(patient, order, counts)
    name, finding, _ = SIX_CLASSES[kind]
    images = []
    for study in dominated_studies(patient, order, finding):
        path = f"{name}/patient{patient.number:05d}_{study.number}.png"
        images.append((Shot(path, study, "frontal"), {"path": path, "class": name}))
    return images
