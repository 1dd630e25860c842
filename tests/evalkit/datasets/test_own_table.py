"""Bring your own images: one table, and what is refused in it."""

from __future__ import annotations

import numpy as np
import pytest

from evalkit.config.datasets import CsvEntry
from evalkit.config.evaluations import Classification
from evalkit.datasets import read_dataset
from evalkit.errors import InputError
from evalkit.splits.labels import choose_labels

TABLE = """path,patient_id,Edema,Effusion
a/1.png,p1,1,0
a/2.png,p1,,-1
b/3.dcm,p2,0.0,1
"""


def entry(**settings) -> CsvEntry:
    return CsvEntry(format="csv", root="unused", **settings)


def test_the_two_required_columns_are_enough(own_table):
    manifest = read_dataset(entry(), own_table(TABLE))
    images = manifest.images
    assert manifest.labels == manifest.default_labels == ["Edema", "Effusion"]
    assert images["image_id"].tolist() == images["path"].tolist() == ["a/1.png", "a/2.png", "b/3.dcm"]
    assert images["study_id"].tolist() == images["image_id"].tolist()
    assert images["split"].tolist() == ["", "", ""]
    np.testing.assert_array_equal(images["Edema"], [1, np.nan, 0])
    np.testing.assert_array_equal(images["Effusion"], [0, np.nan, 1])
    np.testing.assert_array_equal(images["raw:Effusion"], [0, -1, 1])
    assert manifest.boxes is None


def test_all_optional_columns_are_read(own_table):
    text = (
        "image_id,path,patient_id,study_id,split,age,sex,view,Edema\n"
        "007,1.png,010,s1,train,58,male,AP,1\n"
        "008,2.png,011,s2,test,,f,,0\n"
    )
    images = read_dataset(entry(), own_table(text)).images
    assert images["image_id"].tolist() == ["007", "008"], "ids are text, zeros included"
    assert images["patient_id"].tolist() == ["010", "011"]
    assert images["sex"].tolist() == ["M", "F"]
    assert images["split"].tolist() == ["train", "test"]
    np.testing.assert_array_equal(images["age"], [58, np.nan])


def test_policies_apply(own_table):
    manifest = read_dataset(entry(uncertain={"Effusion": "ones"}, blank="zeros"), own_table(TABLE))
    assert manifest.images["Effusion"].tolist() == [0, 1, 1]
    assert manifest.images["Edema"].tolist() == [1, 0, 0]


def test_a_byte_order_mark_and_a_windows_line_end_do_no_harm(own_table):
    assert len(read_dataset(entry(), own_table("\ufeff" + TABLE.replace("\n", "\r\n"))).images) == 3


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("path,patient_id", "file,patient_id", "no column 'path'"),
        ("path,patient_id", "path,patient", "no column 'patient_id' .*nearest: 'patient'"),
        ("p1,1,0", "p1,2,0", "data row 1: the label 'Edema' is '2'"),
        ("p1,1,0", "p1,true,0", "data row 1: the label 'Edema' is 'true'"),
        ("p1,1,0", ",1,0", "1 images have no patient_id, the first is 'a/1.png'"),
        ("a/2.png", "a/1.png", "'a/1.png' is listed more than once"),
        ("a/2.png", "../outside.png", "'../outside.png' is not a path below"),
        ("a/2.png", "a/../../outside.png", "is not a path below"),
        ("a/2.png", "/etc/passwd", "'/etc/passwd' is not a path below"),
        ("a/2.png", "C:\\\\data\\\\2.png", "is not a path below"),
        ("p1,1,0", "p1,1,0,9", "line 2, has 5 fields"),
        ("p1,1,0", "p1,1", "line 2, has 3 fields"),
        ("Edema,Effusion", "Edema,Edema", "has the columns"),
        ("Edema,Effusion", "Edema,", "has the columns"),
        ("Edema,Effusion", "Edema,raw:Edema", "has the columns"),
    ],
)
def test_what_is_wrong_is_named(own_table, old, new, message):
    assert old in TABLE
    with pytest.raises(InputError, match=message):
        read_dataset(entry(), own_table(TABLE.replace(old, new, 1)))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            "1.png,p1,train,50,M,1\n2.png,p1,test,50,M,1\n",
            "1 patients are in two splits; 'p1' is in 'test' and",
        ),
        ("1.png,p1,train,50,M,1\n2.png,p2,,50,M,1\n", "1 images have no split and the others have one"),
        ("1.png,p1,training,50,M,1\n", "the split of '1.png' is 'training'"),
        ("1.png,p1,train,old,M,1\n", "data row 1: the age is 'old'"),
        ("1.png,p1,train,50,X,1\n", "data row 1: the sex is 'X'"),
    ],
)
def test_wrong_splits_and_facts_are_named(own_table, rows, message):
    with pytest.raises(InputError, match=message):
        read_dataset(entry(), own_table("path,patient_id,split,age,sex,Edema\n" + rows))


