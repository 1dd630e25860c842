"""A chain of pretraining that a user adds to a finished study, by the real Snakefile, and what happens afterwards."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

TARGETS = ("reports/table7.csv", "reports/figure_pretraining.pdf")


@pytest.fixture
def chain_study(study: dict) -> dict:
    """The study as a user extends it: by the end of the chain alone."""
    study["backbones"].append("approximated")
    return study


@pytest.fixture(scope="module")
def chained_once(finished_once, tmp_path_factory: pytest.TempPathFactory):
    """The finished study with the chain added and made. Do not change it: take `chained`."""
    place = finished_once.copy(tmp_path_factory.mktemp("chain") / "copy")
    path = place.folder / "config/tiny.yaml"
    study = yaml.safe_load(path.read_text())
    study["backbones"].append("approximated")
    path.write_text(yaml.safe_dump(study, sort_keys=False))
    trained = {"pretrain": 2, "canonicalise": 2, "finetune": 3}
    shown = {"compare": 1, "render": 1, "publish": 1, "figure_pretraining": 1, "publish_figure": 1}
    assert place.planned(*TARGETS) == {**trained, **shown}, "the data are there, and were found to be apart"
    done = place.snakemake(*TARGETS)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-6000:]
    return place


@pytest.fixture
def chained(chained_once, tmp_path: Path):
    """A copy of the study with the chain that a test may change."""
    return chained_once.copy(tmp_path / "copy")


def with_evaluation(study: dict, dataset: str) -> dict:
    """The study with a further evaluation and its table."""
    further = {"dataset": dataset, "settings": {"fraction": [1.0]}}
    study["evaluations"]["further"] = study["evaluations"]["main"] | further
    study["tables"]["table8"] = study["tables"]["table7"] | {"evaluation": "further"}
    return study


def checkpoint_times(place) -> dict[str, int]:
    return {path.parent.name: path.stat().st_mtime_ns for path in place.results().glob("pretraining/*/checkpoint.pth")}


def test_a_chain_reaches_the_table_and_the_figure(chained_once) -> None:
    results = chained_once.results()
    first, second = (
        json.loads((results / "pretraining" / name / "run.json").read_text()) for name in ("contrasted", "approximated")
    )
    assert [note["step"] for note in second["history"]] == [2, 4, 6]
    assert second["run"]["init"] == "contrasted"
    start = json.loads((results / "backbones/contrasted.json").read_text())["fingerprint"]
    assert second["network"]["weights"] == start != first["network"]["weights"]
    assert first["history"][-1]["ifa"] == 0 < second["history"][-1]["ifa"]
    assert first["versions"]["kornia"] != "not installed"
    end = json.loads((results / "backbones/approximated.json").read_text())["fingerprint"]
    run = json.loads((results / "runs/main/regime=finetune,fraction=1/approximated/repeat-0/run.json").read_text())
    assert run["network"]["weights"] == end != start
    rows = pd.read_csv(chained_once.folder / "reports/table7.csv")
    assert set(rows["backbone"]) == {"scratch", "made", "read-back", "approximated"}
    estimates = rows.query("backbone == 'approximated' and role == 'primary'")["estimate"]
    assert len(estimates) == 2 * 6
    assert np.isfinite(estimates).all()
    assert (chained_once.folder / "reports/figure_pretraining.pdf").read_bytes().startswith(b"%PDF")
    assert chained_once.planned(*TARGETS) == {}


def test_a_label_and_a_preset_written_out_pretrain_nothing(chained, chain_study, backbones) -> None:
    backbones["contrasted"]["label"] = "SimCLR"
    backbones["approximated"]["pretrain"]["ifa"] = {"blocks": {3: {}}}
    chained.write(chain_study, backbones)
    shown = {"compare": 1, "render": 1, "publish": 1, "figure_pretraining": 1, "publish_figure": 1}
    assert chained.planned(*TARGETS) == shown, "the figure shows the origin, whose label is another"


def test_a_further_evaluation_pretrains_nothing(chained, chain_study) -> None:
    study = with_evaluation(chain_study, "others")
    study["datasets"]["others"] = {"format": "chexpert", "phantom": {"patients": 40, "first_patient": 901, "size": 48}}
    chained.write(study)
    data = {"draw_phantoms": 1, "read_dataset": 1, "pack": 1}
    mark = "results/tiny/datasets/pretraining/apart-from-others.json"
    runs = {"split": 1, "finetune": 4, "compare": 1, "render": 1, "publish": 1}
    assert chained.planned("reports/table8.csv") == {**data, "check_apart": 1, **runs}
    done = chained.snakemake(mark)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((chained.folder / mark).read_text())["evaluated with"]["patients"] == 40
    assert chained.planned(*TARGETS, "reports/table8.csv") == runs, "and the old runs stay as they are"
    study["evaluations"]["main"]["recipe"]["lr"] = 0.002
    chained.write(study)
    assert chained.planned("reports/table7.csv") == {"finetune": 12, "compare": 1, "render": 1, "publish": 1}


def test_a_leak_is_found_before_anything_is_trained(chained, chain_study, backbones) -> None:
    study = with_evaluation(chain_study, "pretraining")
    study["backbones"].append("late")
    backbones["late"] = {**backbones["made"], "label": "Late"}
    backbones["contrasted"]["pretrain"]["temperature"] = 0.3
    chained.write(study, backbones)
    before = checkpoint_times(chained)
    plan = chained.planned("reports/table8.csv")
    assert (plan["check_apart"], plan["pretrain"]) == (1, 3)
    done = chained.snakemake("reports/table8.csv", flags=("--keep-going",))
    assert done.returncode != 0
    assert "patients are in both the data 'pretraining' to learn from and the data" in done.stdout + done.stderr
    assert checkpoint_times(chained) == before
    assert not list(chained.results().glob("logs/pretraining/late.log"))
    folders = {path.name for path in chained.results().glob("runs/further/*/*")}
    assert folders == {"scratch"}, "only what nothing was pretrained for"


def test_a_pretraining_removed_by_hand_is_made_again(chained) -> None:
    folder = chained.results() / "pretraining/approximated"
    before = (folder / "checkpoint.pth").read_bytes()
    times = checkpoint_times(chained)
    shutil.rmtree(folder)
    plan = chained.planned(*TARGETS)
    assert (plan["pretrain"], plan["canonicalise"]) == (1, 1)
    job = str(chained.results().relative_to(chained.folder) / "jobs/pretraining/approximated.json")
    done = chained.snakemake(job)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (folder / "checkpoint.pth").read_bytes() == before
    assert json.loads((chained.folder / job).read_text())["attempt"] == 1
    now = checkpoint_times(chained)
    assert {name for name in now if now[name] != times[name]} == {"approximated"}


def test_a_pretraining_that_is_asked_for_again_finds_that_it_is_done(chained) -> None:
    times = checkpoint_times(chained)
    job = chained.results() / "jobs/pretraining/contrasted.json"
    before = job.read_text()
    job.unlink()
    done = chained.snakemake(str(job.relative_to(chained.folder)))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "done before, with the same key" in (chained.results() / "logs/pretraining/contrasted.log").read_text()
    assert job.read_text() == before
    assert checkpoint_times(chained) == times


def test_a_killed_pretraining_goes_on_where_it_was(chained, chain_study, backbones) -> None:
    backbones["contrasted"]["pretrain"]["recipe"]["steps"] = 400
    chained.write(chain_study, backbones)
    job = "results/tiny/jobs/pretraining/contrasted.json"
    process = subprocess.Popen(
        chained.command(job),
        cwd=chained.folder,
        env=chained.environment() | {"EVALKIT_SAVE_SECONDS": "0.2"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while not list(chained.results().glob("state/[!.]*.pt")):
        assert process.poll() is None, "the workflow ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    shutil.rmtree(chained.folder / ".snakemake/locks", ignore_errors=True)
    done = chained.snakemake(job)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "going on after step" in (chained.results() / "logs/pretraining/contrasted.log").read_text()
    assert json.loads((chained.results() / "pretraining/contrasted/run.json").read_text())["selection"]["steps"] == 400
