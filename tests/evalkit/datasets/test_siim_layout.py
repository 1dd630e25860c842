"""SIIM-FISABIO-RSNA COVID-19: studies of several images, boxes from literals, and everything that may be wrong."""

from __future__ import annotations

import csv
import io
import shutil

import numpy as np
import pytest

from evalkit.config.datasets import SiimEntry
from evalkit.datasets import load_manifest, read_dataset, write_manifest
from evalkit.errors import InputError

STUDY_HEADER = [
    "id",
    "Negative for Pneumonia",
    "Typical Appearance",
    "Indeterminate Appearance",
    "Atypical Appearance",
]
IMAGE_HEADER = ["id", "boxes", "label", "StudyInstanceUID"]
TWO_BOXES = "[{'x': 4.5, 'y': 5, 'width': 10, 'height': 20.25}, {'x': 30, 'y': 5, 'width': 10, 'height': 20}]"
TWO_LABELS = "opacity 1 4.5 5 14.5 25.25 opacity 1 30 5 40 25"


def entry(**settings) -> SiimEntry:
    return SiimEntry(format="siim", root="unused", **settings)


def as_csv(*rows) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


@pytest.fixture
def siim(tmp_path, write_dicom):
    """Three studies of two patients: one with two images of which one is boxed, one negative, one with one box."""
    places = {
        "a1": ("s1", "t1", {"patient_id": "P1"}),
        "a2": ("s1", "t2", {"patient_id": "P1", "sex": "M", "age": 5, "projection": "AP"}),
        "b1": ("s2", "t1", {"patient_id": "P1"}),
        "c1": ("s3", "t1", {}),
    }
    for image, (study, series, header) in places.items():
        write_dicom(tmp_path / "train" / study / series / f"{image}.dcm", **header)
    images = as_csv(
        IMAGE_HEADER,
        ["a1_image", TWO_BOXES, TWO_LABELS, "s1"],
        ["a2_image", "", "none 1 0 0 1 1", "s1"],
        ["b1_image", "", "none 1 0 0 1 1", "s2"],
        ["c1_image", "[{'x': 0, 'y': 0, 'width': 50, 'height': 40}]", "opacity 1 0 0 50 40", "s3"],
    )
    studies = as_csv(STUDY_HEADER, ["s1_study", 0, 1, 0, 0], ["s2_study", 1, 0, 0, 0], ["s3_study", 0, 0, 0, 1])
    (tmp_path / "train_image_level.csv").write_text(images)
    (tmp_path / "train_study_level.csv").write_text(studies)
    return tmp_path


def change(root, old, new, level="image"):
    table = root / f"train_{level}_level.csv"
    text = table.read_text()
    assert old in text
    table.write_text(text.replace(old, new, 1))


def test_images_studies_patients_and_labels(siim):
    manifest = read_dataset(entry(), siim)
    images = manifest.images.set_index("image_id")
    assert images.index.tolist() == ["a1", "a2", "b1", "c1"]
    assert images["study_id"].tolist() == ["s1", "s1", "s2", "s3"]
    assert images["patient_id"].tolist() == ["P1", "P1", "P1", "s3"], "a study without PatientID is its own patient"
    assert images.loc["a2", "path"] == "train/s1/t2/a2.dcm"
    assert images["opacity"].tolist() == [1, 0, 0, 1]
    assert images["typical"].tolist() == [1, 1, 0, 0]
    assert images["negative"].tolist() == [0, 0, 1, 0]
    assert images["indeterminate"].tolist() == [0, 0, 0, 0]
    assert images["atypical"].tolist() == [0, 0, 0, 1]
    assert images["age"].tolist() == [41, 5, 41, 41]
    assert images["sex"].tolist() == ["F", "M", "F", "F"]
    assert images["view"].tolist() == ["PA", "AP", "PA", "PA"]
    assert set(images["split"]) == {""}
    assert manifest.default_labels == ["opacity"]
    assert manifest.labels == ["opacity", "negative", "typical", "indeterminate", "atypical"]


def test_boxes_are_those_of_the_literals(siim):
    manifest = read_dataset(entry(), siim)
    assert manifest.boxes.to_numpy().tolist() == [
        ["a1", "opacity", 4.5, 5, 10, 20.25],
        ["a1", "opacity", 30, 5, 10, 20],
        ["c1", "opacity", 0, 0, 50, 40],
    ]
    counts = {"boxes": 3, "images_with_boxes": 2, "images_without_boxes": 2, "per_label": {"opacity": 3}}
    assert manifest.report["boxes"] == {**counts, "cut_to_the_image": 0}
    assert manifest.report["unboxed_images_of_boxed_studies"] == 1
    footnote = manifest.report["footnote"]
    assert "Images without a box in a study with boxes on another image: 1." in footnote
    assert "not public" in footnote
    assert "Boxes: 3 on 2 images; 2 images without a box are kept." in footnote


def test_the_manifest_comes_back_from_its_files(siim, tmp_path):
    manifest = read_dataset(entry(), siim)
    write_manifest(manifest, tmp_path / "out" / "manifest.parquet")
    back = load_manifest(tmp_path / "out" / "manifest.parquet")
    assert back.images.equals(manifest.images)
    assert back.boxes.equals(manifest.boxes)


