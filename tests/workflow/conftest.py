"""A study at a tiny size, run once by the real Snakefile; the tests look at what it left and run it on."""

from __future__ import annotations

import copy
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]

CONTRASTIVE = {
    "method": "simclr",
    "data": "pretraining",
    "recipe": {"optimizer": "sgd", "lr": 0.05, "batch_size": 8, "steps": 6},
    "projection": 16,
    "records": 3,
}

#: The study compares the first three; `chained_once` adds the last, which starts from one that it does not name.
BACKBONES = {
    "scratch": {"label": "Scratch", "arch": "resnet10t", "in_channels": 1},
    "made": {
        "label": "Made here",
        "arch": "resnet10t",
        "in_channels": 1,
        "baseline": "scratch",
        "pretrain": {
            "method": "supervised",
            "data": "pretraining",
            "recipe": {"lr": 0.002, "steps": 12, "batch_size": 16},
        },
    },
    "read-back": {
        "label": "Read back <from a file>",
        "arch": "resnet10t",
        "path": "${RESULTS}/exports/made-moco.pth",
        "format": "moco",
        "baseline": "scratch",
    },
    "contrasted": {"label": "Contrasted", "arch": "resnet10t", "in_channels": 1, "pretrain": CONTRASTIVE},
    "approximated": {
        "label": "Contrasted + IFA",
        "arch": "resnet10t",
        "in_channels": 1,
        "baseline": "scratch",
        "pretrain": {**CONTRASTIVE, "init": "contrasted", "ifa": {"preset": "paper"}},
    },
}

STUDY = {
    "study": "tiny",
    "title": "A tiny study",
    "image_size": 32,
    "device": "cpu",
    "backbones": ["scratch", "made", "read-back"],
    "datasets": {
        "phantoms": {"format": "chexpert", "phantom": {"patients": 60, "size": 48}},
        "pretraining": {"format": "chexpert", "phantom": {"patients": 30, "first_patient": 501, "size": 48}},
    },
    "evaluations": {
        "main": {
            "task": "multilabel",
            "dataset": "phantoms",
            "settings": {"fraction": [0.5, 1.0]},
            "repeats": 3,
            "repeats_per_job": 2,
            "validation_share": 0.2,
            "recipe": {"lr": 0.001, "batch_size": 8, "steps": 3},
        }
    },
    "tables": {
        "table7": {
            "title": "By fraction",
            "evaluation": "main",
            "primary": "bootstrap_two_way",
            "paper": "ttest_paired",
            "policies": ["best", "baseline"],
            "resamples": 500,
        },
        "table5": {
            "title": "By class",
            "evaluation": "main",
            "settings": ["regime=finetune,fraction=1"],
            "primary": "delong",
            "paper": "delong",
            "policies": ["named", "baseline"],
            "reference": "made",
            "columns": "target",
            "resamples": 500,
        },
    },
}


@dataclass
class Workplace:
    """A folder in which studies are run, with the study and backbone files a user would edit."""

    folder: Path

    def write(self, study: dict, backbones: dict = BACKBONES) -> None:
        config = self.folder / "config"
        config.mkdir(parents=True, exist_ok=True)
        (config / "backbones.yaml").write_text(yaml.safe_dump(backbones, sort_keys=False))
        (config / f"{study['study']}.yaml").write_text(yaml.safe_dump(study, sort_keys=False))

    def command(self, *arguments: str, study: str = "tiny", config: tuple[str, ...] = ()) -> list[str]:
        return [
            sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile"), "--cores", "8",
            "--workflow-profile", str(REPOSITORY / "profiles" / "default"),
            "--config", f"study={study}", *config, "--", *arguments,
        ]  # fmt: skip

    def snakemake(
        self, *targets: str, study: str = "tiny", flags: tuple[str, ...] = (), config: tuple[str, ...] = ()
    ) -> subprocess.CompletedProcess[str]:
        command = self.command(*targets, study=study, config=config)
        command[3:3] = flags
        return subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, timeout=600, check=False, env=self.environment()
        )

    def environment(self) -> dict[str, str]:
        # Snakemake keeps caches below the home folder; a test must not share them.
        return {**os.environ, "XDG_CACHE_HOME": str(self.folder / ".cache")}

    def planned(self, *targets: str, study: str = "tiny", config: tuple[str, ...] = ()) -> dict[str, int]:
        """The jobs a dry run announces, by rule."""
        done = self.snakemake(*targets, study=study, flags=("--dry-run",), config=config)
        assert done.returncode == 0, done.stdout + done.stderr
        lines = (done.stdout + done.stderr).splitlines()
        if "Job stats:" not in lines:
            return {}
        start = lines.index("Job stats:") + 3
        counts = {}
        for line in lines[start:]:
            name, _, number = line.rpartition(" ")
            if name.strip() == "total":
                break
            counts[name.strip()] = int(number)
        return counts

    def results(self, study: str = "tiny") -> Path:
        return self.folder / "results" / study

    def copy(self, folder: Path) -> Workplace:
        """A copy, times kept."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Workplace(folder)


@pytest.fixture
def study() -> dict:
    return copy.deepcopy(STUDY)


@pytest.fixture
def backbones() -> dict:
    return copy.deepcopy(BACKBONES)


@pytest.fixture(scope="session")
def make_place(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Workplace]:
    """An empty folder to run studies in."""
    return lambda name: Workplace(tmp_path_factory.mktemp(name))


@pytest.fixture(scope="session")
def finished_once(make_place: Callable[[str], Workplace]) -> Workplace:
    """The tiny study, both tables made by the real Snakefile. Do not change it: take `finished`."""
    place = make_place("workflow")
    place.write(STUDY)
    done = place.snakemake("reports/table7.csv", "reports/table5.csv")
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-6000:]
    return place


@pytest.fixture
def finished(finished_once: Workplace, tmp_path: Path) -> Workplace:
    """A copy of the finished study that a test may change."""
    return finished_once.copy(tmp_path / "copy")
