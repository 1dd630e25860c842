"""A small multi-class study whose data set lies packed and split, as the commands would have left it."""

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
COUNTS = {"Normal": 40, "Nodule": 17, "Effusion": 9}


def _pack(manifest, pixels, folder):
    folder.mkdir(parents=True)
    np.save(folder / "images.npy", pixels)
    index = manifest.images[["image_id", "patient_id"]].copy()
    index.insert(0, "row", np.arange(len(index)))
    index["sha256"] = hash_pixels(pixels)
    index["low"], index["cap"] = np.arange(len(index)) * 1.0, 255.0
    write_parquet(folder / "index.parquet", index)
    write_json(folder / "packing.json", {"manifest": manifest.fingerprint(), "images": len(index)})
    return index


@pytest.fixture
def make_study(tmp_path, monkeypatch):
    """Write the study into an empty folder, which becomes the working folder; every patient has two images at most."""

    def make(*, evaluation=None):
        monkeypatch.chdir(tmp_path)
        classes = np.repeat(list(COUNTS), list(COUNTS.values()))
        images = pd.DataFrame({"image_id": [f"i{number:02d}" for number in range(len(classes))]})
        images["patient_id"] = [f"p{number // 2:02d}" for number in range(len(classes))]
        images["study_id"], images["path"] = images["image_id"], images["image_id"] + ".png"
        images["split"], images["age"], images["sex"], images["view"] = "", 50.0, "", ""
        for label in COUNTS:
            images[label] = (classes == label).astype(float)
        report = {"test_set": "drawn", "footnote": "Made."}
        manifest = Manifest(images, list(COUNTS), list(COUNTS), "image", None, report)
        entry = {"settings": {"trainset": ["full", "balanced"]}, "recipe": {"lr": 0.1, "steps": 1}}
        about = {
            "study": "small",
            "title": "A small study",
            "image_size": SIDE,
            "backbones": ["scratch"],
            "datasets": {"mine": {"format": "csv", "root": "."}},
            "evaluations": {"e": {"task": "multiclass", "dataset": "mine", **entry, **(evaluation or {})}},
        }
        (tmp_path / "backbones.yaml").write_text(yaml.safe_dump({"scratch": {"label": "S", "arch": "resnet18"}}))
        (tmp_path / "small.yaml").write_text(yaml.safe_dump(about))
        study = load_study("small.yaml")
        if not study.layout.manifest("mine").exists():
            random = np.random.default_rng(0)
            drawn = random.integers(0, 256, (len(images), SIDE, SIDE), dtype=np.uint8)
            write_manifest(manifest, study.layout.manifest("mine"))
            index = _pack(manifest, drawn, study.layout.packed("mine", SIDE))
            splits = make_splits(manifest, index, study.evaluation("e"), name="e", seed=0)
            write_splits(splits, study.layout.splits("e"))
        return study

    return make