def test_a_name_missing_in_one_header_comes_from_the_studys_other_image(siim, write_dicom):
    write_dicom(siim / "train/s1/t2/a2.dcm", patient_id="")
    assert read_dataset(entry(), siim).images["patient_id"].tolist() == ["P1", "P1", "P1", "s3"]


def test_two_patients_in_a_study_are_refused(siim, write_dicom):
    write_dicom(siim / "train/s1/t2/a2.dcm", patient_id="P2")
    with pytest.raises(InputError, match="the study 's1' has images of more than one patient"):
        read_dataset(entry(), siim)


def test_ranges_of_patients_take_their_boxes_along(siim):
    parts = [read_dataset(entry(patients=patients), siim) for patients in ((0.0, 0.5), (0.5, 1.0))]
    assert sorted(len(part.images) for part in parts) == [1, 3]
    assert sorted(len(part.boxes) for part in parts) == [1, 2]
    for part in parts:
        assert part.report["unboxed_images_of_boxed_studies"] == (len(part.images) == 3)
        assert part.report["boxes"]["boxes"] == len(part.boxes)


def test_the_copy_is_told_by_its_counts(siim, monkeypatch):
    monkeypatch.setattr("evalkit.datasets.siim._COPIES", {(4, 3): "the tiny copy"})
    assert "SIIM-FISABIO-RSNA COVID-19, the tiny copy." in read_dataset(entry(), siim).report["footnote"]


@pytest.mark.parametrize(
    "literal",
    [
        "__import__('os').system('touch pwned')",
        "[{'x': 1, 'y': 2, 'width': 3}]",
        "[{'x': 1, 'y': 2, 'width': 3, 'height': 4, 'z': 5}]",
        "[{'x': '1', 'y': 2, 'width': 3, 'height': 4}]",
        "[{'x': True, 'y': 2, 'width': 3, 'height': 4}]",
        "[{'x': 1j, 'y': 2, 'width': 3, 'height': 4}]",
        "[{'x': 1e400, 'y': 2, 'width': 3, 'height': 4}]",
        "[{'x': nan, 'y': 2, 'width': 3, 'height': 4}]",
        "{'x': 1, 'y': 2, 'width': 3, 'height': 4}",
        "[{'x': 1, 'y': 2, 'width': 3, 'height': 4}",
        "[[1, 2, 3, 4]]",
        "[" * 3000,
        "-" * 9000 + "1",
        "[{'x': " + "9" * 6000 + ", 'y': 2, 'width': 3, 'height': 4}]",
        "[" + "0," * 20_000 + "]",
        "(" * 95 + ")" * 95,
        "\0",
    ],
)
def test_a_text_that_is_no_list_of_boxes_is_named_and_never_executed(siim, literal, monkeypatch):
    monkeypatch.chdir(siim)
    change(siim, '"' + TWO_BOXES + '"', '"' + literal.replace("\0", "'a\0b'") + '"')
    with pytest.raises(InputError, match=r"train_image_level\.csv, data row 1: the list of boxes is") as refused:
        read_dataset(entry(), siim)
    assert len(str(refused.value)) < 600
    assert not (siim / "pwned").exists()


@pytest.mark.parametrize(
    ("old", "new", "level", "message"),
    [
        ("a1_image", "a1", "image", r"data row 1: the id is 'a1'"),
        ("a1_image", "../a1_image", "image", r"data row 1: the id is '\.\./a1_image'"),
        ("a2_image", "a1_image", "image", r"data row 2: an id listed twice is 'a1_image'"),
        ("none 1 0 0 1 1", "nothing", "image", r"data row 2: the label is 'nothing'"),
        ("none 1 0 0 1 1", "opacity 1 2 3 4 5", "image", r"data row 2: the label, which disagrees with the column"),
        (TWO_LABELS, "none 1 0 0 1 1", "image", r"data row 1: the label, which disagrees with the column"),
        (",s2", ",s9", "image", r"1 studies that train_study_level\.csv does not list, for example 's9'"),
        (",s2", ",", "image", r"data row 3: the study is ''"),
        (",s2", ",s3", "image", r"1 images lie in the folder of another study .* train/s2/t1/b1\.dcm"),
        ("StudyInstanceUID", "Study", "image", "no column 'StudyInstanceUID'"),
        ("0,1,0,0", "0,1,0,1", "study", r"data row 1: a study without exactly one class is 's1_study'"),
        ("0,1,0,0", "0,,0,0", "study", r"data row 1: a study without exactly one class is 's1_study'"),
        ("0,1,0,0", "0,2,0,0", "study", r"data row 1: the label 'Typical Appearance' is '2'"),
        ("s1_study", "s2_study", "study", r"data row 2: an id listed twice is 's2_study'"),
        ("Typical Appearance", "Typical", "study", "no column 'Typical Appearance'"),
    ],
)
def test_tables_that_are_wrong_are_refused(siim, old, new, level, message):
    change(siim, old, new, level)
    with pytest.raises(InputError, match=message):
        read_dataset(entry(), siim)


