"""One folder per class: with splits or without, patients by file names, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from evalkit.config.datasets import FolderEntry
from evalkit.config.evaluations import Classification
from evalkit.datasets import read_dataset
from evalkit.errors import InputError
from evalkit.splits.making import choose_labels

PATTERN = r"p(\d+)"


def entry(**settings) -> FolderEntry:
    return FolderEntry.model_validate({"format": "folder", "root": "unused", **settings})


@pytest.fixture
def folder(tmp_path, write_image):
    """Write images to paths below a folder, and give the folder."""

    def write(*paths: str) -> Path:
        for number, path in enumerate(paths):
            write_image(tmp_path / "set" / path, number)
        return tmp_path / "set"

    return write


PLAIN = ("nodule/p1_1.png", "nodule/deep/er/p1_2.png", "normal/p2_1.jpg", "effusion/p03.jpeg")


def test_the_folder_is_the_class_however_deep_the_image(folder):
    root = folder(*PLAIN)
    (root / "README.txt").write_text("about")
    manifest = read_dataset(entry(patient_pattern=PATTERN), root)
    images = manifest.images.set_index("path")
    assert manifest.labels == manifest.default_labels == ["effusion", "nodule", "normal"]
    assert images.loc["nodule/deep/er/p1_2.png", manifest.labels].tolist() == [0, 1, 0]
    assert images.loc["effusion/p03.jpeg", manifest.labels].tolist() == [1, 0, 0]
    np.testing.assert_array_equal(manifest.images[manifest.labels].sum(axis=1), 1)
    assert images["patient_id"].to_dict() == {PLAIN[0]: "1", PLAIN[1]: "1", PLAIN[2]: "2", PLAIN[3]: "03"}
    assert images["image_id"].tolist() == images["study_id"].tolist() == images.index.tolist()
    assert set(images["split"]) == {""}
    assert manifest.report["counts"] == {"images": 4, "patients": 3, "studies": 4, "splits": {}}
    assert manifest.report["left_out"] == {}
    footnote = manifest.report["footnote"]
    assert footnote == (
        "Images in one folder for each of 3 classes. Patients are told apart by the files' names. "
        "Test set: patients drawn at random."
    )
    evaluation = Classification.model_validate(
        {"task": "multiclass", "dataset": "own", "recipe": {"lr": 0.1, "steps": 1}}
    )
    assert choose_labels(evaluation, manifest) == manifest.labels


def test_without_a_pattern_each_image_is_a_patient_and_the_footnote_says_so(folder):
    manifest = read_dataset(entry(), folder(*PLAIN))
    assert manifest.images["patient_id"].tolist() == manifest.images["path"].tolist()
    assert "Each image counts as a patient of its own" in manifest.report["footnote"]


@pytest.mark.parametrize("valid", ["valid", "val", "Validation"])
def test_folders_of_splits_stand_above_those_of_classes(folder, valid):
    root = folder("Train/a/p1.png", "Train/b/p2.png", f"{valid}/a/p3.png", "test/b/p4.png", "test/b/x/p5.png")
    manifest = read_dataset(entry(patient_pattern=PATTERN), root)
    splits = manifest.images.set_index("patient_id")["split"].to_dict()
    assert splits == {"1": "train", "2": "train", "3": "valid", "4": "test", "5": "test"}
    assert manifest.images.set_index("patient_id").loc["5", ["a", "b"]].tolist() == [0, 1]
    assert "Test set: the folder 'test'." in manifest.report["footnote"]


def test_a_class_may_be_missing_from_one_split(folder):
    root = folder("train/a/p1.png", "train/b/p2.png", "test/a/p3.png")
    (root / "test" / "b").mkdir()
    assert read_dataset(entry(), root).report["labels"]["b"]["positive"] == 1


def test_the_study_fixes_the_order_of_classes(folder):
    manifest = read_dataset(entry(classes=["normal", "nodule", "effusion"]), folder(*PLAIN))
    assert manifest.labels == ["normal", "nodule", "effusion"]
    assert manifest.images["normal"].sum() == 1


@pytest.mark.parametrize("name", [".DS_Store", "nodule/.DS_Store", "__MACOSX/nodule/._p1.png", "normal/Thumbs.db"])
def test_what_systems_leave_behind_does_no_harm(folder, name):
    root = folder(*PLAIN)
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(b"x")
    assert len(read_dataset(entry(), root).images) == 4


@pytest.mark.parametrize(
    ("paths", "settings", "message"),
    [
        ((), {}, "holds no images"),
        (("a/p1.png",), {}, "has images of 'a'"),
        (("a/p1.png", "b/p2.png", "p3.png"), {}, r"p3\.png lies in no class's folder"),
        (("train/a/p1.png", "test/b/p2.png", "test/p3.png"), {}, r"p3\.png lies in no class's folder"),
        (("train/a/p1.png", "test/b/p2.png", "c/p3.png"), {}, r"images in 'test', 'train' and beside them in 'c'"),
        (("a/p1.png", "b/p2.png"), {"classes": ["a", "c"]}, r"class folder 'b', which 'classes' does not name"),
        (("a/p1.png", "b/p2.png"), {"classes": ["a", "b", "c"]}, r"no image of the class 'c'; it has 'a', 'b'"),
        (("a/p1.png", "b/x.png"), {"patient_pattern": PATTERN}, r"finds no patient in the name of .*b/x\.png"),
        (("a/p1.png", "b/p.png"), {"patient_pattern": r"p(\d*)"}, r"finds no patient in the name of .*b/p\.png"),
        (("age/p1.png", "b/p2.png"), {}, "a class called 'age'"),
        (("a /p1.png", "b/p2.png"), {}, "a class called 'a '"),
        (("train/a/p1.png", "test/b/p1.png"), {"patient_pattern": PATTERN}, r"'1' is in 'test' and 'train'"),
        (("a/p1\\.png", "b/p2.png"), {}, "is not a path below"),
        (("a/p1\n.png", "b/p2.png"), {}, r"holds the file 'a/p1\\n\.png'"),
    ],
)
def test_what_is_wrong_is_named(folder, tmp_path, paths, settings, message):
    (tmp_path / "set").mkdir()
    with pytest.raises(InputError, match=message):
        read_dataset(entry(**settings), folder(*paths))


def test_a_name_that_is_no_text_is_refused(folder):
    root = folder("a/p1.png", "b/p2.png")
    try:
        Path(os.fsdecode(os.fsencode(root / "a") + b"/p\xe9.png")).write_bytes(b"x")
    except OSError:
        pytest.skip("this file system holds no such names")
    with pytest.raises(InputError, match="printable"):
        read_dataset(entry(), root)


@pytest.mark.parametrize("classes", [None, ["a", "b"]])
def test_an_empty_class_folder_is_refused(folder, classes):
    root = folder("a/p1.png", "b/p2.png")
    (root / "c").mkdir()
    with pytest.raises(InputError, match=r"class 'c', though a folder" if classes is None else "class folder 'c'"):
        read_dataset(entry(classes=classes), root)


def test_other_files_among_the_images_are_refused_or_counted(folder):
    root = folder("a/p1.png", "b/p2.png")
    for name in ("a/p3.tif", "b/notes.txt"):
        (root / name).write_text("x")
    with pytest.raises(InputError, match=r"holds 2 files among the images .*: a/p3\.tif, b/notes\.txt") as refused:
        read_dataset(entry(), root)
    assert "unreadable: exclude" in str(refused.value)
    manifest = read_dataset(entry(unreadable="exclude"), root)
    assert len(manifest.images) == 2
    assert manifest.report["left_out"] == {"files of another type": 2}


def test_links_inside_are_files_and_links_out_are_refused(folder, tmp_path, write_image):
    root = folder("a/p1.png", "b/p2.png")
    (root / "b" / "p3.png").symlink_to(root / "a" / "p1.png")
    assert len(read_dataset(entry(), root).images) == 3
    (root / "b" / "p4.png").symlink_to(write_image(tmp_path / "outside.png"))
    with pytest.raises(InputError, match=r"'b/p4\.png' lies outside"):
        read_dataset(entry(), root)


@pytest.mark.parametrize("inside", [True, False])
def test_links_to_folders_are_refused(folder, tmp_path, inside):
    root = folder("a/p1.png", "b/p2.png")
    target = root / "a" if inside else tmp_path / "elsewhere"
    target.mkdir(exist_ok=True)
    (root / "c").symlink_to(target)
    with pytest.raises(InputError, match="is a link to a folder" if inside else "lies outside"):
        read_dataset(entry(), root)


def test_ranges_of_patients_side_by_side_share_none_and_cover_all(folder):
    root = folder(*(f"{'ab'[number % 2]}/p{number}.png" for number in range(12)))
    parts = [
        set(read_dataset(entry(patient_pattern=PATTERN, patients=each), root).images["patient_id"])
        for each in ((0.0, 0.5), (0.5, 1.0))
    ]
    assert parts[0] | parts[1] == {str(number) for number in range(12)}
    assert not parts[0] & parts[1]
