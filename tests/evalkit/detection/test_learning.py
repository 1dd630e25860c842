"""A detector learns: the loss falls, and the objects of the training images are found where they are."""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.ops import box_iou

from evalkit.detection.engine import Target
from evalkit.detection.precise_bn import precise_bn
from evalkit.detection.torchvision_engine import TorchvisionEngine

from .conftest import make_images, make_spec, make_target

ENGINE = TorchvisionEngine()


def _squares() -> tuple[list[Tensor], list[Target]]:
    """Faint noise with bright squares (class 0) and dark ones (class 1), and an image without any."""
    targets = [
        make_target([[4, 4, 28, 28], [30, 28, 62, 60]], [0, 1]),
        make_target([[22, 30, 50, 58]], [0]),
        make_target([], []),
    ]
    images = [0.4 + 0.1 * image for image in make_images(*[(64, 64)] * len(targets))]
    for image, target in zip(images, targets, strict=True):
        for (left, top, right, bottom), label in zip(target["boxes"].int().tolist(), target["labels"], strict=True):
            image[:, top:bottom, left:right] += -0.4 if label else 0.4
    return images, targets


def test_objects_of_the_training_images_are_found() -> None:
    images, targets = _squares()
    regions = {"sampled": 32, "hidden": 64}
    detector = ENGINE.build(make_spec("R50-DC5", anchors={"sizes": (24, 32)}, regions=regions), None, seed=0)
    optimiser = torch.optim.Adam(detector.parameters(), lr=3e-4)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimiser, [40], gamma=0.2)

    history = []
    for _ in range(60):
        loss = torch.stack(list(ENGINE.losses(detector, images, targets).values())).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        history.append(loss.item())
    precise_bn(ENGINE, detector, [(images, targets)])
    found = ENGINE.detect(detector, images)

    assert sum(history[-5:]) < 0.3 * sum(history[:5])
    for detection, target in zip(found, targets, strict=True):
        sure = detection["scores"] > 0.5
        overlap = box_iou(target["boxes"], detection["boxes"][sure])
        overlap[target["labels"][:, None] != detection["labels"][sure]] = 0
        assert int(sure.sum()) == len(target["boxes"])
        assert (overlap.amax(dim=1) > 0.7).all() if len(overlap) else True
