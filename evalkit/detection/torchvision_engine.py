"""The default engine: parts of torchvision where they are right, small ones of our own where they differ."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from evalkit.config.detector import DetectorSpec
from evalkit.detection.engine import Detection, Target
from evalkit.detection.faster_rcnn import FasterRCNN
from evalkit.detection.targets import check_targets
from evalkit.detection.trunk import build_trunk
from evalkit.errors import InputError
from evalkit.seeds import seed_from


class TorchvisionEngine:
    """Equal to detectron2 in features, proposals, losses, gradients and detections (see the parity tests)."""

    def build(self, spec: DetectorSpec, weights: Path | None, seed: int) -> FasterRCNN:
        """Make a detector; see `Engine.build`."""
        if spec.is_frozen and weights is None:
            raise InputError(
                f"a detector on a {spec.arch} without weights, protocol detectron2",
                "pretrained weights, since this protocol freezes normalisation and the first layers as they are",
                "use protocol moco, which trains everything, for scratch and for all that is compared with it",
            )
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed_from(purpose="detection head", seed=seed))
            return FasterRCNN(*build_trunk(spec, weights, seed), spec)

    def losses(self, model: nn.Module, images: Sequence[Tensor], targets: Sequence[Target]) -> dict[str, Tensor]:
        """Give the parts of the training loss; see `Engine.losses`."""
        assert isinstance(model, FasterRCNN)
        check_targets(images, targets, model.regions.classes)
        with in_mode(model, training=True):
            return model.training_losses(images, targets)

    def detect(self, model: nn.Module, images: Sequence[Tensor]) -> list[Detection]:
        """Find objects; see `Engine.detect`."""
        with in_mode(model, training=False), torch.no_grad():
            return model(images)


@contextlib.contextmanager
def in_mode(model: nn.Module, *, training: bool) -> Iterator[None]:
    """Put a model into training or evaluation mode inside the block."""
    before = model.training
    model.train(training)
    try:
        yield
    finally:
        model.train(before)
