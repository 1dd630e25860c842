"""detectron2's names for the tensors of a detector, both ways."""

from __future__ import annotations

import pytest
import torch

from evalkit.detection.detectron2_engine import Detectron2Engine
from evalkit.detection.detectron2_names import detectron2_name, load_from_detectron2, to_detectron2
from evalkit.detection.engine import engine_named
from evalkit.detection.torchvision_engine import TorchvisionEngine
from evalkit.errors import InputError

from .conftest import CanonicalWeights, make_spec

ENGINE = TorchvisionEngine()


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("trunk.conv1.weight", "backbone.stem.conv1.weight"),
        ("trunk.bn1.running_var", "backbone.stem.conv1.norm.running_var"),
        ("trunk.layer1.0.conv1.weight", "backbone.res2.0.conv1.weight"),
        ("trunk.layer3.5.bn3.bias", "backbone.res4.5.conv3.norm.bias"),
        ("trunk.layer4.0.downsample.0.weight", "backbone.res5.0.shortcut.weight"),
        ("regions.head.stage.0.downsample.1.weight", "roi_heads.res5.0.shortcut.norm.weight"),
        ("regions.head.norm.weight", "roi_heads.res5.norm.weight"),
        ("regions.head.fc6.bias", "roi_heads.box_head.fc1.bias"),
        ("regions.predictor.bbox_pred.weight", "roi_heads.box_predictor.bbox_pred.weight"),
        ("proposals.head.conv.0.0.weight", "proposal_generator.rpn_head.conv.weight"),
        ("proposals.head.bbox_pred.bias", "proposal_generator.rpn_head.anchor_deltas.bias"),
    ],
)
def test_names(ours: str, theirs: str) -> None:
    assert detectron2_name(ours) == theirs


@pytest.mark.parametrize("head", ["R50-C4", "R50-DC5"])
@pytest.mark.parametrize("protocol", ["moco", "detectron2"])
def test_there_and_back_is_the_same_detector(canonical: CanonicalWeights, head: str, protocol: str) -> None:
    spec = make_spec(head, protocol)
    source = ENGINE.build(spec, canonical(), seed=0)
    copy = ENGINE.build(spec, canonical(), seed=1)

    theirs = to_detectron2(source.state_dict())
    load_from_detectron2(copy, {**theirs, "pixel_mean": torch.zeros(1, 1, 1)})

    assert len(theirs) == len(source.state_dict())
    assert all(torch.equal(tensor, copy.state_dict()[name]) for name, tensor in source.state_dict().items())


def test_step_counters_may_be_absent() -> None:
    detector = ENGINE.build(make_spec(), None, seed=0)
    theirs = to_detectron2(detector.state_dict())

    load_from_detectron2(detector, {name: each for name, each in theirs.items() if "num_batches" not in name})

    assert detector.trunk.bn1.num_batches_tracked == 0


def test_anything_but_the_whole_is_refused() -> None:
    detector = ENGINE.build(make_spec(), None, seed=0)
    theirs = {name: tensor + 1 for name, tensor in to_detectron2(detector.state_dict()).items()}
    box = "roi_heads.box_predictor.bbox_pred.weight"
    before = detector.trunk.conv1.weight.clone()

    for name, state in {
        f"1 missing, such as {box}": {name: tensor for name, tensor in theirs.items() if name != box},
        "1 left over, such as roi_heads.mask_head.weight": {**theirs, "roi_heads.mask_head.weight": torch.zeros(1)},
        rf"1 of another shape, such as {box} \(320, 64\)": {**theirs, box: torch.zeros(320, 64)},
    }.items():
        with pytest.raises(InputError, match=name):
            load_from_detectron2(detector, state)
    assert torch.equal(detector.trunk.conv1.weight, before)


def test_without_detectron2_its_engine_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "detectron2", None)

    with pytest.raises(InputError, match="choose the engine torchvision"):
        engine_named("detectron2")
    with pytest.raises(InputError, match="fvcore"):
        Detectron2Engine()
