"""Training sets by class: exact counts, by patient's order, within one another; validation and test are the same."""

from __future__ import annotations

import json

import pytest

from evalkit.comparisons.draws import describe_draws
from evalkit.errors import InputError
from evalkit.splits import load_splits, write_splits

LABELS = ["Normal", "Nodule", "Effusion"]
ALL = {"trainset": ["full", "undersampled", "modified", "balanced"]}
MODIFIED = {"Normal": 40, "Nodule": 15, "Effusion": 6}


def classes_of(splits, trainset):
    images = splits.images.set_index("image_id").loc[splits.image_ids("train", trainset=trainset)]
    return images["class"].value_counts().to_dict()


@pytest.fixture
def splits(hundred, split):
    return split(hundred, settings=ALL, modified=MODIFIED, test_per_class=10, validation_per_class=8)


def test_each_training_set_has_its_counts(splits):
    full = classes_of(splits, "full")
    assert classes_of(splits, "undersampled") == dict.fromkeys(LABELS, min(full.values()))
    assert classes_of(splits, "modified") == MODIFIED
    assert classes_of(splits, "balanced") == full


def test_they_are_among_all_training_images_and_within_one_another(splits):
    sets = {name: set(splits.image_ids("train", trainset=name)) for name in ALL["trainset"]}
    assert sets["undersampled"] < sets["full"]
    assert sets["modified"] < sets["full"]
    assert sets["balanced"] == sets["full"]
    owner = splits.images.set_index("image_id")["class"]
    few = {name for name in sets["modified"] if owner[name] == "Effusion"}
    assert few < sets["undersampled"], "six of a class are among the more that undersampling takes"


def test_they_take_few_patients_rather_than_some_images_of_many(splits):
    # In a patient's order all images of a class of a patient come before the next patient's; only the last is cut.
    images = splits.images[splits.images["role"] == "train"]
    for label, group in images.groupby("class"):
        cut = group.groupby("patient_id")["trainset-undersampled"].nunique() > 1
        assert cut.sum() <= 1, label


def test_validation_and_test_are_the_same_for_all(splits):
    for role in ("validation", "test"):
        for name in ALL["trainset"]:
            assert splits.image_ids(role, trainset=name).tolist() == splits.image_ids(role).tolist()


def test_the_report_counts_images_and_patients_of_each_class(splits):
    images = splits.images.set_index("image_id")
    assert list(splits.report["trainsets"]) == ["undersampled", "modified"]
    for name, counts in splits.report["trainsets"].items():
        chosen = images.loc[splits.image_ids("train", trainset=name)]
        assert (counts["images"], counts["patients"]) == (len(chosen), chosen["patient_id"].nunique())
        for label in LABELS:
            here = chosen[chosen["class"] == label]
            counted = {"images": len(here), "patients": here["patient_id"].nunique()}
            assert counts["classes"][label]["positive"] == counted
    training = images.loc[splits.image_ids("train")]
    assert splits.report["roles"]["train"]["classes"]["Nodule"]["positive"] == {
        "images": int((training["class"] == "Nodule").sum()),
        "patients": training[training["class"] == "Nodule"]["patient_id"].nunique(),
    }


def test_the_footnote_says_what_each_one_has_and_what_was_set_aside(splits):
    training, _, *others = describe_draws(splits.report)
    assert "; undersampled: " in training
    assert "; modified: 61 images of " in training
    aside = splits.report["set_aside"]["test"]
    assert (
        f"Picking test images of each class set {aside['images']} images of {aside['patients']} patients aside, "
        "which serve for nothing."
    ) in others


def test_the_footnote_says_how_many_patients_are_in_training_and_validation(hundred, split):
    report = split(hundred, split_by="image").report
    count = report["leakage"]["patients_in_training_and_validation"]
    said = f"Training and validation were divided image by image: {count} patients are in both."
    assert said in describe_draws(report)
    assert not [text for text in describe_draws(split(hundred).report) if "divided image by image" in text]


def test_a_training_set_that_was_not_picked_is_named(hundred, split):
    with pytest.raises(InputError, match="no training set 'undersampled'"):
        split(hundred).image_ids("train", trainset="undersampled")


def test_more_than_there_are_is_refused_with_counts(hundred, split):
    few = {"Normal": 40, "Nodule": 500, "Effusion": 600}
    with pytest.raises(InputError, match=r"Nodule is to have 500 and there are \d+; Effusion is to have 600"):
        split(hundred, settings={"trainset": ["modified"]}, modified=few)


def test_counts_of_other_classes_are_refused(hundred, split):
    wrong = {"Normal": 4, "Nodul": 5, "Effusion": 6}
    with pytest.raises(InputError, match=r"'modified' has 'Nodul' \(nearest: 'Nodule'.*, and lacks 'Nodule'"):
        split(hundred, settings={"trainset": ["modified"]}, modified=wrong)


def test_undersampling_to_nothing_is_refused(make_manifest, split):
    own = {f"p{number:02d}": ["train", "test"][number % 2] for number in range(20)}
    patients = [(patient, "NO" if own[patient] == "train" else "NOE") for patient in own]
    with pytest.raises(InputError, match="no training image is of class Effusion"):
        split(make_manifest(patients, splits=own), settings={"trainset": ["undersampled"]}, missing_class="keep")


def test_they_read_back_as_they_were(splits, tmp_path):
    write_splits(splits, tmp_path / "e.parquet")
    again = load_splits(tmp_path / "e.parquet")
    for name in ALL["trainset"]:
        assert again.image_ids("train", trainset=name).tolist() == splits.image_ids("train", trainset=name).tolist()
    assert again.report == json.loads(json.dumps(splits.report))
