"""A small study of inversions whose runs are written by hand: originals, and reconstructions more or less near."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from evalkit.atomic import write_json, write_parquet
from evalkit.config import load_study
from evalkit.config.loading import Study
from evalkit.plan import list_runs
from evalkit.records import RunRecord, write_record
from evalkit.settings import parse_setting

SIDE = 32
STUDY = {
    "study": "mirrors",
    "title": "A study of inversions",
    "image_size": SIDE,
    "backbones": ["good", "twin", "bad", "pixels", "mean", "dice"],
    "datasets": {"drawn": {"format": "nih", "phantom": {"patients": 40}}},
    "evaluations": {
        "back": {
            "task": "inversion",
            "dataset": "drawn",
            "only": ["No Finding"],
            "settings": {"space": ["w", "w+"]},
            "generator": {"train": {"spec": {"resolution": SIDE}, "recipe": {"steps": 50}}},
            "projection": {"steps": 100},
            "identity": "judge",
        }
    },
    "tables": {
        "table10": {
            "title": "Radiographs seen through each backbone",
            "evaluation": "back",
            "metric": ["psnr", "ssim", "rmse", "lpips", "ms_ssim", "identity"],
            "primary": "ttest_paired",
            "secondary": ["wilcoxon"],
            "policies": ["best", "named"],
            "reference": "pixels",
            "columns": "metric",
            "resamples": 200,
        }
    },
    "figures": {
        "figure_3": {"kind": "inversions", "evaluation": "back", "setting": "space=w", "images": 3},
        "figure_curves": {"kind": "convergence", "evaluation": "back", "setting": "space=w"},
    },
}
BACKBONES = {
    "good": {"label": "Good", "arch": "resnet18", "path": "good.pth", "baseline": "bad"},
    "twin": {"label": "Twin", "arch": "resnet18", "path": "twin.pth"},
    "bad": {"label": "Bad", "arch": "resnet18", "path": "bad.pth"},
    "pixels": {"label": "Pixels only", "control": "pixel-only"},
    "mean": {"label": "Mean w", "control": "mean-w"},
    "dice": {"label": "Random", "arch": "resnet18", "control": "random"},
    "judge": {"label": "A judge", "arch": "resnet18", "path": "judge.pth", "pretrained_on": ["nih"]},
}
#: Standard deviation of what reconstructions are off by, in grey values. A control is nearest of all.
SPREAD = {"good": 6.0, "twin": 6.0, "bad": 9.0, "pixels": 4.0, "mean": 30.0, "dice": 12.0}
UNAVAILABLE = {"lpips": "unavailable: trunk of LPIPS", "ms_ssim": "undefined: images below 176 px"}


def make_ids(images: int, patients: int) -> pd.DataFrame:
    """Ids in order; patients have several images where there are more images than patients."""
    return pd.DataFrame(
        {
            "image_id": [f"image{k:03d}.png" for k in range(images)],
            "patient_id": [f"patient{k % patients:03d}" for k in range(images)],
            "study_id": [f"study{k:03d}" for k in range(images)],
        }
    )


class Inverted:
    """The results folder of the study, and what a test changes in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def study(self) -> Study:
        return load_study(str(self.folder / "mirrors.yaml"))

    def write(self, *, images: int = 12, patients: int = 12, changes: dict | None = None) -> Study:
        """Write the study and every run; `changes` are to single keys of its file."""
        study = self.write_study(changes)
        about = {"default_labels": ["No Finding"], "labels": ["No Finding"], "report": {"footnote": "Drawn."}}
        write_json(study.layout.manifest("drawn").with_suffix(".json"), about)
        write_json(study.layout.splits("back").with_suffix(".json"), {"labels": ["No Finding"]})
        learnt = {"images": 60, "patients": 50, "sha256": "4" * 64}
        generator = {"source": "trained by this workflow", "fingerprint": "f" * 64, "data": {"train": learnt}}
        generator["spec"] = {"resolution": SIDE}
        write_json(study.layout.generator("back").with_suffix(".json"), generator)
        for name, entry in BACKBONES.items():
            if "path" in entry:
                write_json(study.layout.weights(name).with_suffix(".json"), {"fingerprint": "0123456789abcdef" * 4})
        for run in list_runs(study, "back"):
            self.write_run(*run, ids=make_ids(images, patients))
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
        (self.folder / "mirrors.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")
        (self.folder / "backbones.yaml").write_text(yaml.safe_dump(BACKBONES), encoding="utf-8")
        return self.study

    def write_run(
        self, evaluation: str, setting: str, backbone: str, repeat: int, *, ids: pd.DataFrame, **changes: Any
    ) -> Path:
        """Write one run; the twin sees what the good one sees. `changes` are to its record."""
        study = self.study
        folder, entry = study.layout.run(evaluation, setting, backbone, repeat), study.inversion(evaluation)
        settings = entry.list_settings()
        place = list(BACKBONES).index(backbone.replace("twin", "good"))
        rng = np.random.default_rng(1000 * repeat + 100 * settings.index(setting) + place)
        across, down = np.meshgrid(np.linspace(0, 3, SIDE), np.linspace(0, 4, SIDE))
        shift = np.arange(len(ids))[:, None, None]
        targets = (120 + 80 * np.sin(across + shift) * np.cos(down)).astype(np.uint8)
        off = SPREAD[backbone] * (1 + 0.05 * np.arange(len(ids)))[:, None, None] * rng.normal(size=targets.shape)
        images = np.clip(targets + off, 0, 255).astype(np.float32)
        rmse = np.sqrt(np.mean((images - targets.astype(float)) ** 2, axis=(1, 2)))
        measured = ids.assign(psnr=20 * np.log10(255 / rmse), ssim=1 / (1 + rmse / 50), rmse=rmse)
        measured = measured.assign(identity=1 - rmse / 200)
        write_parquet(folder / "predictions.parquet", measured.assign(lpips=np.nan, ms_ssim=np.nan))
        np.savez(
            folder / "reconstructions.npz",
            image_id=ids["image_id"].to_numpy(str),
            target=targets,
            reconstruction=images,
        )
        steps = range(0, 0 if backbone == "mean" else 100, 10)
        curves = [
            {
                "image_id": name,
                "step": step,
                "term": term,
                "value": factor * (error / 127.5) ** 2 * (1 + 50 / (1 + step)),
            }
            for name, error in zip(ids["image_id"], rmse.tolist(), strict=True)
            for step in steps
            for term, factor in (("pixel", 1.0), ("objective", 2.0))
        ]
        columns = {"image_id": str, "step": np.int64, "term": str, "value": np.float64}
        write_parquet(folder / "curves.parquet", pd.DataFrame(curves, columns=list(columns)).astype(columns))
        record: dict[str, Any] = {
            "key": "k",
            "outcome": "done",
            "task": "inversion",
            "run": {
                "evaluation": evaluation,
                "setting": setting,
                "backbone": backbone,
                "repeat": repeat,
                "steps": 0 if backbone == "mean" else entry.projection.steps,
            },
            "control": BACKBONES[backbone].get("control"),
            "recipe": {
                **entry.projection.model_dump(mode="json", exclude={"steps"}),
                "space": parse_setting(setting)["space"],
            },
            "batch_size": entry.batch_size,
            "perceptual": {} if backbone in ("pixels", "mean") else entry.perceptual.model_dump(mode="json"),
            "lpips": "unavailable: trunk of LPIPS",
            "identity": {"arch": "resnet18", "weights": "0123456789abcdef" * 4},
            "generator": {"fingerprint": "f" * 64, "source": "trained by this workflow"},
            "data": {
                "calibration": {"images": 7, "patients": 7, "sha256": "3" * 64},
                "test": {"images": len(ids), "patients": ids["patient_id"].nunique(), "sha256": "0" * 64},
            },
            "unavailable": UNAVAILABLE,
            "code": "c0de",
            "device": "cpu",
            "precision": "fp32",
            "threads": 1,
            "processes": 1,
            "versions": {"torch": "1.2.3"},
            "outputs": {"predictions.parquet": "0" * 64},
        }
        written: RunRecord = {**record, **changes}  # type: ignore[typeddict-item]
        write_record(folder, written)
        return folder


@pytest.fixture
def inverted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Inverted:
    """An empty folder that `Inverted.write` fills; it is the working folder."""
    monkeypatch.chdir(tmp_path)
    return Inverted(tmp_path)
