"""Small manifests of a multi-class data set, and their splits."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evalkit.config.evaluations import Classification
from evalkit.datasets.building import build_manifest
from evalkit.datasets.labels import LabelPolicy
from evalkit.splits import make_splits

LABELS = ["Normal", "Nodule", "Effusion"]


@pytest.fixture
def make_manifest():
    """Make a manifest from (patient, classes of the patient's images as letters N, O, E) pairs."""

    def make(patients, *, splits=None, turned=False):
        classes = dict(zip("NOE", LABELS, strict=True))
        rows = pd.DataFrame(
            [
                (f"{patient}/{number}", patient, classes[letter])
                for patient, letters in patients
                for number, letter in enumerate(letters)
            ],
            columns=["image_id", "patient_id", "class"],
        )
        rows = rows.iloc[::-1].reset_index(drop=True) if turned else rows
        rows["study_id"], rows["path"] = rows["image_id"], rows["image_id"] + ".png"
        rows["split"] = rows["patient_id"].map(splits) if splits else ""
        rows["age"], rows["sex"], rows["view"] = np.nan, "", ""
        raw = pd.DataFrame({label: (rows["class"] == label).astype(float) for label in LABELS})
        return build_manifest(
            rows,
            raw,
            policy=LabelPolicy(),
            default_labels=LABELS,
            unit="image",
            patients=(0.0, 1.0),
            report={"test_set": "the official list", "footnote": "Made."},
            source=Path("labels.csv"),
        )

    return make


@pytest.fixture
def make_index():
    """Make the index that packing a manifest gives."""

    def make(manifest):
        index = manifest.images[["image_id", "patient_id"]].copy()
        index.insert(0, "row", np.arange(len(index)))
        index["sha256"] = [hashlib.sha256(name.encode()).hexdigest()[:32] for name in index["image_id"]]
        index["low"], index["cap"] = 0.0, 100.0
        return index

    return make


@pytest.fixture
def split(make_index):
    """Split a manifest for a multi-class evaluation."""

    def make(manifest, *, index=None, seed=0, **options):
        about = {"task": "multiclass", "dataset": "mine", "recipe": {"lr": 0.1, "steps": 1}, **options}
        index = make_index(manifest) if index is None else index
        return make_splits(manifest, index, Classification.model_validate(about), name="e", seed=seed)

    return make


@pytest.fixture
def hundred(make_manifest):
    """310 images of 100 patients, some with several classes: 130 Normal, 110 Nodule, 70 Effusion."""
    letters = ["NNN", "NNO", "OOO", "OEE", "N", "EONNO", "O", "NENOE", "OOEN", "NNE"]
    return make_manifest([(f"p{number:03d}", letters[number % 10]) for number in range(100)])
