"""Losses and their gradients against formulas written anew in numpy, and against lightly's."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from evalkit.config.pretraining import Ifa
from evalkit.pretraining.losses import ifa_loss, info_nce, nt_xent

IMAGES, LENGTH, KEYS = 7, 16, 12


def points(count: int, seed: int, *, gradient: bool = False) -> Tensor:
    """Points on the unit sphere."""
    generator = torch.Generator().manual_seed(seed)
    return functional.normalize(torch.randn(count, LENGTH, generator=generator), dim=1).requires_grad_(gradient)


def softmax(logits: np.ndarray) -> np.ndarray:
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


@pytest.mark.parametrize("temperature", [0.07, 0.2, 1.0])
def test_info_nce_is_its_formula(temperature: float) -> None:
    queries, positives, queue = points(IMAGES, 0, gradient=True), points(IMAGES, 1), points(KEYS, 2)
    loss = info_nce(queries, positives, queue, temperature=temperature, images=IMAGES)
    loss.backward()

    q, k, n = (each.detach().double().numpy() for each in (queries, positives, queue))
    losses, gradients = [], []
    for query, own in zip(q, k, strict=True):
        likely = [math.exp(query @ key / temperature) for key in (own, *n)]
        losses.append(-math.log(likely[0] / sum(likely)))
        shares = np.array(likely) / sum(likely)
        gradients.append(((shares[0] - 1) * own + shares[1:] @ n) / temperature / IMAGES)
    assert loss.item() == pytest.approx(np.mean(losses), rel=1e-5)
    np.testing.assert_allclose(queries.grad, gradients, atol=1e-5)


@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_nt_xent_is_its_formula(temperature: float) -> None:
    first, second = points(IMAGES, 0, gradient=True), points(IMAGES, 1, gradient=True)
    loss = nt_xent(first, second, temperature=temperature)
    loss.backward()

    views = torch.cat([first, second]).detach().double().numpy()
    partner = [(i + IMAGES) % (2 * IMAGES) for i in range(2 * IMAGES)]
    losses = []
    for i, j in enumerate(partner):
        others = [math.exp(views[i] @ views[k] / temperature) for k in range(2 * IMAGES) if k != i]
        losses.append(-math.log(math.exp(views[i] @ views[j] / temperature) / sum(others)))
    assert loss.item() == pytest.approx(np.mean(losses), rel=1e-5)
    logits = views @ views.T / temperature
    np.fill_diagonal(logits, -np.inf)
    slope = (softmax(logits) - np.eye(2 * IMAGES)[partner]) / (2 * IMAGES)
    gradients = (slope + slope.T) @ views / temperature
    np.testing.assert_allclose(torch.cat([first.grad, second.grad]), gradients, atol=1e-5)


def test_nt_xent_agrees_with_lightly() -> None:
    loss = pytest.importorskip("lightly.loss")
    for temperature in (0.1, 0.5):
        ours = [points(IMAGES, seed, gradient=True) for seed in (0, 1)]
        theirs = [points(IMAGES, seed, gradient=True) for seed in (0, 1)]
        expected = loss.NTXentLoss(temperature=temperature)(*theirs)
        found = nt_xent(*ours, temperature=temperature)
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-6)
        found.backward()
        # Lightly normalises once more, which takes the part along the radius out of the gradient; so does the encoder.
        expected.backward()
        for mine, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(_tangential(mine), _tangential(other), atol=1e-5, rtol=0)


def test_info_nce_agrees_with_lightly() -> None:
    loss = pytest.importorskip("lightly.loss")
    theirs = loss.NTXentLoss(temperature=0.2, memory_bank_size=(KEYS, LENGTH))
    theirs.memory_bank.bank = points(KEYS, 2)
    ours, other = points(IMAGES, 0, gradient=True), points(IMAGES, 0, gradient=True)
    expected = theirs(other, points(IMAGES, 1))
    found = info_nce(ours, points(IMAGES, 1), points(KEYS, 2), temperature=0.2, images=IMAGES)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-6)
    found.backward()
    expected.backward()
    torch.testing.assert_close(_tangential(ours), _tangential(other), atol=1e-5, rtol=0)


def _tangential(features: Tensor) -> Tensor:
    assert features.grad is not None
    return features.grad - (features.grad * features.detach()).sum(dim=1, keepdim=True) * features.detach()


def maps(seed: int) -> dict[int, Tensor]:
    """Feature maps of blocks 1 to 4, rectified as a ResNet's are."""
    generator = torch.Generator().manual_seed(seed)
    shapes = {1: (IMAGES, 3, 6, 6), 2: (IMAGES, 5, 4, 4), 3: (IMAGES, 6, 3, 3), 4: (IMAGES, 8, 2, 2)}
    return {block: torch.randn(shape, generator=generator).relu() for block, shape in shapes.items()}


