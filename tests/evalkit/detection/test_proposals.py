"""The region proposal network: its loss on a case worked out by hand, and which boxes it lets through."""

from __future__ import annotations

import math

import pytest
import torch

from evalkit.detection.proposals import ProposalNetwork

from .conftest import make_spec

_CHANNELS = 8


def _network(**numbers: float) -> ProposalNetwork:
    return ProposalNetwork(_CHANNELS, make_spec(proposals=numbers))


def test_losses_are_divided_by_the_intended_sample() -> None:
    # Two images of four anchors, the second without objects; one anchor is between the thresholds. Logits of 0 cost
    # log(2) each. Predicted codes of 1 against (1, 0, 0, -2) on the only anchor on an object: 0 + 1 + 1 + 3.
    labels = [torch.tensor([1.0, 0, -1, 0]), torch.zeros(4)]
    targets = [torch.zeros(4, 4), torch.full((4, 4), -math.inf)]
    targets[0][0] = torch.tensor([1.0, 0, 0, -2])

    score, location = _network(sampled=8).compute_loss(torch.zeros(8, 1), torch.ones(8, 4), labels, targets)

    assert score.item() == pytest.approx(7 * math.log(2) / (8 * 2))
    assert location.item() == pytest.approx(5 / (8 * 2))


def test_the_sample_is_bounded_per_image_and_at_most_half_of_it_lies_on_objects() -> None:
    labels = [torch.tensor([1.0] * 6 + [0.0] * 6)]

    score, location = _network(sampled=4).compute_loss(
        torch.tensor([[0.0]] * 6 + [[100.0]] * 6), torch.ones(12, 4), labels, [torch.zeros(12, 4)]
    )

    # Two on objects at log(2) and codes off by 4, two on the background that are surely wrong.
    assert score.item() == pytest.approx((2 * math.log(2) + 2 * 100) / 4)
    assert location.item() == pytest.approx(2 * 4 / 4)


def test_anchors_are_matched_at_070_and_030_and_each_box_has_one() -> None:
    anchors = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 5], [0, 0, 10, 2], [50, 50, 60, 60], [90, 90, 99, 99]])
    boxes = torch.tensor([[0.0, 0, 10, 10], [55, 50, 75, 60]])

    labels, matched = _network().assign_targets_to_anchors(
        [anchors, anchors], [{"boxes": boxes}, {"boxes": torch.zeros(0, 4)}]
    )

    # IoU with the first box 1, .5, .2; the fourth overlaps the second box by 50 / 250 only, but none does better.
    assert labels[0].tolist() == [1, -1, 0, 1, 0]
    assert torch.equal(matched[0][[0, 3]], boxes)
    assert labels[1].tolist() == [0] * 5


def _filtered(network: ProposalNetwork, boxes: list[list[float]], logits: list[float], size: tuple[int, int]):
    found, scores = network.filter_proposals(
        torch.tensor(boxes)[None], torch.tensor(logits)[:, None], [size], [len(boxes)]
    )
    return found[0].tolist(), scores[0].tolist()


def test_logits_rank_where_probabilities_would_tie() -> None:
    # Both sigmoids are 1 in float32; the second box is better.
    boxes, logits = _filtered(_network(), [[0.0, 0, 10, 10], [0.0, 0, 10, 11]], [20.0, 30.0], (20, 20))

    assert (boxes, logits) == ([[0, 0, 10, 11]], [30])


def test_boxes_are_cut_off_and_only_those_without_area_go() -> None:
    boxes, _ = _filtered(
        _network().eval(),
        [[-5.0, 2, 8, 30], [4, 4, 4, 9], [1, 1, 1.0005, 9], [25, 3, 40, 9], [math.nan, 0, 1, 1], [2, 2, 3, 3]],
        [3.0, 2.0, 1.0, 0.0, 9.0, math.inf],
        (20, 20),
    )

    # The third is thinner than torchvision allows; the fourth lies beside the image; two are not finite.
    assert boxes == [[0, 2, 8, 20], pytest.approx([1, 1, 1.0005, 9])]


@pytest.mark.parametrize(("training", "expected"), [(True, 2), (False, 1)])
def test_training_and_detection_have_their_own_limits(training: bool, expected: int) -> None:
    network = _network(before_nms=3, after_nms=2, before_nms_test=2, after_nms_test=1).train(training)
    apart = [[20.0 * k, 0, 20 * k + 10, 10] for k in range(4)]

    boxes, logits = _filtered(network, apart, [0.0, 1.0, 2.0, 3.0], (100, 100))

    assert logits == [3, 2][:expected]
    assert boxes == apart[::-1][:expected]


def test_few_competitors_remain_after_the_first_cut() -> None:
    # Three overlapping boxes fill the places before suppression, so the fourth, far away, never competes.
    network = _network(before_nms=3, after_nms=3)

    boxes, _ = _filtered(
        network, [[0.0, 0, 10, 10], [0, 0, 10, 10.1], [0, 0, 10, 10.2], [50, 50, 60, 60]], [4.0, 3, 2, 1], (99, 99)
    )

    assert boxes == [[0, 0, 10, 10]]


def test_initial_weights_are_small() -> None:
    head = _network().head

    for layer in (head.conv[0][0], head.cls_logits, head.bbox_pred):
        assert layer.weight.std().item() == pytest.approx(0.01, rel=0.15)
        assert not layer.bias.any()
