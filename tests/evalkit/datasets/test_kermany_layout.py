"""The paediatric pneumonia set in both public layouts: classes, patients and parts from paths alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from evalkit.config.datasets import KermanyEntry
from evalkit.config.evaluations import Classification
from evalkit.datasets import read_dataset
from evalkit.errors import InputError
from evalkit.images import read_gray
from evalkit.splits import make_splits

KAGGLE = (
    "train/NORMAL/IM-0115-0001.jpeg",
    "train/NORMAL/IM-0115-0001-0002.jpeg",
    "train/NORMAL/NORMAL2-IM-0115-0001.jpeg",
    "train/PNEUMONIA/person1_bacteria_2.jpeg",
    "train/PNEUMONIA/person1_bacteria_3.jpeg",
    "train/PNEUMONIA/person1_virus_6.jpeg",
    "val/NORMAL/NORMAL2-IM-1427-0001.jpeg",
    "val/PNEUMONIA/person1_bacteria_4874.jpeg",
    "test/NORMAL/IM-0001-0001.jpeg",
    "test/PNEUMONIA/person1_bacteria_7.jpeg",
    "test/PNEUMONIA/person3_virus_11.jpeg",
)
MENDELEY = (
    "train/NORMAL/NORMAL-1003233-0001.jpeg",
    "train/PNEUMONIA/BACTERIA-1008087-0001.jpeg",
    "train/PNEUMONIA/BACTERIA-1008087-0002.jpeg",
    "train/PNEUMONIA/VIRUS-1008087-0003.jpeg",
    "test/NORMAL/NORMAL-11419-0001.jpeg",
    "test/PNEUMONIA/BACTERIA-227418-0001.jpeg",
    "test/PNEUMONIA/VIRUS-1008087-0004.jpeg",
)


def entry(**settings) -> KermanyEntry:
    return KermanyEntry.model_validate({"format": "kermany", "root": "unused", **settings})


@pytest.fixture
def kermany(tmp_path, write_image):
    """Write images to paths below a folder, and give the folder."""

    def write(*paths: str, root: str = "chest_xray") -> Path:
        for number, path in enumerate(paths):
            write_image(tmp_path / root / path, number)
        return tmp_path / root

    return write


def test_kaggles_copy(kermany):
    manifest = read_dataset(entry(), kermany(*KAGGLE))
    images = manifest.images.set_index("path")
    assert manifest.labels == manifest.default_labels == ["normal", "bacterial", "viral"]
    assert images["patient_id"].to_dict() == {
        KAGGLE[0]: "train/normal/im-115",
        KAGGLE[1]: "train/normal/im-115",
        KAGGLE[2]: "train/normal/normal2-im-115",
        KAGGLE[3]: "train/bacterial/1",
        KAGGLE[4]: "train/bacterial/1",
        KAGGLE[5]: "train/viral/1",
        KAGGLE[6]: "train/normal/normal2-im-1427",
        KAGGLE[7]: "train/bacterial/1",
        KAGGLE[8]: "test/normal/im-1",
        KAGGLE[9]: "test/bacterial/1",
        KAGGLE[10]: "test/viral/3",
    }
    assert images["split"].value_counts().to_dict() == {"train": 8, "test": 3}
    positive = images[manifest.labels].groupby(images["split"]).sum()
    assert positive.loc["train"].tolist() == [4, 3, 1]
    assert positive.loc["test"].tolist() == [1, 1, 1]
    np.testing.assert_array_equal(images[manifest.labels].sum(axis=1), 1)
    assert manifest.report["images_in_val"] == 2
    assert manifest.report["numbers_in_both_parts"] == {"bacterial": 1}
    assert manifest.report["footnote"] == (
        "Paediatric pneumonia (Kaggle's copy), classes from the files' names. The folder val (2 images) is part of the "
        "training images, as in the original. A patient is a number within a class and a public part. Numbers that "
        "are in both parts (1) are taken for different patients. Test set: the public test folder."
    )


def test_mendeleys_release(kermany):
    manifest = read_dataset(entry(), kermany(*MENDELEY, root="CellData"))
    images = manifest.images.set_index("path")
    assert images.loc[list(MENDELEY[1:4]), "patient_id"].tolist() == [
        "train/bacterial/1008087",
        "train/bacterial/1008087",
        "train/viral/1008087",
    ]
    assert images["split"].value_counts().to_dict() == {"train": 4, "test": 3}
    assert manifest.report["numbers_in_both_parts"] == {"viral": 1}
    assert manifest.report["images_in_val"] == 0
    assert "Mendeley's release" in manifest.report["footnote"]
    assert "val" not in manifest.report["footnote"]


def test_names_are_read_in_either_case(kermany):
    paths = [path.lower().replace("jpeg", "JPG") for path in MENDELEY]
    assert len(read_dataset(entry(), kermany(*paths)).images) == 7
    shouted = [path.replace("person", "Person").replace("virus", "VIRUS") for path in KAGGLE]
    assert read_dataset(entry(), kermany(*shouted, root="second")).images["viral"].sum() == 2


def test_a_second_copy_and_what_macs_leave_are_passed_over(kermany):
    more = [f"chest_xray/{path}" for path in KAGGLE]
    root = kermany(*KAGGLE, *more, "__MACOSX/train/NORMAL/._IM-0115-0001.jpeg")
    (root / "train" / "NORMAL" / ".DS_Store").write_bytes(b"x")
    (root / "readme.txt").write_text("about")
    manifest = read_dataset(entry(), root)
    assert manifest.images["path"].tolist() == sorted(KAGGLE)
    assert manifest.report["left_out"] == {}


def test_the_folder_above_will_do(kermany):
    manifest = read_dataset(entry(), kermany(*(f"chest_xray/{path}" for path in MENDELEY), root="archive"))
    assert manifest.images["path"].tolist() == sorted(f"chest_xray/{path}" for path in MENDELEY)
    assert manifest.images["patient_id"].str.startswith(("train/", "test/")).all()


def test_a_part_of_another_name_is_refused_and_not_left_out(kermany):
    root = kermany(*(path.replace("val/", "valid/") for path in KAGGLE), "Extra/person1_virus_9.jpeg")
    with pytest.raises(InputError, match=r"holds images in Extra/ \(1\), valid/ \(2\), beside train/") as caught:
        read_dataset(entry(), root)
    assert "train/, val/, test/" in caught.value.expected
    below = kermany(*(path.replace("val/", "valid/") for path in KAGGLE), root="above/chest_xray")
    with pytest.raises(InputError, match=r"chest_xray holds images in valid/ \(2\)"):
        read_dataset(entry(), below.parent)


def test_folders_without_images_and_pictures_beside_do_no_harm(kermany):
    root = kermany(*KAGGLE, "overview.png")
    (root / "papers").mkdir()
    (root / "papers" / "cell.txt").write_text("about")
    assert len(read_dataset(entry(), root).images) == len(KAGGLE)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("train/NORMAL/IM-0115-0001.jpeg", "train/NORMAL/person9_virus_1.jpeg", "not named as an image of its folder"),
        ("train/PNEUMONIA/person1_virus_6", "train/PNEUMONIA/IM-0001-0001", "not named as an image of its folder"),
        ("train/PNEUMONIA/person1_virus_6", "train/PNEUMONIA/person1_fungus_6", "person1_fungus_6"),
        ("train/PNEUMONIA/person1_virus_6", "train/PNEUMONIA/person1_virus_6_copy", "person1_virus_6_copy"),
        ("train/PNEUMONIA/person1_virus_6", "train/COVID/person1_virus_6", "COVID/person1_virus_6"),
        ("train/PNEUMONIA/person1_virus_6", "train/PNEUMONIA/x/person1_virus_6", "x/person1_virus_6"),
        ("train/PNEUMONIA/person1_virus_6", "train/person1_virus_6", "train/person1_virus_6"),
        ("train/PNEUMONIA/person1_virus_6", "train/PNEUMONIA/VIRUS-1-0001", "mixes the names of Kaggle's copy"),
    ],
)
def test_names_of_another_kind_are_refused(kermany, old, new, message):
    with pytest.raises(InputError, match=message):
        read_dataset(entry(), kermany(*(path.replace(old, new) for path in KAGGLE)))


@pytest.mark.parametrize("part", ["train", "test"])
def test_both_parts_must_be_there(kermany, part):
    root = kermany(*(path for path in MENDELEY if not path.startswith(part)))
    with pytest.raises(InputError, match="has no folders train and test"):
        read_dataset(entry(), root)
    (root / part).mkdir()
    with pytest.raises(InputError, match=f"has no images in {part}/"):
        read_dataset(entry(), root)


def test_files_that_are_no_images_are_refused_or_counted(kermany):
    root = kermany(*KAGGLE)
    (root / "test" / "NORMAL" / "list.txt").write_text("x")
    with pytest.raises(InputError, match=r"1 files among the images .*: test/NORMAL/list\.txt"):
        read_dataset(entry(), root)
    assert read_dataset(entry(unreadable="exclude"), root).report["left_out"] == {"files of another type": 1}


def test_a_link_out_of_the_folder_is_refused(kermany, tmp_path, write_image):
    root = kermany(*KAGGLE)
    (root / "test" / "NORMAL" / "IM-0002-0001.jpeg").symlink_to(write_image(tmp_path / "secret.jpeg"))
    with pytest.raises(InputError, match="lies outside"):
        read_dataset(entry(), root)


def test_the_public_test_stays_and_validation_is_drawn_from_training_patients(kermany):
    paths = [f"train/PNEUMONIA/person{n}_{kind}_{n}.jpeg" for n in range(1, 21) for kind in ("bacteria", "virus")]
    paths += [f"train/NORMAL/IM-{n:04d}-0001.jpeg" for n in range(1, 21)]
    manifest = read_dataset(entry(), kermany(*paths, *(path for path in KAGGLE if path.startswith("test"))))
    index = manifest.images[["image_id", "patient_id"]].assign(sha256=manifest.images["image_id"], low=0.0, cap=1.0)
    evaluation = Classification.model_validate(
        {"task": "multilabel", "dataset": "kermany", "recipe": {"lr": 0.1, "steps": 1}, "missing_class": "keep"}
    )
    splits = make_splits(manifest, index, evaluation, name="table8", seed=0)
    assert sorted(splits.image_ids("test")) == sorted(path for path in KAGGLE if path.startswith("test"))
    drawn = splits.image_ids("validation")
    assert len(drawn) == 6, "a tenth of 60 training patients"
    assert all(path.startswith("train/") for path in drawn)
    assert splits.report["test_set"] == "the public test folder"


@pytest.mark.parametrize("subsampling", [0, 2])
def test_grey_stored_as_colour_reads_as_grey(tmp_path, subsampling):
    smooth = np.add.outer(np.arange(96), np.arange(96)).astype(np.uint8)
    grey, colour = tmp_path / "grey.jpeg", tmp_path / "colour.jpeg"
    Image.fromarray(smooth).save(grey, quality=92)
    Image.fromarray(smooth).convert("RGB").save(colour, quality=92, subsampling=subsampling)
    assert np.abs(read_gray(colour).astype(int) - read_gray(grey)).max() <= 1
    # A cast of a grey level or two, as rounding of a JPEG's colour leaves, moves the grey value by no more.
    cast = np.stack([smooth, smooth, np.minimum(smooth.astype(int) + 3, 255)], axis=2).astype(np.uint8)
    Image.fromarray(cast).save(colour, quality=92, subsampling=subsampling)
    assert np.abs(read_gray(colour).astype(int) - smooth).max() <= 4


def test_the_manifest_survives_its_file(kermany, tmp_path):
    from evalkit.datasets import load_manifest, write_manifest

    manifest = read_dataset(entry(), kermany(*KAGGLE))
    write_manifest(manifest, tmp_path / "out" / "manifest.parquet")
    pd.testing.assert_frame_equal(load_manifest(tmp_path / "out" / "manifest.parquet").images, manifest.images)
