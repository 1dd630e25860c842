"""Which copies are made, and what turning does to an image."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from evalkit.balancing.copies import plan_copies
from evalkit.balancing.warping import warp
from evalkit.config.evaluations import Balancing
from evalkit.errors import InputError

LABELS = ["A", "B", "C"]
BOUNDS = Balancing(rotate=10, zoom=0.2)


def images_of(**counts):
    names = [f"{label}{number}" for label, count in counts.items() for number in range(count)]
    return pd.DataFrame({"image_id": names, "patient_id": [f"p{n}" for n in names], "class": [n[0] for n in names]})


def plan(images, *, bounds=BOUNDS, seed=0, labels=LABELS):
    return plan_copies(images, labels, bounds, dataset="mine", seed=seed)


def test_every_class_comes_to_the_size_of_the_largest():
    copies = plan(images_of(A=11, B=4, C=1))
    assert copies["class"].value_counts().to_dict() == {"B": 7, "C": 10}
    assert (copies["source"].str[0] == copies["class"]).all()
    assert (copies["patient_id"] == "p" + copies["source"]).all()


def test_images_are_copied_in_turn_and_copies_are_numbered():
    copies = plan(images_of(A=11, B=4, C=1))
    of_b = copies[copies["class"] == "B"]
    assert sorted(of_b["source"].value_counts()) == [1, 2, 2, 2]
    assert of_b["source"][:4].tolist() == [*of_b["source"][4:].tolist(), of_b["source"].iloc[3]]
    assert (of_b["image_id"] == of_b["source"] + [*["#copy-1"] * 4, *["#copy-2"] * 3]).all()
    assert copies["image_id"].tolist()[-1] == "C0#copy-10"
    assert copies["image_id"].is_unique


def test_changes_lie_within_their_bounds_and_reach_them():
    copies = plan(images_of(A=2000, B=3, C=3))
    assert 9.9 < copies["angle"].max() <= 10
    assert -10 <= copies["angle"].min() < -9.9
    assert 0.8 <= copies["zoom"].min() < 0.802
    assert 1.198 < copies["zoom"].max() <= 1.2
    assert abs(copies["angle"].mean()) < 0.5
    assert abs(np.corrcoef(copies["angle"], copies["zoom"])[0, 1]) < 0.05


def test_the_same_copies_whatever_the_order_of_rows_and_others_with_another_seed():
    images = images_of(A=11, B=4, C=2)
    pd.testing.assert_frame_equal(plan(images), plan(images.iloc[::-1].reset_index(drop=True)))
    assert not plan(images)["angle"].equals(plan(images, seed=1)["angle"])


def test_the_change_of_a_copy_does_not_depend_on_other_images():
    few, many = plan(images_of(A=5, B=4, C=1)), plan(images_of(A=30, B=4, C=1))
    both = few.merge(many, on="image_id")
    assert len(both) == len(few)
    assert (both["angle_x"] == both["angle_y"]).all()


def test_the_first_copy_is_pinned():
    # Whoever repeats a published study must get its copies: neither NumPy nor an edit may change them.
    copy = plan(images_of(A=2, B=1, C=1)).iloc[0]
    assert (copy["image_id"], round(copy["angle"], 6), round(copy["zoom"], 6)) == ("B0#copy-1", -5.228452, 1.183464)


def test_equal_classes_need_no_copies():
    assert plan(images_of(A=3, B=3, C=3)).empty


def test_a_class_without_images_is_refused():
    with pytest.raises(InputError, match="no training image is of class C"):
        plan(images_of(A=3, B=2))


def test_an_image_called_like_a_copy_is_refused():
    images = images_of(A=3, B=1, C=3)
    images.loc[0, "image_id"] = "B0#copy-1"
    with pytest.raises(InputError, match="'B0#copy-1', which is to be the name of a copy"):
        plan(images)


@pytest.fixture
def pixels():
    smooth = ndimage.gaussian_filter(np.random.default_rng(0).random((48, 48)), 2)
    return np.rint((smooth - smooth.min()) / np.ptp(smooth) * 255).astype(np.uint8)


@pytest.mark.parametrize(("angle", "zoom"), [(7, 1.0), (-10, 0.8), (10, 1.2), (0, 0.8), (33, 0.5), (180, 1.0)])
def test_turning_is_scipys_affine_transform(pixels, angle, zoom):
    turn = np.radians(angle)
    # Places are (row, column) there, and rows run downwards.
    matrix = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]) / zoom
    middle = np.full(2, 23.5)
    expected = ndimage.affine_transform(
        pixels.astype(float), matrix, middle - matrix @ middle, order=1, mode="reflect", prefilter=False
    )
    assert np.abs(warp(pixels, angle=angle, zoom=zoom) - expected).max() <= 0.51


def test_a_quarter_turn_is_counter_clockwise_and_no_turn_is_none(pixels):
    np.testing.assert_array_equal(warp(pixels, angle=90, zoom=1), np.rot90(pixels))
    np.testing.assert_array_equal(warp(pixels, angle=0, zoom=1), pixels)


def test_enlarging_enlarges():
    square = np.zeros((40, 40), np.uint8)
    square[15:25, 15:25] = 255
    assert (warp(square, angle=0, zoom=1.2) > 127).sum() == 12 * 12
    assert (warp(square, angle=0, zoom=0.8) > 127).sum() == 8 * 8


@pytest.mark.parametrize(("angle", "zoom"), [(10, 0.8), (-10, 0.8), (45, 0.5)])
def test_nothing_is_black_that_was_not(angle, zoom):
    assert warp(np.full((33, 33), 90, np.uint8), angle=angle, zoom=zoom).min() == 90
