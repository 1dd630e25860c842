"""A small study whose runs are written by hand: predictions of known quality, no training."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from evalkit.config import load_study
from evalkit.config.loading import Study
from evalkit.layout import Layout
from evalkit.plan import list_runs
from evalkit.predictions import write_predictions
from evalkit.records import RunRecord, write_record

CLASSES = ["Edema", "Effusion", "Atelectasis"]
SETTINGS = ["regime=finetune,fraction=0.1", "regime=finetune,fraction=1"]
REPEATS = 4

STUDY = {
    "study": "small",
    "title": "A study of nothing",
    "image_size": 32,
    "backbones": ["scratch", "good", "twin"],
    "datasets": {"drawn": {"format": "chexpert", "phantom": {"patients": 90}}},
    "evaluations": {
        "main": {
            "task": "multilabel",
            "dataset": "drawn",
            "labels": CLASSES,
            "settings": {"fraction": [0.1, 1.0]},
            "repeats": REPEATS,
            "recipe": {"lr": 0.001, "steps": 5},
        }
    },
    "tables": {
        "table7": {
            "title": "Mean AUC by share of the labels",
            "evaluation": "main",
            "primary": "bootstrap_two_way",
            "paper": "ttest_paired",
            "policies": ["best", "baseline"],
            "resamples": 400,
        },
        "table5": {
            "title": "AUC per class",
            "evaluation": "main",
            "settings": SETTINGS[1:],
            "primary": "delong",
            "paper": "delong",
            "policies": ["named", "baseline"],
            "reference": "good",
            "columns": "target",
            "resamples": 400,
        },
    },
}
BACKBONES = {
    "scratch": {"label": "Scratch & <none>", "arch": "resnet10t"},
    "good": {"label": "Good_1 %", "arch": "resnet10t", "path": "good.pth", "baseline": "scratch"},
    "twin": {"label": "Twin", "arch": "resnet10t", "path": "twin.pth", "baseline": "scratch"},
}
#: The part of a splits report that tables use, as evalkit.splits writes it.
SPLITS = {
    "labels": CLASSES,
    "drawn_roles": ["train"],
    "validation_set": "15% of the remaining patients, drawn at random",
    "fractions": [0.1],
    "roles": {
        "train": {"images": 300, "patients": 200},
        "validation": {"images": 40, "patients": 30},
        "test": {"images": 90, "patients": 90},
    },
    "draws": [
        {"role": "train", "fraction": 0.1, "repeat": repeat, "images": 30 + repeat, "lacking": []} for repeat in (0, 2)
    ],
    "redraws": {"train": [0, 3]},
    "draws_lacking_a_class": [{"role": "train", "fraction": 0.1, "repeat": 2, "lacking": ["Edema"]}],
    "not_packed": 2,
}
QUALITY = {"scratch": 0.5, "good": 1.6, "twin": 1.6}


def make_test_cases(*, patients: int = 90, images_per_patient: int = 1, seed: int = 0) -> pd.DataFrame:
    """Ids and targets of a test set; every image is a study of its own."""
    rng = np.random.default_rng(seed)
    patient = np.repeat(np.arange(patients), images_per_patient)
    cases = pd.DataFrame(
        {
            "image_id": [f"image{k:04d}" for k in range(patient.size)],
            "patient_id": [f"patient{k:04d}" for k in patient],
            "study_id": [f"study{k:04d}" for k in range(patient.size)],
        }
    )
    for label, share in zip(CLASSES, (0.4, 0.3, 0.5), strict=True):
        cases[label] = (rng.random(patient.size) < share).astype(float)
    return cases


def draw_scores(targets: np.ndarray, *, quality: float, seed: int) -> np.ndarray:
    """Probabilities whose logits are shifted by `quality` for positives."""
    noise = np.random.default_rng(seed).normal(size=targets.shape)
    return 1 / (1 + np.exp(-(quality * np.nan_to_num(targets) + noise)))


class Results:
    """The results folder of the small study, and what a test changes in it."""

    make_cases = staticmethod(make_test_cases)

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "small.yaml"

    @property
    def study(self) -> Study:
        return load_study(str(self.file))

    def write(
        self, cases: pd.DataFrame | None = None, *, changes: dict | None = None, good: dict | None = None
    ) -> Study:
        """Write the study (with `changes` to single keys of it, and more keys of the good backbone) and every run."""
        study = json.loads(json.dumps(STUDY))
        backbones = {**BACKBONES, "good": {**BACKBONES["good"], **(good or {})}}
        for place, value in (changes or {}).items():
            *parents, key = place.split(".")
            target = study
            for parent in parents:
                target = target[parent]
            target[key] = value
        self.file.write_text(yaml.safe_dump(study), encoding="utf-8")
        (self.folder / "backbones.yaml").write_text(yaml.safe_dump(backbones), encoding="utf-8")
        loaded = self.study
        self._write_json(
            loaded.layout.manifest("drawn").with_suffix(".json"),
            {
                "labels": CLASSES,
                "default_labels": CLASSES,
                "unit": "image",
                "boxes": None,
                "report": {"footnote": "Drawn."},
            },
        )
        self._write_json(loaded.layout.splits("main").with_suffix(".json"), SPLITS)
        for name in ("good", "twin"):
            self._write_json(loaded.layout.weights(name).with_suffix(".json"), {"fingerprint": "0123456789abcdef" * 4})
        cases = self.make_cases() if cases is None else cases
        for run in list_runs(loaded, "main"):
            self.write_run(*run, cases=cases)
        return loaded

    def write_run(
        self, evaluation: str, setting: str, backbone: str, repeat: int, *, cases: pd.DataFrame, outcome: str = "done"
    ) -> Path:
        """Write one run; the twin's scores are those of the good one."""
        folder = Layout(Path("results/small")).run(evaluation, setting, backbone, repeat)
        targets = cases[CLASSES].to_numpy()
        seed = (
            1000 * repeat + 100 * SETTINGS.index(setting) + ["scratch", "good"].index(backbone.replace("twin", "good"))
        )
        scores = draw_scores(targets, quality=QUALITY[backbone], seed=seed)
        if outcome == "done":
            write_predictions(folder / "predictions.parquet", cases, labels=CLASSES, targets=targets, scores=scores)
        recipe = self.study.evaluation(evaluation).recipe
        record = RunRecord(
            key="k",
            outcome=outcome,
            run={"evaluation": evaluation, "setting": setting, "backbone": backbone, "repeat": repeat, "steps": 5},
            labels=CLASSES,
            recipe=recipe.model_dump(mode="json", exclude={"steps", "epochs"}),
            data={"train": {"images": 300}, "test": {"images": len(cases), "sha256": "0" * 64}},
            code="c0de",
            device="cpu",
            precision="fp32",
            threads=1,
            processes=1,
            versions={"torch": "1.2.3"},
        )
        write_record(folder, record)
        return folder

    @staticmethod
    def _write_json(path: Path, value: object) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value), encoding="utf-8")


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Results:
    """An empty folder that `Results.write` fills; it is the working folder."""
    monkeypatch.chdir(tmp_path)
    return Results(tmp_path)
