"""Phantoms in CheXpert's own layout: train.csv and valid.csv beside {train,valid}/patientNNNNN/studyN/viewN_*.jpg."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from evalkit.atomic import write_text
from evalkit.phantom.disease import PREVALENCE
from evalkit.phantom.order import Order, studies_of
from evalkit.phantom.patients import Patient, Study, random_stream
from evalkit.phantom.writing import Row, Shot, Written, write_folder

#: CheXpert's labels in the order of its columns.
LABELS = (
    "No Finding",
    "Enlarged Cardiomediastinum",
    "Cardiomegaly",
    "Lung Opacity",
    "Lung Lesion",
    "Edema",
    "Consolidation",
    "Pneumonia",
    "Atelectasis",
    "Pneumothorax",
    "Pleural Effusion",
    "Pleural Other",
    "Fracture",
    "Support Devices",
)
COLUMNS = ("Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *LABELS)

# The phantom's findings behind each of CheXpert's labels; labels without any are never positive.
_SOURCES = {
    "Enlarged Cardiomediastinum": ("cardiomegaly",),
    "Cardiomegaly": ("cardiomegaly",),
    "Lung Opacity": ("consolidation", "interstitial opacity"),
    "Lung Lesion": ("nodule",),
    "Edema": ("edema",),
    "Consolidation": ("consolidation",),
    "Atelectasis": ("atelectasis",),
    "Pneumothorax": ("pneumothorax",),
    "Pleural Effusion": ("effusion",),
}


def write_chexpert(
    root: str | os.PathLike[str],
    *,
    patients: int,
    first_patient: int = 1,
    size: int = 128,
    seed: int = 0,
    valid_share: float = 0.25,
    prevalence: Mapping[str, float] = PREVALENCE,
    layers: bool = False,
    masks: bool = False,
    workers: int | None = None,
) -> Path:
    """Write phantoms as a CheXpert folder.

    Parameters
    ----------
    root : path-like
        The folder that will hold train.csv, for example ``.../CheXpert-v1.0-small``; its name begins every path in
        the tables, as in the original.
    patients, first_patient : int
        How many patients, and the number of the first. Two calls with ranges that do not overlap share no patient.
    size : int
        Pixels per side; images are square.
    seed : int
        World to which the patients belong.
    valid_share : float
        Share of the patients, the last ones, that go to valid.
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
    In train, as in CheXpert's labels mined from reports, subtle findings are often uncertain (-1) or unmentioned
    (blank), and absent ones mostly unmentioned. In valid every label is the truth, 1 or 0.
    """
    order = Order("chexpert", patients, first_patient, size, seed, valid_share, layers, masks, dict(prevalence))
    folder = Path(root)
    write_folder(folder, order, plan=_plan, finish=_write_tables, workers=workers)
    return folder


def _plan(order: Order, patient: Patient) -> list[tuple[Shot, Row]]:
    split = "valid" if patient.number >= order.first_held_out else "train"
    images = []
    for study in studies_of(patient, order):
        rng = random_stream(patient, "chexpert", study=study.number)
        truth = _truth(study)
        labels = truth if split == "valid" else _reported(truth, study, rng)
        shots: list[tuple[str, str]] = [("frontal", study.projection)]
        if rng.random() < (0.5 if study.projection == "PA" else 0.05):
            shots.append(("lateral", ""))
        for number, (view, projection) in enumerate(shots, start=1):
            path = f"{split}/patient{patient.number:05d}/study{study.number}/view{number}_{view}.jpg"
            row = {
                "Path": path,
                "Sex": patient.sex,
                "Age": patient.age,
                "Frontal/Lateral": view.capitalize(),
                "AP/PA": projection,
                **labels,
            }
            images.append((Shot(path, study, "lateral" if view == "lateral" else "frontal"), row))
    return images


def _truth(study: Study) -> dict[str, float]:
    truth = dict.fromkeys(LABELS, 0.0)
    for label, sources in _SOURCES.items():
        truth[label] = float(any(source in study.strengths for source in sources))
    truth["No Finding"] = float(not study.strengths)
    truth["Support Devices"] = float(bool(study.devices))
    return truth


def _reported(truth: Mapping[str, float], study: Study, rng: np.random.Generator) -> dict[str, float]:
    """Labels as a report would give them; NaN is written as blank."""
    reported = {}
    for label in LABELS:
        draw = rng.random()
        strength = max((study.strengths.get(source, 0.0) for source in _SOURCES.get(label, ())), default=1.0)
        if label == "No Finding":
            reported[label] = 1.0 if truth[label] else np.nan
        elif not truth[label]:
            reported[label] = 0.0 if draw < 0.2 else -1.0 if draw < 0.225 else np.nan
        elif draw < 0.75 * (1 - strength) ** 2.5:
            reported[label] = -1.0
        else:
            reported[label] = np.nan if draw > 1 - 0.25 * (1 - strength) ** 2 else 1.0
    return reported


def _write_tables(root: Path, order: Order, written: Written) -> None:
    table = pd.DataFrame(written.rows, columns=list(COLUMNS))
    held_out = table["Path"].str.startswith("valid/")
    table["Path"] = root.absolute().name + "/" + table["Path"]
    write_text(root / "train.csv", table[~held_out].to_csv(index=False, lineterminator="\n"))
    write_text(root / "valid.csv", table[held_out].to_csv(index=False, lineterminator="\n"))
