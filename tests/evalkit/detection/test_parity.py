"""The torchvision engine against detectron2 itself, with the same weights, images and random numbers.

Skipped where detectron2 is absent. It need not be compiled: with its source and fvcore, iopath, yacs, portalocker,
termcolor, tabulate, cloudpickle and pycocotools on PYTHONPATH, these tests run.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision.ops import box_iou

from evalkit.detection.detectron2_engine import Detectron2Engine
from evalkit.detection.detectron2_names import detectron2_name, load_from_detectron2, to_detectron2
from evalkit.detection.engine import Engine
from evalkit.detection.faster_rcnn import FasterRCNN
from evalkit.detection.torchvision_engine import TorchvisionEngine
from evalkit.errors import InputError

from .conftest import CanonicalWeights, make_images, make_spec, make_target

pytestmark = pytest.mark.skipif(not importlib.util.find_spec("detectron2"), reason="detectron2 is not installed")

SIZES = {"one": ((128, 160),), "two": ((130, 97), (96, 144)), "tall": ((250, 140), (200, 170))}
Pair = tuple[FasterRCNN, Any]
cases = pytest.mark.parametrize(("head", "protocol", "sizes"), [
    ("R50-C4", "detectron2", "one"), ("R50-C4", "detectron2", "two"), ("R50-C4", "detectron2", "tall"),
    ("R50-C4", "moco", "two"),
    ("R50-DC5", "detectron2", "one"), ("R50-DC5", "detectron2", "two"), ("R50-DC5", "detectron2", "tall"),
    ("R50-DC5", "moco", "two"),
])  # fmt: skip


@pytest.fixture(scope="module")
def pair(canonical: CanonicalWeights) -> Callable[[str, str], Pair]:
    """Give a function from head and protocol to the same detector in both engines."""
    made: dict[tuple[str, str], Pair] = {}

    def make(head: str, protocol: str) -> Pair:
        if (head, protocol) not in made:
            made[head, protocol] = build_pair(head, protocol, canonical)
        return made[head, protocol]

    return make


def build_pair(head: str, protocol: str, canonical: CanonicalWeights) -> Pair:
    """Build one detector twice, with outputs that are no longer nearly constant."""
    proposals = {"before_nms": 600, "after_nms": 100, "before_nms_test": 400, "after_nms_test": 60}
    changes: dict[str, Any] = {"arch": "resnet50", "proposals": proposals, "regions": {"sampled": 32, "hidden": 256}}
    spec = make_spec(head, protocol, mean=(0.4,), std=(0.2,), **changes)
    ours = TorchvisionEngine().build(spec, canonical("resnet50"), seed=0)
    theirs = Detectron2Engine().build(spec, canonical("resnet50"), seed=0)
    torch.manual_seed(1)
    with torch.no_grad():
        ours.proposals.head.cls_logits.weight.mul_(5)
        ours.proposals.head.bbox_pred.weight.mul_(3)
        ours.regions.predictor.cls_score.weight.mul_(20)
        ours.regions.predictor.bbox_pred.weight.mul_(100)
    theirs.load_state_dict(to_detectron2(ours.state_dict()))
    return ours, theirs


def both_look_at(pair: Pair, images: Sequence[Tensor]) -> tuple[Any, Tensor, Any, Tensor]:
    """Batches and feature maps of ours and of theirs, in evaluation mode."""
    ours, theirs = (each.eval() for each in pair)
    batch = ours.batch(images)
    their_batch = theirs.preprocess_image([{"image": image} for image in images])
    return batch, ours.trunk(batch.tensors), their_batch, next(iter(theirs.backbone(their_batch.tensor).values()))


def head_outputs(theirs: Any, features: Tensor, boxes: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Logits and codes of detectron2's head on given regions."""
    from detectron2.structures import Boxes

    heads, regions = theirs.roi_heads, [Boxes(each) for each in boxes]
    if hasattr(heads, "res5"):
        return heads.box_predictor(heads._shared_roi_transform([features], regions).mean(dim=[2, 3]))
    return heads.box_predictor(heads.box_head(heads.box_pooler([features], regions)))


def share_matched(ours: Tensor, theirs: Tensor, at: float = 0.999) -> float:
    """Share of the boxes of two sets that have an equal in the other one."""
    overlap = box_iou(ours, theirs)
    matched = (overlap.amax(dim=1) > at).sum() + (overlap.amax(dim=0) > at).sum()
    return float(matched) / (len(ours) + len(theirs))


