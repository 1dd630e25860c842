"""The boxes that proposals start from, against values worked out by hand."""

from __future__ import annotations

import torch
from torchvision.models.detection.image_list import ImageList

from evalkit.detection.anchors import Anchors


def _anchors(rows: int, columns: int, images: int = 1) -> list[torch.Tensor]:
    generator = Anchors(sizes=(32, 64), ratios=(0.5, 1, 2), stride=16)
    # The padded size is no multiple of the stride, from which torchvision's generator would derive 15.
    batch = ImageList(torch.zeros(images, 1, 16 * rows - 6, 16 * columns - 6), [(1, 1)] * images)
    return generator(batch, [torch.zeros(images, 8, rows, columns)])


def test_shapes_go_by_size_then_ratio_and_are_not_rounded() -> None:
    first_cell = _anchors(1, 1)[0]

    # Area 32 * 32, height over width 1/2: width 32 * sqrt(2) = 45.2548, height 22.6274.
    expected = torch.tensor(
        [
            [-22.6274, -11.3137, 22.6274, 11.3137],
            [-16.0, -16.0, 16.0, 16.0],
            [-11.3137, -22.6274, 11.3137, 22.6274],
            [-45.2548, -22.6274, 45.2548, 22.6274],
            [-32.0, -32.0, 32.0, 32.0],
            [-22.6274, -45.2548, 22.6274, 45.2548],
        ]
    )
    torch.testing.assert_close(first_cell, expected, atol=1e-4, rtol=0)


def test_cells_are_16_pixels_apart_row_by_row_from_the_corner() -> None:
    boxes = _anchors(rows=3, columns=5)[0]

    centres = ((boxes[:, :2] + boxes[:, 2:]) / 2).reshape(3, 5, 6, 2)
    assert centres[0, 0, 0].tolist() == [0, 0]
    assert centres[0, 1, 0].tolist() == [16, 0]
    assert centres[2, 4, 5].tolist() == [64, 32]


def test_each_image_of_a_batch_has_the_same() -> None:
    boxes = _anchors(rows=2, columns=2, images=3)

    assert len(boxes) == 3
    assert all(torch.equal(boxes[0], each) for each in boxes)
