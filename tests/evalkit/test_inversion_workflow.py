"""What the Snakefile asks about inversions: what jobs wait for, and what makes them run again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from evalkit import workflow as facts
from evalkit.atomic import write_json
from evalkit.checking import Finding, check_study
from evalkit.config.loading import Study, load_study
from evalkit.forecast import forecast_evaluations, forecast_pretraining

BACKBONES: dict[str, dict[str, Any]] = {
    "mine": {"label": "Mine", "arch": "resnet10t", "path": "mine.pth"},
    "mean": {"label": "Mean", "control": "mean-w"},
    "vgg": {"label": "VGG-16", "arch": "vgg16", "path": "${VGG}", "sha256": "0" * 64},
}
JUDGE = {
    "label": "Judge",
    "arch": "resnet10t",
    "pretrain": {"method": "supervised", "data": "others", "recipe": {"lr": 0.1, "steps": 2, "batch_size": 4}},
}
CELL = ("main", "space=w", "mine")


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Study]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VGG", raising=False)

    def make(*, metric: str = "psnr", judge: dict[str, Any] | None = None, **changes: Any) -> Study:
        table = {"title": "T", "evaluation": "main", "metric": metric, "primary": "wilcoxon", "policies": ["best"]}
        evaluation = {
            "task": "inversion",
            "dataset": "data",
            "images": 6,
            "settings": {"space": ["w", "w+"]},
            "generator": {"train": {"spec": {"resolution": 32}, "recipe": {"steps": 10, "batch_size": 4}}},
            "projection": {"steps": 20},
            **changes,
        }
        study = {
            "study": "s",
            "title": "S",
            "image_size": 32,
            "device": "cpu",
            "backbones": list(BACKBONES),
            "datasets": {
                "data": {"format": "nih", "phantom": {"patients": 20}},
                "others": {"format": "chexpert", "phantom": {"patients": 20, "first_patient": 101}},
            },
            "evaluations": {"main": evaluation},
            "tables": {"table": table},
        }
        (tmp_path / "backbones.yaml").write_text(yaml.safe_dump({**BACKBONES, "judge": JUDGE | (judge or {})}))
        (tmp_path / "s.yaml").write_text(yaml.safe_dump(study))
        return load_study("s.yaml")

    return make


def test_a_trained_generator_waits_for_images_and_one_from_a_file_for_nothing(load) -> None:
    study = load()
    packed = study.layout.packed("data", 32) / "packing.json"
    inputs = [study.layout.manifest("data"), packed, study.layout.splits("main")]
    assert facts.generator_inputs(study, "main") == inputs
    assert facts.generator_inputs(load(generator={"path": "g.pkl"}), "main") == []


def test_a_generators_job_runs_again_for_what_decides_it(load) -> None:
    first = facts.generator_hash(load(), "main")
    same: list[dict[str, Any]] = [{"images": 3}, {"projection": {"steps": 5}}, {"batch_size": 2}]
    assert {facts.generator_hash(load(**changes), "main") for changes in same} == {first}
    train = {"spec": {"resolution": 32}, "recipe": {"steps": 11, "batch_size": 4}}
    other = [
        facts.generator_hash(load(**changes), "main") for changes in ({"generator": {"train": train}}, {"only": ["a"]})
    ]
    assert first not in other
    study = load(generator={"path": "g.pkl"})
    absent = facts.generator_hash(study, "main")
    Path("g.pkl").write_text("weights")
    assert facts.generator_hash(study, "main") != absent


def test_a_generator_that_was_removed_is_due_again(load) -> None:
    study = load()
    assert facts.generator_attempt(study, "main") == 0
    folder = study.layout.generator("main").parent
    folder.mkdir(parents=True)
    for name in ("run.json", "generator.safetensors"):
        (folder / name).write_text("{}")
    write_json(study.layout.generator_job("main"), {"attempt": 2, "outputs": {"generator.safetensors": "0"}})
    assert facts.generator_attempt(study, "main") == 2
    (folder / "generator.safetensors").unlink()
    assert facts.generator_attempt(study, "main") == 3


def test_a_figure_of_a_training_waits_for_it_and_for_images_and_for_no_backbone(load) -> None:
    load()
    study = yaml.safe_load(Path("s.yaml").read_text())
    study["figures"] = {"figure_generator": {"kind": "generator", "evaluation": "main"}}
    Path("s.yaml").write_text(yaml.safe_dump(study))
    loaded = load_study("s.yaml")
    assert facts.figures_with_pictures(loaded) == ["figure_generator"]
    inputs = [*facts.generator_inputs(loaded, "main"), loaded.layout.generator_job("main")]
    assert facts.chart_inputs(loaded, "figure_generator") == inputs
    first = facts.chart_hash(loaded, "figure_generator")
    Path("s.yaml").write_text(yaml.safe_dump({**study, "backbones": ["mean"]}))
    assert facts.chart_hash(load_study("s.yaml"), "figure_generator") == first
    Path("s.yaml").write_text(yaml.safe_dump({**study, "seed": 1}))
    assert facts.chart_hash(load_study("s.yaml"), "figure_generator") != first


def test_a_run_runs_again_for_what_decides_it_and_for_files_that_appear(load, monkeypatch) -> None:
    first = facts.run_hash(load(), *CELL)
    assert facts.run_hash(load(seeds=3, repeats_per_job=1), *CELL) == first
    for changes in ({"images": 3}, {"projection": {"steps": 5}}, {"batch_size": 2}, {"perceptual": {"taps": ["stem"]}}):
        assert facts.run_hash(load(**changes), *CELL) != first
    assert facts.run_hash(load(), "main", "space=w+", "mine") != first
    lpips = load(lpips={"path": "alex.pth", "sha256": "0" * 64})
    absent = facts.run_hash(lpips, *CELL)
    Path("alex.pth").write_text("weights")
    assert facts.run_hash(lpips, *CELL) != absent
    unset = facts.run_hash(load(), "main", "space=w", "vgg")
    Path("vgg.pth").write_text("weights")
    monkeypatch.setenv("VGG", "vgg.pth")
    assert facts.run_hash(load(), "main", "space=w", "vgg") != unset


def test_rows_without_canonical_weights_wait_for_none(load) -> None:
    study = load()
    assert facts.weights_files(study, "mean") == facts.weights_files(study, "vgg") == []
    assert facts.weights_files(study, "mine")[0] == study.layout.weights("mine")


def test_runs_wait_for_what_measures_identity_and_for_its_patients_to_be_others(load) -> None:
    without, study = load(), load(identity="judge")
    assert facts.identity_files(without, "main") == []
    assert facts.identity_files(study, "main") == facts.weights_files(study, "judge") != []
    for backbone in BACKBONES:
        assert facts.apart_files(without, backbone, "main") == []
        assert facts.apart_files(study, backbone, "main") == [study.layout.apart("others", "data")]
    assert facts.pretraining_data(study, "judge") == facts.dataset_files(study, "others")
    assert [each.backbone for each in forecast_pretraining(study)] == ["judge"]
    findings = {each.place: each for each in check_study(str(study.source), config_only=True)}
    assert findings["configuration"].message.endswith("; identity is measured by judge")
    assert findings["backbones.judge"].ok
    assert findings["pretraining of judge"].ok


def test_runs_and_tables_are_made_again_for_another_measure_of_identity(load) -> None:
    without, first = (facts.run_hash(load(**changes), *CELL) for changes in ({}, {"identity": "judge"}))
    assert first != without
    named = load(identity="judge", judge={"label": "Another label"})
    assert facts.run_hash(named, *CELL) == first
    assert facts.run_hash(load(identity="judge", judge={"arch": "resnet18"}), *CELL) != first
    shown = [
        facts.table_hash(load(identity="judge", metric=metric, judge=judge), "table")
        for metric in ("psnr", "identity")
        for judge in ({}, {"label": "Another label"})
    ]
    assert shown[0] == shown[1]
    assert len(set(shown)) == 3, "its label stands under a table that shows identity"


def test_splits_depend_on_who_is_divided_only(load) -> None:
    first = facts.split_hash(load(), "main")
    same: list[dict[str, Any]] = [
        {"images": 3},
        {"projection": {"steps": 5}},
        {"settings": {"space": ["w"]}},
        {"only": ["a"]},
    ]
    assert {facts.split_hash(load(**changes), "main") for changes in same} == {first}
    assert facts.split_hash(load(test_share=0.4), "main") != first


def test_a_forecast_counts_each_step_of_an_image(load) -> None:
    forecasts = {each.backbone: each for each in forecast_evaluations(load())}
    assert forecasts["generator"].training_images == 10 * 4
    assert forecasts["mine"].training_images == 2 * 6 * 20
    assert (forecasts["mine"].runs, forecasts["mine"].jobs) == (2, 2)
    assert forecasts["mean"].training_images == 0


def test_speeds_of_generators_and_searches_are_measured() -> None:
    from evalkit.config.generator import GeneratorSpec
    from evalkit.speeds import measure_generator_speed, measure_inversion_speed

    spec = GeneratorSpec.model_validate({"resolution": 16, "channel_base": 64, "w_dim": 8, "z_dim": 8})
    assert measure_generator_speed(spec, threads=1, seconds=0.05) > 0
    with_encoder = measure_inversion_speed(spec, "resnet10t", in_channels=1, threads=1, seconds=0.05)
    assert 0 < with_encoder < measure_inversion_speed(spec, "", in_channels=1, threads=1, seconds=0.05)


def test_a_check_looks_at_encoders_and_generators(load, tmp_path) -> None:
    study = load(generator={"path": "g.pkl"})
    findings = {each.place: each for each in check_study(str(study.source), config_only=True)}
    assert findings["backbones.mean"].ok
    assert "5 taps" in findings["evaluations.main, mine"].message
    assert "evaluations.main, mean" not in findings
    catalogue = {**BACKBONES, "mine": {"label": "Mine", "arch": "vit_tiny_patch16_224", "path": "mine.pth"}}
    (tmp_path / "backbones.yaml").write_text(yaml.safe_dump(catalogue))
    findings = {each.place: each for each in check_study(str(study.source))}
    assert "cannot be a perceptual encoder" in findings["evaluations.main, mine"].message
    assert not findings["evaluations.main, mine"].ok
    assert "g.pkl does not exist" in findings["generator of main"].message
    assert findings["weights of vgg"].ok
    assert "'unavailable: weights'" in findings["weights of vgg"].message


def test_a_check_tells_what_becomes_of_lpips(load, tmp_path, monkeypatch) -> None:
    def look(**lpips: str) -> Finding:
        study = load(metric="lpips", lpips=lpips or None)
        return next(each for each in check_study(str(study.source)) if each.place == "LPIPS of main")

    monkeypatch.delenv("ALEXNET", raising=False)
    for lpips in ({}, {"path": "alex.pth"}, {"path": "${ALEXNET}"}):
        found = look(**lpips)
        assert found.ok
        assert "warning: its column will say 'unavailable: trunk of LPIPS'" in found.message
    torch.save({"features.0.weight": torch.zeros(1)}, tmp_path / "alex.pth")
    found = look(path=str(tmp_path / "alex.pth"))
    assert not found.ok
    assert "sha256 7be5be791159" in found.message
    assert "correct 'sha256'" in found.message