def relative(ours: Tensor, theirs: Tensor) -> float:
    """Largest difference, in standard deviations of theirs."""
    return float((ours - theirs).abs().max() / theirs.std())


@cases
def test_features_proposals_and_outputs(pair: Callable[..., Pair], head: str, protocol: str, sizes: str) -> None:
    ours, theirs = pair(head, protocol)
    with torch.no_grad():
        batch, features, their_batch, their_features = both_look_at((ours, theirs), make_images(*SIZES[sizes]))
        proposals, _ = ours.proposals(batch, {"": features})
        name = theirs.proposal_generator.in_features[0]
        their_proposals, _ = theirs.proposal_generator(their_batch, {name: their_features})
        outputs = ours.regions.predict(features, proposals)
        their_outputs = head_outputs(theirs, their_features, proposals)

    assert batch.tensors.shape == their_batch.tensor.shape
    assert relative(features, their_features) < 1e-4
    for boxes, instances in zip(proposals, their_proposals, strict=True):
        assert len(boxes) == len(instances) == 60
        assert share_matched(boxes, instances.proposal_boxes.tensor) == 1
    assert max(relative(*each) for each in zip(outputs, their_outputs, strict=True)) < 1e-4


@cases
def test_detections(pair: Callable[..., Pair], head: str, protocol: str, sizes: str) -> None:
    ours, theirs = pair(head, protocol)
    images = make_images(*SIZES[sizes])

    pairs = zip(TorchvisionEngine().detect(ours, images), Detectron2Engine().detect(theirs, images), strict=True)

    for found, expected in pairs:
        assert len(found["boxes"]) == len(expected["boxes"]) > 10
        assert share_matched(found["boxes"], expected["boxes"]) == 1
        torch.testing.assert_close(found["scores"], expected["scores"], atol=1e-4, rtol=1e-3)
        assert torch.equal(found["labels"].bincount(), expected["labels"].bincount())


def training_step(engine: Engine, model: nn.Module, sizes: str) -> dict[str, Tensor]:
    """Losses of one batch whose last image is without objects; gradients stay in the model."""
    images = make_images(*SIZES[sizes])
    targets = [make_target([[10, 12, 70, 60], [40, 30, 90, 90]], [1, 0])] + [make_target([], [])] * (len(images) - 1)
    model.zero_grad()
    torch.manual_seed(2)
    losses = engine.losses(model, images, targets)
    torch.stack(list(losses.values())).sum().backward()
    return losses


@cases
def test_losses_and_gradients(pair: Callable[..., Pair], head: str, protocol: str, sizes: str) -> None:
    ours, theirs = pair(head, protocol)

    losses = training_step(TorchvisionEngine(), ours, sizes)
    their_losses = training_step(Detectron2Engine(), theirs, sizes)

    assert set(losses) == set(their_losses)
    for name, loss in losses.items():
        assert loss.item() == pytest.approx(their_losses[name].item(), rel=1e-4), name
    their_parameters = dict(theirs.named_parameters())
    trained = {name: each for name, each in ours.named_parameters() if each.requires_grad}
    assert {detectron2_name(name) for name in trained} == {
        name for name, each in their_parameters.items() if each.requires_grad
    }
    for name, parameter in trained.items():
        assert gradient_difference(parameter, their_parameters[detectron2_name(name)]) < 1e-3, name


def gradient_difference(ours: nn.Parameter, theirs: nn.Parameter) -> float:
    """Length of the difference of two gradients, in lengths of theirs."""
    assert ours.grad is not None
    assert theirs.grad is not None
    return float((ours.grad - theirs.grad).norm() / theirs.grad.norm())


@pytest.mark.parametrize("head", ["R50-C4", "R50-DC5"])
def test_weights_come_back(pair: Callable[..., Pair], canonical: CanonicalWeights, head: str) -> None:
    _, theirs = pair(head, "detectron2")
    copy, _ = build_pair(head, "detectron2", canonical)
    for tensor in copy.state_dict().values():
        tensor.zero_()

    load_from_detectron2(copy, theirs.state_dict())

    expected = theirs.state_dict()
    assert all(torch.equal(tensor, expected[detectron2_name(name)]) for name, tensor in copy.state_dict().items())


def test_detectron2_refuses_trunks_without_bottlenecks() -> None:
    with pytest.raises(InputError, match="made of bottlenecks"):
        Detectron2Engine().build(make_spec(arch="resnet18"), None, seed=0)
