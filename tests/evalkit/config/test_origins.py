"""Chains of pretraining: the entries that others start from are found, and chains that cannot be made are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from evalkit.config import load_study
from evalkit.config.loading import Study
from evalkit.errors import InputError

SCRATCH = {"label": "Scratch", "arch": "resnet18"}
FILE = {"label": "From a file", "arch": "resnet18", "path": "weights.pth"}


def made(init: str | None = None, arch: str = "resnet18", data: str = "nih") -> dict:
    recipe = {"lr": 0.1, "steps": 3}
    return {
        "label": "Made",
        "arch": arch,
        "pretrain": {"method": "simclr", "data": data, "init": init, "recipe": recipe},
    }


def load(folder: Path, catalogue: dict[str, dict], *compared: str) -> Study:
    study = {
        "study": "trial",
        "title": "A trial",
        "image_size": 32,
        "backbones": list(compared),
        "datasets": {"nih": {"format": "nih", "root": "."}},
        "evaluations": {
            "nih": {
                "task": "multilabel",
                "dataset": "nih",
                "settings": {"fraction": [1.0]},
                "recipe": {"lr": 0.1, "steps": 3},
            }
        },
    }
    (folder / "backbones.yaml").write_text(yaml.safe_dump(catalogue))
    (folder / "trial.yaml").write_text(yaml.safe_dump(study))
    return load_study(folder / "trial.yaml")


def test_a_study_need_not_name_what_its_backbones_start_from(tmp_path: Path) -> None:
    catalogue = {"file": FILE, "first": made("file"), "second": made("first"), "third": made("second"), "other": made()}
    study = load(tmp_path, catalogue, "third", "first")
    assert list(study.backbones) == ["third", "first"]
    assert set(study.unlisted) == {"second", "file"}, "neither those that are named nor those nobody starts from"
    assert study.backbone("second").pretrain.init == "first"
    assert study.checkpoint_path("second") == Path("results/trial/pretraining/second/checkpoint.pth")
    with pytest.raises(InputError, match="has no backbone 'other'"):
        study.backbone("other")


@pytest.mark.parametrize(
    ("catalogue", "says"),
    [
        ({"a": made("mine"), "mini": made()}, ["backbone 'a' starts from 'mine', which does not exist", "'mini'"]),
        (
            {"a": made("b"), "b": made("mine"), "mini": made()},
            ["'b' starts from 'mine', which does not exist", "'mini'"],
        ),
        ({"a": made("b"), "b": made("c"), "c": made("a")}, ["circle", "a <- b <- c <- a"]),
        ({"a": made("b"), "b": made("c"), "c": made("b")}, ["circle", "b <- c <- b"]),
        ({"a": made("a")}, ["backbone 'a' starts from itself"]),
        ({"a": made("b"), "b": made(arch="resnet34")}, ["'a' starts from 'b'", "is a resnet34 and not a resnet18"]),
        ({"a": made("b"), "b": SCRATCH}, ["'a' starts from 'b', which has no weights", "leave init out"]),
        (
            {"a": made("b"), "b": made(data="nhi")},
            ["'b' is pretrained on 'nhi', which datasets does not have", "'nih'"],
        ),
    ],
)
def test_a_chain_that_cannot_be_made_is_refused(catalogue: dict[str, dict], says: list[str], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has 1 mistake:") as caught:
        load(tmp_path, catalogue, "a")
    for text in says:
        assert text in str(caught.value)


def test_a_mistake_in_a_chain_is_told_once_however_often_it_is_met(tmp_path: Path) -> None:
    catalogue = {"a": made("b"), "b": made("c"), "c": made("missing"), "d": made("c")}
    with pytest.raises(InputError, match=r"has 1 mistake:.*\n.*'c' starts from 'missing'"):
        load(tmp_path, catalogue, "a", "b", "d")
    catalogue["c"] = made("a")
    with pytest.raises(InputError, match=r"has 1 mistake:.*\n.*circle"):
        load(tmp_path, catalogue, "a", "b", "d")
