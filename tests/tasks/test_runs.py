from __future__ import annotations

import errno
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from evalkit.commands import run_command
from evalkit.errors import InputError
from evalkit.predictions import read_predictions
from evalkit.records import read_record
from evalkit.splits.stored import load_splits
from evalkit.training.examples import load_examples
from evalkit.training.session import training_session
from tasks.classification import finetuning, runs
from tasks.classification.__main__ import main
from tasks.classification.jobs import run_job
from tasks.classification.plans import load_material, plan_run

HALF, WHOLE = "regime=finetune,fraction=0.5", "regime=finetune,fraction=1"
COMMAND = [sys.executable, "-m", "tasks.classification", "run", "--study", "tiny.yaml", "--evaluation", "main"]


def environment(**more: str) -> dict[str, str]:
    root = str(Path(__file__).resolve().parents[2])
    return {**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1", **more}


def folder(study, setting: str = HALF, repeat: int = 0) -> Path:
    return study.layout.run("main", setting, "scratch", repeat)


def test_a_job_leaves_predictions_records_and_its_own_record(make_study) -> None:
    study = make_study()
    job = study.layout.job("main", HALF, "scratch", "0-1")
    run_job(study, "main", HALF, "scratch", range(2), record=job, attempt=3)
    frame = read_predictions(folder(study) / "predictions.parquet")
    splits = load_splits(study.layout.splits("main"))
    assert set(frame["image_id"]) == set(splits.image_ids("test"))
    assert list(frame.columns) == [
        *("image_id", "patient_id", "study_id"),
        *("target:Edema", "target:Effusion", "score:Edema", "score:Effusion"),
    ]
    manifest = load_examples(study, "main", None)
    targets = dict(zip(manifest.images["image_id"], manifest.targets[:, 1], strict=True))
    expected = [targets[image] for image in frame["image_id"]]
    np.testing.assert_array_equal(frame["target:Effusion"].to_numpy(), np.array(expected, np.float64))
    validation = read_predictions(folder(study) / "validation.parquet")
    assert set(validation["image_id"]) == set(splits.image_ids("validation"))

    record = read_record(folder(study))
    assert record["outcome"] == "done"
    assert record["run"] == {"evaluation": "main", "setting": HALF, "backbone": "scratch", "repeat": 0, "steps": 4}
    assert record["data"]["train"]["images"] == len(splits.image_ids("train", 0.5, 0))
    assert record["data"]["train"]["patients"] * 2 == record["data"]["train"]["images"]
    assert record["selection"]["kind"] == "mean auc"
    assert [each["step"] for each in record["selection"]["tried"][0]["history"]] == [2, 4]
    assert record["versions"]["torch"]
    assert record["images_per_second"] > 0
    assert not list((study.layout.root / "state").glob("*")), "a finished run leaves no training state"

    written = json.loads(job.read_text())
    assert written["attempt"] == 3
    assert [each["repeat"] for each in written["runs"]] == [0, 1]
    assert written["runs"][0]["key"] == record["key"]
    assert written["runs"][0]["outputs"] == record["outputs"]


def test_finished_runs_are_not_done_again_unless_something_changed(make_study, monkeypatch) -> None:
    study = make_study()
    trained = []
    train = finetuning.train_classifier
    monkeypatch.setattr(finetuning, "train_classifier", lambda *args, **kw: trained.append(1) or train(*args, **kw))
    first = run_job(study, "main", HALF, "scratch", range(2))
    assert len(trained) == 2
    assert run_job(study, "main", HALF, "scratch", range(2)) == first
    assert len(trained) == 2
    (folder(study) / "predictions.parquet").write_bytes(b"other")
    run_job(study, "main", HALF, "scratch", range(2))
    assert len(trained) == 3, "a run whose predictions are not those recorded is done again"
    changed = make_study(lr=0.01)
    again = run_job(changed, "main", HALF, "scratch", range(1))
    assert len(trained) == 4
    assert again[0]["key"] != first[0]["key"]
    other_budget = make_study(lr=0.01, steps={0.5: 4, 1.0: 9})
    run_job(other_budget, "main", HALF, "scratch", range(1))
    assert len(trained) == 4, "the budget of another fraction is not this run's business"


def test_the_seed_is_shared_by_backbones_and_differs_between_repeats(make_study) -> None:
    twin = {"twin": {"label": "Twin", "arch": "resnet10t", "in_channels": 1}}
    study = make_study(backbones=twin)
    one = run_job(study, "main", WHOLE, "scratch", range(2))
    other = run_job(study, "main", WHOLE, "twin", range(1))
    assert one[0]["seed"] == other[0]["seed"] != one[1]["seed"]
    # Same architecture, same noise: the same predictions, whatever the entry is called.
    assert one[0]["outputs"] == other[0]["outputs"]
    assert one[0]["outputs"] != one[1]["outputs"]


def test_a_run_that_diverges_is_recorded_and_tried_again_only_when_asked(make_study) -> None:
    study = make_study(lr=1e38, optimizer="sgd")
    done = run_job(study, "main", HALF, "scratch", [0])[0]
    assert done["outcome"] == "diverged"
    assert done["outputs"] == {}
    assert sorted(path.name for path in folder(study).iterdir()) == ["run.json"]
    before = (folder(study) / "run.json").stat().st_mtime_ns
    run_job(study, "main", HALF, "scratch", [0])
    assert (folder(study) / "run.json").stat().st_mtime_ns == before
    run_job(study, "main", HALF, "scratch", [0], retry_failed=True)
    assert (folder(study) / "run.json").stat().st_mtime_ns > before


def test_a_training_set_without_labels_is_undefined(make_study) -> None:
    study = make_study()
    material = load_material(study, "main", HALF, "scratch")
    material.examples.targets[:] = np.nan
    with training_session(study) as session:
        record = runs.do_run(plan_run(material, 0, session), finetuning.Finetuning())
    assert record["outcome"] == "undefined: no labelled training image"
    assert read_record(folder(study))["outcome"] == record["outcome"]


@pytest.mark.parametrize(
    ("remove", "command"),
    [
        ("datasets/main/manifest.parquet", "evalkit.datasets"),
        ("datasets/main/packed-32/packing.json", "evalkit.packing"),
        ("splits/main.parquet", "evalkit.splits"),
    ],
)
def test_what_is_missing_is_named_with_the_command_that_makes_it(make_study, remove: str, command: str) -> None:
    study = make_study()
    (study.layout.root / remove).unlink()
    with pytest.raises(InputError, match=command):
        run_job(study, "main", HALF, "scratch", [0])


def test_missing_weights_and_settings_are_named(make_study) -> None:
    study = make_study(backbones={"local": {"label": "Local", "arch": "resnet10t", "path": "x.pth"}})
    with pytest.raises(InputError, match=r"evalkit\.checkpoints --study tiny\.yaml --backbone local"):
        run_job(study, "main", HALF, "local", [0])
    with pytest.raises(InputError, match=r"fraction=0\.5"):
        run_job(study, "main", "regime=finetune,fraction=0.7", "scratch", [0])
    with pytest.raises(InputError, match="repeats from 0 to 2"):
        run_job(study, "main", HALF, "scratch", [0, 3])


def test_killed_in_the_middle_and_started_again_gives_the_same_bytes(make_study) -> None:
    study = make_study(steps=30, validations=3)
    cell = ["--setting", HALF, "--backbone", "scratch", "--repeat", "0"]
    whole = run_job(study, "main", HALF, "scratch", [0])[0]
    predictions = (folder(study) / "predictions.parquet").read_bytes()
    for path in folder(study).iterdir():
        path.unlink()

    saving = environment(EVALKIT_SAVE_SECONDS="0.1")
    process = subprocess.Popen([*COMMAND, *cell], env=saving, stderr=subprocess.DEVNULL)
    states = study.layout.root / "state"
    deadline = time.monotonic() + 60
    while _saved_step(states) < 5 and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    reached = _saved_step(states)
    assert 5 <= reached < 30
    assert not (folder(study) / "run.json").exists()

    done = subprocess.run([*COMMAND, *cell], env=environment(), capture_output=True, text=True, check=True)
    assert f"going on after step {reached}" in done.stderr
    assert (folder(study) / "predictions.parquet").read_bytes() == predictions
    record = read_record(folder(study))
    assert record["selection"] == whole["selection"]
    assert record["outputs"] == whole["outputs"]


def _saved_step(states: Path) -> int:
    import torch

    for path in states.glob("[!.]*.pt"):
        return torch.load(path, weights_only=True)["run"]["step"]
    return 0


def test_a_disk_that_fills_costs_nothing_finished(make_study) -> None:
    study = make_study()
    first = run_job(study, "main", HALF, "scratch", [0])
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large") as full:
            run_job(study, "main", HALF, "scratch", range(2), record=Path("job.json"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    # The command turns these into a message and status 1 (tests of evalkit.commands).
    assert full.value.errno == errno.EFBIG
    assert read_record(folder(study)) == first[0]
    assert read_record(folder(study, repeat=1)) == {}
    assert not Path("job.json").exists()
    assert not list(study.layout.root.rglob(".repeat-1*")), "no half-written file"


def test_what_was_there_stays_until_a_run_is_whole(make_study, monkeypatch) -> None:
    study = make_study()
    run_job(study, "main", HALF, "scratch", [0])
    before = {path.name: path.read_bytes() for path in folder(study).iterdir()}

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(runs, "write_record", fail)
    with pytest.raises(OSError, match="No space"):
        run_job(make_study(lr=0.01), "main", HALF, "scratch", [0])
    assert {path.name: path.read_bytes() for path in folder(study).iterdir()} == before


def test_two_processes_under_torchrun_write_one_run(make_study) -> None:
    study = make_study(batch_size=8, steps=2)
    arguments = [*COMMAND[2:], "--setting", HALF, "--backbone", "scratch", "--repeat", "0", "--record", "job.json"]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
    subprocess.run([*torchrun, *arguments], env=environment(), check=True, capture_output=True)
    record = read_record(folder(study))
    assert (record["outcome"], record["processes"], record["micro_batch"]) == ("done", 2, 4)
    assert len(read_predictions(folder(study) / "predictions.parquet")) == record["data"]["test"]["images"]
    assert json.loads(Path("job.json").read_text())["runs"][0]["outcome"] == "done"


def test_the_command_says_what_is_wrong_and_leaves_with_status_two(make_study, monkeypatch, capsys) -> None:
    make_study()
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OMP_WAIT_POLICY", "CUBLAS_WORKSPACE_CONFIG"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
    monkeypatch.setattr(sys, "argv", [*COMMAND[2:], "--setting", HALF, "--backbone", "scrach", "--repeat", "0"])
    with pytest.raises(SystemExit, match="2"):
        run_command(main)
    assert "nearest: 'scratch'" in capsys.readouterr().err
