"""Balanced training images on disk: equal classes, only training images, the same bytes again, stale ones refused."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from evalkit.balancing import balance, load_balanced, making, read_balancing
from evalkit.balancing.warping import warp
from evalkit.config.loading import load_study
from evalkit.datasets import read_dataset
from evalkit.errors import InputError
from evalkit.packing import pack
from evalkit.packing.packed import load_packed
from evalkit.packing.workers import hash_pixels
from evalkit.phantom import write_nih
from evalkit.splits import load_splits, make_splits, write_splits


def hash_files(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


@pytest.fixture
def study(make_study):
    return make_study()


def classes_of(study, image_ids):
    return load_splits(study.layout.splits("e")).images.set_index("image_id")["class"].loc[image_ids]


def test_all_classes_are_equal_and_only_training_images_are_copied(study):
    packed = balance(study, "e", workers=1)
    splits = load_splits(study.layout.splits("e"))
    training = splits.image_ids("train", trainset="balanced").tolist()
    index = packed.index
    originals = index[index["image_id"] == index["source"]]
    assert originals["image_id"].tolist() == training == index["image_id"][: len(training)].tolist()
    assert set(index["source"]) == set(training)
    counts = classes_of(study, index["source"]).value_counts()
    assert counts.nunique() == 1
    assert counts.iloc[0] == classes_of(study, training).value_counts().max()
    owner = splits.images.set_index("image_id")["patient_id"]
    assert index["patient_id"].tolist() == owner.loc[index["source"]].tolist()


def test_rows_are_the_images_and_their_copies_turned(study):
    packed = balance(study, "e", workers=1)
    source = load_packed(study.layout.packed("mine", 32))
    for row in packed.index.itertuples():
        image = source.images[source.rows([row.source])[0]]
        whole = row.image_id == row.source
        expected = image if whole else warp(image, angle=row.angle, zoom=row.zoom)
        np.testing.assert_array_equal(packed.images[row.row], expected)
        assert (row.angle, row.zoom) == (0, 1) if whole else (row.angle, row.zoom) != (0, 1)
    assert packed.index["sha256"].tolist() == hash_pixels(np.asarray(packed.images))
    ranges = source.index.set_index("image_id").loc[packed.index["source"], ["low", "cap"]]
    np.testing.assert_array_equal(packed.index[["low", "cap"]], ranges)


def test_the_folder_is_a_packed_data_set(study):
    made = balance(study, "e", workers=1)
    folder = study.layout.balanced("e")
    again = load_packed(folder)
    assert sorted(path.name for path in folder.iterdir()) == [
        "balancing.json",
        "images.npy",
        "index.parquet",
        "packing.json",
    ]
    assert again.images.shape == made.images.shape == (len(made.index), 32, 32)
    assert again.rows(made.index["image_id"]).tolist() == list(range(len(made.index)))
    assert again.report["manifest"] == load_packed(study.layout.packed("mine", 32)).report["manifest"]


def test_the_report_counts_before_and_after(study):
    packed = balance(study, "e", workers=1)
    report = read_balancing(study, "e")
    training = load_splits(study.layout.splits("e"))
    before = training.report["roles"]["train"]
    assert report["before"] == {name: before[name] for name in ("images", "patients", "classes")}
    assert report["after"]["images"] == len(packed.index) == report["before"]["images"] + report["copies"]
    assert report["after"]["patients"] == report["before"]["patients"]
    largest = max(each["positive"]["images"] for each in report["before"]["classes"].values())
    for label, each in report["after"]["classes"].items():
        patients = report["before"]["classes"][label]["positive"]["patients"]
        assert each["positive"] == {"images": largest, "patients": patients}


def test_any_number_of_workers_gives_the_same_bytes(study, monkeypatch):
    balance(study, "e", workers=1)
    first = hash_files(study.layout.balanced("e"))
    monkeypatch.setattr(making, "WORTH_PROCESSES", 0)
    balance(study, "e", workers=2)
    assert hash_files(study.layout.balanced("e")) == first


def test_bounds_of_0_copy_as_it_is(make_study):
    study = make_study(evaluation={"balancing": {"rotate": 0, "zoom": 0}})
    index = balance(study, "e", workers=1).index.set_index("image_id")
    assert (index["sha256"] == index.loc[index["source"], "sha256"].to_numpy()).all()


def test_real_files_are_read_packed_split_and_balanced(tmp_path, monkeypatch):
    # Radiographs drawn by the phantom, with a table of the classes "No Finding" and "Finding" as a user would write it.
    monkeypatch.chdir(tmp_path)
    root = write_nih(tmp_path / "nih", patients=40, size=32, workers=1)
    entries = pd.read_csv(next(root.glob("Data_Entry*.csv")), usecols=["Image Index", "Finding Labels", "Patient ID"])
    well = (entries["Finding Labels"] == "No Finding").astype(int)
    labels = {"path": "images/" + entries["Image Index"], "patient_id": entries["Patient ID"]}
    pd.DataFrame({**labels, "No Finding": well, "Finding": 1 - well}).to_csv(root / "labels.csv", index=False)
    about = {
        "study": "drawn",
        "title": "Drawn radiographs",
        "image_size": 32,
        "backbones": ["scratch"],
        "datasets": {"mine": {"format": "csv", "root": str(root)}},
        "evaluations": {
            "e": {
                "task": "multiclass",
                "dataset": "mine",
                "settings": {"trainset": ["balanced"]},
                "test_per_class": 3,
                "recipe": {"lr": 0.1, "steps": 1},
            }
        },
    }
    Path("backbones.yaml").write_text(yaml.safe_dump({"scratch": {"label": "S", "arch": "resnet18"}}))
    Path("drawn.yaml").write_text(yaml.safe_dump(about))
    study = load_study("drawn.yaml")
    manifest = read_dataset(study.dataset("mine"), root)
    packed = pack(
        manifest,
        root,
        study.layout.packed("mine", 32),
        size=32,
        antialias=True,
        unreadable="fail",
        workers=1,
    )
    write_splits(make_splits(manifest, packed.index, study.evaluation("e"), name="e", seed=0), study.layout.splits("e"))

    made = balance(study, "e", workers=1)
    normal = manifest.images.set_index("image_id").loc[made.index["source"], "No Finding"]
    assert normal.value_counts().nunique() == 1
    index = made.index.set_index("image_id")
    copies = index[index["source"] != index.index]
    assert len(copies) > 5
    for copy in copies.itertuples():
        image, turned = made.images[index.loc[copy.source, "row"]], made.images[copy.row]
        assert abs(float(turned.mean()) - float(image.mean())) < 40
        assert not np.array_equal(image, turned)
        assert image.min() <= turned.min()
        assert turned.max() <= image.max()


def test_nothing_is_there_before_it_is_made(study):
    with pytest.raises(InputError, match=r"no finished balanced .*\n.*\n.*python -m evalkit\.balancing --study small"):
        load_balanced(study, "e")


def test_a_balancing_cut_short_is_not_taken_for_a_finished_one(study):
    balance(study, "e", workers=1)
    (study.layout.balanced("e") / "packing.json").unlink()
    with pytest.raises(InputError, match=r"packing\.json, which is written last"):
        load_balanced(study, "e")


def change_splits(study, make_study):
    splits = load_splits(study.layout.splits("e"))
    splits.images.loc[splits.images["role"] == "validation", "role"] = "train"
    write_splits(splits, study.layout.splits("e"))
    return study


def change_classes(study, make_study):
    splits = load_splits(study.layout.splits("e"))
    training = splits.images.index[splits.images["role"] == "train"]
    splits.images.loc[training[:1], "class"] = "Effusion"
    splits.images.loc[training[1:2], "class"] = "Nodule"
    write_splits(splits, study.layout.splits("e"))
    return study


def change_pixels(study, make_study):
    path = study.layout.packed("mine", 32) / "index.parquet"
    pd.read_parquet(path).assign(sha256="0" * 32).to_parquet(path)
    return study


def change_bounds(study, make_study):
    return make_study(evaluation={"balancing": {"rotate": 5}})


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (change_splits, "training images and pixels"),
        (change_classes, "training images"),
        (change_pixels, "pixels"),
        (change_bounds, "settings under 'balancing'"),
    ],
)
def test_stale_ones_are_refused_with_the_command_that_makes_them(study, make_study, change, found):
    balance(study, "e", workers=1)
    changed = change(study, make_study)
    with pytest.raises(InputError, match=rf"made from other {found} than there are now") as refused:
        load_balanced(changed, "e")
    assert "python -m evalkit.balancing --study small.yaml --evaluation e" in str(refused.value)


@pytest.mark.parametrize("name", ["balancing.json", "index.parquet", "images.npy"])
def test_damaged_files_are_named_with_their_command(study, name):
    balance(study, "e", workers=1)
    (study.layout.balanced("e") / name).write_bytes(b"[1, 2")
    with pytest.raises(InputError, match=rf"{name} is not readable[^$]*python -m evalkit\.balancing"):
        load_balanced(study, "e")


def test_an_evaluation_without_it_is_refused(make_study):
    with pytest.raises(InputError, match="'e' has no training set 'balanced'"):
        balance(make_study(evaluation={"settings": {"trainset": ["full"]}}), "e")


def test_the_command_makes_it_without_torch(study):
    code = (
        "import sys, runpy; sys.argv = ['x', '--study', 'small.yaml', '--evaluation', 'e', '--workers', '1']\n"
        "try: runpy.run_module('evalkit.balancing', run_name='__main__')\n"
        "except SystemExit as done: assert not done.code, done.code\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    report = json.loads((study.layout.balanced("e") / "balancing.json").read_text())
    assert f"{report['after']['images']} images, {report['copies']} of them copies" in done.stderr
