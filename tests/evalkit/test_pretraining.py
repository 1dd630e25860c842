from __future__ import annotations

import os
import sys

import pytest
import torch

from evalkit.checkpoints import exporting
from evalkit.checkpoints.sources import make_canonical
from evalkit.checkpoints.writing import save_canonical
from evalkit.commands import run_command
from evalkit.errors import InputError
from evalkit.pretraining import supervised
from evalkit.pretraining.__main__ import main
from evalkit.pretraining.supervised import divide, pretrain
from evalkit.records import read_record
from evalkit.training.examples import load_examples


def made(data: str = "other", **recipe: object) -> dict:
    recipe = {"lr": 0.002, "steps": 6, "batch_size": 8, "validations": 2, **recipe}
    return {
        "made": {
            "label": "Made here",
            "arch": "resnet10t",
            "in_channels": 1,
            "pretrain": {"method": "supervised", "data": data, "recipe": recipe},
        }
    }


def test_it_leaves_a_checkpoint_and_its_record(make_study) -> None:
    study = make_study(backbones=made())
    record = pretrain(study, "made")
    folder = study.layout.pretraining("made")
    assert sorted(path.name for path in folder.iterdir()) == ["checkpoint.pth", "run.json"]
    assert read_record(folder) == record
    assert (record["outcome"], record["selection"]["steps"]) == ("done", 6)
    checkpoint = torch.load(folder / "checkpoint.pth", weights_only=True)
    assert checkpoint["arch"] == "resnet10t"
    assert checkpoint["state_dict"]["conv1.0.weight"].shape[1] == 1
    assert checkpoint["state_dict"]["fc.weight"].shape[0] == 2


def test_it_can_be_exported_to_the_layout_of_moco_and_read_back(make_study, monkeypatch, capsys) -> None:
    study = make_study(backbones=made())
    pretrain(study, "made")
    tensors, report = make_canonical(study.backbone("made"), path=study.layout.pretraining("made") / "checkpoint.pth")
    save_canonical(study.layout.weights("made"), tensors, report)
    monkeypatch.setattr(sys, "argv", ["exporting", "--study", "tiny.yaml", "--backbone", "made"])
    exporting.main()
    path = study.layout.export("made")
    assert capsys.readouterr().out.strip() == str(path)
    read_back = make_canonical(study.backbone("made").model_copy(update={"format": "moco"}), path=path)[1]
    assert read_back.fingerprint == report.fingerprint


def test_it_is_done_once_and_again_when_the_recipe_changes(make_study, monkeypatch) -> None:
    study = make_study(backbones=made())
    first = pretrain(study, "made")
    with monkeypatch.context() as patched:
        patched.setattr(supervised, "train_classifier", None)
        assert pretrain(study, "made") == first
    changed = pretrain(make_study(backbones=made(lr=0.01)), "made")
    assert changed["key"] != first["key"]
    assert changed["outputs"] != first["outputs"]
    again = pretrain(study, "made")
    assert again["outputs"] == first["outputs"], "the same seed gives the same bytes"


def test_a_tenth_of_the_patients_is_kept_for_selection(make_study) -> None:
    examples = load_examples(make_study(backbones=made()), "other", None)
    train, validation = divide(examples, dataset="other", seed=0)
    patients = set(validation.images["patient_id"])
    assert len(patients) == 4
    assert not patients & set(train.images["patient_id"])
    assert len(train) + len(validation) == len(examples)
    assert divide(examples, dataset="other", seed=0)[1].fingerprint() == validation.fingerprint()
    assert divide(examples, dataset="other", seed=1)[1].fingerprint() != validation.fingerprint()


def test_a_training_that_diverges_makes_no_weights(make_study) -> None:
    study = make_study(backbones=made(lr=1e38, optimizer="sgd"))
    with pytest.raises(InputError, match=r"diverged after \d of 6 steps"):
        pretrain(study, "made")
    assert not study.layout.pretraining("made").exists()


def test_a_backbone_that_is_not_made_here_is_named(make_study) -> None:
    with pytest.raises(InputError, match="'scratch' is not made by supervised pretraining"):
        pretrain(make_study(), "scratch")


def test_the_command_makes_the_same_weights(make_study, monkeypatch, capsys) -> None:
    study = make_study(backbones=made())
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OMP_WAIT_POLICY", "CUBLAS_WORKSPACE_CONFIG"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
    monkeypatch.setattr(sys, "argv", ["evalkit.pretraining", "--study", "tiny.yaml", "--backbone", "made"])
    with pytest.raises(SystemExit, match="0"):
        run_command(main)
    assert "pretraining made: done" in capsys.readouterr().err
    folder = study.layout.pretraining("made")
    by_command = read_record(folder)["outputs"]
    (folder / "run.json").unlink()
    assert pretrain(study, "made")["outputs"] == by_command
