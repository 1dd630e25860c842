"""Counts compared with counts by hand, from studies on disk."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from statistics import mean, stdev

import numpy as np
import pandas as pd
import pytest

from evalkit.balancing import balance
from evalkit.counting import read_counts, write_count_table
from evalkit.errors import InputError
from evalkit.splits import load_splits

LABELS = ["Normal", "Nodule", "Effusion"]
#: Patient, split, and the class of each image.
PATIENTS = [
    ("a", "train", "NNO"),
    ("b", "train", "NE"),
    ("c", "train", "OO"),
    ("d", "train", "N"),
    ("e", "valid", "NOE"),
    ("f", "test", "NN"),
    ("g", "test", "OE"),
]
SETTINGS = {"settings": {"trainset": ["full", "undersampled", "modified", "balanced"]}}
SIX_CLASSES = {"task": "multiclass", **SETTINGS, "modified": {"Normal": 3, "Nodule": 2, "Effusion": 1}}


def one_hot(patients):
    return [
        (patient, split, [letter == each for each in "NOE"]) for patient, split, all_ in patients for letter in all_
    ]


@pytest.fixture
def classes(make_manifest, make_study):
    study = make_study({"mine": make_manifest(one_hot(PATIENTS), LABELS)}, evaluation=SIX_CLASSES)
    balance(study, "e", workers=1)
    return study


def read(study):
    rows = read_counts(write_count_table(study, "table1"))
    keys = ["dataset", "setting", "split", "class", "value"]
    assert not rows[keys].duplicated().any()
    return rows.set_index(keys)


def numbers(rows, *place):
    return tuple(rows.loc[place, ["images", "patients"]])


def test_each_class_in_each_training_set_and_split_is_counted_by_hand(classes):
    rows = read(classes)
    expected = {
        ("trainset=full", "train"): {"Normal": (4, 3), "Nodule": (3, 2), "Effusion": (1, 1), "all": (8, 4)},
        ("", "validation"): {"Normal": (1, 1), "Nodule": (1, 1), "Effusion": (1, 1), "all": (3, 1)},
        ("", "test"): {"Normal": (2, 1), "Nodule": (1, 1), "Effusion": (1, 1), "all": (4, 2)},
    }
    for (setting, split), counts in expected.items():
        for label, counted in counts.items():
            value = "" if label == "all" else "positive"
            assert numbers(rows, "mine", setting, split, label, value) == counted
    for label in LABELS:
        assert rows.loc[("mine", "trainset=undersampled", "train", label, "positive"), "images"] == 1
        assert rows.loc[("mine", "trainset=balanced", "train", label, "positive"), "images"] == 4
    assert [rows.loc[("mine", "trainset=modified", "train", label, "positive"), "images"] for label in LABELS] == [
        3,
        2,
        1,
    ]
    assert numbers(rows, "mine", "trainset=balanced", "train", "Effusion", "positive") == (4, 1)
    assert numbers(rows, "mine", "trainset=balanced", "train", "all", "") == (12, 4)
    assert rows.loc[("mine", "trainset=undersampled", "train", "all", ""), "images"] == 3
    assert len(rows) == 6 * 4, "four training sets, validation and test, each once"
    assert set(rows["status"]) == {"ok"}
    assert set(rows["n_draws"]) == {1}
    assert rows["images_sd"].isna().all()


def test_the_file_has_whole_numbers_and_the_columns_promised(classes):
    text = write_count_table(classes, "table1").read_text().splitlines()
    assert text[0] == (
        "table,study,dataset,evaluation,setting,split,class,value,images,patients,images_sd,n_draws,status"
    )
    assert text[1] == "table1,small,mine,e,trainset=full,train,Normal,positive,4,3,,1,ok"


def test_what_was_set_aside_is_counted(make_manifest, make_study):
    patients = [(f"p{number}", "", "NNOE") for number in range(12)]
    evaluation = {"task": "multiclass", "test_per_class": 2, "validation_per_class": 3}
    study = make_study({"mine": make_manifest(one_hot(patients), LABELS)}, evaluation=evaluation)
    rows = read(study)
    # Two patients for test and three for validation leave an image of each behind, but for those with two in use.
    splits = load_splits(study.layout.splits("e"))
    left = splits.images[splits.images["role"] == ""]
    assert numbers(rows, "mine", "", "set aside", "all", "") == (len(left), left["patient_id"].nunique())
    whole = rows.xs("all", level="class")["images"].sum()
    assert whole == 48, "every image is counted once"
    assert numbers(rows, "mine", "", "test", "Nodule", "positive") == (2, 2)


def labelled(random, patients, *, splits):
    """Patients with two images each; Edema common, Rare never in test, some labels missing."""
    rows = []
    for number in range(patients):
        for _ in range(2):
            rare = float(random.random() < 0.5) if splits[number] != "test" else 0.0
            edema = None if random.random() < 0.2 else float(random.random() < 0.5)
            rows.append((f"p{number:02d}", splits[number], [edema, rare]))
    return rows


@pytest.fixture
def shares(make_manifest, make_study):
    splits = ["train"] * 30 + ["valid"] * 10 + ["test"] * 10
    rows = labelled(np.random.default_rng(0), 50, splits=splits)
    evaluation = {
        "task": "multilabel",
        "settings": {"regime": ["finetune", "probe"], "fraction": [0.2, 0.5, 1.0]},
        "repeats": 4,
    }
    return make_study({"mine": make_manifest(rows, ["Edema", "Rare"])}, evaluation=evaluation)


def test_shares_are_means_over_their_draws(shares, make_manifest):
    rows = read(shares)
    splits = load_splits(shares.layout.splits("e"))
    labels = {}
    truth = np.random.default_rng(0)
    for patient, _, values in labelled(truth, 50, splits=["train"] * 30 + ["valid"] * 10 + ["test"] * 10):
        labels[f"{patient}/{len(labels)}"] = (patient, values[0])
    for fraction in (0.2, 0.5):
        drawn = [[labels[name] for name in splits.image_ids("train", fraction, repeat)] for repeat in range(4)]
        for value, wanted in (("positive", 1.0), ("negative", 0.0), ("missing", None)):
            row = rows.loc[("mine", f"fraction={fraction:g}", "train", "Edema", value)]
            images = [sum(label == wanted for _, label in draw) for draw in drawn]
            patients = [len({patient for patient, label in draw if label == wanted}) for draw in drawn]
            assert (row["images"], row["patients"]) == (mean(images), mean(patients))
            assert row["images_sd"] == stdev(images)
            assert row["n_draws"] == 4
        assert numbers(rows, "mine", f"fraction={fraction:g}", "train", "all", "") == (fraction * 60, fraction * 30)
    assert numbers(rows, "mine", "fraction=1", "train", "all", "") == (60, 30)
    assert rows.loc[("mine", "fraction=1", "train", "all", ""), "n_draws"] == 1


def test_how_a_backbone_is_used_is_no_column_of_its_own(shares):
    settings = read(shares).index.get_level_values("setting").unique().tolist()
    assert settings == ["fraction=0.2", "fraction=0.5", "fraction=1", ""]


def test_a_class_absent_from_a_split_is_there_with_its_zero(shares):
    rows = read(shares)
    assert numbers(rows, "mine", "", "test", "Rare", "positive") == (0, 0)
    assert rows.loc[("mine", "", "test", "Rare", "positive"), "status"] == "absent"
    assert numbers(rows, "mine", "", "test", "Rare", "negative") == (20, 10)
    # Nothing missing is nothing missed.
    assert rows.loc[("mine", "", "test", "Rare", "missing"), "status"] == "ok"


def test_a_class_absent_from_some_draws_is_said_so(make_manifest, make_study):
    rows = [(f"p{number:02d}", "", [float(number < 8)]) for number in range(40)]
    evaluation = {
        "task": "multilabel",
        "settings": {"fraction": [0.1, 1.0]},
        "repeats": 6,
        "missing_class": "keep",
    }
    study = make_study({"mine": make_manifest(rows, ["Edema"])}, evaluation=evaluation)
    splits = load_splits(study.layout.splits("e"))
    empty = sum(not any(int(name[1:3]) < 8 for name in splits.image_ids("train", 0.1, repeat)) for repeat in range(6))
    assert 0 < empty < 6, "the case must have both"
    assert read(study).loc[("mine", "fraction=0.1", "train", "Edema", "positive"), "status"] == (
        f"absent in {empty}/6 draws"
    )


def test_validation_that_shrinks_is_counted_for_each_share(make_manifest, make_study):
    rows = labelled(np.random.default_rng(1), 60, splits=[""] * 60)
    evaluation = {
        "task": "multilabel",
        "settings": {"fraction": [0.5, 1.0]},
        "repeats": 3,
        "validation": "fraction",
        "validation_share": 0.3,
    }
    counts = read(make_study({"mine": make_manifest(rows, ["Edema", "Rare"])}, evaluation=evaluation))
    whole = counts.loc[("mine", "fraction=1", "validation", "all", ""), "patients"]
    assert counts.loc[("mine", "fraction=0.5", "validation", "all", ""), "patients"] == round(whole / 2)
    assert counts.loc[("mine", "fraction=0.5", "validation", "all", ""), "n_draws"] == 3


def external(make_manifest, make_study, *, manifests=None):
    other = [("x", "train", [1, 0]), ("y", "test", [1, None]), ("y", "test", [0, 1]), ("z", "test", [0, 0])]
    mine = labelled(np.random.default_rng(0), 50, splits=["train"] * 30 + ["valid"] * 10 + ["test"] * 10)
    both = {"mine": make_manifest(mine, ["Edema", "Rare"]), "other": make_manifest(other, ["Edema", "Mass"])}
    return make_study(
        {name: both[name] for name in manifests or both}, evaluation={"task": "multilabel", "test_on": ["other"]}
    )


def test_another_data_set_to_test_on_is_counted_by_its_test_images(make_manifest, make_study):
    rows = read(external(make_manifest, make_study))
    assert numbers(rows, "other", "", "test", "Edema", "positive") == (1, 1)
    assert numbers(rows, "other", "", "test", "Edema", "negative") == (2, 2)
    assert numbers(rows, "other", "", "test", "Rare", "missing") == (3, 2)
    assert rows.loc[("other", "", "test", "Rare", "positive"), "status"] == "absent"
    assert numbers(rows, "other", "", "test", "all", "") == (3, 2)


def test_each_data_set_is_named_where_there_are_several(make_manifest, make_study):
    study = external(make_manifest, make_study)
    facts = json.loads(write_count_table(study, "table1").with_suffix(".json").read_text())
    assert [text.partition(" ")[0] for text in facts["data"]] == ["mine:", "other:"]
    assert facts["external"] == [], "all its test images are tested"


def test_another_data_set_that_is_not_there_is_said_so(make_manifest, make_study):
    rows = read(external(make_manifest, make_study, manifests=["mine"])).xs("other", level="dataset")
    assert set(rows["status"]) == {"unavailable: the data set has not been read"}
    assert rows["images"].isna().all()
    assert len(rows) == 2 * 3 + 1


def test_images_of_another_data_set_that_could_not_be_packed_are_not_counted(make_manifest, make_study):
    study = external(make_manifest, make_study)
    index = study.layout.packed("other", 32) / "index.parquet"
    pd.read_parquet(index).query("image_id != 'z/3'").to_parquet(index)
    rows = read(study)
    assert numbers(rows, "other", "", "test", "all", "") == (2, 1)
    assert numbers(rows, "other", "", "set aside", "all", "") == (1, 1)
    facts = json.loads(write_count_table(study, "table1").with_suffix(".json").read_text())
    assert facts["external"] == ["Test images of other left out: could not be read (1)."]


def test_images_of_another_data_set_without_one_class_are_set_aside(make_manifest, make_study):
    other = [("x", "", [1, 0, 0]), ("x", "", [0, 0, 0]), ("y", "", [1, 1, 0]), ("y", "", [0, 1, 0]), ("y", "", [0] * 3)]
    study = make_study(
        {"mine": make_manifest(one_hot(PATIENTS), LABELS), "other": make_manifest(other, LABELS)},
        evaluation={"task": "multiclass", "test_on": ["other"]},
    )
    rows = read(study)
    assert numbers(rows, "other", "", "test", "Normal", "positive") == (1, 1)
    assert numbers(rows, "other", "", "test", "all", "") == (2, 2)
    assert numbers(rows, "other", "", "set aside", "all", "") == (3, 2)
    assert rows.xs(("other", "all"), level=("dataset", "class"))["images"].sum() == len(other), "each is counted once"
    facts = json.loads(write_count_table(study, "table1").with_suffix(".json").read_text())
    assert facts["external"] == ["Test images of other left out: without exactly one of the classes (3)."]


def test_the_same_reports_give_the_same_bytes(classes):
    path = write_count_table(classes, "table1")
    first = path.read_bytes(), path.with_suffix(".json").read_bytes()
    write_count_table(classes, "table1")
    assert (path.read_bytes(), path.with_suffix(".json").read_bytes()) == first


def test_the_facts_say_where_the_numbers_come_from(classes):
    facts = json.loads(write_count_table(classes, "table1").with_suffix(".json").read_text())
    assert (facts["title"], facts["task"], facts["drawn"]) == ("Images and patients", "multiclass", False)
    assert facts["test_set"] == "the table's split 'test'"
    assert facts["copies"] == (
        "Balanced: all training images and copies of them, made after the split, turned by up to 10 degrees to either "
        "side and enlarged or reduced by up to 20 %."
    )
    assert facts["data"] == ["Made by hand. Images left out: blurred (2)."]
    assert facts["draws"][0].startswith("Training: 8 images of 4 patients; undersampled: 3 images")
    assert facts["notes"] == ["A note."]


def test_drawn_radiographs_are_called_so(make_manifest, make_study):
    manifest = make_manifest(one_hot(PATIENTS), LABELS)
    drawn = {"mine": {"format": "nih", "phantom": {"patients": 3}}}
    study = make_study({"mine": manifest}, evaluation={"task": "multiclass"}, entries=drawn)
    assert json.loads(write_count_table(study, "table1").with_suffix(".json").read_text())["drawn"] is True


def test_balanced_images_that_have_not_been_made_are_refused(make_manifest, make_study):
    study = make_study({"mine": make_manifest(one_hot(PATIENTS), LABELS)}, evaluation=SIX_CLASSES)
    with pytest.raises(InputError, match=r"python -m evalkit\.balancing --study small.yaml --evaluation e"):
        write_count_table(study, "table1")


def test_splits_that_have_not_been_made_are_refused(make_manifest, make_study):
    manifest = make_manifest(one_hot(PATIENTS), LABELS)
    study = make_study({"mine": manifest}, evaluation={"task": "multiclass"}, split=False)
    with pytest.raises(InputError, match=r"python -m evalkit\.splits"):
        write_count_table(study, "table1")


def test_splits_of_other_settings_are_refused(make_manifest, make_study):
    manifest = make_manifest(one_hot(PATIENTS), LABELS)
    make_study({"mine": manifest}, evaluation={"task": "multiclass"})
    now = {"task": "multiclass", "settings": {"trainset": ["undersampled"]}}
    study = make_study({}, evaluation=now)
    with pytest.raises(InputError, match="the splits of 'e' were made for other settings"):
        write_count_table(study, "table1")


def test_a_file_of_other_columns_is_refused(tmp_path):
    path = tmp_path / "table1.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match=r"has the columns a, b[^$]*python -m evalkit\.counting"):
        read_counts(path)


def test_rows_read_back_as_they_were_written(shares):
    rows = read_counts(write_count_table(shares, "table1"))
    drawn = rows[rows["n_draws"] == 4]
    assert not drawn["images_sd"].isna().any()
    splits = load_splits(shares.layout.splits("e"))
    counts = [len(splits.image_ids("train", 0.2, repeat)) for repeat in range(4)]
    assert math.isclose(drawn[drawn["class"] == "all"]["images"].iloc[0], mean(counts), rel_tol=0, abs_tol=0)


def test_the_command_counts_without_torch(classes):
    code = (
        "import sys, runpy; sys.argv = ['x', '--study', 'small.yaml', '--table', 'table1']\n"
        "try: runpy.run_module('evalkit.counting', run_name='__main__')\n"
        "except SystemExit as done: assert not done.code, done.code\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "results/small/reports/table1.csv"
