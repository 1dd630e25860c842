"""Small detectors, and canonical weights whose normalisation is not the identity."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from torch import Tensor

from evalkit.checkpoints.canonical import canonicalise
from evalkit.checkpoints.reading import RawCheckpoint
from evalkit.checkpoints.writing import save_canonical
from evalkit.config.detector import DetectorSpec
from evalkit.detection.engine import Target

CanonicalWeights = Callable[..., Path]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def make_spec(head: str = "R50-DC5", protocol: str = "moco", **changes: Any) -> DetectorSpec:
    """A detector of two classes for images of 64 to 128 pixels."""
    small: dict[str, Any] = {
        "head": head,
        "protocol": protocol,
        "arch": "resnet18",
        "classes": 2,
        "anchors": {"sizes": (16, 32, 64)},
        "proposals": {"sampled": 64, "before_nms": 200, "after_nms": 50, "before_nms_test": 200, "after_nms_test": 20},
        "regions": {"sampled": 8, "hidden": 64},
    }
    return DetectorSpec.model_validate(small | changes)


def make_target(boxes: list[list[float]], labels: list[int]) -> Target:
    return {
        "boxes": torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        "labels": torch.tensor(labels, dtype=torch.int64),
    }


def make_images(*sizes: tuple[int, int], channels: int = 1) -> list[Tensor]:
    """Images of the given (height, width); always the same."""
    random = torch.Generator().manual_seed(3)
    return [torch.rand(channels, *size, generator=random) for size in sizes]


def lively_state(arch: str, channels: int) -> dict[str, Tensor]:
    """A trunk's tensors drawn at random, normalisation included, which keeps the features at a moderate size."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        network = timm.create_model(arch, num_classes=0, in_chans=channels)
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.weight.data.uniform_(0.3, 0.7)
                module.bias.data.normal_(std=0.1)
                module.running_mean.normal_(std=0.1)
                module.running_var.uniform_(0.5, 1.5)
    return dict(network.state_dict())


@pytest.fixture(scope="session")
def canonical(tmp_path_factory: pytest.TempPathFactory) -> CanonicalWeights:
    """Give a function from (architecture, channels) to a file of canonical weights."""
    folder = tmp_path_factory.mktemp("canonical")

    def make(arch: str = "resnet18", channels: int = 1) -> Path:
        path = folder / f"{arch}-{channels}.safetensors"
        if not path.exists():
            raw = RawCheckpoint("drawn for a test", None, {"": lively_state(arch, channels)})
            save_canonical(path, *canonicalise(raw, arch=arch))
        return path

    return make
