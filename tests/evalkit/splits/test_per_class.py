"""So many images of each class for validation and test, divided by patient or by image."""

from __future__ import annotations

import pandas as pd
import pytest

from evalkit.errors import InputError
from evalkit.splits.drawing import shuffle
from evalkit.splits.picking import order_images, pick_per_class

LABELS = ["Normal", "Nodule", "Effusion"]


def counts_of(splits, role):
    images = splits.images
    return images[images["role"] == role]["class"].value_counts().to_dict()


def test_test_and_validation_have_exactly_so_many_of_each_class(hundred, split):
    splits = split(hundred, test_per_class=10, validation_per_class=7)
    assert counts_of(splits, "test") == dict.fromkeys(LABELS, 10)
    assert counts_of(splits, "validation") == dict.fromkeys(LABELS, 7)
    assert splits.report["test_set"] == "10 images of each class, drawn patient by patient"


def test_no_patient_serves_twice_and_surplus_is_set_aside(hundred, split):
    splits = split(hundred, test_per_class=10, validation_per_class=7)
    owners = {role: set(images["patient_id"]) for role, images in splits.images.groupby("role") if role}
    assert sum(map(len, owners.values())) == len(set.union(*owners.values()))
    left = splits.images[splits.images["role"] == ""]
    assert set(left["patient_id"]) <= owners["test"] | owners["validation"]
    for role in ("test", "validation"):
        here = left[left["patient_id"].isin(owners[role])]
        assert splits.report["set_aside"][role] == {"images": len(here), "patients": here["patient_id"].nunique()}
        assert len(here), "the case must leave something over"
    assert len(splits.images) == 310
    assert not set(left["image_id"]) & {image for role in owners for image in splits.image_ids(role)}


def test_a_case_by_hand(make_manifest, split):
    # Each patient alone would fill both classes; the second one in the order gives nothing, the others train.
    manifest = make_manifest([(f"p{number}", "NNOE") for number in range(6)])
    first = f"p{shuffle(6, purpose='test', dataset='mine', seed=0)[0]}"
    splits = split(manifest, test_per_class=1)
    test = splits.images[splits.images["role"] == "test"]
    assert set(test["patient_id"]) == {first}
    assert sorted(test["class"]) == ["Effusion", "Nodule", "Normal"]
    assert splits.report["set_aside"] == {"test": {"images": 1, "patients": 1}}
    assert splits.report["roles"]["test"]["classes"]["Normal"]["positive"] == {"images": 1, "patients": 1}


def test_picking_is_what_walking_the_patients_gives(hundred):
    images = hundred.images[["image_id", "patient_id"]].assign(**{"class": hundred.images[LABELS].idxmax(axis=1)})
    names = {"purpose": "test", "dataset": "mine", "seed": 3}
    short = {"Normal": 9, "Nodule": 20, "Effusion": 5}
    expected, taken = [], set()
    for row in order_images(images, **names):
        image = images.iloc[row]
        if short[image["class"]]:
            short[image["class"]] -= 1
            expected.append(image["image_id"])
            taken.add(image["patient_id"])
    picked = images[pick_per_class(images, {"Normal": 9, "Nodule": 20, "Effusion": 5}, **names)]
    assert set(picked["image_id"]) == set(expected)
    assert set(picked["patient_id"]) == taken


def test_images_of_a_patient_follow_one_another(hundred):
    order = order_images(hundred.images, purpose="test", dataset="mine", seed=0)
    patients = hundred.images["patient_id"].iloc[order]
    assert sorted(order) == list(range(310))
    assert (patients != patients.shift()).sum() == 100


def test_the_order_of_rows_and_the_evaluations_name_do_not_matter(make_manifest, split):
    patients = [(f"p{number:02d}", ["NNO", "OE", "NEE"][number % 3]) for number in range(30)]
    options = {"test_per_class": 5, "validation_per_class": 4}
    one = split(make_manifest(patients), **options)
    other = split(make_manifest(patients, turned=True), **options)
    for role in ("test", "validation", "train"):
        assert set(one.image_ids(role)) == set(other.image_ids(role))
    assert set(split(make_manifest(patients), seed=1, **options).image_ids("test")) != set(one.image_ids("test"))


def test_too_few_images_of_a_class_are_refused_with_their_counts(hundred, split):
    with pytest.raises(InputError, match=r"test set is to have 80 .* what is left to divide has 70 of Effusion\n"):
        split(hundred, test_per_class=80)
    with pytest.raises(InputError, match=r"validation set is to have 61 .*\d+ of Effusion") as refused:
        split(hundred, test_per_class=10, validation_per_class=61)
    assert "validation_per_class" in str(refused.value)