@pytest.mark.parametrize(
    "ifa",
    [
        {"preset": "paper"},
        {"preset": "released-code"},
        {"blocks": {2: {"target": -0.5, "weight": 0.3}, 3: {"target": 0.2}, 4: {"weight": 2}}},
    ],
)
def test_ifa_is_its_formula_position_by_position(ifa: dict) -> None:
    terms = Ifa.model_validate(ifa).terms
    first, second = maps(0), maps(1)
    leaves = {block: each.requires_grad_() for block, each in first.items()}
    loss = ifa_loss(leaves, second, terms, images=IMAGES)
    loss.backward()
    expected = 0.0
    for block, term in terms.items():
        q, p = (each[block].detach().double().numpy() for each in (first, second))
        count, _, height, width = q.shape
        gradient = np.zeros_like(q)
        for image in range(count):
            for y in range(height):
                for x in range(width):
                    a, b = q[image, :, y, x], p[image, :, y, x]
                    lengths = max(np.linalg.norm(a), 1e-6), max(np.linalg.norm(b), 1e-6)
                    cosine = a @ b / (lengths[0] * lengths[1])
                    share = term.weight / (count * height * width)
                    expected += share * abs(term.target - cosine)
                    if np.linalg.norm(a) > 0:
                        slope = b / (lengths[0] * lengths[1]) - cosine * a / lengths[0] ** 2
                        gradient[image, :, y, x] = -share * np.sign(term.target - cosine) * slope
        dead = (q == 0).all(axis=1, keepdims=True)
        np.testing.assert_allclose(np.where(dead, 0, leaves[block].grad), gradient, atol=1e-6)
        assert torch.isfinite(leaves[block].grad).all(), "also where a position has no features at all"
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    assert all((each.grad is None) == (block not in terms) for block, each in leaves.items())


def test_ifa_of_equal_maps_is_nothing_and_of_opposite_ones_two() -> None:
    terms = Ifa.model_validate({"preset": "paper"}).terms
    ones = {3: torch.ones(2, 4, 3, 3)}
    assert ifa_loss(ones, ones, terms, images=2).item() == pytest.approx(0, abs=1e-6)
    assert ifa_loss(ones, {3: -ones[3]}, terms, images=2).item() == pytest.approx(2, abs=1e-6)


def test_shares_add_up_to_the_whole() -> None:
    first, second, queue = points(IMAGES, 0), points(IMAGES, 1), points(KEYS, 2)
    shares = [slice(0, 3), slice(3, 7)]
    terms = Ifa.model_validate({"preset": "released-code"}).terms
    q, p = maps(0), maps(1)

    def part(values: dict[int, Tensor], share: slice) -> dict[int, Tensor]:
        return {block: each[share] for block, each in values.items()}

    whole = [
        info_nce(first, second, queue, temperature=0.2, images=IMAGES),
        nt_xent(first, second, temperature=0.2),
        ifa_loss(q, p, terms, images=IMAGES),
    ]
    added = [
        sum(info_nce(first[s], second[s], queue, temperature=0.2, images=IMAGES) for s in shares),
        sum(nt_xent(first[s], second[s], temperature=0.2, whole=(first, second), start=s.start) for s in shares),
        sum(ifa_loss(part(q, s), part(p, s), terms, images=IMAGES) for s in shares),
    ]
    torch.testing.assert_close(torch.stack(added), torch.stack(whole), atol=1e-6, rtol=0)


def test_losses_stay_in_32_bits_under_mixed_precision() -> None:
    first, second, queue = points(IMAGES, 0), points(IMAGES, 1), points(KEYS, 2)
    terms = Ifa.model_validate({"preset": "paper"}).terms

    def losses() -> list[Tensor]:
        return [
            info_nce(first, second, queue, temperature=0.2, images=IMAGES),
            nt_xent(first, second, temperature=0.2),
            ifa_loss(maps(0), maps(1), terms, images=IMAGES),
        ]

    expected = losses()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = losses()
        assert (first @ second.T).dtype == torch.bfloat16
    assert [each.dtype for each in found] == [torch.float32] * 3
    assert torch.equal(torch.stack(found), torch.stack(expected))
    halves = {block: each.bfloat16() for block, each in maps(0).items()}
    assert ifa_loss(halves, halves, terms, images=IMAGES).dtype == torch.float32
