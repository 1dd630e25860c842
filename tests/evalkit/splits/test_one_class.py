"""Multi-class tasks: each image is of exactly one of the evaluation's classes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from evalkit.errors import InputError
from evalkit.splits.labels import read_classes

LABELS = ["Normal", "Nodule", "Effusion"]


def images_with(*rows):
    frame = pd.DataFrame(rows, columns=LABELS, dtype=float)
    frame.insert(0, "image_id", [f"i{number}" for number in range(len(rows))])
    return frame


def test_the_class_is_the_label_that_is_1():
    images = images_with((1, 0, 0), (0, 0, 1), (0, 1, np.nan), (1, np.nan, np.nan))
    assert read_classes(images, LABELS, dataset="mine").tolist() == ["Normal", "Effusion", "Nodule", "Normal"]


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ((1, 0, 1), "Normal and Effusion are 1"),
        ((0, 0, 0), "no label is 1"),
        ((0, np.nan, 0), r"no label is 1 \(Nodule missing\)"),
        ((np.nan, np.nan, np.nan), "every label is missing"),
    ],
)
def test_another_number_of_classes_is_refused_with_what_was_found(row, found):
    images = images_with((1, 0, 0), row, (0, 1, 0), row)
    with pytest.raises(InputError, match=rf"2 of the 4 images of 'mine' .* first is 'i1': {found}\n") as refused:
        read_classes(images, LABELS, dataset="mine")
    assert "a 1 for exactly one of Normal, Nodule, Effusion" in str(refused.value)


def test_splits_are_refused_for_labels_that_leave_a_class_out(hundred, split):
    with pytest.raises(InputError, match=r"70 of the 310 images .*'p003/1': no label is 1"):
        split(hundred, labels=["Normal", "Nodule"])


def test_the_classes_of_images_are_kept_with_the_splits(hundred, split):
    images = split(hundred).images.set_index("image_id")
    truth = hundred.images.set_index("image_id")
    for label in LABELS:
        assert (truth.loc[images.index, label] == (images["class"] == label)).all()
