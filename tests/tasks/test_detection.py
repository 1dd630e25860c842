"""Detection runs on a tiny data set in COCO's format, from the files to COCO's results."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from evalkit.config.loading import Study, load_study
from evalkit.detection.examples import load_boxed_examples
from evalkit.errors import InputError
from evalkit.records import read_record
from evalkit.splits.stored import load_splits
from tasks.detection import runs
from tasks.detection.jobs import run_job

C4, DC5 = "head=R50-C4", "head=R50-DC5"
PATIENTS = 12

RECIPE = {
    "lr": 0.02,
    "batch_size": 3,
    "steps": 4,
    "validations": 2,
    "short_sides": [40, 48],
    "short_side_test": 48,
    "precise_bn": 2,
}
EVALUATION: dict[str, Any] = {
    "task": "detection",
    "dataset": "squares",
    "longest": 64,
    "validation_share": 0.3,
    "test_share": 0.3,
    "anchors": {"sizes": [16, 32]},
    "proposals": {"sampled": 32, "before_nms": 50, "after_nms": 20, "before_nms_test": 50, "after_nms_test": 10},
    "regions": {"sampled": 8, "hidden": 16},
    "recipe": RECIPE,
}


def write_squares(root: Path) -> None:
    """Two images for each patient, of 96 x 72 pixels; bright squares are in every image but the last of every third."""
    random = np.random.default_rng(5)
    (root / "images").mkdir(parents=True)
    images: list[dict[str, Any]] = []
    boxes: list[dict[str, Any]] = []
    for number in range(1, 2 * PATIENTS + 1):
        pixels = random.integers(20, 60, (72, 96)).astype(np.uint8)
        patient = (number - 1) // 2
        if number % 6:
            x, y, side = (int(each) for each in random.integers([4, 4, 20], [50, 30, 36]))
            pixels[y : y + side, x : x + side] = 220
            category = 1 + patient % 2
            boxes.append({"id": number, "image_id": number, "category_id": category, "bbox": [x, y, side, side]})
        name = f"{number:02d}.png"
        Image.fromarray(pixels).save(root / "images" / name)
        images.append({"id": number, "file_name": name, "width": 96, "height": 72, "patient_id": f"p{patient}"})
    categories = [{"id": 1, "name": "one"}, {"id": 2, "name": "two"}]
    annotations = {"images": images, "annotations": boxes, "categories": categories}
    (root / "annotations.json").write_text(json.dumps(annotations))


@pytest.fixture
def make_detection(tmp_path, monkeypatch) -> Callable[..., Study]:
    """Write a study of one detection and do what comes before its runs."""
    from evalkit.datasets import read_dataset
    from evalkit.datasets.manifest import write_manifest
    from evalkit.packing.ragged import pack_ragged
    from evalkit.splits.making import make_splits
    from evalkit.splits.stored import write_splits

    monkeypatch.chdir(tmp_path)
    write_squares(tmp_path / "squares")

    def make(recipe: dict[str, Any] | None = None, **changes: Any) -> Study:
        evaluation = {**EVALUATION, "recipe": {**RECIPE, **(recipe or {})}, **changes}
        study = {
            "study": "boxes",
            "title": "Boxes",
            "image_size": 32,
            "device": "cpu",
            "backbones": ["scratch", "twin"],
            "datasets": {"squares": {"format": "coco", "root": "squares"}},
            "evaluations": {"main": evaluation},
        }
        entry = {"label": "Scratch", "arch": "resnet10t", "in_channels": 1}
        Path("backbones.yaml").write_text(yaml.safe_dump({"scratch": entry, "twin": {**entry, "label": "Twin"}}))
        Path("boxes.yaml").write_text(yaml.safe_dump(study))
        loaded = load_study("boxes.yaml")
        root = Path("squares")
        manifest = read_dataset(loaded.dataset("squares"), root)
        write_manifest(manifest, loaded.layout.manifest("squares"))
        folder = loaded.layout.ragged("squares", evaluation["longest"])
        ragged = pack_ragged(
            manifest, root, folder, longest=evaluation["longest"], antialias=False, unreadable="fail", workers=1
        )
        splits = make_splits(manifest, ragged.index, loaded.evaluation("main"), name="main", seed=0)
        write_splits(splits, loaded.layout.splits("main"))
        return loaded

    return make


def folder(study: Study, setting: str = DC5, backbone: str = "scratch") -> Path:
    return study.layout.run("main", setting, backbone, 0)


def read(study: Study, name: str, **where: str) -> Any:
    return json.loads((folder(study, **where) / name).read_text())


def test_a_run_leaves_cocos_files_with_the_numbers_of_pycocotools(make_detection) -> None:
    study = make_detection()
    job = study.layout.job("main", C4, "scratch", "0-0")
    (record,) = run_job(study, "main", C4, "scratch", [0], record=job)
    assert record["outcome"] == "done"
    assert record["selection"]["kind"] == "AP"
    assert [each["step"] for each in record["selection"]["tried"][0]["history"]] == [2, 4]
    truth, found = (read(study, f"{name}.json", setting=C4) for name in ("ground_truth", "detections"))
    splits = load_splits(study.layout.splits("main"))
    assert [each["image_id"] for each in truth["images"]] == sorted(splits.image_ids("test"))
    original = json.loads(Path("squares/annotations.json").read_text())
    names = {each["file_name"]: each["id"] for each in original["images"]}
    expected = {each["image_id"]: each["bbox"] for each in original["annotations"]}
    boxes = {each["image_id"]: each["bbox"] for each in truth["annotations"]}
    for image in truth["images"]:
        number = names[Path(image["file_name"]).name]
        assert image["patient_id"] == f"p{(number - 1) // 2}"
        assert (image["width"], image["height"]) == (96, 72)
        if number in expected:
            # Packed at 64 pixels and brought back to those of the file.
            np.testing.assert_allclose(boxes[image["id"]], expected[number], atol=1e-5)
        else:
            assert image["id"] not in boxes
    with redirect_stdout(StringIO()):
        ground = COCO()
        ground.dataset = truth
        ground.createIndex()
        evaluation = COCOeval(ground, ground.loadRes(found), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    test = record["coco"]["test"]
    assert [test["ap"], test["ap50"], test["ap75"], test["ar100"]] == pytest.approx(evaluation.stats[[0, 1, 2, 8]])
    assert list(test["per_class"]) == ["one", "two"]
    assert json.loads(job.read_text())["runs"][0]["outputs"] == record["outputs"]
    assert not list((study.layout.root / "state").glob("*"))


def test_a_run_is_not_done_again_unless_something_changed(make_detection, monkeypatch) -> None:
    study = make_detection()
    trained = []
    train = runs.train_detector
    monkeypatch.setattr(runs, "train_detector", lambda *args, **kw: trained.append(1) or train(*args, **kw))
    first = run_job(study, "main", DC5, "scratch", [0])
    assert run_job(study, "main", DC5, "scratch", [0]) == first
    assert len(trained) == 1
    again = run_job(make_detection(regions={"sampled": 4, "hidden": 16}), "main", DC5, "scratch", [0])
    assert len(trained) == 2
    assert again[0]["key"] != first[0]["key"]
    boxes = Path("squares/annotations.json")
    moved = json.loads(boxes.read_text())
    for each in moved["annotations"]:
        each["bbox"][0] += 1
    boxes.write_text(json.dumps(moved))
    other = run_job(make_detection(), "main", DC5, "scratch", [0])
    assert other[0]["key"] != first[0]["key"], "boxes are part of what decides a run"


def test_all_backbones_share_the_noise_and_heads_do_not(make_detection) -> None:
    study = make_detection()
    (one,), (twin,), (other,) = (
        run_job(study, "main", *cell, [0]) for cell in ((DC5, "scratch"), (DC5, "twin"), (C4, "scratch"))
    )
    assert one["outputs"] == twin["outputs"]
    assert one["seed"] == twin["seed"] != other["seed"]


def test_a_killed_training_goes_on_and_gives_the_same_boxes(make_detection, tmp_path) -> None:
    study = make_detection(recipe={"steps": 12, "validations": 3})
    command = [sys.executable, "-m", "tasks.detection", "run", "--study", "boxes.yaml", "--evaluation", "main"]
    command += ["--setting", DC5, "--backbone", "scratch", "--repeat", "0"]
    root = str(Path(__file__).resolve().parents[2])
    environment = {**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1", "EVALKIT_SAVE_SECONDS": "0"}
    started = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)
    states = study.layout.root / "state"
    deadline = time.monotonic() + 120
    while not list(states.glob("[!.]*.pt")) and time.monotonic() < deadline:
        time.sleep(0.05)
    started.send_signal(signal.SIGKILL)
    started.wait()
    assert not (folder(study) / "run.json").exists()
    again = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert "going on after step" in again.stderr
    resumed = read_record(folder(study))["outputs"]
    (folder(study) / "run.json").unlink()
    (whole,) = run_job(study, "main", DC5, "scratch", [0])
    assert whole["outputs"] == resumed


def test_images_without_boxes_are_for_what_the_study_says(make_detection) -> None:
    counts = {}
    for choice in ("keep", "not_in_training", "exclude"):
        (record,) = run_job(make_detection(empty_images=choice, recipe={"steps": 1}), "main", DC5, "scratch", [0])
        counts[choice] = {role: part["images_without_boxes"] for role, part in record["data"].items()}
    assert all(counts["keep"][role] for role in ("train", "test"))
    assert counts["not_in_training"]["train"] == 0
    assert counts["not_in_training"]["test"] == counts["keep"]["test"]
    assert not any(counts["exclude"].values())


def test_what_cannot_be_learnt_or_scored_is_undefined(make_detection, monkeypatch) -> None:
    study = make_detection(labels=["two"])
    material = runs_material(study)
    assert set(material.parts["train"].count_boxes()) == {"two"}
    record = read_after(study, monkeypatch, lambda part: part.select([]))
    assert record["outcome"] == "undefined: no training box of two"
    assert sorted(path.name for path in folder(study).iterdir()) == ["run.json"]


def runs_material(study: Study):
    from tasks.detection.plans import load_material

    return load_material(study, "main", DC5, "scratch")


def read_after(study: Study, monkeypatch, change: Callable[[Any], Any], role: str = "train") -> dict[str, Any]:
    """The record of a run of which a part was changed."""
    from tasks.detection import jobs

    material = runs_material(study)
    material.parts[role] = change(material.parts[role])
    monkeypatch.setattr(jobs, "load_material", lambda *_: material)
    run_job(study, "main", DC5, "scratch", [0])
    return read_record(folder(study))


def test_a_diverged_training_is_recorded(make_detection) -> None:
    (record,) = run_job(make_detection(recipe={"lr": 1e30, "warmup": 0}), "main", DC5, "scratch", [0])
    assert record["outcome"] == "diverged"
    assert record["outputs"] == {}


def test_classes_that_are_sides_are_not_mirrored(make_detection) -> None:
    names = Path("squares/annotations.json")
    content = json.loads(names.read_text())
    content["categories"] = [{"id": 1, "name": "Left Lung"}, {"id": 2, "name": "right_lung"}]
    names.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"flip mirrors images[\s\S]*flip: false"):
        runs_material(make_detection())
    assert runs_material(make_detection(recipe={"flip": False}))


def test_images_that_have_a_class_and_no_box_are_not_taken_for_empty(make_detection) -> None:
    from evalkit.datasets.manifest import load_manifest, write_manifest

    study = make_detection()
    path = study.layout.manifest("squares")
    manifest = load_manifest(path)
    manifest.images.loc[manifest.images["one"] == 0, "one"] = 1.0
    write_manifest(manifest, path)
    with pytest.raises(InputError, match=r"images of 'squares' have one of the classes[\s\S]*empty_images: exclude"):
        runs_material(study)


@pytest.mark.parametrize(
    ("role", "outcome"), [("validation", "undefined: no validation box"), ("test", "undefined: no test image")]
)
def test_a_part_without_anything_makes_a_run_undefined(make_detection, monkeypatch, role: str, outcome: str) -> None:
    study = make_detection()
    record = read_after(study, monkeypatch, lambda part: part.select([]), role=role)
    assert record["outcome"] == outcome


def test_a_runs_key_covers_the_code_that_writes_its_files() -> None:
    import inspect

    from tasks.detection import plans

    rule = (Path(__file__).resolve().parents[2] / "tasks/detection/rules.smk").read_text()
    assert 'code_hash("tasks.detection.runs")' in rule
    assert 'code_hash("tasks.detection.runs")' in inspect.getsource(plans)


def test_an_unknown_class_is_named_with_those_that_have_boxes(make_detection) -> None:
    with pytest.raises(InputError, match=r"no box of 'three'[\s\S]*one, two"):
        load_boxed_examples(make_detection(), "squares", ["one", "three"], longest=64)


def test_another_tasks_command_is_named(make_detection) -> None:
    from tasks.classification.plans import load_material

    with pytest.raises(InputError, match=r"of task detection[\s\S]*python -m tasks.detection"):
        load_material(make_detection(), "main", DC5, "scratch")


def test_another_tasks_job_is_refused_before_its_setting_is_looked_at(make_detection) -> None:
    from tasks.classification.jobs import run_job as classify

    with pytest.raises(InputError, match=r"of task detection[\s\S]*python -m tasks.detection"):
        classify(make_detection(), "main", "regime=finetune,fraction=1", "scratch", [0])


def test_two_processes_train_one_detector(make_detection) -> None:
    """Each works on its share of a batch and measures normalisation itself; the first one looks and writes."""
    study = make_detection(recipe={"steps": 2, "batch_size": 4, "validations": 1})
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "-m",
        "tasks.detection",
        "run",
    ]
    command += ["--study", "boxes.yaml", "--evaluation", "main", "--setting", DC5, "--backbone", "scratch"]
    root = str(Path(__file__).resolve().parents[2])
    environment = {**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1"}
    subprocess.run([*command, "--repeat", "0"], env=environment, capture_output=True, check=True, timeout=300)
    record = read_record(folder(study))
    assert (record["outcome"], record["processes"]) == ("done", 2)
    assert set(record["outputs"]) == {
        *("ground_truth.json", "detections.json", "validation_ground_truth.json", "validation_detections.json")
    }


def test_half_precision_trains_and_finds(make_detection, monkeypatch) -> None:
    study = make_detection(recipe={"steps": 2, "validations": 1})
    half = study.file.model_copy(update={"precision": "bf16"})
    (record,) = run_job(dataclasses.replace(study, file=half), "main", C4, "scratch", [0])
    assert (record["outcome"], record["precision"]) == ("done", "bf16")
    assert all(np.isfinite(each["score"]) for each in read(study, "detections.json", setting=C4))
