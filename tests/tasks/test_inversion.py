"""Inversions of tiny images with a tiny generator, from the study file to the metrics of each image."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import timm
import torch
import yaml
from torchvision.models import alexnet

from evalkit.atomic import write_json, write_parquet
from evalkit.checking import check_study
from evalkit.checkpoints.sources import make_canonical
from evalkit.checkpoints.writing import save_canonical
from evalkit.config.generator import GeneratorSpec
from evalkit.config.loading import Study, load_study
from evalkit.datasets.manifest import Manifest, write_manifest
from evalkit.errors import InputError
from evalkit.fingerprints import file_sha256
from evalkit.inversion.lpips_distance import open_lpips
from evalkit.inversion.metrics import psnr, rmse, ssim
from evalkit.records import RunRecord, read_record
from evalkit.splits.making import make_splits
from evalkit.splits.stored import load_splits, write_splits
from evalkit.stylegan2.generator import Generator
from evalkit.stylegan2.loading import save_generator
from evalkit.training.devices import Hardware
from evalkit.training.distributed import Ranks
from evalkit.training.networks import pretrained_network
from evalkit.training.session import Session
from tasks.inversion import searching
from tasks.inversion.generators import make_generator
from tasks.inversion.jobs import run_job, search_session

SIDE, PATIENTS = 32, 30
SPEC = {"resolution": SIDE, "z_dim": 8, "w_dim": 8, "mapping_layers": 2, "channel_base": 128, "channel_max": 8}
RECIPE = {"steps": 2, "batch_size": 4, "notes": 1, "samples": 2}
PROJECTION = {"steps": 3, "record_every": 2, "latent_samples": 50}
TAPS = {"taps": ["stem", "block1"]}
BACKBONES: dict[str, dict[str, Any]] = {
    "mean": {"label": "Mean", "control": "mean-w"},
    "pixels": {"label": "Pixels", "control": "pixel-only"},
    "random": {"label": "Random", "arch": "resnet10t", "control": "random"},
    "vgg": {"label": "VGG-16", "arch": "vgg16", "path": "${VGG}", "sha256": "0" * 64},
}
JUDGE = {"label": "Judge", "arch": "resnet10t", "path": "judge.pth", "in_channels": 1, "mean": [0.3], "std": [0.2]}


def write_images(study: Study, labels: list[str]) -> None:
    """Two images of each patient, packed: bright discs, larger where the label 'Large' holds."""
    random = np.random.default_rng(3)
    patients = np.repeat([f"p{number:02d}" for number in range(PATIENTS)], 2)
    large = random.integers(0, 2, len(patients))
    y, x = np.mgrid[:SIDE, :SIDE]
    centres = random.uniform(10, 22, (len(patients), 2))
    radii = 5 + 4 * large
    discs = [(x - a) ** 2 + (y - b) ** 2 < r**2 for (a, b), r in zip(centres, radii, strict=True)]
    pixels = (np.stack(discs) * 200 + 20).astype(np.uint8)
    names = [f"{patient}-{number % 2}" for number, patient in enumerate(patients)]
    text = {"image_id": names, "patient_id": patients, "study_id": names, "path": names, "split": ""}
    images = pd.DataFrame({**text, "age": 50.0, "sex": "", "view": ""})
    if labels:
        images["Large"] = large.astype(float)
    report = {"format": "csv", "test_set": "drawn at random"}
    manifest = Manifest(images, labels, labels, "image", None, report)
    write_manifest(manifest, study.layout.manifest("discs"))
    folder = study.layout.packed("discs", SIDE)
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "images.npy", pixels)
    index = pd.DataFrame({"row": np.arange(len(names)), "image_id": names, "patient_id": patients})
    index["sha256"] = [hashlib.sha256(each.tobytes()).hexdigest()[:32] for each in pixels]
    write_parquet(folder / "index.parquet", index.assign(low=0.0, cap=255.0))
    write_json(folder / "packing.json", {"manifest": manifest.fingerprint(), "images": len(names)})
    splits = make_splits(manifest, index.assign(low=0.0, cap=255.0), study.evaluation("main"), name="main", seed=0)
    write_splits(splits, study.layout.splits("main"))


@pytest.fixture
def make_inversion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Study]:
    """Write a study of one inversion and do what comes before its generator; keywords change the evaluation."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VGG", raising=False)

    def make(labels: tuple[str, ...] = ("Large",), **changes: Any) -> Study:
        evaluation = {
            "task": "inversion",
            "dataset": "discs",
            "settings": {"space": ["w", "w+"]},
            "images": 5,
            "calibration_images": 4,
            "validation_share": 0.3,
            "generator": {"train": {"spec": SPEC, "recipe": RECIPE}},
            "projection": PROJECTION,
            "perceptual": TAPS,
            "batch_size": 2,
            **changes,
        }
        study = {
            "study": "tiny",
            "title": "Tiny",
            "image_size": SIDE,
            "device": "cpu",
            "backbones": list(BACKBONES),
            "datasets": {"discs": {"format": "csv", "root": "."}},
            "evaluations": {"main": evaluation},
        }
        Path("backbones.yaml").write_text(yaml.safe_dump({**BACKBONES, "judge": JUDGE}))
        Path("tiny.yaml").write_text(yaml.safe_dump(study))
        loaded = load_study("tiny.yaml")
        if not loaded.layout.splits("main").exists():
            write_images(loaded, list(labels))
        return loaded

    return make


