from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision

from evalkit.checkpoints.sources import make_canonical
from evalkit.checkpoints.trunks import trunk_of
from evalkit.checkpoints.writing import save_canonical
from evalkit.commands import run_command
from evalkit.datasets.manifest import load_manifest, write_manifest
from evalkit.errors import InputError
from evalkit.fingerprints import file_sha256
from evalkit.pretraining import contrastive
from evalkit.pretraining.__main__ import main
from evalkit.pretraining.contrastive import find_continued, pretrain, start_network
from evalkit.pretraining.pairs import different_images
from evalkit.records import read_record

ROOT = Path(__file__).resolve().parents[3]
COMMAND = [sys.executable, "-m", "evalkit.pretraining", "--study", "tiny.yaml", "--backbone", "made"]


def entry(method: str = "simclr", *, arch: str = "resnet10t", recipe: dict | None = None, **changes: Any) -> dict:
    """A backbone's entry; `changes` are those of its pretraining."""
    recipe = {"optimizer": "sgd", "lr": 0.05, "batch_size": 8, "steps": 4} | (recipe or {})
    pretraining = {"method": method, "data": "other", "recipe": recipe, "projection": 16, "records": 2}
    pretraining |= ({"queue": 32} if method == "moco" else {}) | changes
    return {"label": "Made here", "arch": arch, "pretrain": pretraining}


def made(method: str = "simclr", **changes: Any) -> dict:
    return {"made": entry(method, **changes) | {"in_channels": 1}}


def canonicalise(study: Any, backbone: str) -> tuple[dict, Any]:
    """What ``python -m evalkit.checkpoints`` does."""
    tensors, report = make_canonical(study.backbone(backbone), path=study.checkpoint_path(backbone))
    save_canonical(study.layout.weights(backbone), tensors, report)
    return tensors, report


def environment(**changes: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), **changes}


