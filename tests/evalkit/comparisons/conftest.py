"""Small studies whose runs are written by hand: predictions of known quality, no training."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from evalkit.config import load_study
from evalkit.config.loading import Study
from evalkit.datasets.manifest import Manifest, write_manifest
from evalkit.plan import list_runs
from evalkit.predictions import write_class_predictions, write_predictions
from evalkit.records import RunRecord, read_record, write_record

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
#: A multi-class study: three settings, of which one is a probe, and an external test.
KINDS = ["normal", "bacterial", "viral"]
WAYS = ["regime=finetune,trainset=full", "regime=finetune,trainset=undersampled", "regime=probe,trainset=full"]
CLASS_STUDY = {
    "study": "kinds",
    "title": "A study of three kinds",
    "image_size": 32,
    "backbones": ["scratch", "good", "twin"],
    "datasets": {
        "children": {"format": "kermany", "phantom": {"patients": 90}},
        "elsewhere": {"format": "kermany", "phantom": {"patients": 60, "first_patient": 1001}},
    },
    "evaluations": {
        "main": {
            "task": "multiclass",
            "dataset": "children",
            "labels": KINDS,
            "settings": {"regime": ["finetune", "probe"], "trainset": ["full", "undersampled"]},
            "recipe": {"lr": 0.001, "steps": 5},
            "test_on": ["elsewhere"],
        }
    },
    "tables": {
        "table8": {
            "title": "Three kinds of radiographs",
            "evaluation": "main",
            "settings": WAYS[:1],
            "metric": ["accuracy", "precision", "recall", "f1"],
            "primary": "mcnemar_exact",
            "paper": "stuart_maxwell",
            "policies": ["best", "baseline"],
            "columns": "metric",
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
    "split_by": "patient",
    "leakage": {},
    "trainsets": {},
    "set_aside": {},
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


def make_class_cases(*, patients: int = 90, images_per_patient: int = 2, seed: int = 0) -> pd.DataFrame:
    """Ids and one-hot targets; a patient's images are of one class."""
    cases = make_test_cases(patients=patients, images_per_patient=images_per_patient, seed=seed).drop(columns=CLASSES)
    kind = np.random.default_rng(seed).choice(len(KINDS), size=patients, p=(0.4, 0.35, 0.25))
    cases[KINDS] = np.eye(len(KINDS))[np.repeat(kind, images_per_patient)]
    return cases


def draw_class_scores(targets: np.ndarray, *, quality: float, seed: int) -> np.ndarray:
    """Probabilities that add up to 1 and are higher for the true class, the more so the higher the quality."""
    logits = quality * targets + np.random.default_rng(seed).normal(size=targets.shape)
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


