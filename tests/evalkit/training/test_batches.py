from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

from evalkit.training.batches import Batches, batch_positions
from evalkit.training.objectives import MultilabelObjective
from evalkit.training.pixels import Normaliser, Pixels

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


def test_parts_of_a_batch_are_the_batch() -> None:
    images = np.random.default_rng(0).integers(0, 256, (9, 4, 4)).astype(np.uint8)
    targets = np.arange(18, dtype=np.float32).reshape(9, 2) % 2
    targets[3, 1] = np.nan
    batches = Batches(
        Pixels(images, np.arange(9), CPU),
        targets,
        Normaliser([0.5], [0.5], in_channels=1, device=CPU),
        objective=MultilabelObjective(),
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
