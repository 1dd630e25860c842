"""Counts of images with and without a box, compared with counts by hand."""

import dataclasses
import json

import pandas as pd
import pytest

from evalkit.counting import read_counts, write_count_table
from evalkit.errors import InputError

LABELS = ["opacity", "nodule"]
#: Patient, split, and the boxes of each image: o for an opacity, n for a nodule, nothing for an image without a box.
PATIENTS = [
    ("a", "train", ["oo", ""]),
    ("b", "train", ["on"]),
    ("c", "train", [""]),
    ("d", "valid", ["n", ""]),
    ("e", "test", ["o", "ooo", ""]),
    ("f", "test", [""]),
]


@pytest.fixture
def boxed(make_manifest):
    """A manifest with boxes; one of them of a class that the evaluation does not have."""
    rows = [
        (patient, split, [letter in boxes for letter in "on"])
        for patient, split, images in PATIENTS
        for boxes in images
    ]
    manifest = make_manifest(rows, LABELS)
    names = {"o": "opacity", "n": "nodule"}
    found = [
        (image, names[letter], 1.0, 1.0, 5.0, 5.0)
        for image, boxes in zip(
            manifest.images["image_id"], [boxes for _, _, images in PATIENTS for boxes in images], strict=True
        )
        for letter in boxes
    ]
    found.append((manifest.images["image_id"].iloc[3], "device", 1.0, 1.0, 5.0, 5.0))
    columns = ["image_id", "label", "x", "y", "width", "height"]
    return dataclasses.replace(manifest, boxes=pd.DataFrame(found, columns=columns))


@pytest.fixture
def count(boxed, make_study):
    """Count a detection's images, and give the rows by place and the facts."""

    def make(**evaluation):
        study = make_study({"mine": boxed}, evaluation={"task": "detection", "labels": LABELS, **evaluation})
        rows = read_counts(write_count_table(study, "table1"))
        keys = ["setting", "split", "class", "value"]
        assert not rows[keys].duplicated().any()
        return rows.set_index(keys), json.loads(study.layout.report("table1.json").read_text())

    return make


def numbers(rows, split, label, value):
    return tuple(rows.loc[("", split, label, value), ["images", "patients", "boxes"]])


def test_images_patients_and_boxes_are_counted_by_hand(count):
    rows, facts = count()
    boxed, empty = "with a box", "without a box"
    expected = {
        "train": {
            ("opacity", boxed): (2, 2, 3),
            ("nodule", boxed): (1, 1, 1),
            ("all", boxed): (2, 2, 4),
            ("all", empty): (2, 2, 0),
            ("all", ""): (4, 3, 4),
        },
        "validation": {
            ("opacity", boxed): (0, 0, 0),
            ("nodule", boxed): (1, 1, 1),
            ("all", boxed): (1, 1, 1),
            ("all", empty): (1, 1, 0),
            ("all", ""): (2, 1, 1),
        },
        "test": {
            ("opacity", boxed): (2, 1, 4),
            ("nodule", boxed): (0, 0, 0),
            ("all", boxed): (2, 1, 4),
            ("all", empty): (2, 2, 0),
            ("all", ""): (4, 2, 4),
        },
    }
    for split, counts in expected.items():
        for place, counted in counts.items():
            assert numbers(rows, split, *place) == counted
    assert len(rows) == sum(len(counts) for counts in expected.values())
    assert rows.loc[("", "test", "nodule", boxed), "status"] == "absent"
    assert rows.loc[("", "test", "all", empty), "status"] == "ok"
    assert "Training: 4 images of 3 patients." in facts["draws"]
    assert facts["draws"][-1].startswith("Images without a box are kept")


@pytest.mark.parametrize(
    ("empty_images", "train", "test", "aside", "told"),
    [
        ("not_in_training", (2, 2, 4), (4, 2, 4), (2, 2, 0), "left out of training and kept in validation and test"),
        ("exclude", (2, 2, 4), (2, 1, 4), (5, 5, 0), "(2 of training, 1 of validation, 2 of test)"),
    ],
)
def test_images_that_runs_do_not_use_are_set_aside(count, empty_images, train, test, aside, told):
    rows, facts = count(empty_images=empty_images)
    assert numbers(rows, "train", "all", "") == train
    assert numbers(rows, "test", "all", "") == test
    assert numbers(rows, "set aside", "all", "") == aside
    assert told in facts["draws"][-1]
    assert "Training: 2 images of 2 patients." in facts["draws"]


def test_only_boxes_of_the_evaluations_classes_count(count):
    rows, _ = count(labels=["nodule"], empty_images="exclude")
    assert numbers(rows, "train", "nodule", "with a box") == (1, 1, 1)
    assert numbers(rows, "test", "all", "") == (0, 0, 0)
    assert "opacity" not in rows.index.get_level_values("class")


def test_a_data_set_without_boxes_is_refused(boxed, make_study):
    study = make_study(
        {"mine": dataclasses.replace(boxed, boxes=None)}, evaluation={"task": "detection", "labels": LABELS}
    )
    with pytest.raises(InputError, match="has no boxes"):
        write_count_table(study, "table1")


def test_counts_of_a_classification_have_no_column_of_boxes(boxed, make_study):
    study = make_study({"mine": boxed}, evaluation={"task": "multilabel", "labels": LABELS, "missing_class": "keep"})
    assert "boxes" not in read_counts(write_count_table(study, "table1"))
