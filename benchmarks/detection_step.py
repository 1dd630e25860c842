"""What a training step of a detector costs, beside detectron2 (where installed) and torchvision's stock Faster R-CNN.

    python benchmarks/detection_step.py [--head R50-C4] [--side 320] [--images 2] [--device cpu] [--regions 32]

The same images and boxes for all; forward, backward and nothing else, on one CPU thread or a card, in interleaved
rounds. detectron2 starts from the same weights and computes the same function. torchvision's stock network is another
one, with a feature pyramid: it tells what its users pay for a step.
"""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any

import torch

from evalkit.config.detector import DetectorSpec
from evalkit.detection.engine import EngineName, engine_named


def main() -> None:
    """Print each peer's time over ours."""
    parser = argparse.ArgumentParser(description="Time training steps of detectors.")
    parser.add_argument("--head", choices=["R50-C4", "R50-DC5"], default="R50-C4")
    parser.add_argument("--side", type=int, default=320)
    parser.add_argument("--images", type=int, default=2)
    parser.add_argument("--regions", type=int, default=32, help="regions per image in the loss; 512 on a card")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    device = torch.device(arguments.device)
    steps = {"ours": _engine_step("torchvision", arguments, device)}
    if importlib.util.find_spec("detectron2"):
        steps["detectron2"] = _engine_step("detectron2", arguments, device)
    steps["torchvision's fasterrcnn_resnet50_fpn"] = _stock_step(arguments, device)
    times: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(arguments.rounds + 1):
        for name, step in steps.items():
            started = perf_counter()
            step()
            if device.type == "cuda":
                torch.cuda.synchronize()
            if number:  # the first warms up
                times[name].append(perf_counter() - started)
    ours = median(times["ours"])
    print(f"{arguments.head}, {arguments.images} images of {arguments.side} px, {device}: {ours:.3f} s for a step")
    for name in list(times)[1:]:
        print(f"  ours takes {ours / median(times[name]):.3f} of the time of {name}")


def _data(arguments: argparse.Namespace, device: torch.device) -> tuple[list[Any], list[Any]]:
    side, random = arguments.side, torch.Generator().manual_seed(0)
    images = [torch.rand(1, side, side, generator=random).to(device) for _ in range(arguments.images)]
    box = torch.tensor([[side / 8, side / 4, side / 2, side * 3 / 4], [side / 2, side / 3, side * 0.9, side * 0.8]])
    targets = [{"boxes": box.to(device), "labels": torch.tensor([0, 0], device=device)} for _ in images]
    return images, targets


def _engine_step(name: EngineName, arguments: argparse.Namespace, device: torch.device) -> Callable[[], None]:
    engine = engine_named(name)
    spec = DetectorSpec.model_validate({"head": arguments.head, "regions": {"sampled": arguments.regions}})
    model = engine.build(spec, None, 0).to(device)
    images, targets = _data(arguments, device)

    def step() -> None:
        model.zero_grad()
        torch.manual_seed(0)
        torch.stack(list(engine.losses(model, images, targets).values())).sum().backward()

    return step


def _stock_step(arguments: argparse.Namespace, device: torch.device) -> Callable[[], None]:
    from torchvision.models.detection import fasterrcnn_resnet50_fpn

    side = arguments.side
    model = fasterrcnn_resnet50_fpn(
        weights=None,
        weights_backbone=None,
        num_classes=2,
        min_size=side,
        max_size=side,
        box_batch_size_per_image=arguments.regions,
        trainable_backbone_layers=5,
    ).to(device)
    images, targets = _data(arguments, device)
    colour = [image.expand(3, -1, -1) for image in images]
    shifted = [{**target, "labels": target["labels"] + 1} for target in targets]

    def step() -> None:
        model.zero_grad()
        torch.manual_seed(0)
        torch.stack(list(model(colour, shifted).values())).sum().backward()

    return step


if __name__ == "__main__":
    main()
