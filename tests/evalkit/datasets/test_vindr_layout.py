"""VinDr-CXR: three readers brought to one truth in each way, Kaggle's copy and PhysioNet's."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from evalkit.config.datasets import VindrEntry
from evalkit.datasets import read_dataset
from evalkit.datasets.vindr_tables import GLOBAL_LABELS, KAGGLE_FINDINGS, LOCAL_FINDINGS, NO_FINDING
from evalkit.errors import InputError

# Image i1: two readers mark cardiomegaly at one place, one of them a nodule as well; i2: nobody finds anything;
# i3: two readers find nothing, one an ILD; i4: two readers mark nodules, at different places.
ROWS = [
    ("i1", "Cardiomegaly", 3, "R1", 10, 10, 30, 30),
    ("i1", "Nodule/Mass", 8, "R1", 2, 2, 6, 6),
    ("i1", "Cardiomegaly", 3, "R2", 12, 10, 32, 30),
    ("i1", "No finding", 14, "R3", "", "", "", ""),
    ("i2", "No finding", 14, "R1", "", "", "", ""),
    ("i2", "No finding", 14, "R2", "", "", "", ""),
    ("i2", "No finding", 14, "R3", "", "", "", ""),
    ("i3", "No finding", 14, "R4", "", "", "", ""),
    ("i3", "ILD", 5, "R5", 0, 0, 50, 40),
    ("i3", "No finding", 14, "R6", "", "", "", ""),
    ("i4", "Nodule/Mass", 8, "R1", 0, 0, 10, 10),
    ("i4", "Nodule/Mass", 8, "R2", 30, 20, 40, 30),
    ("i4", "No finding", 14, "R3", "", "", "", ""),
]
HEADER = ["image_id", "class_name", "class_id", "rad_id", "x_min", "y_min", "x_max", "y_max"]


def entry(**settings) -> VindrEntry:
    return VindrEntry(format="vindr", root="unused", **settings)


def write_csv(path, header, rows):
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


@pytest.fixture
def kaggle(tmp_path, write_dicom):
    for number in range(1, 5):
        write_dicom(tmp_path / "train" / f"i{number}.dicom")
    # Rows of an image do not come together, nor in the order of the files.
    write_csv(tmp_path / "train.csv", HEADER, ROWS[::-1])
    return tmp_path


def held(manifest):
    images = manifest.images.set_index("image_id")
    return {image: [label for label in manifest.labels if row[label] == 1] for image, row in images.iterrows()}


def boxes_of(manifest):
    return sorted(map(tuple, manifest.boxes.to_numpy().tolist()))


def test_any_reader(kaggle):
    manifest = read_dataset(entry(fusion="any"), kaggle)
    assert held(manifest) == {
        "i1": ["Cardiomegaly", "Nodule/Mass"],
        "i2": [NO_FINDING],
        "i3": ["ILD"],
        "i4": ["Nodule/Mass"],
    }
    assert boxes_of(manifest) == [
        ("i1", "Cardiomegaly", 10, 10, 20, 20),
        ("i1", "Cardiomegaly", 12, 10, 20, 20),
        ("i1", "Nodule/Mass", 2, 2, 4, 4),
        ("i3", "ILD", 0, 0, 50, 40),
        ("i4", "Nodule/Mass", 0, 0, 10, 10),
        ("i4", "Nodule/Mass", 30, 20, 10, 10),
    ]


def test_most_readers(kaggle):
    manifest = read_dataset(entry(), kaggle)
    assert held(manifest) == {"i1": ["Cardiomegaly"], "i2": [NO_FINDING], "i3": [NO_FINDING], "i4": ["Nodule/Mass"]}
    assert boxes_of(manifest) == [("i1", "Cardiomegaly", 11, 10, 20, 20)]
    assert "most readers" in manifest.report["footnote"]


def test_fused_boxes_of_any_reader(kaggle):
    manifest = read_dataset(entry(fusion="wbf"), kaggle)
    assert held(manifest)["i1"] == ["Cardiomegaly", "Nodule/Mass"]
    assert boxes_of(manifest) == [
        ("i1", "Cardiomegaly", 11, 10, 20, 20),
        ("i1", "Nodule/Mass", 2, 2, 4, 4),
        ("i3", "ILD", 0, 0, 50, 40),
        ("i4", "Nodule/Mass", 0, 0, 10, 10),
        ("i4", "Nodule/Mass", 30, 20, 10, 10),
    ]


def test_kaggles_copy(kaggle):
    manifest = read_dataset(entry(), kaggle)
    assert manifest.labels == [*KAGGLE_FINDINGS, NO_FINDING]
    assert manifest.default_labels == list(KAGGLE_FINDINGS)
    assert set(manifest.images["split"]) == {""}
    assert manifest.images["patient_id"].tolist() == manifest.images["image_id"].tolist()
    assert manifest.images.set_index("image_id").loc["i3", "path"] == "train/i3.dicom"
    assert manifest.report["readers"] == {"3": 4}
    assert "Kaggle's copy" in manifest.report["footnote"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("i1", "Mass", 8, "R1", 1, 1, 5, 5), r"the class is 'Mass'"),
        (("i1", "ILD", 5, "R1", 1, 1, 5, ""), r"the box of a finding is '1, 1, 5, '"),
        (("i1", "No finding", 14, "R1", 1, 1, 5, 5), r"the box of 'No finding' is '1, 1, 5, 5'"),
        (("../i1", "ILD", 5, "R1", 1, 1, 5, 5), r"the id is '\.\./i1'"),
        (
            ("i1", "ILD", 5, "R1", 5, 1, 1, 5),
            r"1 images with wrong boxes:\n  - i1: the box of 'ILD' at x 5, y 1, width -4",
        ),
        (("i1", "ILD", 5, "R1", 1, 1, 500, 5), r"1 images with wrong boxes:\n  - i1"),
        (("i9", "ILD", 5, "R1", 1, 1, 5, 5), r"1 missing image files:\n  - i9"),
    ],
)
def test_rows_that_are_wrong_are_refused(kaggle, row, message):
    write_csv(kaggle / "train.csv", HEADER, [*ROWS, row])
    with pytest.raises(InputError, match=message):
        read_dataset(entry(fusion="any"), kaggle)


def test_the_nearest_class_is_named(kaggle):
    write_csv(kaggle / "train.csv", HEADER, [*ROWS, ("i1", "Cardiomegalie", 3, "R1", 1, 1, 5, 5)])
    with pytest.raises(InputError, match=r"data row 14: the class is 'Cardiomegalie'") as refused:
        read_dataset(entry(), kaggle)
    assert "nearest: 'Cardiomegaly'" in refused.value.expected


@pytest.fixture
def physionet(tmp_path, write_dicom):
    labels = [*LOCAL_FINDINGS, *GLOBAL_LABELS, NO_FINDING]

    def row(*ids, **values):
        return [*ids, *(int(label in values.get("has", ())) for label in labels)]

    train = [
        row("t1", "R8", has=["Edema", "COPD"]),
        row("t1", "R9", has=["Edema", "Other diseases"]),
        row("t1", "R10", has=["Edema", "COPD"]),
    ]
    write_csv(tmp_path / "annotations/image_labels_train.csv", ["image_id", "rad_id", *labels], train)
    spelled = ["Other disease" if label == "Other diseases" else label for label in labels]
    test = [row("u1", has=["Other diseases", "Rib fracture"]), row("u2", has=[NO_FINDING])]
    write_csv(tmp_path / "annotations/image_labels_test.csv", ["image_id", *spelled], test)
    places = ["x_min", "y_min", "x_max", "y_max"]
    marks = [
        ("t1", "R8", "Edema", 1, 1, 11, 11),
        ("t1", "R9", "Edema", 1, 1, 11, 13),
        ("t1", "R10", "Edema", 30, 1, 40, 9),
    ]
    write_csv(tmp_path / "annotations/annotations_train.csv", ["image_id", "rad_id", "class_name", *places], marks)
    agreed = [
        ("u1", "Rib fracture", 5, 5, 15, 15),
        ("u1", "Rib fracture", 5, 5, 15, 16),
        ("u2", "No finding", "", "", "", ""),
    ]
    write_csv(tmp_path / "annotations/annotations_test.csv", ["image_id", "class_name", *places], agreed)
    for path in ("train/t1", "test/u1", "test/u2"):
        write_dicom(tmp_path / f"{path}.dicom")
    return tmp_path


def test_physionets_copy(physionet):
    manifest = read_dataset(entry(), physionet)
    assert manifest.images["split"].tolist() == ["train", "test", "test"]
    assert manifest.images["path"].tolist() == ["train/t1.dicom", "test/u1.dicom", "test/u2.dicom"]
    assert held(manifest) == {"t1": ["Edema", "COPD"], "u1": ["Rib fracture", "Other diseases"], "u2": [NO_FINDING]}
    assert boxes_of(manifest) == [
        ("t1", "Edema", 1, 1, 10, 11),
        ("u1", "Rib fracture", 5, 5, 10, 10),
        ("u1", "Rib fracture", 5, 5, 10, 11),
    ], "boxes that readers agreed on stay as they are"
    assert manifest.default_labels == list(LOCAL_FINDINGS)
    assert manifest.labels == [*LOCAL_FINDINGS, *GLOBAL_LABELS, NO_FINDING]
    assert manifest.report["readers"] == {"1": 2, "3": 1}
    assert len(manifest.report["files"]) == 4
    anyone = read_dataset(entry(fusion="any"), physionet)
    assert held(anyone)["t1"] == ["Edema", "COPD", "Other diseases"]
    assert len(anyone.boxes) == 5
    fused = read_dataset(entry(fusion="wbf"), physionet)
    assert boxes_of(fused)[:2] == [("t1", "Edema", 1, 1, 10, 11), ("t1", "Edema", 30, 1, 10, 8)]


def test_a_label_that_no_reader_gave_is_missing(physionet):
    table = physionet / "annotations/image_labels_test.csv"
    table.write_text(table.read_text().replace("u2,0,", "u2,,"))
    images = read_dataset(entry(), physionet).images.set_index("image_id")
    assert np.isnan(images.loc["u2", "Aortic enlargement"])
    assert images.loc["u2", "Atelectasis"] == 0


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("image_labels_train.csv", "Edema", "Oedema", "no column 'Edema'"),
        ("image_labels_train.csv", "t1,R9", "t1,R8", "a reader's row of an image twice is 't1'"),
        ("image_labels_train.csv", "t1,R9,0", "t1,R9,5", "the label 'Aortic enlargement' is '5'"),
        ("image_labels_test.csv", "u2", "t1", "an image of both parts is 't1'"),
        ("annotations_train.csv", "t1", "t7", "boxes on 1 images that image_labels_train.csv does not list"),
        ("annotations_test.csv", "Rib", "Ribs", "the class is 'Ribs fracture'"),
    ],
)
def test_tables_that_do_not_fit_together_are_refused(physionet, name, old, new, message):
    table = physionet / "annotations" / name
    assert old in table.read_text()
    table.write_text(table.read_text().replace(old, new, 1))
    with pytest.raises(InputError, match=message):
        read_dataset(entry(), physionet)


def test_a_missing_table_is_named(physionet, kaggle):
    (physionet / "annotations/annotations_test.csv").unlink()
    with pytest.raises(InputError, match=r"annotations_test\.csv: No such file"):
        read_dataset(entry(), physionet)
