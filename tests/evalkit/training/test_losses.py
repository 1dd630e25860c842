from __future__ import annotations

import math

import pytest
import torch

from evalkit.training.losses import masked_bce

NAN = float("nan")


def test_it_is_the_mean_over_the_labelled_entries() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(7, 4, generator=generator, requires_grad=True)
    targets = torch.randint(0, 2, (7, 4), generator=generator).float()
    targets[torch.rand(7, 4, generator=generator) < 0.4] = NAN
    terms = []
    for logit, target in zip(logits.flatten().tolist(), targets.flatten().tolist(), strict=True):
        if not math.isnan(target):
            probability = 1 / (1 + math.exp(-logit))
            terms.append(-math.log(probability if target else 1 - probability))
    loss = masked_bce(logits, targets)
    assert loss.item() == pytest.approx(sum(terms) / len(terms), rel=1e-6)
    loss.backward()
    assert (logits.grad[torch.isnan(targets)] == 0).all()
    assert (logits.grad[~torch.isnan(targets)] != 0).all()


def test_parts_divided_by_the_whole_batches_count_add_up() -> None:
    logits, targets = torch.randn(6, 2), torch.tensor([[1.0, NAN], [0, 1], [NAN, NAN], [1, 1], [0, 0], [NAN, 1]])
    labelled = int((~torch.isnan(targets)).sum())
    parts = [masked_bce(logits[k : k + 2], targets[k : k + 2], labelled=labelled) for k in (0, 2, 4)]
    torch.testing.assert_close(sum(parts), masked_bce(logits, targets))


def test_a_batch_without_labels_gives_zero_and_keeps_its_graph() -> None:
    logits = torch.randn(3, 2, requires_grad=True)
    loss = masked_bce(logits, torch.full((3, 2), NAN))
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(logits.grad, torch.zeros(3, 2))


@pytest.mark.parametrize("bad", [NAN, float("inf")])
def test_a_logit_that_is_not_finite_shows(bad: float) -> None:
    assert not torch.isfinite(masked_bce(torch.tensor([[0.0, bad]]), torch.tensor([[1.0, 0.0]])))


def test_extreme_logits_are_exact() -> None:
    loss = masked_bce(torch.tensor([[200.0, -300.0]]), torch.tensor([[0.0, 1.0]]))
    assert loss.item() == pytest.approx(250)
