"""COCO's format: real lungs, crowds, patients, and files that are wrong or hostile."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from evalkit.config.datasets import CocoEntry
from evalkit.datasets import read_dataset
from evalkit.errors import InputError


def entry(**settings) -> CocoEntry:
    return CocoEntry(format="coco", root="unused", **settings)


def annotations() -> dict:
    return {
        "categories": [{"id": 7, "name": "Nodule"}, {"id": 2, "name": "Mass"}],
        "images": [
            {"id": 10, "file_name": "a.png", "width": 30, "height": 20, "patient_id": "p1"},
            {"id": 11, "file_name": "deep/b.png", "width": 16, "height": 12, "patient_id": 5},
            {"id": 12, "file_name": "c.png", "width": 30, "height": 20, "patient_id": "p1"},
        ],
        "annotations": [
            {"image_id": 10, "category_id": 7, "bbox": [1, 2, 10, 5.5]},
            {"image_id": 11, "category_id": 2, "bbox": [0, 0, 16, 12], "iscrowd": 0},
            {"image_id": 11, "category_id": 7, "bbox": [3, 3, 4, 4], "iscrowd": 1},
            {"image_id": 10, "category_id": 7, "bbox": [20, 2, 5, 5]},
        ],
    }


@pytest.fixture
def coco(tmp_path, write_image):
    for number, (name, size) in enumerate((("a.png", (20, 30)), ("deep/b.png", (12, 16)), ("c.png", (20, 30)))):
        write_image(tmp_path / "images" / name, number, size)
    write(tmp_path, annotations())
    return tmp_path


def write(root, data) -> None:
    (root / "annotations.json").write_text(data if isinstance(data, str) else json.dumps(data))


def test_images_labels_and_boxes(coco):
    manifest = read_dataset(entry(), coco)
    images = manifest.images.set_index("image_id")
    assert images.index.tolist() == ["10", "11", "12"]
    assert images["patient_id"].tolist() == ["p1", "5", "p1"]
    assert images["path"].tolist() == ["images/a.png", "images/deep/b.png", "images/c.png"]
    assert manifest.labels == manifest.default_labels == ["Mass", "Nodule"], "by the categories' ids"
    assert images["Mass"].tolist() == [0, 1, 0]
    assert images["Nodule"].tolist() == [1, 1, 0], "a crowd of nodules is no box, but nodules are there"
    assert manifest.boxes.to_numpy().tolist() == [
        ["10", "Nodule", 1, 2, 10, 5.5],
        ["11", "Mass", 0, 0, 16, 12],
        ["10", "Nodule", 20, 2, 5, 5],
    ]
    assert manifest.report["boxes"]["per_label"] == {"Mass": 1, "Nodule": 2}
    assert manifest.report["crowd_boxes"] == 1
    footnote = manifest.report["footnote"]
    assert "Left out: 1 boxes around any number of objects" in footnote
    assert "Boxes: 3 on 2 images; 1 images without a box are kept." in footnote


def test_without_patients_each_image_is_one_and_the_footnote_says_so(coco):
    data = annotations()
    for image in data["images"]:
        del image["patient_id"]
    write(coco, data)
    manifest = read_dataset(entry(), coco)
    assert manifest.images["patient_id"].tolist() == ["10", "11", "12"]
    assert "Each image counts as a patient of its own" in manifest.report["footnote"]


def test_file_and_folder_may_be_called_otherwise(coco):
    (coco / "annotations.json").rename(coco / "lungs.json")
    (coco / "images" / "c.png").rename(coco / "c.png")
    (coco / "images" / "a.png").rename(coco / "a.png")
    (coco / "images" / "deep").rename(coco / "deep")
    manifest = read_dataset(entry(annotations="lungs.json", images="."), coco)
    assert manifest.images["path"].tolist() == ["a.png", "deep/b.png", "c.png"]


def test_without_a_box_on_any_image_there_is_still_a_manifest(coco):
    write(coco, {**annotations(), "annotations": []})
    manifest = read_dataset(entry(), coco)
    assert len(manifest.boxes) == 0
    assert manifest.images[["Mass", "Nodule"]].to_numpy().sum() == 0


def set_in(data: dict, part: str, place: int, **values) -> dict:
    data[part][place].update(values)
    return data


def without(data: dict, part: str, place: int, key: str) -> dict:
    del data[part][place][key]
    return data


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("{", "is not readable as JSON"),
        ("[" * 100_000, "is not readable as JSON"),
        ("9" * 10_000, "is not readable as JSON"),
        ("[]", "is not in COCO's format"),
        ({"images": [], "annotations": []}, "is not in COCO's format"),
        ({**annotations(), "images": {}}, "is not in COCO's format"),
        ({**annotations(), "images": [1]}, r"has 1 at images\[0\]"),
        ({**annotations(), "images": []}, r"unknown image 10 at annotations\[0\]|has no images"),
        ({**annotations(), "categories": []}, "has no categories"),
        (set_in(annotations(), "categories", 1, id=7), r"a second category 'Mass' with the id 7 at categories\[1\]"),
        (set_in(annotations(), "categories", 1, name="Nodule"), "a second category 'Nodule'"),
        (set_in(annotations(), "categories", 1, name="path"), "has the name 'path'"),
        (set_in(annotations(), "categories", 1, name="raw:x"), "has the name 'raw:x'"),
        (set_in(annotations(), "categories", 1, name=None), "has the name None"),
        (set_in(annotations(), "images", 1, id=10), r"has the image id '10' a second time at images\[1\]"),
        (set_in(annotations(), "images", 1, id=True), r"has the id True at images\[1\]"),
        (set_in(annotations(), "images", 1, id=[1]), r"has the id \[1\]"),
        (set_in(annotations(), "images", 1, width=0), "has the width 0"),
        (set_in(annotations(), "images", 1, file_name="a\nb.png"), "has the file_name"),
        (set_in(annotations(), "images", 1, file_name="../../etc/passwd"), "lies outside"),
        (set_in(annotations(), "images", 1, file_name="/etc/passwd"), "lies outside"),
        (without(annotations(), "images", 1, "file_name"), r"has no 'file_name' at images\[1\]"),
        (without(annotations(), "images", 1, "patient_id"), r"has no 'patient_id' at images\[1\]"),
        (set_in(annotations(), "annotations", 1, image_id=99), r"the unknown image 99 at annotations\[1\]"),
        (set_in(annotations(), "annotations", 1, category_id=9), "unknown category 9"),
        (set_in(annotations(), "annotations", 1, category_id="2"), "unknown category '2'"),
        (set_in(annotations(), "annotations", 1, bbox=[1, 2, 3]), r"has the bbox \[1, 2, 3\]"),
        (set_in(annotations(), "annotations", 1, bbox=[1, 2, 3, "4"]), "has the bbox"),
        (set_in(annotations(), "annotations", 1, bbox=[1, 2, 3, float("nan")]), "has the bbox"),
        (set_in(annotations(), "annotations", 1, bbox=[1, 2, float("inf"), 4]), "has the bbox"),
        (set_in(annotations(), "annotations", 1, bbox={"x": 1}), "has the bbox"),
        (set_in(annotations(), "annotations", 1, iscrowd=2), "has iscrowd 2"),
        (without(annotations(), "annotations", 1, "bbox"), r"has no 'bbox' at annotations\[1\]"),
    ],
)
def test_a_file_that_is_wrong_is_refused(coco, data, message):
    write(coco, data)
    with pytest.raises(InputError, match=message) as refused:
        read_dataset(entry(), coco)
    assert len(str(refused.value)) < 700


@pytest.mark.parametrize(
    "box", [[1, 2, 0, 5], [1, 2, 5, -1], [25, 2, 10, 5], [-5, 2, 10, 5], [1, 18, 5, 5], [40, 2, 3, 3]]
)
def test_a_box_that_cannot_be_right_is_named_or_its_image_left_out(coco, box):
    write(coco, set_in(annotations(), "annotations", 0, bbox=box))
    with pytest.raises(InputError, match="1 images with wrong boxes:\n  - 10: the box of 'Nodule' at x"):
        read_dataset(entry(), coco)
    manifest = read_dataset(entry(bad_boxes="exclude"), coco)
    assert manifest.images["image_id"].tolist() == ["11", "12"]
    assert manifest.boxes["image_id"].tolist() == ["11"]


def test_a_file_of_another_size_than_its_boxes_were_drawn_on_is_refused(coco, write_image):
    write_image(coco / "images" / "a.png", 0, (40, 60))
    with pytest.raises(InputError, match="another size than their boxes") as refused:
        read_dataset(entry(), coco)
    assert "10: the file has 60 x 40 pixels, the annotations 30 x 20" in str(refused.value)
    manifest = read_dataset(entry(bad_boxes="exclude"), coco)
    assert manifest.report["left_out_images"] == {"images of another size than their boxes were drawn on": ["10"]}


def test_missing_and_damaged_images_are_named_or_left_out(coco):
    (coco / "images" / "c.png").unlink()
    (coco / "images" / "a.png").write_bytes(b"GIF89a")
    with pytest.raises(InputError, match="1 missing image files:\n  - 12"):
        read_dataset(entry(), coco)
    manifest = read_dataset(entry(unreadable="exclude"), coco)
    assert manifest.report["left_out"] == {"missing image files": 1, "unreadable image files": 1}
    assert manifest.images["image_id"].tolist() == ["11"]


def test_paths_of_the_study_file_stay_inside(coco):
    for settings in ({"annotations": "../other.json"}, {"images": "../.."}, {"images": "/"}):
        with pytest.raises(InputError, match="lies outside"):
            read_dataset(entry(**settings), coco)
    with pytest.raises(InputError, match=r"other\.json cannot be read: No such file"):
        read_dataset(entry(annotations="other.json"), coco)


def test_the_real_lungs_have_the_figures_measured_on_them(real_lungs):
    manifest = read_dataset(entry(), real_lungs)
    counts = manifest.report["counts"]
    assert (counts["images"], counts["patients"]) == (238, 136)
    assert manifest.report["boxes"] == {
        "boxes": 476,
        "images_with_boxes": 238,
        "images_without_boxes": 0,
        "per_label": {"Right Lung": 238, "Left Lung": 238},
        "cut_to_the_image": 0,
    }
    first = manifest.images.iloc[0]
    assert (first["image_id"], first["patient_id"]) == ("7", "5")
    boxes = manifest.boxes[manifest.boxes["image_id"] == "7"]
    assert boxes["x"].tolist() == [14.58, 173.37]
    with Image.open(real_lungs / first["path"]) as image:
        assert image.size == (320, 256)
    # The patient's right lung is on the image's left.
    middle = (manifest.boxes["x"] + manifest.boxes["width"] / 2).groupby(manifest.boxes["label"]).mean()
    assert middle["Right Lung"] < middle["Left Lung"]
