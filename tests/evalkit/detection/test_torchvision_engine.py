"""The engine as a training task uses it: padding, gradients, determinism, images without objects."""

from __future__ import annotations

import pytest
import torch

from evalkit.detection.engine import engine_named
from evalkit.detection.torchvision_engine import TorchvisionEngine
from evalkit.errors import InputError

from .conftest import CanonicalWeights, make_images, make_spec, make_target

ENGINE = TorchvisionEngine()
SIZES = ((96, 80), (64, 100))
HEADS = ["R50-C4", "R50-DC5"]
PROTOCOLS = ["moco", "detectron2"]


def _targets():
    return [make_target([[10, 12, 40, 50], [30, 30, 75, 90]], [1, 0]), make_target([], [])]


def test_engines_have_names() -> None:
    assert isinstance(engine_named("torchvision"), TorchvisionEngine)


def test_images_are_normalised_then_padded_to_the_largest_only() -> None:
    detector = ENGINE.build(make_spec(in_channels=3, mean=(0.4, 0.5, 0.6), std=(0.2,)), None, seed=0)
    wide, tall = make_images((20, 31), (25, 16))

    batch = detector.batch([wide, tall])

    assert batch.tensors.shape == (2, 3, 25, 31)
    assert batch.image_sizes == [(20, 31), (25, 16)]
    for channel, mean in enumerate((0.4, 0.5, 0.6)):
        torch.testing.assert_close(batch.tensors[0, channel, :20], (wide[0] - mean) / 0.2)
    assert not batch.tensors[0, :, 20:].any()
    assert not batch.tensors[1, :, :, 16:].any()


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_gradients_reach_every_trained_parameter(canonical: CanonicalWeights, head: str, protocol: str) -> None:
    detector = ENGINE.build(make_spec(head, protocol), canonical(), seed=0)
    before = {name: buffer.clone() for name, buffer in detector.named_buffers()}

    losses = ENGINE.losses(detector, make_images(*SIZES), _targets())
    sum(losses.values()).backward()

    assert set(losses) == {"loss_rpn_cls", "loss_rpn_loc", "loss_cls", "loss_box_reg"}
    assert all(loss.shape == () and loss.isfinite() and loss > 0 for loss in losses.values())
    for name, parameter in detector.named_parameters():
        reached = parameter.grad is not None and bool(parameter.grad.any())
        assert reached == parameter.requires_grad, name
    moved = {name for name, buffer in detector.named_buffers() if not torch.equal(buffer, before[name])}
    assert bool(moved) == (protocol == "moco")


@pytest.mark.parametrize("head", HEADS)
def test_the_same_seeds_give_the_same_losses_and_detections(canonical: CanonicalWeights, head: str) -> None:
    images = make_images(*SIZES)

    def run(build: int, sample: int):
        detector = ENGINE.build(make_spec(head), canonical(), seed=build)
        torch.manual_seed(sample)
        losses = ENGINE.losses(detector, images, _targets())
        return torch.stack(list(losses.values())), ENGINE.detect(detector, images)[0]["boxes"]

    first, again, other_sample, other_head = run(0, 0), run(0, 0), run(0, 1), run(1, 0)

    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other_sample[0])
    assert not torch.equal(first[0], other_head[0])


def test_a_head_does_not_depend_on_where_the_trunk_comes_from(canonical: CanonicalWeights) -> None:
    before = torch.random.get_rng_state()

    scratch, pretrained = (ENGINE.build(make_spec(), weights, seed=4).state_dict() for weights in (None, canonical()))

    assert torch.equal(before, torch.random.get_rng_state())
    own = [name for name in scratch if name.startswith(("proposals.", "regions.", "trunk.reduce."))]
    assert own
    assert all(torch.equal(scratch[name], pretrained[name]) for name in own)
    assert not torch.equal(scratch["trunk.conv1.weight"], pretrained["trunk.conv1.weight"])


