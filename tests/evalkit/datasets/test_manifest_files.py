"""Manifests on disk, patients by position, and the command that writes them."""

from __future__ import annotations

import subprocess
import sys

import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from evalkit.config.datasets import CsvEntry, NihEntry
from evalkit.datasets import load_manifest, read_dataset, write_manifest
from evalkit.datasets.building import patient_position, select_patients
from evalkit.errors import InputError

BOXES = "Image Index,Finding Label,Bbox [x,y,w,h],,,\n00000001_000.png,Effusion,1,2,3,4,,,\n"


def write_study(folder, root, **entry):
    study = {
        "study": "trial",
        "title": "A trial",
        "image_size": 32,
        "backbones": ["scratch"],
        "datasets": {"mine": {"root": str(root), **entry}},
        "evaluations": {"e": {"task": "multilabel", "dataset": "mine", "recipe": {"lr": 0.1, "steps": 1}}},
    }
    (folder / "backbones.yaml").write_text(yaml.safe_dump({"scratch": {"label": "Scratch", "arch": "resnet18"}}))
    path = folder / "trial.yaml"
    path.write_text(yaml.safe_dump(study))
    return path


def run(folder, *arguments):
    command = [sys.executable, "-m", "evalkit.datasets", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_a_manifest_reads_back_as_it_was(write_nih, tmp_path):
    root = write_nih()
    (root / "BBox_List_2017.csv").write_text(BOXES)
    manifest = read_dataset(NihEntry(format="nih", root="unused"), root)
    write_manifest(manifest, tmp_path / "out" / "manifest.parquet")
    again = load_manifest(tmp_path / "out" / "manifest.parquet")
    pd.testing.assert_frame_equal(again.images, manifest.images)
    pd.testing.assert_frame_equal(again.boxes, manifest.boxes)
    assert (again.labels, again.default_labels, again.unit, again.report) == (
        manifest.labels,
        manifest.default_labels,
        manifest.unit,
        manifest.report,
    )
    assert again.fingerprint() == manifest.fingerprint()


def test_boxes_of_an_earlier_reading_do_not_stay(own_table, write_nih, tmp_path):
    root = write_nih()
    (root / "BBox_List_2017.csv").write_text(BOXES)
    path = tmp_path / "out" / "manifest.parquet"
    write_manifest(read_dataset(NihEntry(format="nih", root="unused"), root), path)
    (root / "BBox_List_2017.csv").unlink()
    write_manifest(read_dataset(NihEntry(format="nih", root="unused"), root), path)
    assert load_manifest(path).boxes is None
    assert not path.with_name("boxes.parquet").exists()


def test_a_manifest_that_was_not_made_is_named_with_its_command(tmp_path):
    with pytest.raises(InputError, match=r"python -m evalkit\.datasets"):
        load_manifest(tmp_path / "manifest.parquet")


@pytest.mark.parametrize("name", ["manifest.parquet", "manifest.json", "boxes.parquet"])
@pytest.mark.parametrize("content", [b"", b"{}"])
def test_a_damaged_manifest_is_named_with_its_command(write_nih, tmp_path, name, content):
    root = write_nih()
    (root / "BBox_List_2017.csv").write_text(BOXES)
    path = tmp_path / "out" / "manifest.parquet"
    write_manifest(read_dataset(NihEntry(format="nih", root="unused"), root), path)
    path.with_name(name).write_bytes(content)
    with pytest.raises(InputError, match=rf"{name} is not readable[^$]*python -m evalkit\.datasets"):
        load_manifest(path)


def test_the_fingerprint_follows_images_and_not_labels(own_table):
    text = "path,patient_id,Edema\n1.png,p1,1\n2.png,p2,0\n"
    entry = CsvEntry(format="csv", root="unused")
    first = read_dataset(entry, own_table(text)).fingerprint()
    assert read_dataset(entry, own_table(text.replace("p1,1", "p1,0"))).fingerprint() == first
    assert read_dataset(entry, own_table(text.replace("p2", "p3"))).fingerprint() != first


def test_positions_of_patients_are_pinned():
    # These decide which patients two data sets of one study share; they must never change.
    assert [round(patient_position(name), 6) for name in ("1", "patient00001")] == [0.420024, 0.373118]


@given(st.lists(st.text(min_size=1), min_size=1, max_size=30, unique=True), st.floats(0.01, 0.99))
def test_ranges_side_by_side_take_every_patient_once(names, cut):
    ids = pd.Series(names)
    first, second = select_patients(ids, (0.0, cut)), select_patients(ids, (cut, 1.0))
    assert (first ^ second).all()


def test_the_command_writes_the_manifest(own_table, tmp_path):
    root = own_table("path,patient_id,Edema\n1.png,p1,1\n2.png,p2,0\n")
    study = write_study(tmp_path, root, format="csv")
    done = run(tmp_path, "--study", study, "--dataset", "mine")
    assert done.returncode == 0, done.stderr
    manifest = load_manifest(tmp_path / "results" / "trial" / "datasets" / "mine" / "manifest.parquet")
    assert manifest.images["patient_id"].tolist() == ["p1", "p2"]
    assert "2 images of 2 patients" in done.stdout


def test_the_command_refuses_without_a_traceback(tmp_path):
    study = write_study(tmp_path, tmp_path / "absent", format="csv")
    refused = run(tmp_path, "--study", study, "--dataset", "mine")
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: the data set's folder")
    assert "Traceback" not in refused.stderr
    assert not (tmp_path / "results").exists()
