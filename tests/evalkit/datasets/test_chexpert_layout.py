"""CheXpert: paths of any copy, label policies, and which test set is used."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from evalkit.config.datasets import CheXpertEntry
from evalkit.datasets import read_dataset
from evalkit.datasets.chexpert import COMPETITION, LABELS
from evalkit.errors import InputError

ZEROS = dict.fromkeys(LABELS, 0.0)


def entry(**settings) -> CheXpertEntry:
    return CheXpertEntry(format="chexpert", root="unused", **settings)


def column(manifest, label):
    return manifest.images.set_index("image_id")[label]


def test_reads_ids_and_what_is_known_of_each_image(chexpert):
    manifest = read_dataset(entry(views="all"), chexpert)
    images = manifest.images.set_index("image_id")
    assert list(images.index) == [
        "train/patient00001/study1/view1_frontal",
        "train/patient00001/study1/view2_lateral",
        "train/patient00001/study2/view1_frontal",
        "train/patient00002/study1/view1_frontal",
        "valid/patient64541/study1/view1_frontal",
    ]
    first, second = images.iloc[0], images.loc["train/patient00002/study1/view1_frontal"]
    assert first[["patient_id", "study_id", "path"]].tolist() == [
        "patient00001",
        "patient00001/study1",
        "train/patient00001/study1/view1_frontal.jpg",
    ]
    assert first[["age", "sex", "view", "split"]].tolist() == [60.0, "F", "AP", "train"]
    assert np.isnan(second["age"]), "CheXpert writes 0 for an unknown age"
    assert second[["sex", "view"]].tolist() == ["", "PA"]
    assert images.iloc[1]["view"] == "lateral"
    assert manifest.default_labels == list(COMPETITION)
    assert manifest.labels == list(LABELS)


def test_frontal_views_only_by_default(chexpert):
    manifest = read_dataset(entry(), chexpert)
    assert len(manifest.images) == 4
    assert "lateral" not in set(manifest.images["view"])
    assert manifest.report["left_out"] == {"lateral views": 1}


@pytest.mark.parametrize("name", ["CheXpert-v1.0-small", "CheXpert-v1.0", ""])
def test_the_distributions_name_is_stripped_from_paths(chexpert, chexpert_rows, name):
    rows = chexpert_rows(("train/patient00001/study1/view1_frontal.jpg", {"Edema": 1.0}), name=name)
    rows.to_csv(chexpert / "train.csv", index=False)
    assert read_dataset(entry(), chexpert).images["path"][0] == "train/patient00001/study1/view1_frontal.jpg"


@pytest.mark.parametrize(
    ("uncertain", "atelectasis", "edema"),
    [
        ("ones", 1.0, 1.0),
        ("zeros", 0.0, 0.0),
        ("ignore", np.nan, np.nan),
        ({"Atelectasis": "ones", "Edema": "zeros"}, 1.0, 0.0),
        ({"Edema": "ones"}, np.nan, 1.0),
    ],
)
def test_uncertain_labels_follow_the_policy_and_stay_readable(chexpert, uncertain, atelectasis, edema):
    manifest = read_dataset(entry(uncertain=uncertain), chexpert)
    found = [
        column(manifest, "Atelectasis")["train/patient00001/study1/view1_frontal"],
        column(manifest, "Edema")["train/patient00001/study2/view1_frontal"],
    ]
    np.testing.assert_array_equal(found, [atelectasis, edema])
    assert column(manifest, "raw:Atelectasis")["train/patient00001/study1/view1_frontal"] == -1
    assert column(manifest, "Edema")["train/patient00001/study1/view1_frontal"] == 1


def test_blank_labels_become_zero_or_missing(chexpert):
    place = "train/patient00002/study1/view1_frontal"
    zeros = read_dataset(entry(blank="zeros"), chexpert)
    assert column(zeros, "Fracture")[place] == 0
    assert np.isnan(column(zeros, "raw:Fracture")[place])
    ignored = read_dataset(entry(blank="ignore"), chexpert)
    assert np.isnan(column(ignored, "Fracture")[place])
    assert "raw:Fracture" not in ignored.images, "no policy changed it"


def test_counts_are_those_of_the_files_before_any_policy(chexpert):
    report = read_dataset(entry(views="all"), chexpert).report
    assert report["labels"]["Edema"] == {"positive": 2, "negative": 2, "uncertain": 1, "blank": 0}
    assert report["labels"]["Atelectasis"] == {"positive": 0, "negative": 1, "uncertain": 2, "blank": 2}
    assert report["counts"]["splits"]["train"] == {"images": 4, "patients": 2, "studies": 3}
    assert [file["path"] for file in report["files"]] == ["train.csv", "valid.csv"]
    assert report["files"][0]["size"] == (chexpert / "train.csv").stat().st_size


def test_without_a_released_test_set_valid_csv_is_the_test_set_and_that_is_said(chexpert):
    manifest = read_dataset(entry(), chexpert)
    assert manifest.images["split"].tolist() == ["train", "train", "train", "test"]
    assert manifest.unit == "image"
    assert "Test set: valid.csv" in manifest.report["footnote"]


@pytest.mark.parametrize("name", ["test.csv", "test_labels.csv"])
def test_released_test_set_with_a_row_per_image(chexpert, chexpert_rows, name):
    path = "test/patient64741/study1/view1_frontal.jpg"
    rows = chexpert_rows((path, {**ZEROS, "Edema": 1.0}), name="CheXpert")
    rows[["Path", *LABELS]].to_csv(chexpert / name, index=False)
    manifest = read_dataset(entry(), chexpert)
    last = manifest.images.iloc[-1]
    assert manifest.images["split"].tolist() == ["train", "train", "train", "valid", "test"]
    assert manifest.unit == "study"
    assert (last["path"], last["Edema"], last["Cardiomegaly"], last["view"]) == (path, 1.0, 0.0, "frontal")
    assert f"released test set ({name})" in manifest.report["footnote"]


def write_codalab(folder, studies, images=("1/view1_frontal", "1/view2_frontal", "2/view1_frontal")):
    paths = [f"CheXpert-v1.0/test/patient64741/study{image}.jpg" for image in images]
    pd.DataFrame({"Path": paths}).to_csv(folder / "test_image_paths.csv", index=False)
    table = [
        {"Study": f"CheXpert-v1.0/test/patient64741/study{study}", **ZEROS, "Edema": value}
        for study, value in studies.items()
    ]
    pd.DataFrame(table).to_csv(folder / "groundtruth.csv", index=False)


def test_older_test_set_is_joined_by_study_not_by_position(chexpert):
    write_codalab(chexpert, {2: 1.0, 1: 0.0})
    manifest = read_dataset(entry(), chexpert)
    tested = manifest.images[manifest.images["split"] == "test"].set_index("path")["Edema"]
    assert tested.to_dict() == {
        "test/patient64741/study1/view1_frontal.jpg": 0.0,
        "test/patient64741/study1/view2_frontal.jpg": 0.0,
        "test/patient64741/study2/view1_frontal.jpg": 1.0,
    }
    assert manifest.unit == "study"


def test_older_test_set_with_other_studies_is_refused(chexpert):
    write_codalab(chexpert, {1: 0.0, 3: 1.0})
    with pytest.raises(InputError, match="differ in 2 studies, for example patient64741/study2"):
        read_dataset(entry(), chexpert)


def test_half_of_the_older_test_set_is_refused(chexpert):
    write_codalab(chexpert, {1: 0.0, 2: 1.0})
    (chexpert / "groundtruth.csv").unlink()
    with pytest.raises(InputError, match=r"test_image_paths\.csv without groundtruth\.csv"):
        read_dataset(entry(), chexpert)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(InputError, match="absent does not exist"):
        read_dataset(entry(), tmp_path / "absent")


def test_a_missing_table_is_named(chexpert):
    (chexpert / "valid.csv").unlink()
    with pytest.raises(InputError, match=r"valid\.csv: No such file"):
        read_dataset(entry(), chexpert)


def test_a_missing_column_is_named_with_the_nearest(chexpert):
    table = pd.read_csv(chexpert / "train.csv").rename(columns={"Edema": "Oedema"})
    table.to_csv(chexpert / "train.csv", index=False)
    with pytest.raises(InputError, match=r"no column 'Edema' .*nearest: 'Oedema'"):
        read_dataset(entry(), chexpert)


@pytest.mark.parametrize("value", ["2", "0.5", "yes", "nan", "-2"])
def test_another_label_is_refused_by_row_and_column(chexpert, value):
    table = pd.read_csv(chexpert / "train.csv", dtype=str)
    table.loc[2, "Edema"] = value
    table.to_csv(chexpert / "train.csv", index=False)
    with pytest.raises(InputError, match=f"data row 3: the label 'Edema' is '{value}'") as refused:
        read_dataset(entry(), chexpert)
    assert "1, 0, -1" in str(refused.value)


@pytest.mark.parametrize("path", ["../../etc/passwd", "CheXpert-v1.0/train/../x/study1/view1_frontal.jpg", "a.jpg"])
def test_a_path_that_is_not_chexperts_is_refused(chexpert, path):
    table = pd.read_csv(chexpert / "train.csv")
    table.loc[1, "Path"] = path
    table.to_csv(chexpert / "train.csv", index=False)
    with pytest.raises(InputError, match="data row 2: the path is"):
        read_dataset(entry(), chexpert)


def test_a_policy_for_an_unknown_class_is_refused(chexpert):
    with pytest.raises(InputError, match=r"'Odema'.*nearest: 'Edema'"):
        read_dataset(entry(uncertain={"Odema": "ones"}), chexpert)


def test_a_patient_in_two_splits_is_refused(chexpert, chexpert_rows):
    rows = chexpert_rows(("valid/patient00001/study9/view1_frontal.jpg", ZEROS))
    rows.to_csv(chexpert / "valid.csv", index=False)
    with pytest.raises(InputError, match="'patient00001' is in 'test' and 'train'"):
        read_dataset(entry(), chexpert)


def test_an_image_listed_twice_is_refused(chexpert):
    table = pd.read_csv(chexpert / "train.csv")
    pd.concat([table, table.iloc[:1]]).to_csv(chexpert / "train.csv", index=False)
    with pytest.raises(InputError, match="view1_frontal' is listed more than once"):
        read_dataset(entry(), chexpert)
