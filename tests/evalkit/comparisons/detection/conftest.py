"""A small study of detections whose runs are written by hand: boxes, and detections that lie near them or not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from evalkit.atomic import write_json
from evalkit.config import load_study
from evalkit.config.loading import Study
from evalkit.datasets.manifest import Manifest, write_manifest
from evalkit.plan import list_runs
from evalkit.records import RunRecord, write_record
from evalkit.settings import parse_setting

CLASSES = ["opacity", "nodule"]
STUDY = {
    "study": "boxes",
    "title": "A study of boxes",
    "image_size": 32,
    "backbones": ["scratch", "good", "twin"],
    "datasets": {"drawn": {"format": "siim", "phantom": {"patients": 40}}},
    "evaluations": {
        "found": {
            "task": "detection",
            "dataset": "drawn",
            "labels": CLASSES,
            "recipe": {"steps": 5, "lr": 0.02, "short_sides": [64, 96], "short_side_test": 96},
            "longest": 128,
        }
    },
    "tables": {
        "table9": {
            "title": "Opacities found",
            "evaluation": "found",
            "metric": ["ap50", "ap"],
            "primary": "map_bootstrap",
            "policies": ["best", "named"],
            "reference": "scratch",
            "resamples": 200,
            "columns": "metric",
        }
    },
}
BACKBONES = {
    "scratch": {"label": "Scratch", "arch": "resnet18"},
    "good": {"label": "Good", "arch": "resnet18", "path": "good.pth", "baseline": "scratch"},
    "twin": {"label": "Twin", "arch": "resnet18", "path": "twin.pth", "baseline": "scratch"},
}
SPLITS = {
    "labels": CLASSES,
    "drawn_roles": ["train"],
    "validation_set": "10% of the remaining patients, drawn at random",
    "fractions": [],
    "roles": {
        "train": {"images": 300, "patients": 200},
        "validation": {"images": 40, "patients": 30},
        "test": {"images": 30, "patients": 20},
    },
    "draws": [],
    "redraws": {},
    "draws_lacking_a_class": [],
    "not_packed": 0,
    "split_by": "patient",
    "leakage": {},
    "trainsets": {},
    "set_aside": {},
}
#: How far detections lie from the boxes, in pixels.
SPREAD = {"scratch": 14.0, "good": 4.0, "twin": 4.0}


def make_truth(*, images: int = 30, patients: int = 20, classes: list[str] | None = None, seed: int = 0) -> dict:
    """COCO's ground truth as the contract has it: every fourth image has no box, others have one to three."""
    rng = np.random.default_rng(seed)
    names = CLASSES if classes is None else classes
    truth: dict[str, Any] = {
        "images": [],
        "categories": [{"id": k, "name": name} for k, name in enumerate(names, start=1)],
        "annotations": [],
    }
    for number in range(1, images + 1):
        patient = f"patient{(number - 1) % patients:03d}"
        truth["images"].append(
            {
                "id": number,
                "image_id": f"image{number:03d}",
                "patient_id": patient,
                "study_id": f"study{number:03d}",
                "file_name": f"{number}.png",
                "width": 200,
                "height": 160,
            }
        )
        for _ in range(0 if number % 4 == 0 else rng.integers(1, 4)):
            box = [*rng.uniform(0, 80, 2).round(2).tolist(), *rng.uniform(30, 60, 2).round(2).tolist()]
            truth["annotations"].append(
                {
                    "id": len(truth["annotations"]) + 1,
                    "image_id": number,
                    "category_id": int(rng.integers(1, len(names) + 1)),
                    "bbox": box,
                    "area": box[2] * box[3],
                    "iscrowd": 0,
                }
            )
    return truth


def detect(truth: dict, *, spread: float, seed: int) -> list[dict]:
    """Detections near the boxes, by `spread` pixels, and one that is nowhere near in every image."""
    rng = np.random.default_rng(seed)
    found = []
    for each in truth["annotations"]:
        box = (np.array(each["bbox"]) + rng.normal(0, spread, 4)).clip(1).round(3).tolist()
        place = {"image_id": each["image_id"], "category_id": each["category_id"]}
        found.append({**place, "bbox": box, "score": float(rng.uniform(0.3, 1))})
    for image in truth["images"]:
        place = {"image_id": image["id"], "category_id": int(rng.integers(1, len(truth["categories"]) + 1))}
        found.append({**place, "bbox": [150.0, 110.0, 40.0, 40.0], "score": float(rng.uniform(0.05, 0.8))})
    return found


