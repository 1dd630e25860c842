from __future__ import annotations

import numpy as np
import pytest
import torch

from evalkit.training.pixels import Normaliser, Pixels, to_grey

CPU = torch.device("cpu")


def test_pixels_come_from_the_rows_asked_for_also_when_they_do_not_fit_in_memory(tmp_path, monkeypatch) -> None:
    images = np.random.default_rng(0).integers(0, 256, (20, 4, 4)).astype(np.uint8)
    np.save(tmp_path / "images.npy", images)
    packed, rows = np.load(tmp_path / "images.npy", mmap_mode="r"), np.array([3, 5, 19])
    held = Pixels(packed, rows, CPU).take(np.array([2, 0]))
    monkeypatch.setattr("evalkit.training.pixels._HOST_SHARE", 0)
    mapped = Pixels(packed, rows, CPU)
    assert len(mapped) == 3
    assert torch.equal(mapped.take(np.array([2, 0])), held)
    assert np.array_equal(held.numpy(), images[[19, 3]])


def test_one_channel_is_normalised_by_its_own_statistics() -> None:
    grey = to_grey(torch.tensor([[[0, 255], [51, 102]]], dtype=torch.uint8))
    out = Normaliser([0.2], [0.4], in_channels=1, device=CPU)(grey)
    assert out.shape == (1, 1, 2, 2)
    torch.testing.assert_close(out[0, 0], torch.tensor([[-0.5, 2.0], [0.0, 0.5]]))


def test_grey_is_repeated_over_three_channels_without_a_copy_where_they_are_alike() -> None:
    grey = torch.rand(2, 1, 4, 4)
    alike = Normaliser([0.5] * 3, [0.25] * 3, in_channels=3, device=CPU)(grey)
    assert alike.shape == (2, 3, 4, 4)
    assert alike.stride(1) == 0
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    each = Normaliser(mean, std, in_channels=3, device=CPU)(grey)
    for channel in range(3):
        torch.testing.assert_close(each[:, channel], (grey[:, 0] - mean[channel]) / std[channel])


@pytest.mark.parametrize(("mean", "std"), [([0.5] * 3, [0.5] * 3), ([0.5], [0.5] * 2)])
def test_statistics_that_do_not_fit_the_channels_are_refused(mean: list, std: list) -> None:
    with pytest.raises(ValueError, match="1 channels"):
        Normaliser(mean, std, in_channels=1, device=CPU)