def folder_of(study: Study, backbone: str, setting: str = "space=w") -> Path:
    return study.layout.run("main", setting, backbone, 0)


def load(study: Study, backbone: str, setting: str = "space=w") -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    folder = folder_of(study, backbone, setting)
    with np.load(folder / "reconstructions.npz") as archive:
        return pd.read_parquet(folder / "predictions.parquet"), dict(archive)


def digests(study: Study, backbone: str, setting: str = "space=w") -> dict[str, str]:
    return read_record(folder_of(study, backbone, setting))["outputs"]


def test_a_run_leaves_images_and_the_metrics_measured_on_them(make_inversion) -> None:
    study = make_inversion(only=["Large"])
    made = make_generator(study, "main", record=study.layout.generator_job("main"))
    assert made["outcome"] == "done"
    job = study.layout.job("main", "space=w+", "random", "0-0")
    (record,) = run_job(study, "main", "space=w+", "random", [0], record=job)
    assert record["outcome"] == "done"
    assert json.loads(job.read_text())["runs"][0]["outputs"] == record["outputs"]
    predictions, images = load(study, "random", "space=w+")
    names = predictions["image_id"].tolist()
    assert names == sorted(names) == images["image_id"].tolist()
    assert len(names) == 5
    splits, known = load_splits(study.layout.splits("main")), pd.read_parquet(study.layout.manifest("discs"))
    assert set(names) <= set(splits.image_ids("test")) & set(known["image_id"][known["Large"] == 1])
    packed = np.load(study.layout.packed("discs", SIDE) / "images.npy")
    np.testing.assert_array_equal(images["target"], packed[known["image_id"].isin(names)])
    assert images["reconstruction"].dtype == np.float32
    for name, measure in (("psnr", psnr), ("ssim", ssim), ("rmse", rmse)):
        np.testing.assert_array_equal(predictions[name], measure(images["target"], images["reconstruction"]))
    assert predictions[["lpips", "ms_ssim", "identity"]].isna().all(axis=None)
    assert record["unavailable"] == {
        "lpips": "unavailable: trunk of LPIPS",
        "ms_ssim": "undefined: images below 176 px",
        "identity": "unavailable: no backbone is named for it",
    }
    assert record["identity"] == record["unavailable"]["identity"]
    curves = pd.read_parquet(folder_of(study, "random", "space=w+") / "curves.parquet")
    assert set(curves["image_id"]) == set(names)
    assert sorted(set(curves["step"])) == [0, 2]
    assert set(curves["term"]) == {"pixel", "perceptual", "noise", "objective"}
    with np.load(folder_of(study, "random", "space=w+") / "latents.npz") as latents:
        assert latents["ws"].shape == (5, GeneratorSpec.model_validate(SPEC).num_ws, 8)
        assert np.ptp(latents["ws"], axis=1).max() > 0
    assert len(record["perceptual"]["scales"]) == 2
    assert record["recipe"]["space"] == "w+"
    assert record["run"]["steps"] == 3
    assert (
        record["generator"]["fingerprint"]
        == json.loads(study.layout.generator("main").with_suffix(".json").read_text())["fingerprint"]
    )


