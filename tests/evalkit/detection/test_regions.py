"""Pooling, box codes, the losses on regions and the choice of detections, against values worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from evalkit.detection.regions import RegionHeads

from .conftest import make_spec, make_target


def _heads(logits: Tensor | None = None, codes: Tensor | None = None, **regions: Any) -> RegionHeads:
    heads = RegionHeads(1, make_spec(regions={"hidden": 64, **regions}), stage=None)
    if logits is not None:
        heads.predict = lambda features, regions: (logits, codes)
    return heads


class _Seen(nn.Module):
    pooled: Tensor

    def forward(self, pooled: Tensor) -> Tensor:
        self.pooled = pooled
        return torch.zeros(len(pooled), 64)


def test_pooling_is_aligned_to_half_a_cell() -> None:
    # Feature value = column. Cell k covers pixels 16 k to 16 k + 16 and has its centre at 16 k + 8, so pixel p lies at
    # p / 16 - 1/2. Pooled cell j of a region from 32 to 144 has its centre at 32 + 16 (j + 1/2): its value is j + 2.
    columns = torch.arange(12.0).expand(1, 1, 10, 12)
    heads = _heads()
    heads.head = seen = _Seen()

    heads.predict(columns, [torch.tensor([[32.0, 32, 144, 144]])])

    torch.testing.assert_close(seen.pooled, torch.arange(2.0, 9).expand(1, 1, 7, 7))


def test_box_codes_by_hand_and_back() -> None:
    coder = _heads().coder
    region, box = torch.tensor([[0.0, 0, 10, 20]]), torch.tensor([[5.0, 0, 25, 20]])

    codes = coder.encode_single(box, region)

    # The centre moves by 10 = one width, weighted by 10; the width doubles, weighted by 5.
    torch.testing.assert_close(codes, torch.tensor([[10.0, 0, 5 * math.log(2), 0]]))
    torch.testing.assert_close(coder.decode_single(codes, region), box)


def test_a_box_grows_at_most_62_5_fold() -> None:
    grown = _heads().coder.decode_single(torch.tensor([[0.0, 0, 1e6, 0]]), torch.tensor([[-8.0, 0, 8, 10]]))

    torch.testing.assert_close(grown, torch.tensor([[-500.0, 0, 500, 10]]))


def test_losses_by_hand() -> None:
    # Regions: one that overlaps the box (class 1) by .8, three on the background, and the box itself.
    target = make_target([[0, 0, 40, 40]], [1])
    proposals = torch.tensor([[0.0, 0, 40, 32], [100, 100, 110, 110], [120, 0, 130, 10], [0, 200, 10, 210]])
    codes = torch.zeros(5, 2, 4)
    codes[:, 0] = 99  # of the other class: without effect
    heads = _heads(torch.zeros(5, 3), codes.reshape(5, 8), sampled=16)

    losses = heads.losses(torch.empty(0), [proposals], [target])

    # Three classes with the background, all equally likely. Codes of the overlapping region: its centre is 4 of 32 too
    # high (weight 10), its height 4/5 (weight 5); those of the box itself are 0. Divided by all five regions.
    assert losses["loss_cls"].item() == pytest.approx(math.log(3))
    assert losses["loss_box_reg"].item() == pytest.approx((10 * 4 / 32 + 5 * math.log(40 / 32)) / 5)


def test_background_is_the_last_class_and_a_quarter_lies_on_objects() -> None:
    target = make_target([[0, 0, 40, 40]], [0])
    on = torch.tensor([[0.0, 0, 40, 36]]).expand(10, 4)
    off = torch.tensor([[100.0, 100, 110, 110]]).expand(10, 4)
    # Surely background: right for 6 of 8, and for the two on the object off by 50.
    heads = _heads(torch.tensor([[0.0, 0, 50]]).expand(8, 3), torch.zeros(8, 8), sampled=8)

    losses = heads.losses(torch.empty(0), [torch.cat((on, off))], [target])

    assert losses["loss_cls"].item() == pytest.approx(2 * 50 / 8, abs=1e-4)


def test_images_without_objects_count() -> None:
    empty = make_target([], [])
    proposals = [torch.tensor([[0.0, 0, 10, 10]]), torch.tensor([[0.0, 0, 10, 10], [5, 5, 50, 50]])]
    heads = _heads(torch.zeros(3, 3), torch.zeros(3, 8))

    losses = heads.losses(torch.empty(0), proposals, [empty, empty])

    assert losses["loss_cls"].item() == pytest.approx(math.log(3))
    assert losses["loss_box_reg"].item() == 0


def _detect(scores: list[list[float]], boxes: list[list[float]], **regions: Any) -> Any:
    """Detections of regions with the given probabilities (the background has what is left), in an image of 100 x 80."""
    probabilities = torch.tensor(scores)
    probabilities = torch.cat((probabilities, 1 - probabilities.sum(dim=1, keepdim=True)), dim=1)
    heads = _heads(probabilities.log(), torch.zeros(len(scores), 8), **regions)
    (found,) = heads.detect(torch.empty(0), [torch.tensor(boxes)], [(80, 100)])
    return {name: tensor.tolist() for name, tensor in found.items()}


def test_suppression_works_within_a_class_and_the_best_comes_first() -> None:
    near = [[0.0, 0, 20, 20], [0, 0, 20, 18], [50, 50, 60, 60]]

    found = _detect([[0.5, 0.3], [0.6, 0.1], [0.1, 0.7]], near)

    # Of class 0 the second region beats the first; of class 1 the first beats the second.
    assert found["labels"] == [1, 0, 1, 0]
    assert found["scores"] == pytest.approx([0.7, 0.6, 0.3, 0.1])
    assert found["boxes"] == [near[2], near[1], near[0], near[2]]


def test_detections_score_more_than_the_threshold_and_are_at_most_so_many() -> None:
    apart = [[20.0 * k, 0, 20 * k + 10, 10] for k in range(4)]
    scores = [[0.04, 0.04], [0.06, 0.0], [0.5, 0.2], [0.3, 0.0]]

    assert _detect(scores, apart)["scores"] == pytest.approx([0.5, 0.3, 0.2, 0.06])
    assert _detect(scores, apart, detections=2)["scores"] == pytest.approx([0.5, 0.3])


def test_boxes_end_at_the_image_and_have_an_area() -> None:
    found = _detect([[0.9, 0], [0.8, 0]], [[90.0, 70, 130, 90], [120, 10, 130, 20]])

    assert found["boxes"] == [[90, 70, 100, 80]]


def test_nothing_proposed_is_nothing_found() -> None:
    heads = RegionHeads(4, make_spec(), stage=None).eval()

    (found,) = heads.detect(torch.zeros(1, 4, 5, 5), [torch.zeros(0, 4)], [(80, 80)])

    assert [len(found[part]) for part in ("boxes", "labels", "scores")] == [0, 0, 0]


def test_initial_weights_of_the_outputs_are_small() -> None:
    predictor = _heads(hidden=512).predictor

    assert predictor.cls_score.weight.std().item() == pytest.approx(0.01, rel=0.1)
    assert predictor.bbox_pred.weight.std().item() == pytest.approx(0.001, rel=0.1)
    assert predictor.bbox_pred.out_features == 8