class Detected:
    """The results folder of the study, and what a test changes in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def study(self) -> Study:
        return load_study(str(self.folder / "boxes.yaml"))

    def write(self, truth: dict | None = None, *, changes: dict | None = None) -> Study:
        """Write the study and every run; `changes` are to single keys of its file."""
        study = self.write_study(changes)
        truth = make_truth() if truth is None else truth
        about = {"labels": CLASSES, "default_labels": CLASSES, "unit": "image", "boxes": 1}
        path = study.layout.manifest("drawn").with_suffix(".json")
        write_json(path, {**about, "report": {"footnote": "Drawn."}})
        labels = [each["name"] for each in truth["categories"]]
        write_json(study.layout.splits("found").with_suffix(".json"), {**SPLITS, "labels": labels})
        for name in ("good", "twin"):
            write_json(study.layout.weights(name).with_suffix(".json"), {"fingerprint": "0123456789abcdef" * 4})
        for run in list_runs(study, "found"):
            self.write_run(*run, truth=truth)
        return study

    def write_study(self, changes: dict | None = None) -> Study:
        """Write the study's files only."""
        study = json.loads(json.dumps(STUDY))
        for place, value in (changes or {}).items():
            *parents, key = place.split(".")
            target = study
            for parent in parents:
                target = target[parent]
            target[key] = value
        (self.folder / "boxes.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")
        (self.folder / "backbones.yaml").write_text(yaml.safe_dump(BACKBONES), encoding="utf-8")
        return self.study

    def write_run(self, evaluation: str, setting: str, backbone: str, repeat: int, *, truth: dict) -> Path:
        """Write one run; the twin finds what the good one finds."""
        study = self.study
        folder, entry = study.layout.run(evaluation, setting, backbone, repeat), study.detection(evaluation)
        settings = entry.list_settings()
        place = ["scratch", "good"].index(backbone.replace("twin", "good"))
        seed = 1000 * repeat + 100 * settings.index(setting) + place
        write_json(folder / "ground_truth.json", truth)
        write_json(folder / "detections.json", detect(truth, spread=SPREAD[backbone], seed=seed))
        labels = [each["name"] for each in truth["categories"]]
        record = RunRecord(
            key="k",
            outcome="done",
            run={"evaluation": evaluation, "setting": setting, "backbone": backbone, "repeat": repeat, "steps": 5},
            labels=labels,
            recipe=entry.recipe.model_dump(mode="json", exclude={"steps", "epochs"}),
            detector={
                "head": parse_setting(setting)["head"],
                "protocol": entry.way,
                "arch": "resnet18",
                "anchors": entry.anchors.model_dump(mode="json"),
                "proposals": entry.proposals.model_dump(mode="json"),
                "regions": entry.regions.model_dump(mode="json"),
            },
            protocol=entry.protocol,
            engine=entry.engine,
            longest=entry.longest,
            empty_images=entry.empty_images,
            data={
                "train": {"images": 250, "patients": 180, "sha256": "1" * 64},
                "validation": {"images": 35, "patients": 25, "sha256": "2" * 64},
                "test": {"images": len(truth["images"]), "patients": 20, "sha256": "0" * 64},
            },
            code="c0de",
            device="cpu",
            precision="fp32",
            threads=1,
            processes=1,
            versions={"torch": "1.2.3"},
            outputs={"detections.json": "0" * 64},
        )
        write_record(folder, record)
        return folder

    def write_manifest(self, truth: dict, **columns: object) -> None:
        """Write a whole manifest of the test images, with columns such as sex, age and view."""
        images = pd.DataFrame(truth["images"])[["image_id", "patient_id", "study_id"]]
        images = images.assign(path="p", split="test", **{"age": np.nan, "sex": "", "view": "", **columns})
        manifest = Manifest(images.assign(**dict.fromkeys(CLASSES, 1.0)), CLASSES, CLASSES, "image", None, {})
        write_manifest(manifest, self.study.layout.manifest("drawn"))


@pytest.fixture
def detected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Detected:
    """An empty folder that `Detected.write` fills; it is the working folder."""
    monkeypatch.chdir(tmp_path)
    return Detected(tmp_path)


@pytest.fixture
def truth_of() -> Callable[..., dict]:
    """Make ground truths."""
    return make_truth