@pytest.mark.parametrize("head", HEADS)
def test_a_batch_without_objects_teaches_the_background(canonical: CanonicalWeights, head: str) -> None:
    detector = ENGINE.build(make_spec(head), canonical(), seed=0)

    losses = ENGINE.losses(detector, make_images(*SIZES), [make_target([], []), make_target([], [])])
    sum(losses.values()).backward()

    assert losses["loss_rpn_loc"] == losses["loss_box_reg"] == 0
    assert losses["loss_rpn_cls"] > 0
    assert losses["loss_cls"] > 0
    assert all(bool(each.grad.isfinite().all()) for each in detector.parameters())


@pytest.mark.parametrize("arch", ["resnet18", "resnet50"])
@pytest.mark.parametrize("head", HEADS)
def test_detections_lie_within_their_images(canonical: CanonicalWeights, arch: str, head: str) -> None:
    detector = ENGINE.build(make_spec(head, "detectron2", arch=arch), canonical(arch), seed=0)

    found = ENGINE.detect(detector, make_images(*SIZES))

    assert detector.training  # as it was
    for detection, (height, width) in zip(found, SIZES, strict=True):
        assert len(detection["boxes"]) == len(detection["scores"]) == len(detection["labels"]) > 0
        assert (detection["boxes"] >= 0).all()
        assert (detection["boxes"] <= torch.tensor([width, height] * 2)).all()
        assert set(detection["labels"].tolist()) <= {0, 1}
        assert not detection["boxes"].requires_grad
        assert torch.equal(detection["scores"], detection["scores"].sort(descending=True).values)


def test_an_image_is_seen_alike_beside_a_smaller_one(canonical: CanonicalWeights) -> None:
    detector = ENGINE.build(make_spec("R50-DC5", "detectron2"), canonical(), seed=0)
    large, small = make_images((96, 96), (50, 40))

    alone, beside = ENGINE.detect(detector, [large])[0], ENGINE.detect(detector, [large, small])[0]

    torch.testing.assert_close(alone["boxes"], beside["boxes"], atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("head", HEADS)
def test_half_precision_gives_about_the_same_losses(canonical: CanonicalWeights, head: str) -> None:
    detector, images = ENGINE.build(make_spec(head), canonical(), seed=0), make_images(*SIZES)

    torch.manual_seed(0)
    exact = ENGINE.losses(detector, images, _targets())
    torch.manual_seed(0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = ENGINE.losses(detector, images, _targets())

    assert all(loss.dtype == torch.float32 for loss in rough.values())
    assert sum(rough.values()).item() == pytest.approx(sum(exact.values()).item(), rel=0.1)


@pytest.mark.parametrize("head", HEADS)
def test_a_diverged_network_tells_by_its_loss(canonical: CanonicalWeights, head: str) -> None:
    detector = ENGINE.build(make_spec(head), canonical(), seed=0)
    with torch.no_grad():
        detector.proposals.head.bbox_pred.weight.fill_(torch.nan)

    losses = ENGINE.losses(detector, make_images(*SIZES), _targets())

    assert not sum(losses.values()).isfinite()
    assert ENGINE.detect(detector, make_images(*SIZES))[0]["boxes"].shape == (0, 4)


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ([make_target([[5, 5, 5, 9]], [0]), make_target([], [])], r"box \[5.0, 5.0, 5.0, 9.0\]"),
        ([make_target([], []), make_target([[5, 5, 9, 9]], [2])], "target 1 of the batch has the label 2"),
        ([make_target([[5, 5, 9, float("nan")]], [1])] * 2, "nan"),
        ([make_target([[5, 5, 9, 9]], [])] * 2, r"labels of shape \(0,\)"),
        ([make_target([], [])], "2 images and 1 targets"),
    ],
)
def test_unusable_targets_are_refused(targets: list, message: str) -> None:
    detector = ENGINE.build(make_spec(), None, seed=0)

    with pytest.raises(InputError, match=message):
        ENGINE.losses(detector, make_images(*SIZES), targets)
