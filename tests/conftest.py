"""A tiny study on disk, from its study file to packed images and splits, as the commands would have left it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

SIDE, PATIENTS = 32, 40
LABELS = ["Edema", "Effusion"]


CLASSES = ["normal", "bacterial", "viral"]


def _manifest(prefix: str, seed: int, *, multiclass: bool):
    from evalkit.datasets.manifest import Manifest

    random = np.random.default_rng(seed)
    patients = np.repeat([f"{prefix}{k:03d}" for k in range(PATIENTS)], 2)
    raw = pd.DataFrame(random.integers(0, 2, (len(patients), 2)).astype(float), columns=LABELS)
    raw[random.random(raw.shape) < 0.1] = np.nan
    if multiclass:
        # Each patient has one class; the first is as common as the two others together.
        drawn = np.repeat(random.choice(3, PATIENTS, p=[0.5, 0.25, 0.25]), 2)
        raw = pd.DataFrame(np.eye(3)[drawn], columns=CLASSES)
    images = pd.DataFrame(
        {
            "image_id": [f"{patient}-{k % 2}" for k, patient in enumerate(patients)],
            "patient_id": patients,
            "study_id": [f"{patient}/1" for patient in patients],
            "path": [f"{patient}-{k % 2}.png" for k, patient in enumerate(patients)],
            "split": "",
            "age": 50.0,
            "sex": "",
            "view": "",
        }
    )
    labels = list(raw)
    report = {"format": "csv", "test_set": "drawn at random"}
    return Manifest(pd.concat([images, raw], axis=1), labels, labels, "image", None, report)


def _pack(manifest: Any, folder: Path, seed: int) -> pd.DataFrame:
    from evalkit.atomic import write_json, write_parquet

    random = np.random.default_rng(seed)
    pixels = random.integers(0, 180, (len(manifest.images), SIDE, SIDE))
    # The first label brightens the whole image, the second its left half.
    first, second = (manifest.images[label].fillna(0).to_numpy()[:, None, None] for label in manifest.labels[:2])
    pixels += (first * 40).astype(int)
    if "bacterial" in manifest.labels:
        pixels[:, :, : SIDE // 2] += (second * 40).astype(int)
    pixels = pixels.clip(0, 255).astype(np.uint8)
    folder.mkdir(parents=True)
    np.save(folder / "images.npy", pixels)
    index = manifest.images[["image_id", "patient_id"]].copy()
    index.insert(0, "row", np.arange(len(index)))
    index["sha256"] = [hashlib.sha256(each.tobytes()).hexdigest()[:32] for each in pixels]
    index["low"], index["cap"] = 0.0, 255.0
    write_parquet(folder / "index.parquet", index)
    write_json(folder / "packing.json", {"manifest": manifest.fingerprint(), "images": len(index)})
    return index


@pytest.fixture
def make_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Write the tiny study into an empty folder, which becomes the working folder, and load it.

    Keywords change the recipe; `backbones` adds entries to the backbone file, `tables` adds tables to the study,
    `evaluation` changes the evaluation; with the task multiclass the images have one of three classes each.
    """

    def make(
        *,
        backbones: dict[str, Any] | None = None,
        fractions: tuple[float, ...] = (0.5, 1.0),
        repeats: int = 3,
        tables: dict[str, Any] | None = None,
        evaluation: dict[str, Any] | None = None,
        **recipe: Any,
    ):
        from evalkit.config.loading import load_study
        from evalkit.datasets.manifest import write_manifest
        from evalkit.splits.making import make_splits
        from evalkit.splits.stored import write_splits

        monkeypatch.chdir(tmp_path)
        entries = {"scratch": {"label": "Scratch", "arch": "resnet10t", "in_channels": 1}, **(backbones or {})}
        study = {
            "study": "tiny",
            "title": "A tiny study",
            "image_size": SIDE,
            "device": "cpu",
            "backbones": list(entries),
            "datasets": {name: {"format": "csv", "root": "."} for name in ("main", "other")},
            "evaluations": {
                "main": {
                    "task": "multilabel",
                    "dataset": "main",
                    "settings": {"fraction": list(fractions)},
                    "repeats": repeats,
                    "seeds": 2,
                    "validation_share": 0.2,
                    "recipe": {"lr": 0.001, "batch_size": 8, "steps": 4, "validations": 2, **recipe},
                    **(evaluation or {}),
                }
            },
            "tables": tables or {},
        }
        main = study["evaluations"]["main"]
        # Keys that would change nothing are refused.
        if main["task"] == "multiclass":
            del main["repeats"]
        if main["settings"].get("regime") == ["probe"]:
            del main["recipe"]
        (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")
        (tmp_path / "backbones.yaml").write_text(yaml.safe_dump(entries), encoding="utf-8")
        loaded = load_study("tiny.yaml")
        layout = loaded.layout
        for number, (name, prefix) in enumerate((("main", "p"), ("other", "q"))):
            if layout.manifest(name).exists():
                continue
            manifest = _manifest(prefix, seed=number, multiclass=main["task"] == "multiclass")
            write_manifest(manifest, layout.manifest(name))
            index = _pack(manifest, layout.packed(name, SIDE), seed=number + 10)
            if name == "main":
                splits = make_splits(manifest, index, loaded.evaluation("main"), name="main", seed=0)
                write_splits(splits, layout.splits("main"))
        return loaded

    return make