def test_a_study_of_two_patients_is_refused(own_table):
    text = "path,patient_id,study_id,Edema\n1.png,p1,1,1\n2.png,p2,1,0\n"
    with pytest.raises(InputError, match="the study '1' has images of more than one patient"):
        read_dataset(entry(), own_table(text))


def test_a_table_without_labels_serves_for_pretraining_only(own_table):
    manifest = read_dataset(entry(), own_table("path,patient_id\n1.png,p1\n2.png,p2\n"))
    assert (manifest.labels, manifest.default_labels, len(manifest.images)) == ([], [], 2)
    recipe = {"lr": 0.001, "steps": 1}
    evaluation = Classification.model_validate({"task": "multilabel", "dataset": "own", "recipe": recipe})
    with pytest.raises(InputError, match="the data set 'own' has no label") as caught:
        choose_labels(evaluation, manifest)
    assert "contrastive pretraining and inversion only" in caught.value.remedy


@pytest.mark.parametrize("text", ["", "path,patient_id,Edema\n"])
def test_an_empty_table_is_refused(own_table, text):
    with pytest.raises(InputError, match=r"is empty|a header and no rows"):
        read_dataset(entry(), own_table(text))


def test_a_table_outside_the_folder_is_refused(own_table):
    root = own_table(TABLE) / "inner"
    root.mkdir()
    with pytest.raises(InputError, match="lies outside"):
        read_dataset(entry(table="../labels.csv"), root)


def test_text_that_is_not_utf8_is_refused(own_table):
    root = own_table(TABLE)
    (root / "labels.csv").write_bytes(TABLE.replace("p2", "p\xe9").encode("latin-1"))
    with pytest.raises(InputError, match="not readable as CSV"):
        read_dataset(entry(), root)


@pytest.mark.parametrize("uncertain", ["ones", "zeros", {"Effusion": "ones"}])
def test_no_policy_makes_an_uncertain_label_of_a_test_image_a_truth(own_table, uncertain):
    table = "path,patient_id,split,Effusion\n1.png,p1,train,-1\n2.png,p2,test,-1\n3.png,p3,test,\n4.png,p4,test,1\n"
    manifest = read_dataset(entry(uncertain=uncertain, blank="zeros"), own_table(table))
    guess = 0 if uncertain == "zeros" else 1
    np.testing.assert_array_equal(manifest.images["Effusion"], [guess, np.nan, 0, 1])
    np.testing.assert_array_equal(manifest.images["raw:Effusion"], [-1, -1, np.nan, 1])
    assert manifest.report["uncertain_test_labels"] == 1
    assert "Uncertain labels of test images are missing whatever the policy: 1." in manifest.report["footnote"]


@pytest.mark.parametrize(("uncertain", "said"), [("ones", True), ("ignore", False)])
def test_uncertain_labels_of_rows_that_test_patients_are_drawn_from_are_said(own_table, uncertain, said):
    footnote = read_dataset(entry(uncertain=uncertain), own_table(TABLE)).report["footnote"]
    assert ("the policy decides the truth of their uncertain labels too (1 in all rows)" in footnote) is said