def test_identity_is_the_cosine_of_what_a_held_out_network_sees(make_inversion) -> None:
    study = make_inversion(identity="judge")
    make_generator(study, "main")
    with pytest.raises(InputError, match=r"judge\.safetensors does not exist\s.*canonical weights of judge"):
        run_job(study, "main", "space=w", "mean", [0])

    def run(seed: int) -> tuple[torch.nn.Module, RunRecord]:
        torch.manual_seed(seed)
        network = timm.create_model("resnet10t", num_classes=0, in_chans=1)
        torch.save(network.state_dict(), "judge.pth")
        tensors, report = make_canonical(study.backbone("judge"), path=Path("judge.pth"))
        save_canonical(study.layout.weights("judge"), tensors, report)
        return network.eval(), run_job(study, "main", "space=w", "mean", [0])[0]

    network, record = run(0)
    predictions, images = load(study, "mean")
    with torch.no_grad():
        seen = [
            network((torch.from_numpy(images[name].astype(np.float32))[:, None] / 255 - 0.3) / 0.2).numpy()
            for name in ("target", "reconstruction")
        ]
    expected = [one @ other / np.linalg.norm(one) / np.linalg.norm(other) for one, other in zip(*seen, strict=True)]
    np.testing.assert_allclose(predictions["identity"], expected, rtol=1e-4)
    assert predictions["identity"].nunique() == 5
    assert "identity" not in record["unavailable"]
    assert record["identity"] == pretrained_network(study, "judge").describe()
    assert run(0)[1]["key"] == record["key"]
    assert run(1)[1]["key"] != record["key"]
    assert not np.allclose(load(study, "mean")[0]["identity"], expected)


def test_identity_is_not_measured_by_a_rows_own_weights(make_inversion, monkeypatch) -> None:
    row = {**JUDGE, "label": "Mine", "path": "mine.pth"}
    monkeypatch.setitem(BACKBONES, "mine", row)
    study = make_inversion(identity="judge")
    make_generator(study, "main")
    torch.manual_seed(0)
    network = timm.create_model("resnet10t", num_classes=0, in_chans=1)
    torch.save(network.state_dict(), "judge.pth")
    # The same weights in another layout, so that no hash of a file tells.
    torch.save({"state_dict": {f"module.{name}": each for name, each in network.state_dict().items()}}, "mine.pth")
    for name in ("judge", "mine"):
        save_canonical(study.layout.weights(name), *make_canonical(study.backbone(name), path=Path(f"{name}.pth")))
    refused = r"main.identity is 'judge', which has the weights of the row 'mine' \(fingerprint"
    with pytest.raises(InputError, match=refused):
        run_job(study, "main", "space=w", "mine", [0])
    found = {each.place: each for each in check_study("tiny.yaml")}
    assert not found["identity of main"].ok
    assert re.search(refused, found["identity of main"].message)
    assert found["images of main"].message.endswith("train the generator, 4 calibrate, 5 are inverted")


def test_what_was_learnt_from_and_what_is_inverted_are_of_different_patients(make_inversion) -> None:
    study = make_inversion(images=None)
    make_generator(study, "main")
    (record,) = run_job(study, "main", "space=w", "mean", [0])
    images = load_splits(study.layout.splits("main")).images
    predictions, _ = load(study, "mean")
    seen = set(images["patient_id"][images["role"] != "test"])
    assert not seen & set(predictions["patient_id"])
    assert record["generator"]["shared_patients"] == 0
    assert record["generator"]["patients"] == images["patient_id"][images["role"] == "train"].nunique()
    # Splits that were tampered with are noticed.
    other = images.assign(role=["train" if each in seen else "test" for each in images["patient_id"]])
    other.loc[other["patient_id"] == predictions["patient_id"][0], "role"] = ["train", "test"]
    write_parquet(study.layout.splits("main"), other)
    with pytest.raises(InputError, match="1 patients of inverted images"):
        run_job(study, "main", "space=w", "mean", [0])


