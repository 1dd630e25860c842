"""Features of cells: what they are, and that a distance of them sees layout and texture."""

from __future__ import annotations

import numpy as np
import pytest

from evalkit.stylegan2.cells import describe_cells, spread_places
from evalkit.stylegan2.frechet import frechet_distance


def test_cells_have_their_mean_and_deviation() -> None:
    image = np.zeros((32, 32), np.uint8)
    image[2:4, 6:8] = [[0, 255], [255, 0]]
    image[30:, 30:] = 51
    (found,) = describe_cells(image[None])
    means, deviations = found.reshape(2, 16, 16)
    expected = np.zeros((2, 16, 16))
    expected[:, 1, 3] = 0.5
    expected[0, 15, 15] = 0.2
    np.testing.assert_allclose(means, expected[0])
    np.testing.assert_allclose(deviations, expected[1])


def test_small_images_are_described_by_their_pixels_and_colours_by_their_mean() -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 8)).astype(np.uint8)
    found = describe_cells(images)
    np.testing.assert_allclose(found[:, :64], images.reshape(3, 64) / 255)
    assert not found[:, 64:].any()
    np.testing.assert_allclose(describe_cells(np.stack([images] * 3, axis=-1)), found)
    red = np.zeros((1, 8, 8, 3), np.uint8)
    red[..., 0] = 255
    np.testing.assert_allclose(describe_cells(red)[0, :64], 1 / 3)


@pytest.mark.parametrize("change", ["layout", "texture"])
def test_a_distance_sees_layout_and_texture(change: str) -> None:
    random = np.random.default_rng(1)

    def draw(*, left: int, grain: int) -> np.ndarray:
        images = np.full((30, 32, 32), 60)
        images[:, 8:20, left : left + 12] = 180
        # Grain that averages out in each cell of 2 x 2.
        sign = random.choice([-1, 1], (30, 16, 16)).repeat(2, axis=1).repeat(2, axis=2)
        return (images + grain * sign * np.tile([[1, -1], [-1, 1]], (16, 16))).astype(np.uint8)

    real, alike = (describe_cells(draw(left=8, grain=20)) for _ in range(2))
    other = describe_cells(draw(left=12, grain=20) if change == "layout" else draw(left=8, grain=5))
    assert frechet_distance(real, other) > 100 * frechet_distance(real, alike) + 0.01


def test_places_are_spread_over_all() -> None:
    assert spread_places(10, 4).tolist() == [0, 2, 5, 7]
    assert spread_places(3, 4).tolist() == [0, 1, 2]
    assert spread_places(5, 5).tolist() == [0, 1, 2, 3, 4]
    assert spread_places(1, 4).tolist() == [0]