@pytest.mark.parametrize(
    ("box", "reason"),
    [
        ("'x': 4.5, 'y': 5, 'width': 0, 'height': 20.25", "width 0"),
        ("'x': 4.5, 'y': 5, 'width': -3, 'height': 20.25", "width -3"),
        ("'x': 45, 'y': 5, 'width': 10, 'height': 20.25", "x 45"),
        ("'x': -4.5, 'y': 5, 'width': 10, 'height': 20.25", "x -4.5"),
        ("'x': 4.5, 'y': 50, 'width': 10, 'height': 20.25", "y 50"),
    ],
)
def test_a_box_that_cannot_be_right_is_named_or_its_image_left_out(siim, box, reason):
    change(siim, "'x': 4.5, 'y': 5, 'width': 10, 'height': 20.25", box)
    with pytest.raises(InputError, match="4 images; 1 images with wrong boxes") as refused:
        read_dataset(entry(), siim)
    assert "a1: the box of 'opacity' at" in str(refused.value)
    assert reason in str(refused.value)
    assert "50 x 40 pixels" in str(refused.value)
    assert "bad_boxes: exclude" in refused.value.remedy
    manifest = read_dataset(entry(bad_boxes="exclude"), siim)
    assert manifest.images["image_id"].tolist() == ["a2", "b1", "c1"]
    assert manifest.report["left_out"] == {"images with wrong boxes": 1}
    assert manifest.report["left_out_images"] == {"images with wrong boxes": ["a1"]}
    assert manifest.boxes["image_id"].tolist() == ["c1"]


def test_a_box_that_sticks_out_a_little_is_cut(siim):
    change(siim, "'x': 0, 'y': 0, 'width': 50, 'height': 40", "'x': -0.4, 'y': 0.5, 'width': 50.5, 'height': 39.75")
    manifest = read_dataset(entry(), siim)
    assert manifest.boxes.loc[2, ["x", "y", "width", "height"]].tolist() == [0, 0.5, 50, 39.5]
    assert manifest.report["boxes"]["cut_to_the_image"] == 1


def test_missing_and_damaged_files_are_named_or_left_out(siim):
    (siim / "train/s1/t2/a2.dcm").unlink()
    with pytest.raises(InputError, match="4 images; 1 missing image files:\n  - a2: there is no such file"):
        read_dataset(entry(), siim)
    (siim / "train/s3/t1/c1.dcm").write_bytes(b"hello" * 100)
    with pytest.raises(InputError, match="1 missing"):
        read_dataset(entry(), siim)
    manifest = read_dataset(entry(unreadable="exclude"), siim)
    assert manifest.images["image_id"].tolist() == ["a1", "b1"]
    assert manifest.report["left_out"] == {"missing image files": 1, "unreadable image files": 1}
    shutil.copy(siim / "train/s1/t1/a1.dcm", siim / "train/s1/t2/a2.dcm")
    with pytest.raises(InputError, match=r"1 unreadable image files:\n  - c1: .*c1\.dcm cannot be read"):
        read_dataset(entry(), siim)


def test_nothing_that_can_be_used_is_refused(siim):
    for file in (siim / "train").rglob("*.dcm"):
        file.write_bytes(b"")
    with pytest.raises(InputError, match="no image is left"):
        read_dataset(entry(unreadable="exclude"), siim)
    for file in (siim / "train").rglob("*.dcm"):
        file.unlink()
    with pytest.raises(InputError, match="holds none of the 4 images"):
        read_dataset(entry(unreadable="exclude"), siim)
    shutil.rmtree(siim / "train")
    with pytest.raises(InputError, match="train: No such file"):
        read_dataset(entry(unreadable="exclude"), siim)


def test_files_that_no_row_lists_are_counted(siim, write_dicom):
    write_dicom(siim / "train/s9/t1/z9.dcm")
    assert read_dataset(entry(), siim).report["left_out"] == {"image files that no row lists": 1}


def test_an_image_in_two_series_is_refused(siim):
    (siim / "train/s1/t3").mkdir()
    shutil.copy(siim / "train/s1/t1/a1.dcm", siim / "train/s1/t3/a1.dcm")
    with pytest.raises(InputError, match="holds the image 'a1' twice"):
        read_dataset(entry(), siim)


def test_a_link_out_of_the_folder_is_refused(siim, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "a1.dcm"
    (siim / "train/s1/t1/a1.dcm").rename(outside)
    (siim / "train/s1/t1/a1.dcm").symlink_to(outside)
    with pytest.raises(InputError, match="lies outside"):
        read_dataset(entry(unreadable="exclude"), siim)


def test_an_odd_age_in_a_header_is_not_known(siim, write_dicom):
    from pydicom import dcmread

    path = siim / "train/s1/t1/a1.dcm"
    dataset = dcmread(path)
    dataset.add_new("PatientSex", "CS", "X")
    dataset.add_new("PatientAge", "AS", "")
    dataset.save_as(path)
    first = read_dataset(entry(), siim).images.iloc[0]
    assert np.isnan(first["age"])
    assert first["sex"] == ""