def test_all_rows_share_images_and_controls_are_what_they_say(make_inversion) -> None:
    study = make_inversion()
    make_generator(study, "main")
    records = {name: run_job(study, "main", "space=w", name, [0])[0] for name in ("mean", "pixels", "random")}
    tables = {name: load(study, name) for name in records}
    for predictions, images in tables.values():
        assert predictions["image_id"].tolist() == tables["mean"][0]["image_id"].tolist()
        np.testing.assert_array_equal(images["target"], tables["mean"][1]["target"])
    mean = tables["mean"][1]["reconstruction"]
    assert (mean == mean[0]).all()
    assert records["mean"]["run"]["steps"] == 0
    assert pd.read_parquet(folder_of(study, "mean") / "curves.parquet").empty
    assert records["pixels"]["perceptual"] == {}
    curves = pd.read_parquet(folder_of(study, "pixels") / "curves.parquet")
    assert (curves["value"][curves["term"] == "perceptual"] == 0).all()
    assert records["random"]["perceptual"]["encoder"]["weights"] is None
    assert len({each["seed"] for each in records.values()}) == 1
    assert len({json.dumps(each["data"], sort_keys=True) for each in records.values()}) == 1
    with np.load(folder_of(study, "random") / "latents.npz") as latents:
        assert np.ptp(latents["ws"], axis=1).max() == 0  # space w: one vector for all layers


def test_the_key_tells_what_decides_a_result(make_inversion, monkeypatch) -> None:
    study = make_inversion()
    make_generator(study, "main")
    (first,) = run_job(study, "main", "space=w", "pixels", [0])
    with monkeypatch.context() as patch:
        patch.setattr(searching, "project", lambda *_, **__: pytest.fail("searched again"))
        assert run_job(study, "main", "space=w", "pixels", [0])[0] == first
    (other,) = run_job(make_inversion(batch_size=5), "main", "space=w", "pixels", [0])
    assert other["key"] != first["key"]
    changed = make_inversion(generator={"train": {"spec": SPEC, "recipe": {**RECIPE, "lr": 0.01}}})
    make_generator(changed, "main")
    (third,) = run_job(changed, "main", "space=w", "pixels", [0])
    assert third["generator"] != first["generator"]