def test_so_many_are_picked_within_the_data_sets_own_test_split(make_manifest, split):
    own = {f"p{number:02d}": "test" if number < 12 else "train" for number in range(40)}
    manifest = make_manifest([(patient, "NOE") for patient in own], splits=own)
    splits = split(manifest, test_per_class=4)
    images = splits.images.set_index("image_id")
    tested = images[images["role"] == "test"]
    assert tested["class"].value_counts().to_dict() == dict.fromkeys(LABELS, 4)
    assert {own[patient] for patient in tested["patient_id"]} == {"test"}
    # All else that was held out by others is in no role, whoever's it is.
    assert {own[patient] for patient in images[images["role"] == ""]["patient_id"]} == {"test"}
    assert splits.report["set_aside"]["test"]["images"] == 12 * 3 - 12
    assert splits.report["test_set"] == "4 images of each class, drawn patient by patient; from the official list"
    with pytest.raises(InputError, match=r"own test split has 12 of Normal, 12 of Nodule, 12 of Effusion"):
        split(manifest, test_per_class=13)


def test_an_own_test_split_stays_whole_beside_a_picked_validation_set(make_manifest, split):
    own = {f"p{number:02d}": "test" if number < 12 else "train" for number in range(40)}
    splits = split(make_manifest([(patient, "NOE") for patient in own], splits=own), validation_per_class=3)
    assert len(splits.image_ids("test")) == 36
    assert counts_of(splits, "validation") == dict.fromkeys(LABELS, 3)
    assert splits.report["test_set"] == "the official list"


def test_by_image_training_and_validation_share_patients_and_say_so(hundred, split):
    splits = split(hundred, split_by="image", validation_share=0.1)
    images = splits.images
    owners = {role: set(part["patient_id"]) for role, part in images.groupby("role")}
    assert set(owners) == {"train", "validation", "test"}
    assert len(splits.image_ids("validation")) == round(0.1 * (310 - len(splits.image_ids("test"))))
    shared = owners["train"] & owners["validation"]
    assert shared
    assert splits.report["leakage"]["patients_in_training_and_validation"] == len(shared)
    assert not owners["test"] & (owners["train"] | owners["validation"])
    assert splits.report["validation_set"] == "10% of the remaining images, drawn at random"


def test_by_image_so_many_of_each_class_leave_nothing_over(hundred, split):
    splits = split(hundred, split_by="image", validation_per_class=6, test_per_class=5)
    assert counts_of(splits, "validation") == dict.fromkeys(LABELS, 6)
    assert splits.report["set_aside"]["validation"] == {"images": 0, "patients": 0}
    assert splits.report["set_aside"]["test"]["images"] > 0
    tested = set(splits.images["patient_id"][splits.images["role"] == "test"])
    assert not tested & set(splits.images["patient_id"][splits.images["role"].isin(["train", "validation"])])


def test_by_image_pixels_may_be_on_both_sides_of_validation_and_never_in_test(hundred, split, make_index):
    roles = split(hundred, split_by="image").images.set_index("image_id")["role"]
    trained, validated, tested = (roles[roles == role].index[0] for role in ("train", "validation", "test"))
    index = make_index(hundred)
    index.loc[index["image_id"].isin([trained, validated]), "sha256"] = "0" * 32
    assert split(hundred, index=index, split_by="image").report["leakage"]["images_in_training_and_validation"] == 1
    index.loc[index["image_id"] == tested, "sha256"] = "0" * 32
    with pytest.raises(InputError, match="1 images have the same pixels"):
        split(hundred, index=index, split_by="image")


def test_by_image_an_own_validation_split_is_refused(make_manifest, split):
    own = {f"p{number:02d}": ["train", "valid"][number % 2] for number in range(20)}
    with pytest.raises(InputError, match="'mine' has validation images of its own"):
        split(make_manifest([(patient, "NOE") for patient in own], splits=own), split_by="image")


def test_multilabel_images_can_be_divided_by_image_too(hundred, split):
    splits = split(hundred, task="multilabel", split_by="image", settings={"fraction": [0.2, 1.0]}, repeats=2)
    drawn = splits.images.set_index("image_id").loc[splits.image_ids("train", 0.2, 1)]
    training = splits.images[splits.images["role"] == "train"]
    assert drawn["patient_id"].nunique() == round(0.2 * training["patient_id"].nunique())
    assert splits.report["leakage"]["patients_in_training_and_validation"] > 0
    assert not [column for column in splits.images if column == "class" or column.startswith("trainset-")]


def test_the_same_splits_come_out_again(hundred, split):
    options = {"test_per_class": 10, "settings": {"trainset": ["full", "undersampled"]}}
    one, same = split(hundred, **options), split(hundred, **options)
    pd.testing.assert_frame_equal(one.images, same.images)
    assert one.report == same.report
