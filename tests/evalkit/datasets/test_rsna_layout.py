"""RSNA pneumonia challenge: several rows per image, classes, NIH's patients where RSNA's list tells them."""

from __future__ import annotations

import json

import pytest

from evalkit.comparisons.external import with_origins
from evalkit.config.datasets import RsnaEntry
from evalkit.datasets import read_dataset
from evalkit.errors import InputError

LABELS = """patientId,x,y,width,height,Target
aa-1,,,,,0
bb-2,5.0,4.0,10.0,20.0,1
bb-2,30.0,4.0,10.0,20.0,1
cc-3,,,,,0
dd-4,0.0,0.0,50.0,40.0,1
"""
CLASSES = """patientId,class
aa-1,No Lung Opacity / Not Normal
bb-2,Lung Opacity
bb-2,Lung Opacity
cc-3,Normal
dd-4,Lung Opacity
"""
MAPPING = "pneumonia-challenge-dataset-mappings_2018.json"


def entry(**settings) -> RsnaEntry:
    return RsnaEntry(format="rsna", root="unused", **settings)


@pytest.fixture
def rsna(tmp_path, write_dicom):
    for name in ("aa-1", "bb-2", "cc-3", "dd-4"):
        write_dicom(tmp_path / "stage_2_train_images" / f"{name}.dcm", patient_id=name, age=60)
    (tmp_path / "stage_2_train_labels.csv").write_text(LABELS)
    (tmp_path / "stage_2_detailed_class_info.csv").write_text(CLASSES)
    return tmp_path


def write_origins(root, **changes):
    origins = {
        "aa-1": "00000012_000.png",
        "bb-2": "00000012_003.png",
        "cc-3": "00000305_001.png",
        "dd-4": "00000001_000",
    }
    rows = [{"subset_img_id": name, "img_id": origin} for name, origin in {**origins, **changes}.items()]
    (root / MAPPING).write_text(json.dumps(rows))


def test_images_labels_and_boxes(rsna):
    manifest = read_dataset(entry(), rsna)
    images = manifest.images.set_index("image_id")
    assert images.index.tolist() == ["aa-1", "bb-2", "cc-3", "dd-4"]
    assert images["patient_id"].tolist() == images.index.tolist()
    assert images["opacity"].tolist() == [0, 1, 0, 1]
    assert images["not normal"].tolist() == [1, 0, 0, 0]
    assert images["normal"].tolist() == [0, 0, 1, 0]
    assert set(images["age"]) == {60}
    assert manifest.default_labels == ["opacity"]
    assert manifest.boxes.to_numpy().tolist() == [
        ["bb-2", "opacity", 5, 4, 10, 20],
        ["bb-2", "opacity", 30, 4, 10, 20],
        ["dd-4", "opacity", 0, 0, 50, 40],
    ]
    assert manifest.report["boxes"]["images_without_boxes"] == 2
    assert "images of NIH ChestX-ray14" in manifest.report["footnote"]
    assert "Each image counts as a patient of its own" in manifest.report["footnote"]
    assert with_origins(["rsna"]) == {"rsna", "nih"}


def test_rsnas_list_of_origins_tells_nihs_patients(rsna):
    write_origins(rsna)
    manifest = read_dataset(entry(), rsna)
    assert manifest.images["patient_id"].tolist() == ["12", "12", "305", "1"], (
        "as the reader of NIH's own files has them"
    )
    assert "Patients are NIH's" in manifest.report["footnote"]
    assert MAPPING in [file["path"] for file in manifest.report["files"]]


def test_without_the_table_of_classes_there_is_one_label(rsna):
    (rsna / "stage_2_detailed_class_info.csv").unlink()
    assert read_dataset(entry(), rsna).labels == ["opacity"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("aa-1,,,,,0", "aa-1,,,,,2", r"data row 1: the target is '2'"),
        ("aa-1,,,,,0", "../aa,,,,,0", r"data row 1: the id is '\.\./aa'"),
        ("aa-1,,,,,0", "aa-1,1,2,3,4,0", r"data row 1: a box with target 0 is '1, 2, 3, 4'"),
        (
            "bb-2,5.0,4.0,10.0,20.0,1",
            "bb-2,5.0,4.0,10.0,,1",
            r"data row 2: a box with target 1 is '5\.0, 4\.0, 10\.0, '",
        ),
        ("bb-2,5.0,4.0,10.0,20.0,1", "bb-2,,,,,0", r"data row 2: an image with and without a box is 'bb-2'"),
        ("cc-3,,,,,0", "aa-1,,,,,0", r"data row 4: an image without a box listed twice is 'aa-1'"),
        ("cc-3,,,,,0", "zz-9,,,,,0", r"class_info\.csv lacks 1 images, for example 'zz-9'"),
        ("cc-3,,,,,0", "cc-3,1,1,5,5,1", r"disagree about 1 images, for example 'cc-3'"),
        ("patientId,x", "patient,x", "no column 'patientId'"),
    ],
)
def test_labels_that_are_wrong_are_refused(rsna, old, new, message):
    assert old in LABELS
    (rsna / "stage_2_train_labels.csv").write_text(LABELS.replace(old, new, 1))
    with pytest.raises(InputError, match=message):
        read_dataset(entry(), rsna)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Normal\n", "Healthy\n", r"the class is 'Healthy'|the class is 'No Lung Opacity / Not Healthy'"),
        ("bb-2,Lung Opacity", "bb-2,Normal", "an image of two classes is 'bb-2'"),
    ],
)
def test_classes_that_are_wrong_are_refused(rsna, old, new, message):
    (rsna / "stage_2_detailed_class_info.csv").write_text(CLASSES.replace(old, new, 1))
    with pytest.raises(InputError, match=message):
        read_dataset(entry(), rsna)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not RSNA's list of origins: JSONDecodeError"),
        ("[1]", "is not RSNA's list of origins: TypeError"),
        ('[{"img_id": "x"}]', "is not RSNA's list of origins: KeyError"),
        ("[]", "lacks 4 images, for example 'aa-1'"),
    ],
)
def test_a_list_of_origins_of_another_kind_is_refused(rsna, text, message):
    (rsna / MAPPING).write_text(text)
    with pytest.raises(InputError, match=message) as refused:
        read_dataset(entry(), rsna)
    assert "take it away" in refused.value.remedy


def test_an_origin_that_is_not_nihs_is_refused(rsna):
    write_origins(rsna, **{"cc-3": "patient5.png"})
    with pytest.raises(InputError, match=r"data row 3: the origin is 'patient5\.png'"):
        read_dataset(entry(), rsna)


def test_missing_files_and_wrong_boxes_are_named_or_left_out(rsna):
    (rsna / "stage_2_train_images" / "aa-1.dcm").unlink()
    (rsna / "stage_2_train_labels.csv").write_text(LABELS.replace("0.0,0.0,50.0,40.0", "0.0,0.0,60.0,40.0"))
    with pytest.raises(InputError, match="1 missing image files:\n  - aa-1"):
        read_dataset(entry(), rsna)
    with pytest.raises(InputError, match="1 images with wrong boxes:\n  - dd-4"):
        read_dataset(entry(unreadable="exclude"), rsna)
    manifest = read_dataset(entry(unreadable="exclude", bad_boxes="exclude"), rsna)
    assert manifest.images["image_id"].tolist() == ["bb-2", "cc-3"]
    assert manifest.report["left_out"] == {"missing image files": 1, "images with wrong boxes": 1}