def test_a_killed_run_goes_on_with_the_next_batch_and_gives_the_same_bytes(make_inversion, monkeypatch) -> None:
    study = make_inversion(projection={**PROJECTION, "steps": 30})
    make_generator(study, "main")
    run_job(study, "main", "space=w", "pixels", [0])
    expected = digests(study, "pixels")
    for path in folder_of(study, "pixels").iterdir():
        path.unlink()
    # Killed as soon as the first of three batches is there.
    command = [sys.executable, "-m", "tasks.inversion", "run", "--study", "tiny.yaml", "--evaluation", "main"]
    command += ["--setting", "space=w", "--backbone", "pixels", "--repeat", "0"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"})
    states = study.layout.training_state("x").parent

    def list_batches() -> list[Path]:
        return [path for path in states.glob("*-batch-*.pt") if not path.name.startswith(".")]

    deadline = time.monotonic() + 60
    while not list_batches() and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    left = len(list_batches())
    assert left in (1, 2)
    assert not (folder_of(study, "pixels") / "run.json").exists()
    searched, original = [], searching.project

    def project(*arguments: Any, **options: Any) -> Any:
        searched.append(arguments[2])
        return original(*arguments, **options)

    monkeypatch.setattr(searching, "project", project)
    run_job(study, "main", "space=w", "pixels", [0])
    assert len(searched) == 3 - left
    assert digests(study, "pixels") == expected
    assert not list_batches()


def test_what_is_measured_may_change_without_another_search(make_inversion, monkeypatch) -> None:
    study = make_inversion()
    make_generator(study, "main")
    (first,) = run_job(study, "main", "space=w", "random", [0])
    assert "lpips" in first["unavailable"]
    torch.manual_seed(0)
    torch.save(
        {f"features.{name}": each for name, each in alexnet(weights=None).features.state_dict().items()}, "a.pth"
    )
    monkeypatch.setattr(searching, "project", lambda *_, **__: pytest.fail("searched"))
    wrong = make_inversion(lpips={"path": "a.pth", "sha256": "0" * 64})
    with pytest.raises(InputError, match="sha256"):  # Before a search: of a row that has none yet, too.
        run_job(wrong, "main", "space=w", "pixels", [0])
    sha256 = file_sha256("a.pth")
    study = make_inversion(lpips={"path": "a.pth", "sha256": sha256})
    (second,) = run_job(study, "main", "space=w", "random", [0])
    assert second["key"] != first["key"]
    assert (second["search"], second["perceptual"]) == (first["search"], first["perceptual"])
    same = [name for name, digest in second["outputs"].items() if first["outputs"][name] == digest]
    assert same == ["curves.parquet", "latents.npz", "reconstructions.npz"]
    predictions, images = load(study, "random")
    look = open_lpips(Path("a.pth"), sha256, hardware=Hardware(torch.device("cpu"), "fp32", 1))
    assert look is not None
    pair = [torch.from_numpy(images[name].astype(np.float32))[:, None] for name in ("target", "reconstruction")]
    np.testing.assert_allclose(predictions["lpips"], look(*pair), rtol=1e-6)
    assert (predictions["lpips"] > 0).all()
    assert second["lpips"] == {"trunk": "alexnet", "sha256": sha256}
    assert "lpips" not in second["unavailable"]
    assert run_job(study, "main", "space=w", "random", [0])[0] == second


@pytest.mark.parametrize("holds", [2, 1, 0])
def test_a_batch_that_memory_does_not_hold_is_halved(make_inversion, monkeypatch, holds) -> None:
    study = make_inversion(batch_size=4)
    make_generator(study, "main")
    run_job(study, "main", "space=w", "pixels", [0])
    whole, _ = load(study, "pixels")
    (folder_of(study, "pixels") / "run.json").unlink()
    project, sizes = searching.project, []

    def limited(*arguments: Any, **options: Any) -> Any:
        sizes.append(len(arguments[2]))
        if sizes[-1] > holds:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return project(*arguments, **options)

    monkeypatch.setattr(searching, "project", limited)
    (record,) = run_job(study, "main", "space=w", "pixels", [0])
    if not holds:
        assert record["outcome"] == "out of memory"
        assert record["outputs"] == {}
        return
    assert sizes == {2: [4, 2, 2, 1], 1: [4, 2, 1, 1, 2, 1, 1, 1]}[holds]
    assert record["halvings"] == {2: 1, 1: 3}[holds]
    np.testing.assert_allclose(load(study, "pixels")[0]["psnr"], whole["psnr"], rtol=1e-5)


def test_memory_that_does_not_hold_the_calibration_is_an_outcome(make_inversion, monkeypatch) -> None:
    study = make_inversion()
    make_generator(study, "main")

    def exhaust(*_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(searching, "calibrate", exhaust)
    assert run_job(study, "main", "space=w", "random", [0])[0]["outcome"] == "out of memory"


def test_both_spaces_look_through_one_random_encoder(make_inversion) -> None:
    study = make_inversion()
    make_generator(study, "main")
    seeds = {
        run_job(study, "main", setting, "random", [0])[0]["perceptual"]["encoder"]["seed"]
        for setting in ("space=w", "space=w+")
    }
    assert len(seeds) == 1


def test_processes_share_the_batches_and_give_the_same_bytes(make_inversion) -> None:
    study = make_inversion()
    make_generator(study, "main")
    (alone,) = run_job(study, "main", "space=w", "random", [0])
    for path in folder_of(study, "random").iterdir():
        path.unlink()
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
    command += ["tasks.inversion", "run", "--study", "tiny.yaml", "--evaluation", "main", "--setting", "space=w"]
    command += ["--backbone", "random", "--repeat", "0"]
    done = subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    record = read_record(folder_of(study, "random"))
    assert record["processes"] == 2
    assert (record["search"], record["outputs"]) == (alone["search"], alone["outputs"])


def test_a_search_has_16_bits_only_where_the_study_asks(make_inversion) -> None:
    study = make_inversion()
    session = Session(Hardware(torch.device("cpu"), "bf16", 1), Ranks(), study.layout)
    assert search_session(study, session).hardware.precision == "fp32"
    Path("tiny.yaml").write_text(Path("tiny.yaml").read_text() + "precision: bf16\n")
    assert search_session(load_study("tiny.yaml"), session) is session


def test_reconstructions_are_nearer_than_the_mean_image(make_inversion) -> None:
    study = make_inversion(
        generator={"train": {"spec": SPEC, "recipe": {**RECIPE, "steps": 30}}},
        projection={"steps": 100, "latent_samples": 500},
        batch_size=5,
    )
    make_generator(study, "main")
    medians = {}
    for name in ("mean", "pixels", "random"):
        run_job(study, "main", "space=w+", name, [0])
        medians[name] = load(study, name, "space=w+")[0]["psnr"].median()
    assert min(medians["pixels"], medians["random"]) > medians["mean"] + 3


def test_vgg16_without_its_file_is_unavailable(make_inversion, tmp_path, monkeypatch) -> None:
    study = make_inversion()
    make_generator(study, "main")
    (record,) = run_job(study, "main", "space=w", "vgg", [0])
    assert record["outcome"] == "unavailable: weights"
    assert record["outputs"] == {}
    # A file that is there must be the one that is meant.
    torch.save({"features.0.weight": torch.ones(1)}, tmp_path / "vgg.pth")
    monkeypatch.setenv("VGG", str(tmp_path / "vgg.pth"))
    with pytest.raises(InputError, match="sha256"):
        run_job(study, "main", "space=w", "vgg", [0])


@pytest.mark.parametrize("channels", [1, 3])
def test_a_generator_from_a_file_in_grey_or_colour(make_inversion, tmp_path, channels) -> None:
    torch.manual_seed(0)
    path = tmp_path / "theirs.safetensors"
    save_generator(path, Generator(GeneratorSpec.model_validate(SPEC | {"img_channels": channels})))
    study = make_inversion(labels=(), generator={"path": str(path), "sha256": file_sha256(path)})
    make_generator(study, "main")
    (record,) = run_job(study, "main", "space=w", "random", [0])
    assert record["outcome"] == "done"
    assert record["generator"]["source"] == "theirs.safetensors"
    assert record["generator"]["patients"] is None
    _, images = load(study, "random")
    assert images["reconstruction"].shape == images["target"].shape == (5, SIDE, SIDE)


def test_a_generator_of_another_size_or_hash_is_refused(make_inversion, tmp_path) -> None:
    path = tmp_path / "theirs.safetensors"
    save_generator(path, Generator(GeneratorSpec.model_validate(SPEC | {"resolution": 16})))
    with pytest.raises(InputError, match="makes images of 16 px, and image_size is 32"):
        make_generator(make_inversion(generator={"path": str(path)}), "main")
    with pytest.raises(InputError, match="sha256"):
        make_generator(make_inversion(generator={"path": str(path), "sha256": "1" * 64}), "main")


def test_what_is_missing_is_named(make_inversion) -> None:
    study = make_inversion()
    with pytest.raises(InputError, match=r"python -m tasks\.inversion generator --study"):
        run_job(study, "main", "space=w", "pixels", [0])
    with pytest.raises(InputError, match=r"'Larg'.*nearest: 'Large'"):
        make_generator(make_inversion(only=["Larg"]), "main")
    with pytest.raises(InputError, match="500 or more"):
        make_generator(make_inversion(images=500), "main")


def test_a_search_that_runs_away_is_recorded(make_inversion) -> None:
    study = make_inversion(projection={**PROJECTION, "lr": 1e30, "steps": 6})
    make_generator(study, "main")
    (record,) = run_job(study, "main", "space=w", "pixels", [0])
    assert record["outcome"] == "diverged"
    assert not (folder_of(study, "pixels") / "predictions.parquet").exists()
