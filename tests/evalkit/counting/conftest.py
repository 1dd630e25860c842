"""Small studies on disk, from a table of patients to splits, as the commands would have left them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import yaml

from evalkit.atomic import write_json, write_parquet
from evalkit.config.loading import load_study
from evalkit.datasets.manifest import Manifest, write_manifest
from evalkit.packing.workers import hash_pixels
from evalkit.splits import make_splits, write_splits

SIDE = 32


@pytest.fixture
def make_manifest():
    """Make a manifest from (patient, split, labels of one image) triples; labels as in `labels`, None for missing."""

    def make(rows, labels):
        frame = pd.DataFrame([(patient, split) for patient, split, _ in rows], columns=["patient_id", "split"])
        frame.insert(0, "image_id", [f"{patient}/{number}" for number, patient in enumerate(frame["patient_id"])])
        frame["study_id"], frame["path"] = frame["image_id"], frame["image_id"] + ".png"
        frame["age"], frame["sex"], frame["view"] = 50.0, "", ""
        values = pd.DataFrame([values for _, _, values in rows], columns=labels, dtype=float)
        report = {"test_set": "the table's split 'test'", "footnote": "Made by hand.", "left_out": {"blurred": 2}}
        return Manifest(pd.concat([frame, values], axis=1), list(labels), list(labels), "image", None, report)

    return make


@pytest.fixture
def make_study(tmp_path, monkeypatch):
    """Write a study about manifests by data set's name, of which 'mine' is split, and load it."""

    def make(manifests, *, evaluation, entries=None, split=True):
        monkeypatch.chdir(tmp_path)
        about = {
            "study": "small",
            "title": "A small study",
            "image_size": SIDE,
            "backbones": ["scratch"],
            "datasets": {name: {"format": "csv", "root": "."} for name in ("mine", "other")} | (entries or {}),
            "evaluations": {"e": {"dataset": "mine", "recipe": {"lr": 0.1, "steps": 1}, **evaluation}},
            "counts": {"table1": {"title": "Images and patients", "evaluation": "e"}},
            "notes": ["A note."],
        }
        (tmp_path / "backbones.yaml").write_text(yaml.safe_dump({"scratch": {"label": "S", "arch": "resnet18"}}))
        (tmp_path / "small.yaml").write_text(yaml.safe_dump(about))
        study = load_study("small.yaml")
        for name, manifest in manifests.items():
            write_manifest(manifest, study.layout.manifest(name))
            folder = study.layout.packed(name, SIDE)
            folder.mkdir(parents=True, exist_ok=True)
            pixels = np.random.default_rng(0).integers(0, 256, (len(manifest.images), SIDE, SIDE), dtype=np.uint8)
            np.save(folder / "images.npy", pixels)
            index = manifest.images[["image_id", "patient_id"]].copy()
            index.insert(0, "row", np.arange(len(index)))
            index["sha256"], index["low"], index["cap"] = hash_pixels(pixels), 0.0, 255.0
            write_parquet(folder / "index.parquet", index)
            write_json(folder / "packing.json", {"manifest": manifest.fingerprint()})
            if name == "mine" and split:
                splits = make_splits(manifest, index, study.evaluation("e"), name="e", seed=0)
                write_splits(splits, study.layout.splits("e"))
        return study

    return make
