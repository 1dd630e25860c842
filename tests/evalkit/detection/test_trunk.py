"""The trunk: dilation, width, what is frozen, and how weights go in."""

from __future__ import annotations

import copy

import pytest
import timm
import torch
from torch import nn

from evalkit.checkpoints.writing import load_canonical
from evalkit.detection.freezing import FrozenNormalisation
from evalkit.detection.torchvision_engine import TorchvisionEngine
from evalkit.detection.trunk import build_trunk, dilate
from evalkit.errors import InputError

from .conftest import CanonicalWeights, lively_state, make_spec


@pytest.mark.parametrize(("arch", "width"), [("resnet18", 256), ("resnet50", 1024)])
def test_a_dilated_stage_is_the_undilated_one_on_each_of_four_grids(arch: str, width: int) -> None:
    # A 3x3 convolution dilated by 2 sees, from each pixel, every second pixel only: the pixels of its own grid. So the
    # stage as it was pretrained, without its stride, gives the same on the subsampled image. This holds only where
    # every 3x3 convolution is dilated; torchvision's and timm's own switches leave the first one out.
    network = timm.create_model(arch, num_classes=0)
    network.load_state_dict(lively_state(arch, 3))
    pretrained = network.layer4.eval()
    dilated = dilate(copy.deepcopy(pretrained))
    for module in pretrained.modules():
        if isinstance(module, nn.Conv2d):
            module.stride = (1, 1)

    image = torch.randn(1, width, 8, 6)
    with torch.no_grad():
        whole = dilated(image)
        for row in (0, 1):
            for column in (0, 1):
                grid = pretrained(image[:, :, row::2, column::2])
                torch.testing.assert_close(whole[:, :, row::2, column::2], grid, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("arch", "head", "protocol", "channels"),
    [
        ("resnet18", "R50-C4", "moco", 256),
        ("resnet50", "R50-C4", "moco", 1024),
        ("resnet18", "R50-DC5", "moco", 512),
        ("resnet34", "R50-DC5", "detectron2", 512),
        ("resnet50", "R50-DC5", "detectron2", 2048),
        ("resnet50", "R50-DC5", "moco", 512),
    ],
)
def test_the_feature_map_has_stride_16(arch: str, head: str, protocol: str, channels: int) -> None:
    trunk, stage = build_trunk(make_spec(head, protocol, arch=arch), None, seed=0)

    with torch.no_grad():
        features = trunk(torch.zeros(1, 1, 65, 80))

    assert features.shape == (1, channels, 5, 5)
    assert trunk.out_channels == channels
    assert (stage is None) == (head == "R50-DC5")


@pytest.mark.parametrize("head", ["R50-C4", "R50-DC5"])
def test_detectron2_freezes_normalisation_stem_and_first_stage(canonical: CanonicalWeights, head: str) -> None:
    detector = TorchvisionEngine().build(make_spec(head, "detectron2"), canonical(), seed=0)

    frozen = {name for name, each in detector.named_parameters() if not each.requires_grad}
    assert frozen == {
        "trunk.conv1.weight",
        *(f"trunk.layer1.{block}.conv{layer}.weight" for block in (0, 1) for layer in (1, 2)),
    }
    assert not [each for each in detector.modules() if isinstance(each, nn.BatchNorm2d)]
    assert len([each for each in detector.modules() if isinstance(each, FrozenNormalisation)]) == 20


def test_moco_freezes_nothing(canonical: CanonicalWeights) -> None:
    detector = TorchvisionEngine().build(make_spec("R50-C4", "moco"), canonical(), seed=0)

    assert all(each.requires_grad for each in detector.parameters())
    # 20 of a ResNet-18 and one at the end of the head.
    assert len([each for each in detector.modules() if isinstance(each, nn.BatchNorm2d)]) == 21


@pytest.mark.parametrize(
    ("arch", "head", "protocol", "channels"),
    [
        ("resnet18", "R50-C4", "moco", 1),
        ("resnet18", "R50-DC5", "moco", 3),
        ("resnet18", "R50-C4", "detectron2", 3),
        ("resnet18", "R50-DC5", "detectron2", 1),
        ("resnet50", "R50-C4", "moco", 1),
        ("resnet50", "R50-DC5", "detectron2", 3),
    ],
)
def test_all_canonical_weights_are_used(
    canonical: CanonicalWeights, arch: str, head: str, protocol: str, channels: int
) -> None:
    weights, _ = load_canonical(canonical(arch, channels))
    spec = make_spec(head, protocol, arch=arch, in_channels=channels)

    state = TorchvisionEngine().build(spec, canonical(arch, channels), seed=0).state_dict()

    used = {name: state.get(f"trunk.{name}") for name in weights}
    if head == "R50-C4":
        used |= {name: state.get(f"regions.head.stage.{name[7:]}") for name in weights if name.startswith("layer4.")}
    counters = {name for name in weights if name.endswith("num_batches_tracked")}
    assert {name for name, tensor in used.items() if tensor is None} == (
        counters if protocol == "detectron2" else set()
    )
    assert all(torch.equal(tensor, weights[name]) for name, tensor in used.items() if tensor is not None)
    assert state["trunk.conv1.weight"].shape[1] == channels


def test_weights_of_another_trunk_are_refused(canonical: CanonicalWeights) -> None:
    with pytest.raises(InputError, match="resnet18 with 1 input channels"):
        TorchvisionEngine().build(make_spec(in_channels=3), canonical("resnet18", 1), seed=0)
    with pytest.raises(InputError, match="resnet18"):
        TorchvisionEngine().build(make_spec(arch="resnet34"), canonical("resnet18", 1), seed=0)


def test_frozen_noise_is_refused() -> None:
    with pytest.raises(InputError, match="use protocol moco"):
        TorchvisionEngine().build(make_spec(protocol="detectron2"), None, seed=0)
