from __future__ import annotations

import dataclasses
import json
import os
import sys

import pandas as pd
import pytest

from evalkit.commands import run_command
from evalkit.errors import InputError
from evalkit.pretraining import __main__ as pretraining
from evalkit.pretraining import sources
from evalkit.pretraining.sources import check_apart
from evalkit.workflow import pretraining_mark


def made(method: str = "simclr", *, data: str = "other") -> dict:
    recipe = {"lr": 0.01, "batch_size": 8, "steps": 1}
    entry = {"method": method, "data": data, "recipe": recipe}
    return {"made": {"label": "Made here", "arch": "resnet10t", "in_channels": 1, "pretrain": entry}}


def run(module, monkeypatch, *arguments: str) -> int:
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OMP_WAIT_POLICY", "CUBLAS_WORKSPACE_CONFIG"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
    monkeypatch.setattr(sys, "argv", ["command", "--study", "tiny.yaml", *arguments])
    with pytest.raises(SystemExit) as left:
        run_command(module.main)
    return left.value.code


def index_of(study, dataset: str):
    return study.layout.packed(dataset, study.file.image_size) / "index.parquet"


def test_what_is_apart_is_counted(make_study, monkeypatch) -> None:
    study = make_study()
    assert run(sources, monkeypatch, "--dataset", "other", "--other", "main") == 0
    assert json.loads(study.layout.apart("other", "main").read_text()) == {
        "learnt from": {"name": "other", "images": 80, "patients": 40},
        "evaluated with": {"name": "main", "images": 80, "patients": 40},
    }


def test_patients_of_an_evaluation_are_refused(make_study, monkeypatch, capsys) -> None:
    study = make_study()
    frame = pd.read_parquet(index_of(study, "other"))
    frame.loc[[2, 5], "patient_id"] = "p007"
    frame.to_parquet(index_of(study, "other"))
    assert run(sources, monkeypatch, "--dataset", "other", "--other", "main") == 2
    said = capsys.readouterr().err
    assert "1 patients are in both the data 'other' to learn from and the data 'main' to evaluate with" in said
    assert "'p007'" in said
    assert not study.layout.apart("other", "main").exists()


def test_the_pixels_of_an_evaluation_are_refused_under_any_name(make_study) -> None:
    study = make_study()
    frame = pd.read_parquet(index_of(study, "other"))
    frame.loc[3, "sha256"] = pd.read_parquet(index_of(study, "main"))["sha256"][5]
    frame.to_parquet(index_of(study, "other"))
    with pytest.raises(InputError, match=r"1 images are in both the data 'other' to learn from .*: q001-1 = p002-1"):
        check_apart(study, "other", "main")


def test_data_that_are_not_packed_are_not_taken_to_be_apart(make_study) -> None:
    study = make_study()
    (study.layout.packed("main", 32) / "packing.json").unlink()
    with pytest.raises(InputError, match="no finished packed data set"):
        check_apart(study, "other", "main")


@pytest.mark.parametrize("method", ["supervised", "simclr"])
def test_a_pretraining_by_hand_refuses_what_is_packed(make_study, monkeypatch, capsys, method: str) -> None:
    study = make_study(backbones=made(method, data="main"))
    assert run(pretraining, monkeypatch, "--backbone", "made") == 2
    assert "patients are in both the data 'main' to learn from" in capsys.readouterr().err
    assert not study.layout.pretraining("made").exists()


def test_a_pretraining_by_hand_needs_no_evaluation_data_and_leaves_the_record_of_a_job(make_study, monkeypatch) -> None:
    study = make_study(backbones=made())
    (study.layout.packed("main", 32) / "packing.json").unlink()
    path = study.layout.pretraining_job("made")
    options = ("--attempt", "3", "--apart-from", "main", "--record", str(path))
    assert run(pretraining, monkeypatch, "--backbone", "made", *options) == 0
    job = json.loads(path.read_text())
    record = json.loads((study.layout.pretraining("made") / "run.json").read_text())
    assert (job["attempt"], job["apart_from"]) == (3, ["main"])
    assert job["decided_by"] == pretraining_mark(study, "made")
    assert (job["key"], job["outputs"]) == (record["key"], record["outputs"])
    assert list(job["outputs"]) == ["checkpoint.pth"]


def test_equal_ids_of_different_hospitals_are_different_persons(make_study) -> None:
    study = make_study()
    frame = pd.read_parquet(index_of(study, "other"))
    frame.loc[[2, 5], "patient_id"] = "p007"
    frame.to_parquet(index_of(study, "other"))
    entries = study.file.datasets
    named = {
        name: entries[name].model_copy(update={"patients_of": hospital})
        for name, hospital in (("main", "here"), ("other", "there"))
    }
    file = study.file.model_copy(update={"datasets": {**entries, **named}})
    assert check_apart(dataclasses.replace(study, file=file), "other", "main")["learnt from"]["images"] == 80
    file = study.file.model_copy(update={"datasets": {**entries, "main": named["main"]}})
    with pytest.raises(InputError, match="'patients_of' in both data sets"):
        check_apart(dataclasses.replace(study, file=file), "other", "main")
