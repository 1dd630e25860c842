"""Phantoms of one class each: in one folder per class, and as the paediatric pneumonia set."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from evalkit.config.datasets import FolderEntry, KermanyEntry
from evalkit.datasets import read_dataset
from evalkit.errors import InputError
from evalkit.phantom import PREVALENCE, write_classes, write_kermany, write_nih
from evalkit.phantom.__main__ import main
from evalkit.phantom.dominant import SIX_CLASSES, allot, dominated_studies
from evalkit.phantom.order import Order
from evalkit.phantom.patients import draw_patient

SIZE = 16
FOLDER = FolderEntry.model_validate({"format": "folder", "root": "unused", "patient_pattern": r"patient(\d+)"})
KERMANY = KermanyEntry.model_validate({"format": "kermany", "root": "unused"})


@pytest.fixture(scope="module")
def classes(tmp_path_factory) -> Path:
    return write_classes(tmp_path_factory.mktemp("phantoms") / "classes", patients=60, size=SIZE, workers=1)


@pytest.fixture(scope="module")
def kaggle(tmp_path_factory) -> Path:
    return write_kermany(tmp_path_factory.mktemp("phantoms") / "chest_xray", patients=150, size=SIZE, workers=1)


@pytest.fixture(scope="module")
def mendeley(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("phantoms") / "chest_xray"
    return write_kermany(root, patients=40, size=SIZE, names="mendeley", workers=1)


def fingerprint(root: Path, pattern: str) -> dict[str, str]:
    files = sorted(path for path in root.glob(pattern) if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize(
    ("total", "weights", "expected"),
    [
        (6, [1540, 1095, 779, 554, 394, 280], [1, 1, 1, 1, 1, 1]),
        (4642, [1540, 1095, 779, 554, 394, 280], [1540, 1095, 779, 554, 394, 280]),
        (10, [1, 1, 1], [4, 3, 3]),
        (100, [98, 1, 1], [98, 1, 1]),
        (5856, [1349, 2538, 1345, 234, 242, 148], [1349, 2538, 1345, 234, 242, 148]),
    ],
)
def test_patients_are_shared_out_in_proportion(total, weights, expected):
    assert allot(total, weights) == expected


@pytest.mark.parametrize("total", range(6, 90, 7))
def test_every_class_has_a_patient_and_none_is_lost(total):
    counts = allot(total, [each.weight for each in SIX_CLASSES])
    assert sum(counts) == total
    assert min(counts) >= 1
    assert counts == sorted(counts, reverse=True)


def test_six_folders_in_the_papers_proportion(classes):
    manifest = read_dataset(FOLDER, classes)
    images = manifest.images
    assert manifest.labels == sorted(each.name for each in SIX_CLASSES)
    patients = images.groupby("patient_id")[manifest.labels].max()
    # 60 patients in the ratio 1540 : 1095 : 779 : 554 : 394 : 280, which is 19.9 : 14.2 : 10.1 : 7.2 : 5.1 : 3.6.
    assert patients.sum().to_dict() == {
        "normal": 20,
        "nodule": 14,
        "consolidation": 10,
        "interstitial_opacity": 7,
        "pleural_effusion": 5,
        "pneumothorax": 4,
    }
    assert (patients.sum(axis=1) == 1).all()
    assert sorted(patients.index) == [f"{number:05d}" for number in range(1, 61)]
    assert 1.2 < len(images) / 60 < 2.4
    assert images["patient_id"].duplicated().any()
    for path in images["path"]:
        assert re.fullmatch(r"[a-z_]+/patient\d{5}_[123]\.png", path)
    with Image.open(classes / images["path"][0]) as image:
        assert (image.mode, image.size, image.format) == ("L", (SIZE, SIZE), "PNG")


def test_each_patient_has_its_folders_finding_and_no_other(classes):
    boxes = pd.read_parquet(classes / "phantom" / "boxes.parquet")
    folder = boxes["path"].str.split("/").str[0]
    finding = folder.map({each.name: each.finding for each in SIX_CLASSES})
    assert (boxes["label"] == finding).all()
    assert "normal" not in set(folder)
    assert boxes["strength"].min() < 0.3 < 0.9 < boxes["strength"].max()


def test_the_class_decides_nothing_but_the_finding():
    order = Order("folder", 3, 1, SIZE, 0, 0.0, False, False, dict(PREVALENCE))
    for number in range(1, 6):
        patient = draw_patient(number)
        ill, well = (dominated_studies(patient, order, finding) for finding in ("nodule", None))
        assert [(each.number, each.projection, each.devices) for each in ill] == [
            (each.number, each.projection, each.devices) for each in well
        ]
        assert all(set(each.strengths) == {"nodule"} for each in ill)
        assert not any(each.strengths for each in well)


def test_kaggles_folders_and_names(kaggle):
    counts = Counter(str(path.parent.relative_to(kaggle)) for path in kaggle.rglob("*.jpeg"))
    assert set(counts) == {f"{part}/{name}" for part in ("train", "val", "test") for name in ("NORMAL", "PNEUMONIA")}
    assert counts["val/NORMAL"] == counts["val/PNEUMONIA"] == 8
    manifest = read_dataset(KERMANY, kaggle)
    assert manifest.report["copy"] == "Kaggle's copy"
    assert manifest.report["images_in_val"] == 16
    assert manifest.report["numbers_in_both_parts"] == {}
    patients = manifest.images.groupby(["split", "patient_id"])[manifest.labels].max().groupby("split").sum()
    # 150 patients as 5,856 images are: 34.6 : 65.0 : 34.5 in training, 6.0 : 6.2 : 3.8 in the test.
    assert patients.loc["train"].tolist() == [35, 65, 34]
    assert patients.loc["test"].tolist() == [6, 6, 4]
    assert len(set(manifest.images["patient_id"])) == 150
    stems = [path.name for path in kaggle.rglob("*.jpeg")]
    for shape in (
        r"person\d+_bacteria_\d+\.jpeg",
        r"person\d+_virus_\d+\.jpeg",
        r"IM-\d{4}-0001\.jpeg",
        r"NORMAL2-IM-\d{4}-0001\.jpeg",
        r"(NORMAL2-)?IM-\d{4}-0001-000[23]\.jpeg",
    ):
        assert any(re.fullmatch(shape, stem) for stem in stems), shape


def test_some_training_images_with_pneumonia_are_grey_stored_as_colour(kaggle):
    modes = Counter()
    for path in kaggle.rglob("*.jpeg"):
        with Image.open(path) as image:
            assert (image.format, image.size) == ("JPEG", (SIZE, SIZE))
            modes[(path.parts[-3], path.parts[-2], image.mode)] += 1
            if image.mode == "RGB":
                channels = np.asarray(image).astype(int)
                assert np.abs(channels - channels[..., :1]).max() <= 4
    assert {key[:2] for key in modes if key[2] == "RGB"} == {("train", "PNEUMONIA")}
    assert modes[("train", "PNEUMONIA", "RGB")] >= 3
    assert modes[("train", "PNEUMONIA", "L")] > 100


def test_mendeleys_folders_and_names(mendeley):
    assert not (mendeley / "val").exists()
    manifest = read_dataset(KERMANY, mendeley)
    assert manifest.report["copy"] == "Mendeley's release"
    patients = manifest.images.groupby(["split", "patient_id"])[manifest.labels].max().groupby("split").sum()
    assert patients.to_numpy().sum() == 40
    assert (patients > 0).all(axis=None)
    boxes = pd.read_parquet(mendeley / "phantom" / "boxes.parquet")
    assert set(boxes["label"][boxes["path"].str.contains("BACTERIA")]) == {"consolidation"}
    assert set(boxes["label"][boxes["path"].str.contains("VIRUS")]) == {"interstitial opacity"}
    assert not boxes["path"].str.contains("NORMAL/").any()


def test_the_same_patients_look_the_same_in_both_copies(kaggle, mendeley, tmp_path):
    again = write_kermany(tmp_path / "again", patients=40, size=SIZE, workers=1)
    pictures = [set(fingerprint(root, "t*/*/*").values()) for root in (again, mendeley)]
    assert pictures[0] < pictures[1], "Kaggle's copy has one image only of the patients in val"


def test_the_number_of_processes_does_not_matter(tmp_path):
    roots = [write_kermany(tmp_path / str(workers), patients=12, size=SIZE, workers=workers) for workers in (1, 2)]
    first, second = (fingerprint(root, "**/*.*g") for root in roots)
    assert first == second
    assert len(first) >= 12


def test_another_order_replaces_everything_of_the_first(tmp_path):
    root = write_classes(tmp_path / "x", patients=6, size=SIZE, workers=1)
    write_kermany(root, patients=40, size=SIZE, workers=1)
    assert sorted(path.name for path in root.iterdir()) == ["phantom", "phantom.json", "test", "train", "val"]
    write_kermany(root, patients=6, size=SIZE, names="mendeley", workers=1)
    assert sorted(path.name for path in root.iterdir()) == ["phantom", "phantom.json", "test", "train"]
    write_nih(root, patients=2, size=SIZE, workers=1)
    assert not (root / "train").exists()


@pytest.mark.parametrize("write", [write_classes, write_kermany])
def test_too_few_patients_for_the_classes_are_refused(write, tmp_path):
    with pytest.raises(InputError, match="5 patients are to be of 6 kinds"):
        write(tmp_path / "x", patients=5, size=SIZE, workers=1)
    assert not (tmp_path / "x").exists()


def test_another_way_of_naming_is_refused(tmp_path):
    with pytest.raises(InputError, match="names is 'zenodo'"):
        write_kermany(tmp_path / "x", patients=6, names="zenodo")  # type: ignore[arg-type]


def test_command_line(tmp_path, capsys):
    given = ["write", "--root", str(tmp_path / "x"), "--patients", "6", "--size", "16", "--workers", "1"]
    assert main([*given, "--layout", "folder"]) == 0
    assert (tmp_path / "x" / "pneumothorax").is_dir()
    assert main([*given, "--layout", "kermany", "--names", "mendeley"]) == 0
    assert list((tmp_path / "x" / "test" / "PNEUMONIA").glob("VIRUS-*-0001.jpeg"))
    assert main([*given, "--layout", "folder", "--held-out-share", "0.5"]) == 2
    assert "--held-out-share is given for the layout folder" in capsys.readouterr().err
    assert main([*given, "--layout", "nih", "--names", "kaggle"]) == 2
    assert "--names is given for the layout nih" in capsys.readouterr().err
