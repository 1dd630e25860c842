"""Which images of another data set networks are tested on."""

from __future__ import annotations

import numpy as np
import pytest

from evalkit.errors import InputError
from evalkit.splits.external import choose_external


def find(manifest, labels, task="multiclass", packed=None):
    return choose_external(manifest, labels, task=task, dataset="other", packed=packed)


def choose(*args, **kwargs):
    return find(*args, **kwargs).chosen


def test_its_own_test_images_or_all_where_it_has_none(make_manifest):
    patients = [("a", "NO"), ("b", "E"), ("c", "NE")]
    whole = choose(make_manifest(patients), ["Normal", "Nodule", "Effusion"])
    assert whole["image_id"].tolist() == ["a/0", "a/1", "b/0", "c/0", "c/1"]
    own = {"a": "train", "b": "valid", "c": "test"}
    tested = choose(make_manifest(patients, splits=own), ["Normal", "Nodule", "Effusion"])
    assert tested["image_id"].tolist() == ["c/0", "c/1"]
    assert tested[["Normal", "Effusion"]].to_numpy().tolist() == [[1, 0], [0, 1]]


def test_of_several_classes_only_images_of_one_of_those_trained_on(make_manifest):
    chosen = choose(make_manifest([("a", "NOE"), ("b", "O")]), ["Nodule", "Normal", "Fracture"])
    assert chosen["image_id"].tolist() == ["a/0", "a/1", "b/0"]
    assert chosen[["Nodule", "Normal", "Fracture"]].to_numpy().tolist() == [[0, 1, 0], [1, 0, 0], [1, 0, 0]]


def test_what_is_left_out_is_told_with_its_reason(make_manifest):
    manifest = make_manifest([("a", "NOE"), ("b", "O"), ("c", "NN")], splits={"a": "test", "b": "test", "c": "train"})
    found = find(manifest, ["Nodule", "Effusion"], packed=["a/0", "a/1", "b/0"])
    assert found.chosen["image_id"].tolist() == ["a/1", "b/0"]
    # Of no class, whether packed or not; a class, but no pixels. Training images are not there to be tested.
    assert found.left_out.to_numpy().tolist() == [
        ["a/0", "a", "without exactly one of the classes"],
        ["a/2", "a", "could not be read"],
    ]
    assert found.count_left_out() == {"without exactly one of the classes": 1, "could not be read": 1}
    whole = find(manifest, ["Normal", "Nodule", "Effusion"])
    assert (len(whole.chosen), len(whole.left_out), whole.count_left_out()) == (4, 0, {})


def test_several_labels_leave_none_out_but_what_was_not_packed(make_manifest):
    found = find(make_manifest([("a", "NOE")]), ["Effusion"], task="multilabel", packed=["a/0", "a/2"])
    assert found.chosen["image_id"].tolist() == ["a/0", "a/2"]
    assert found.count_left_out() == {"could not be read": 1}


def test_a_label_it_does_not_have_is_missing(make_manifest):
    chosen = choose(make_manifest([("a", "NOE")]), ["Fracture", "Effusion"], task="multilabel")
    assert chosen["Fracture"].isna().all()
    np.testing.assert_array_equal(chosen["Effusion"], [0, 0, 1])


def test_nothing_in_common_is_refused(make_manifest):
    with pytest.raises(InputError, match="'other' has the labels Normal, Nodule, Effusion"):
        choose(make_manifest([("a", "NO")]), ["Fracture"])
    with pytest.raises(InputError, match="no test image with exactly one of the classes Effusion"):
        choose(make_manifest([("a", "NO")]), ["Effusion"])
