"""A table whose images have one class each, by name."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from evalkit.config.datasets import CsvEntry
from evalkit.datasets import read_dataset
from evalkit.errors import InputError

TABLE = """path,patient_id,diagnosis,Device
1.png,p1,viral,1
2.png,p2, normal ,0
3.png,p3,bacterial,
4.png,p3,viral,-1
"""


def entry(**settings) -> CsvEntry:
    return CsvEntry.model_validate({"format": "csv", "root": "unused", "class_column": "diagnosis", **settings})


def test_each_class_becomes_a_label_by_alphabet(own_table):
    manifest = read_dataset(entry(), own_table(TABLE))
    assert manifest.labels == ["bacterial", "normal", "viral", "Device"]
    assert manifest.default_labels == ["bacterial", "normal", "viral"]
    expected = [[0, 0, 1], [0, 1, 0], [1, 0, 0], [0, 0, 1]]
    np.testing.assert_array_equal(manifest.images[manifest.default_labels], expected)
    np.testing.assert_array_equal(manifest.images["Device"], [1, 0, np.nan, np.nan])
    counts = {label: each["positive"] for label, each in manifest.report["labels"].items()}
    assert counts == {"bacterial": 1, "normal": 1, "viral": 2, "Device": 1}
    assert "classes from the column 'diagnosis', uncertain labels: ignore" in manifest.report["footnote"]


def test_the_study_fixes_the_order(own_table):
    root = own_table(TABLE.replace(",Device", "").replace("viral,1", "viral").replace(" normal ,0", "normal"))
    (root / "labels.csv").write_text("path,patient_id,diagnosis\n1.png,p1,viral\n2.png,p2,normal\n3.png,p3,bacterial\n")
    manifest = read_dataset(entry(classes=["viral", "normal", "bacterial"]), root)
    assert manifest.labels == manifest.default_labels == ["viral", "normal", "bacterial"]
    assert manifest.report["footnote"].startswith("Images of labels.csv, classes from the column 'diagnosis'. Test set")


def test_without_the_setting_a_column_of_text_is_no_label(own_table):
    plain = CsvEntry.model_validate({"format": "csv", "root": "unused"})
    with pytest.raises(InputError, match="data row 1: the label 'diagnosis' is 'viral'"):
        read_dataset(plain, own_table(TABLE))


@pytest.mark.parametrize(
    ("old", "new", "settings", "message"),
    [
        ("p3,bacterial,", "p3, ,", {}, "data row 3: the class in 'diagnosis' is ' '"),
        ("p3,bacterial,", "p3,fungal,", {"classes": ["normal", "viral", "bacterial"]}, "data row 3: .* is 'fungal'"),
        ("p3,bacterial,", "p3,Viral,", {"classes": ["normal", "viral"]}, "data row 3: .* is 'Viral'"),
        ("", "", {"classes": ["normal", "viral", "bacterial", "fungal"]}, "no image of the class 'fungal'"),
        ("", "", {"class_column": "diagnose"}, "no column 'diagnose' .*nearest: 'diagnosis'"),
        ("", "", {"class_column": "patient_id"}, "class_column is 'patient_id', which has a meaning"),
        ("p3,bacterial,", "p3,Device,", {}, "a column 'Device' and a class of that name"),
        ("p3,bacterial,", "p3,split,", {}, "a class called 'split'"),
        ("p3,bacterial,", "p3,raw:x,", {}, "a class called 'raw:x'"),
        ("p3,bacterial,", 'p3,"a\tb",', {}, r"a class called 'a\\tb'"),
    ],
)
def test_what_is_wrong_is_named(own_table, old, new, settings, message):
    with pytest.raises(InputError, match=message):
        read_dataset(entry(**settings), own_table(TABLE.replace(old, new, 1) if old else TABLE))


def test_one_class_is_none(own_table):
    with pytest.raises(InputError, match="has images of 'a'") as caught:
        read_dataset(entry(class_column="c"), own_table("path,patient_id,c\n1.png,p1,a\n2.png,p2,a\n"))
    assert "two or more classes" in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"classes": ["a", "b"], "class_column": None}, "classes is given without class_column"),
        ({"classes": ["a", "a"]}, "holds a class twice"),
        ({"classes": ["a"]}, "at least 2 items"),
        ({"root": None, "phantom": {"patients": 3}}, "not in 'csv'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        entry(**settings)
