"""Phantoms in the layout of the paediatric pneumonia set: ``{train,val,test}/{NORMAL,PNEUMONIA}/*.jpeg``.

A bacterial pneumonia is a focal consolidation here, a viral one a diffuse interstitial opacity. The anatomy is that of
the phantom's adults.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from evalkit.errors import InputError
from evalkit.phantom.disease import PREVALENCE
from evalkit.phantom.dominant import DrawnClass, allot, dominated_studies, kind_of
from evalkit.phantom.order import Order
from evalkit.phantom.patients import Patient, random_stream
from evalkit.phantom.writing import Row, Shot, write_folder

# The public images of each part and class; patients are drawn in these proportions.
_KINDS = (
    ("train", DrawnClass("normal", None, 1349)),
    ("train", DrawnClass("bacteria", "consolidation", 2538)),
    ("train", DrawnClass("virus", "interstitial opacity", 1345)),
    ("test", DrawnClass("normal", None, 234)),
    ("test", DrawnClass("bacteria", "consolidation", 242)),
    ("test", DrawnClass("virus", "interstitial opacity", 148)),
)
#: Images of each class in the folder val of Kaggle's copy.
_IN_VAL = 8
_MOST_IMAGES = 3
# Of 3,883 training images with pneumonia 283 are stored as colour.
_COLOUR_SHARE = 283 / 3883


def write_kermany(
    root: str | os.PathLike[str],
    *,
    patients: int,
    first_patient: int = 1,
    size: int = 128,
    seed: int = 0,
    names: Literal["kaggle", "mendeley"] = "kaggle",
    layers: bool = False,
    masks: bool = False,
    workers: int | None = None,
) -> Path:
    """Write phantoms as a folder of the paediatric pneumonia set.

    Parameters
    ----------
    root : path-like
        The folder that will hold train/ and test/.
    patients, first_patient : int
        How many patients, and the number of the first. Two calls with ranges that do not overlap share no patient.
    size : int
        Pixels per side.
    seed : int
        World to which the patients belong.
    names : {'kaggle', 'mendeley'}
        Whose file names and folders. Kaggle's copy has a folder val, of 16 images where there are 32 training patients
        of a class and of fewer below.
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
    Patients are shared out among classes and parts as the public images are. Each has one to three images; one in val
    has one. As in the original, some training images with pneumonia are grey stored as colour.
    """
    if names not in ("kaggle", "mendeley"):
        raise InputError(f"names is {names!r}", "'kaggle' or 'mendeley'", "choose one of the two copies")
    order = Order("kermany", patients, first_patient, size, seed, 0.0, layers, masks, dict(PREVALENCE), names)
    allot(patients, [each.weight for _, each in _KINDS])  # refuses too few before anything is written
    folder = Path(root)
    write_folder(folder, order, plan=_plan, workers=workers)
    return folder


def _plan(order: Order, patient: Patient) -> list[tuple[Shot, Row]]:
    counts = allot(order.patients, [each.weight for _, each in _KINDS])
    kind, before = kind_of(patient, order, counts)
    part, (name, finding, _) = _KINDS[kind]
    studies = dominated_studies(patient, order, finding)
    last = counts[kind] - before <= min(_IN_VAL, counts[kind] // 4)
    if order.names == "kaggle" and part == "train" and name != "virus" and last:
        part, studies = "val", studies[:1]
    images = []
    for study in studies:
        folder = "NORMAL" if finding is None else "PNEUMONIA"
        path = f"{part}/{folder}/{_file_name(order.names, name, patient.number, study.number)}.jpeg"
        rng = random_stream(patient, "stored colour", study=study.number)
        colour = part == "train" and finding is not None and bool(rng.random() < _COLOUR_SHARE)
        images.append((Shot(path, study, "frontal", colour), {"path": path, "class": name}))
    return images


def _file_name(names: str, kind: str, patient: int, image: int) -> str:
    if names == "mendeley":
        return f"{kind.upper()}-{patient}-{image:04d}"
    if kind != "normal":
        return f"person{patient}_{kind}_{_MOST_IMAGES * (patient - 1) + image}"
    series = "IM" if patient % 2 else "NORMAL2-IM"
    return f"{series}-{patient:04d}-0001" + (f"-{image:04d}" if image > 1 else "")