@pytest.mark.parametrize("arch", ["resnet10t", "resnet18"])
@pytest.mark.parametrize("method", ["moco", "simclr"])
def test_the_checkpoint_is_in_the_methods_own_layout_and_reads_back_whole(make_study, method: str, arch: str) -> None:
    study = make_study(backbones=made(method, arch=arch))
    record = pretrain(study, "made")
    folder = study.layout.pretraining("made")
    assert sorted(path.name for path in folder.iterdir()) == ["checkpoint.pth", "run.json"]
    assert read_record(folder) == record
    payload = torch.load(folder / "checkpoint.pth", weights_only=True)
    assert (payload["arch"], payload["epoch"]) == (arch, 4 * 8 // 80)
    state = payload["state_dict"]
    prefix = {"moco": "module.encoder_q.", "simclr": "backbone."}[method]
    head = {f"{prefix}fc.{name}" for name in ("0.weight", "0.bias", "2.weight", "2.bias")}
    names = {f"{prefix}{name}" for name in trunk_of(arch).shapes} | head
    if method == "moco":
        names |= {name.replace("encoder_q", "encoder_k") for name in names}
        names |= {"module.queue", "module.queue_ptr"}
        assert state["module.queue"].shape == (16, 32)
        torch.testing.assert_close(state["module.queue"].norm(dim=0), torch.ones(32))
        assert state["module.queue_ptr"].tolist() == [0], "4 batches of 8 fill 32 places"
        changed = [name for name in head if not torch.equal(state[name], state[name.replace("_q", "_k")])]
        assert len(changed) == 4, "the key encoder lags behind"
    assert set(state) == names
    tensors, report = canonicalise(study, "made")
    assert (report.format, report.in_channels, report.matched) == (method, 1, len(trunk_of(arch).shapes))
    assert all(torch.equal(tensors[name], state[f"{prefix}{name}"]) for name in tensors)


@pytest.mark.parametrize(("method", "prefix"), [("moco", "module.encoder_q."), ("simclr", "backbone.")])
def test_others_load_it_as_their_own(make_study, method: str, prefix: str) -> None:
    """As FAIR's main_lincls.py and sthalles' notebook do: strip the prefix, drop the head, and miss only the head."""
    study = make_study(backbones={"made": entry(method, arch="resnet18") | {"in_channels": 3}})
    pretrain(study, "made")
    state = torch.load(study.checkpoint_path("made"), weights_only=True)["state_dict"]
    kept = {
        name.removeprefix(prefix): value
        for name, value in state.items()
        if name.startswith(prefix) and not name.startswith(f"{prefix}fc")
    }
    found = torchvision.models.resnet18().load_state_dict(kept, strict=False)
    assert (set(found.missing_keys), found.unexpected_keys) == ({"fc.weight", "fc.bias"}, [])


def test_the_record_says_what_was_done_and_how_it_went(make_study) -> None:
    study = make_study(backbones=made("moco", ifa={"preset": "released-code"}, temperature=0.3))
    record = pretrain(study, "made")
    assert record["run"] == {"backbone": "made", "data": "other", "init": None, "steps": 4}
    settings = record["pretraining"]
    assert settings["ifa"] == {"1": {"target": 0.3, "weight": 1.0}, "4": {"target": 1.0, "weight": 1.0}}
    assert (settings["method"], settings["temperature"], settings["queue"]) == ("moco", 0.3, 32)
    assert settings["views"]["cutout"] == 0.5
    assert "augmentation" not in record["recipe"]
    assert record["data"]["train"]["images"] == 80
    assert (record["outcome"], record["selection"]) == ("done", {"lr": 0.05, "steps": 4})
    assert [note["step"] for note in record["history"]] == [2, 4]
    assert set(record["history"][0]) == {
        *("step", "loss", "contrastive", "ifa", "lr", "feature_std", "alignment", "uniformity")
    }
    for name in ("versions", "machine", "device", "wall_seconds", "images_per_second", "inputs", "code", "seed"):
        assert record[name], name


def test_it_is_done_once_and_again_when_something_that_counts_changes(make_study, monkeypatch) -> None:
    study = make_study(backbones=made())
    first = pretrain(study, "made")
    with monkeypatch.context() as patched:
        patched.setattr(contrastive, "contrast", None)
        assert pretrain(study, "made") == first
    for changes in ({"temperature": 0.5}, {"views": {"cutout": 0}}, {"ifa": {"preset": "paper"}}):
        changed = pretrain(make_study(backbones=made(**changes)), "made")
        assert changed["key"] != first["key"]
        assert changed["outputs"] != first["outputs"]
    written_out = pretrain(make_study(backbones=made(ifa={"blocks": {3: {}}})), "made")
    assert written_out["key"] == changed["key"], "a preset is what it stands for"
    again = pretrain(study, "made")
    assert again["outputs"] == first["outputs"], "the same seed gives the same bytes"


def test_views_and_order_do_not_depend_on_the_method(make_study) -> None:
    backbones = {name: entry(name) | {"in_channels": 1} for name in ("moco", "simclr")}
    backbones["made"] = entry(init="simclr")
    study = make_study(backbones=backbones)
    seeds = {name: pretrain(study, name)["seed"] for name in ("moco", "simclr")}
    canonicalise(study, "simclr")
    assert seeds["moco"] == seeds["simclr"] != pretrain(study, "made")["seed"]


def test_labels_do_not_matter(make_study) -> None:
    study = make_study(backbones=made())
    first = pretrain(study, "made")
    path = study.layout.manifest("other")
    manifest = load_manifest(path)
    manifest.images[manifest.labels] = 0.0
    write_manifest(manifest, path)
    assert pretrain(study, "made") == first, "labels are not part of what was done"


def test_a_data_set_without_labels_will_do(make_study) -> None:
    study = make_study(backbones=made())
    first = pretrain(study, "made")
    path = study.layout.manifest("other")
    manifest = load_manifest(path)
    images = manifest.images.drop(columns=manifest.labels)
    write_manifest(replace(manifest, images=images, labels=[], default_labels=[]), path)
    (study.layout.pretraining("made") / "run.json").unlink()
    assert pretrain(study, "made")["outputs"] == first["outputs"]


def test_a_chained_entry_starts_from_the_other_ones_weights(make_study) -> None:
    still = {"lr": 1e-30, "weight_decay": 0, "steps": 1}
    backbones = {**made(), "chained": entry("moco", recipe=still, init="made", ifa={"preset": "paper"})}
    study = make_study(backbones=backbones)
    pretrain(study, "made")
    with pytest.raises(InputError, match="canonical weights of made") as refused:
        pretrain(study, "chained")
    assert "evalkit.checkpoints --study tiny.yaml --backbone made" in refused.value.remedy
    given, report = canonicalise(study, "made")
    record = pretrain(study, "chained")
    assert record["network"]["weights"] == report.fingerprint
    assert record["run"]["init"] == "made"
    state = torch.load(study.checkpoint_path("chained"), weights_only=True)["state_dict"]
    for name, value in given.items():
        if not name.endswith(("running_mean", "running_var", "num_batches_tracked")):
            assert torch.equal(state[f"module.encoder_q.{name}"], value)
    assert record["history"][-1]["ifa"] > 0


def test_other_weights_to_start_from_are_another_run(make_study) -> None:
    backbones = {**made(), "chained": entry(init="made")}
    study = make_study(backbones=backbones)
    pretrain(study, "made")
    canonicalise(study, "made")
    first = pretrain(study, "chained")
    study = make_study(backbones={**backbones, **made(recipe={"lr": 0.1})})
    pretrain(study, "made")
    canonicalise(study, "made")
    assert pretrain(study, "chained")["key"] != first["key"]


def test_channels_and_normalisation_come_with_the_weights(make_study) -> None:
    three = {"in_channels": 3, "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.2, 0.3]}
    backbones = {
        "origin": entry() | three,
        "silent": entry(init="origin"),
        "made": entry(init="origin") | {"mean": [0.6], "std": [0.3]},
        "grey": entry(init="origin") | {"in_channels": 1, "mean": [0.6], "std": [0.3]},
    }
    study = make_study(backbones=backbones)
    pretrain(study, "origin")
    canonicalise(study, "origin")
    with pytest.raises(InputError, match=r"'silent' says neither mean nor std.*mean \[0.5, 0.4, 0.3\]"):
        pretrain(study, "silent")
    with pytest.raises(InputError, match="'grey' says in_channels: 1, and 'origin', which it starts from, has 3"):
        pretrain(study, "grey")
    network = start_network(study, "made")
    assert (network.in_channels, network.mean, network.std) == (3, (0.6,) * 3, (0.3,) * 3)
    pretrain(study, "made")
    assert canonicalise(study, "made")[1].in_channels == 3


def test_fewer_images_than_a_batch_are_refused(make_study) -> None:
    study = make_study(backbones=made(recipe={"batch_size": 81}))
    with pytest.raises(InputError, match=r"'other' have 80 images, and recipe\.batch_size is 81"):
        pretrain(study, "made")


def test_an_architecture_without_blocks_is_refused_for_ifa(make_study) -> None:
    study = make_study(backbones=made(arch="vit_tiny_patch16_224", ifa={"preset": "paper"}))
    with pytest.raises(InputError, match="vit_tiny_patch16_224 has no four stages"):
        pretrain(study, "made")


def test_a_training_that_diverges_makes_no_weights(make_study) -> None:
    study = make_study(backbones=made(recipe={"lr": 1e38, "schedule": "constant"}))
    with pytest.raises(InputError, match=r"diverged after \d of 4 steps"):
        pretrain(study, "made")
    assert not study.layout.pretraining("made").exists()


def test_other_entries_are_named(make_study) -> None:
    with pytest.raises(InputError, match="'scratch' is not made by contrastive pretraining"):
        pretrain(make_study(), "scratch")


def test_the_command_makes_the_same_weights(make_study, monkeypatch, capsys) -> None:
    study = make_study(backbones=made("moco"))
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OMP_WAIT_POLICY", "CUBLAS_WORKSPACE_CONFIG"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
    monkeypatch.setattr(sys, "argv", COMMAND[2:])
    with pytest.raises(SystemExit, match="0"):
        run_command(main)
    assert "pretraining made: done, loss" in capsys.readouterr().err
    folder = study.layout.pretraining("made")
    by_command = read_record(folder)["outputs"]
    (folder / "run.json").unlink()
    assert pretrain(study, "made")["outputs"] == by_command


@pytest.mark.parametrize("method", ["moco", "simclr"])
def test_killed_in_the_middle_and_started_again_gives_the_same_bytes(make_study, method: str) -> None:
    study = make_study(backbones=made(method, recipe={"steps": 40}, ifa={"preset": "paper"}, records=8))
    whole = pretrain(study, "made")
    folder = study.layout.pretraining("made")
    for path in folder.iterdir():
        path.unlink()

    states = study.layout.root / "state"
    saving = environment(EVALKIT_SAVE_SECONDS="0.1")
    process = subprocess.Popen(COMMAND, env=saving, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while _saved_step(states) < 5 and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    reached = _saved_step(states)
    assert 5 <= reached < 40
    assert not (folder / "run.json").exists()

    done = subprocess.run(COMMAND, env=environment(), capture_output=True, text=True, check=True)
    assert f"going on after step {reached}" in done.stderr
    record = read_record(folder)
    assert record["outputs"] == whole["outputs"]
    assert record["history"] == whole["history"]
    assert not list(states.glob("[!.]*.pt"))


def _saved_step(states: Path) -> int:
    for path in states.glob("[!.]*.pt"):
        return torch.load(path, weights_only=True)["course"]["step"]
    return 0


def test_two_processes_under_torchrun_write_one_run(make_study) -> None:
    study = make_study(backbones=made("moco", recipe={"steps": 2}, ifa={"preset": "paper"}))
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    subprocess.run([*torchrun, *COMMAND[1:]], env=environment(), check=True, capture_output=True)
    record = read_record(study.layout.pretraining("made"))
    assert (record["outcome"], record["processes"], len(record["history"])) == ("done", 2, 2)
    assert canonicalise(study, "made")[1].format == "moco"


@pytest.mark.parametrize("method", ["moco", "simclr"])
def test_a_chained_entry_of_the_same_method_goes_on_with_head_keys_and_queue(make_study, method) -> None:
    still = {"lr": 1e-12, "optimizer": "sgd", "weight_decay": 0.0, "steps": 1}
    backbones = {**made(method), "chained": entry(method, init="made", recipe=still, ifa={"preset": "paper"})}
    study = make_study(backbones=backbones)
    pretrain(study, "made")
    canonicalise(study, "made")
    record = pretrain(study, "chained")
    first, second = (
        torch.load(study.checkpoint_path(name), weights_only=True)["state_dict"] for name in ("made", "chained")
    )
    assert record["continues"] == file_sha256(study.checkpoint_path("made"))
    learnt = [name for name in first if name.endswith(("fc.0.weight", "fc.2.weight"))]
    assert len(learnt) == (4 if method == "moco" else 2)
    for name in learnt:
        torch.testing.assert_close(second[name], first[name], rtol=0, atol=1e-3)
    if method == "moco":
        size = study.backbone("made").pretrain.recipe.batch_size
        kept = torch.ones(first["module.queue"].shape[1], dtype=torch.bool)
        pointer = int(first["module.queue_ptr"])
        kept[pointer : pointer + size] = False
        assert torch.equal(second["module.queue"][:, kept], first["module.queue"][:, kept])


def test_a_chained_entry_of_another_method_takes_the_trunk_only(make_study) -> None:
    backbones = {**made("simclr"), "chained": entry("moco", init="made")}
    assert find_continued(make_study(backbones=backbones), "chained") is None


def test_no_image_is_in_a_batch_twice_and_a_pass_has_no_image_twice() -> None:
    for images, size in ((65, 64), (10, 4), (8, 4)):
        per_pass = images // size
        for epoch in range(3):
            steps = range(epoch * per_pass, (epoch + 1) * per_pass)
            seen = np.concatenate([different_images(step, images=images, batch_size=size, seed=1) for step in steps])
            assert len(set(seen.tolist())) == per_pass * size
            assert set(seen.tolist()) <= set(range(images))
