"""Which images of another data set networks are tested on."""

from __future__ import annotations

import numpy as np
import pytest

from evalkit.errors import InputError
from evalkit.splits.external import choose_external


def choose(manifest, labels, task="multiclass"):
    return choose_external(manifest, labels, task=task, dataset="other")


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


def test_a_label_it_does_not_have_is_missing(make_manifest):
    chosen = choose(make_manifest([("a", "NOE")]), ["Fracture", "Effusion"], task="multilabel")
    assert chosen["Fracture"].isna().all()
    np.testing.assert_array_equal(chosen["Effusion"], [0, 0, 1])


def test_nothing_in_common_is_refused(make_manifest):
    with pytest.raises(InputError, match="'other' has the labels Normal, Nodule, Effusion"):
        choose(make_manifest([("a", "NO")]), ["Fracture"])
    with pytest.raises(InputError, match="no test image with exactly one of the classes Effusion"):
        choose(make_manifest([("a", "NO")]), ["Effusion"])