class Results:
    """The results folder of a small multi-label study, and what a test changes in it."""

    template, dataset, classes = STUDY, "drawn", CLASSES
    make_cases = staticmethod(make_test_cases)
    draw_scores = staticmethod(draw_scores)
    write_predictions = staticmethod(write_predictions)

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / f"{self.template['study']}.yaml"

    @property
    def study(self) -> Study:
        return load_study(str(self.file))

    def write(
        self, cases: pd.DataFrame | None = None, *, changes: dict | None = None, good: dict | None = None
    ) -> Study:
        """Write the study and every run; as `write_study`."""
        loaded = self.write_study(changes=changes, good=good)
        self.write_manifest_report(self.dataset)
        self._write_json(
            loaded.layout.splits("main").with_suffix(".json"), SPLITS | {"labels": self.classes, **self.more_splits()}
        )
        for name in ("good", "twin"):
            self._write_json(loaded.layout.weights(name).with_suffix(".json"), {"fingerprint": "0123456789abcdef" * 4})
        cases = self.make_cases() if cases is None else cases
        for run in list_runs(loaded, "main"):
            self.write_run(*run, cases=cases)
        return loaded

    def write_study(self, *, changes: dict | None = None, good: dict | None = None) -> Study:
        """Write the study's file, with `changes` to single keys of it and more keys of the good backbone."""
        study = json.loads(json.dumps(self.template))
        backbones = {**BACKBONES, "good": {**BACKBONES["good"], **(good or {})}}
        for place, value in (changes or {}).items():
            *parents, key = place.split(".")
            target = study
            for parent in parents:
                target = target[parent]
            target[key] = value
        self.file.write_text(yaml.safe_dump(study), encoding="utf-8")
        (self.folder / "backbones.yaml").write_text(yaml.safe_dump(backbones), encoding="utf-8")
        return self.study

    def more_splits(self) -> dict:
        """What else the report of the splits has."""
        return {}

    def write_manifest_report(self, dataset: str) -> None:
        """Write the report of reading a data set."""
        about = {"labels": self.classes, "default_labels": self.classes, "unit": "image", "boxes": None}
        path = self.study.layout.manifest(dataset).with_suffix(".json")
        self._write_json(path, {**about, "report": {"footnote": "Drawn."}})

    def write_manifest(self, dataset: str, cases: pd.DataFrame, **columns: object) -> None:
        """Write a whole manifest of these images, with columns such as sex, age and view."""
        images = cases.assign(path="p", split="test", **{"age": np.nan, "sex": "", "view": "", **columns})
        manifest = Manifest(images, self.classes, self.classes, "image", None, {"footnote": "Drawn."})
        write_manifest(manifest, self.study.layout.manifest(dataset))

    def write_run(
        self, evaluation: str, setting: str, backbone: str, repeat: int, *, cases: pd.DataFrame, outcome: str = "done"
    ) -> Path:
        """Write one run; the twin's scores are those of the good one."""
        study = self.study
        folder = study.layout.run(evaluation, setting, backbone, repeat)
        outputs = {}
        if outcome == "done":
            validation = self.make_cases(patients=60, seed=repeat + 1)
            for name, of_part in (("validation", validation), ("predictions", cases)):
                self.predict(folder / f"{name}.parquet", of_part, setting, backbone, repeat)
                outputs[f"{name}.parquet"] = "0" * 64
        probed = "regime=probe" in setting
        evaluated = study.evaluation(evaluation)
        record = RunRecord(
            key="k",
            outcome=outcome,
            run={
                "evaluation": evaluation,
                "setting": setting,
                "backbone": backbone,
                "repeat": repeat,
                "steps": 0 if probed else 5,
            },
            labels=self.classes,
            class_weights=evaluated.class_weights,
            recipe=evaluated.probe.model_dump(mode="json")
            if probed
            else evaluated.training.model_dump(mode="json", exclude={"steps", "epochs"}),
            data={"train": {"images": 300}, "test": {"images": len(cases), "sha256": "0" * 64}},
            code="c0de",
            device="cpu",
            precision="fp32",
            threads=1,
            processes=1,
            versions={"torch": "1.2.3"},
            outputs=outputs,
        )
        write_record(folder, record)
        return folder

    def predict(self, path: Path, cases: pd.DataFrame, setting: str, backbone: str, repeat: int) -> None:
        """Write predictions of these cases: drawn anew for each setting and repeat."""
        settings = self.study.evaluation("main").list_settings()
        place = ["scratch", "good"].index(backbone.replace("twin", "good"))
        targets = cases[self.classes].to_numpy()
        seed = 1000 * repeat + 100 * settings.index(setting) + place
        scores = self.draw_scores(targets, quality=QUALITY[backbone], seed=seed)
        self.write_predictions(path, cases, labels=self.classes, targets=targets, scores=scores)

    def test_elsewhere(self, dataset: str, cases: pd.DataFrame, **about: object) -> None:
        """Test every run on another data set as well; records tell more of it."""
        study = self.study
        self.write_manifest_report(dataset)
        for run in list_runs(study, "main"):
            folder = study.layout.run(*run)
            name = f"predictions-{dataset}.parquet"
            self.predict(folder / name, cases, run.setting, run.backbone, run.repeat)
            record = read_record(folder)
            record["outputs"][name] = "0" * 64
            record["data"]["test_on"] = {dataset: {"images": len(cases), "patients": 1, "sha256": "2" * 64, **about}}
            write_record(folder, record)

    @staticmethod
    def _write_json(path: Path, value: object) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value), encoding="utf-8")


class ClassResults(Results):
    """The same of a small multi-class study; each patient has two images."""

    template, dataset, classes = CLASS_STUDY, "children", KINDS
    make_cases = staticmethod(make_class_cases)
    draw_scores = staticmethod(draw_class_scores)
    write_predictions = staticmethod(write_class_predictions)

    def more_splits(self) -> dict:
        """Training sets by class in the place of draws."""
        trainsets = {"full": {"images": 300, "patients": 200}, "undersampled": {"images": 180, "patients": 120}}
        return {"fractions": [], "draws": [], "redraws": {}, "draws_lacking_a_class": [], "trainsets": trainsets}


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Results:
    """An empty folder that `Results.write` fills; it is the working folder."""
    monkeypatch.chdir(tmp_path)
    return Results(tmp_path)


@pytest.fixture
def class_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ClassResults:
    """The same for a multi-class study."""
    monkeypatch.chdir(tmp_path)
    return ClassResults(tmp_path)
