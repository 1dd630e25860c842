"""Fusing readers' boxes, and holding boxes against images."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.datasets.boxes import fit_boxes, make_boxes
from evalkit.datasets.fusion import fuse_boxes, intersection_over_union


def test_intersection_over_union():
    others = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [10, 0, 20, 10], [20, 20, 30, 30], [2, 2, 4, 4]], dtype=float)
    np.testing.assert_allclose(intersection_over_union(others[0], others), [1, 1 / 3, 0, 0, 4 / 100])


def test_boxes_on_one_place_become_their_mean():
    corners = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [2, 0, 12, 10], [50, 50, 60, 60]], dtype=float)
    fused = fuse_boxes(corners, ["a", "b", "c", "b"])
    assert [sorted(box.readers) for box in fused] == [["a", "b", "c"], ["b"]]
    np.testing.assert_allclose(fused[0].corners, [1, 0, 11, 10])
    np.testing.assert_allclose(fused[1].corners, [50, 50, 60, 60])


def test_a_box_joins_the_place_it_overlaps_most():
    corners = np.array([[0, 0, 10, 10], [4, 0, 14, 10], [3, 0, 13, 10]], dtype=float)
    fused = fuse_boxes(corners, ["a", "a", "b"])
    assert [sorted(box.readers) for box in fused] == [["a"], ["a", "b"]]
    np.testing.assert_allclose(fused[1].corners, [3.5, 0, 13.5, 10])


def test_overlap_has_to_exceed_the_threshold():
    corners = np.array([[0, 0, 10, 10], [0, 0, 10, 5.5]], dtype=float)
    assert len(fuse_boxes(corners, ["a", "b"])) == 2
    assert len(fuse_boxes(corners, ["a", "b"], overlap=0.5)) == 1


@given(st.permutations(range(6)), st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_the_order_of_rows_does_not_matter(order, seed):
    rng = np.random.default_rng(seed)
    low = rng.integers(0, 12, (6, 2)).astype(float)
    corners = np.hstack([low, low + rng.integers(4, 12, (6, 2))])
    readers = ["a", "b", "c", "a", "b", "c"]
    first, second = fuse_boxes(corners, readers), fuse_boxes(corners[list(order)], [readers[place] for place in order])
    assert [box.readers for box in first] == [box.readers for box in second]
    np.testing.assert_array_equal([box.corners for box in first], [box.corners for box in second])


SIZES = pd.DataFrame({"width": [200, 100], "height": [100, 50]}, index=["a", "b"])


def test_boxes_inside_stay_as_they_are():
    boxes = make_boxes([("a", "x", 0.1, 0.2, 199.7, 99.3), ("b", "x", 99, 49, 1, 1)])
    fitted = fit_boxes(boxes, SIZES)
    pd.testing.assert_frame_equal(fitted.boxes, boxes, check_exact=True)
    assert (fitted.cut, fitted.problems) == (0, {})


def test_boxes_sticking_out_by_a_hundredth_are_cut_and_by_more_are_wrong():
    boxes = make_boxes([("a", "x", -2, -1, 204, 102), ("b", "x", 90, 40, 10.9, 10.4)])
    fitted = fit_boxes(boxes, SIZES)
    assert fitted.boxes[["x", "y", "width", "height"]].to_numpy().tolist() == [[0, 0, 200, 100], [90, 40, 10, 10]]
    assert fitted.cut == 2
    for corners in ((-2.1, 0, 10, 10), (0, -1.1, 10, 10), (0, 0, 202.1, 10), (0, 0, 10, 101.1)):
        assert list(fit_boxes(make_boxes([("a", "x", *corners)]), SIZES).problems) == ["a"]


@pytest.mark.parametrize(
    "corners",
    [
        (1, 1, 0, 5),
        (1, 1, 5, 0),
        (1, 1, -5, 5),
        (np.nan, 1, 5, 5),
        (1, 1, np.inf, 5),
        (-1, 1, 0.5, 5),
        (201, 1, 0.5, 5),
    ],
)
def test_boxes_without_area_in_the_image_are_wrong_and_take_their_image_with_them(corners):
    boxes = make_boxes([("a", "x", *corners), ("b", "x", 1, 1, 5, 5), ("a", "y", 1, 1, 5, 5)])
    fitted = fit_boxes(boxes, SIZES)
    assert list(fitted.problems) == ["a"]
    assert fitted.problems["a"].startswith("the box of 'x' at x ")
    assert fitted.boxes["image_id"].tolist() == ["b"]
