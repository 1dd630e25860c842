from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from evalkit.detection.resizing import fit_sides, mirror_boxes, resize_image, scale_boxes

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("before", "short", "longest", "after"),
    [
        ((1024, 1024), 800, 1333, (800, 800)),
        ((2000, 1500), 800, 1333, (1067, 800)),
        ((1500, 4500), 800, 1333, (444, 1333)),  # the longer side decides
        ((100, 150), 800, 1333, (800, 1200)),  # images are made larger as well
        ((3, 200), 1, 50, (1, 50)),
    ],
)
def test_the_shorter_side_is_as_asked_unless_the_longer_would_be_too_long(before, short, longest, after) -> None:
    assert fit_sides(*before, short=short, longest=longest) == after


def test_resizing_is_bilinear_and_antialiased_as_pillows() -> None:
    pixels = (np.random.default_rng(0).random((90, 70)) * 255).astype(np.uint8)
    for size in ((45, 35), (31, 50), (120, 93)):
        theirs = np.asarray(Image.fromarray(pixels).resize(size[::-1], Image.Resampling.BILINEAR), np.float64)
        ours = resize_image(pixels, size, CPU)[0].double().numpy() * 255
        assert ours.shape == size
        assert np.abs(ours - theirs).max() < 1.01, "up to the rounding of whole grey values"
    same = resize_image(pixels, (90, 70), CPU)
    np.testing.assert_array_equal((same[0] * 255).round().numpy(), pixels)


def test_boxes_follow_their_image() -> None:
    boxes = np.array([[10.0, 20.0, 30.0, 60.0]])
    np.testing.assert_array_equal(scale_boxes(boxes, (100, 50), (50, 100)), [[20, 10, 60, 30]])
    np.testing.assert_array_equal(mirror_boxes(boxes, 50), [[20, 20, 40, 60]])
    np.testing.assert_array_equal(mirror_boxes(mirror_boxes(boxes, 50), 50), boxes)
    assert mirror_boxes(np.zeros((0, 4)), 50).shape == (0, 4)
