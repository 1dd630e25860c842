"""Settings, seeds, plans, fingerprints and atomic files: the small contracts everything else rests on."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit import fingerprints
from evalkit.atomic import replacing, write_json
from evalkit.config import load_study
from evalkit.errors import InputError
from evalkit.plan import count_repeats, list_jobs, list_runs, parse_span
from evalkit.seeds import seed_from
from evalkit.settings import all_settings, format_setting, parse_setting


def test_settings_are_spelled_in_the_order_of_the_axes() -> None:
    assert format_setting({"fraction": 0.01, "regime": "finetune"}) == "regime=finetune,fraction=0.01"
    assert all_settings({"fraction": [0.1, 1.0], "regime": ["finetune"]}) == [
        "regime=finetune,fraction=0.1",
        "regime=finetune,fraction=1",
    ]


@given(st.floats(min_value=1e-6, max_value=1))
def test_a_setting_reads_back_what_was_written(fraction: float) -> None:
    text = format_setting({"regime": "finetune", "fraction": fraction})
    values = parse_setting(text)
    assert format_setting(values) == text
    assert values["fraction"] == pytest.approx(fraction, rel=1e-11)


@pytest.mark.parametrize("text", ["fraction", "colour=red", "fraction=0.1,,"])
def test_a_setting_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="axis=value"):
        parse_setting(text)


def test_seeds_depend_on_names_and_values_and_not_on_order() -> None:
    assert seed_from(dataset="nih", repeat=3) == seed_from(repeat=3, dataset="nih")
    assert len({seed_from(dataset="nih", repeat=r) for r in range(100)}) == 100
    assert seed_from(a="1") != seed_from(a=1)


def test_a_seed_is_the_same_in_every_process() -> None:
    program = "from evalkit.seeds import seed_from; print(seed_from(dataset='nih', repeat=3))"
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    output = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    ).stdout
    assert int(output) == seed_from(dataset="nih", repeat=3)


@pytest.mark.parametrize(("text", "repeats"), [("3", range(3, 4)), ("0-9", range(10)), ("4-4", range(4, 5))])
def test_spans(text: str, repeats: range) -> None:
    assert parse_span(text) == repeats


@pytest.mark.parametrize("text", ["", "a", "3-1", "-2", "1-b"])
def test_spans_of_another_form_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="0-9"):
        parse_span(text)


def test_the_demo_has_31_runs_a_backbone_and_regime_and_jobs_cover_them_once() -> None:
    study = load_study("demo")
    evaluation = study.evaluation("chexpert")
    runs = list(list_runs(study, "chexpert"))
    assert len(runs) == len(set(runs)) == 31 * 2 * len(study.backbones)
    assert count_repeats(evaluation, "regime=finetune,fraction=1") == 1
    spans = {job.span for job in list_jobs(study, "chexpert", backbones=["demo-scratch"])}
    assert spans == {"0-9", "0-0"}


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"a": 1})

    def write_half() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        write_half()
    assert json.loads(path.read_text()) == {"a": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_nan_is_not_written_as_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", float("nan"))
    assert not list(tmp_path.iterdir())


def test_a_code_hash_follows_imports_and_leaves_out_what_is_not_used(tmp_path: Path, monkeypatch) -> None:
    package = tmp_path / "evalkit"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "errors.py").write_text("x = 1\n")
    (package / "leaf.py").write_text("y = 1\n")
    (package / "other.py").write_text("z = 1\n")
    (package / "top.py").write_text("def f():\n    from evalkit import leaf\n    import evalkit.errors\n")
    monkeypatch.setattr(fingerprints, "ROOT", tmp_path)

    def hash_after(name: str, text: str) -> str:
        (package / name).write_text(text)
        fingerprints.code_hash.cache_clear()
        return fingerprints.code_hash("evalkit.top")

    first = hash_after("other.py", "z = 2\n")
    assert hash_after("other.py", "z = 3\n") == first
    assert hash_after("errors.py", "x = 2\n") == first
    assert hash_after("leaf.py", "y = 2\n") != first
    fingerprints.code_hash.cache_clear()


@pytest.mark.parametrize(
    ("edited", "decides"),
    [
        ("training/selection.py", False),
        ("training/losses.py", False),
        ("training/augmentation.py", False),
        ("training/backward.py", False),
        ("training/batches.py", False),
        ("training/loop.py", False),
        ("pretraining/sources.py", False),
        ("pretraining/supervised.py", False),
        ("pretraining/__main__.py", False),
        ("splits/leakage.py", False),
        ("workflow.py", False),
        ("training/pixels.py", True),
        ("training/schedule.py", True),
        ("training/optimisation.py", True),
        ("pretraining/views.py", True),
        ("pretraining/momentum.py", True),
    ],
)
def test_contrastive_weights_depend_on_the_code_that_makes_them(
    edited: str, decides: bool, tmp_path: Path, monkeypatch
) -> None:
    shutil.copytree(fingerprints.ROOT / "evalkit", tmp_path / "evalkit")
    monkeypatch.setattr(fingerprints, "ROOT", tmp_path)
    fingerprints.code_hash.cache_clear()
    before = fingerprints.code_hash("evalkit.pretraining.contrastive")
    with (tmp_path / "evalkit" / edited).open("a") as source:
        source.write("\nEDITED = True\n")
    fingerprints.code_hash.cache_clear()
    after = fingerprints.code_hash("evalkit.pretraining.contrastive")
    fingerprints.code_hash.cache_clear()
    assert (after != before) == decides
