from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

from evalkit.training.batches import Batches, Normaliser, Pixels, batch_positions, to_grey

CPU = torch.device("cpu")


@pytest.mark.parametrize(("images", "batch_size"), [(10, 4), (10, 10), (3, 8), (1, 2), (100, 7)])
def test_no_image_comes_again_before_all_others_have(images: int, batch_size: int) -> None:
    stream = np.concatenate([batch_positions(step, images=images, batch_size=batch_size, seed=3) for step in range(50)])
    assert len(stream) == 50 * batch_size, "every batch is full"
    whole = len(stream) // images * images
    for epoch in stream[:whole].reshape(-1, images):
        assert sorted(epoch) == list(range(images))
    counts = Counter(stream.tolist())
    assert max(counts.values()) - min(counts.values(), default=0) <= 1


def test_the_order_is_a_function_of_seed_and_step() -> None:
    order = {"images": 50, "batch_size": 8}
    later = batch_positions(41, **order, seed=1)
    assert np.array_equal(batch_positions(41, **order, seed=1), later)
    assert not np.array_equal(batch_positions(41, **order, seed=2), later)
    epochs = np.concatenate([batch_positions(step, **order, seed=1) for step in range(13)])
    assert not np.array_equal(epochs[:50], epochs[50:100]), "each pass is shuffled anew"


def test_pixels_come_from_the_rows_asked_for_also_when_they_do_not_fit_in_memory(tmp_path, monkeypatch) -> None:
    images = np.random.default_rng(0).integers(0, 256, (20, 4, 4)).astype(np.uint8)
    np.save(tmp_path / "images.npy", images)
    packed, rows = np.load(tmp_path / "images.npy", mmap_mode="r"), np.array([3, 5, 19])
    held = Pixels(packed, rows, CPU).take(np.array([2, 0]))
    monkeypatch.setattr("evalkit.training.batches._HOST_SHARE", 0)
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


def test_parts_of_a_batch_are_the_batch() -> None:
    images = np.random.default_rng(0).integers(0, 256, (9, 4, 4)).astype(np.uint8)
    targets = np.arange(18, dtype=np.float32).reshape(9, 2) % 2
    targets[3, 1] = np.nan
    batches = Batches(
        Pixels(images, np.arange(9), CPU),
        targets,
        Normaliser([0.5], [0.5], in_channels=1, device=CPU),
        batch_size=7,
        augmentation=None,
        seed=4,
        device=CPU,
    )
    ((inputs, labels, labelled),) = batches.load(1, share=slice(0, 7), size=7)
    parts = [part for share in (slice(0, 4), slice(4, 7)) for part in batches.load(1, share=share, size=3)]
    assert [len(part[0]) for part in parts] == [3, 1, 3]
    assert torch.equal(torch.cat([part[0] for part in parts]), inputs)
    assert torch.equal(torch.cat([part[1] for part in parts]).nan_to_num(9), labels.nan_to_num(9))
    assert {part[2] for part in parts} == {labelled} == {int((~torch.isnan(labels)).sum())}
