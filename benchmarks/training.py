"""What the training loop costs beside a bare PyTorch loop: ``python benchmarks/training.py``.

Both train the same network with the same optimiser, memory format, batch size and precision on the same uint8 images
in memory. The bare loop is what one would write in a notebook: take a batch, normalise, forward, loss, backward, step.
The two take turns; each pair gives one ratio of images/s (above 1: the project's loop is faster). The second ratio
has the project's default augmentation switched on, on its side only: what augmentation costs.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from evalkit.training.environment import prepare_environment


@dataclass(frozen=True)
class Case:
    """One network and size."""

    arch: str
    size: int
    batch_size: int
    steps: int
    device: str


CASES = [
    Case("resnet18", 64, 32, 6, "cpu"),
    Case("resnet50", 128, 16, 2, "cpu"),
    Case("resnet50", 512, 64, 40, "cuda"),
]
IMAGES, CLASSES = 512, 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=7, help="pairs of measurements (default 7)")
    parser.add_argument("--only", choices=[f"{case.arch}-{case.size}" for case in CASES])
    arguments = parser.parse_args()
    prepare_environment(1)
    import torch

    print(f"torch {torch.__version__}, 1 thread, load average before {os.getloadavg()[0]:.1f}")
    for case in CASES:
        if arguments.only not in (None, f"{case.arch}-{case.size}"):
            continue
        if case.device == "cuda" and not torch.cuda.is_available():
            print(f"{case.arch} {case.size} px: left out, this machine has no GPU")
            continue
        measure(case, arguments.pairs)


def measure(case: Case, pairs: int) -> None:
    """Print the ratios of one case."""
    import torch

    from evalkit.training.devices import choose_hardware

    hardware = choose_hardware(case.device, "auto", 1)  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (IMAGES, case.size, case.size), generator=generator, dtype=torch.uint8)
    targets = torch.randint(0, 2, (IMAGES, CLASSES), generator=generator).float()
    own, with_augmentation = Own(case, hardware, images, targets, None), Own(case, hardware, images, targets, {})
    bare = Bare(case, hardware, images, targets)
    rivals = [own, bare, with_augmentation]
    for rival in rivals:
        rival.run(2)
    clocks = {"wall clock": time.perf_counter}
    if case.device == "cpu":
        # Less disturbed by other work on the machine, and the same thing for one thread that never waits.
        clocks["processor time"] = time.process_time
    taken: dict[tuple[object, str], list[float]] = {(rival, clock): [] for rival in rivals for clock in clocks}
    for pair in range(pairs):
        for rival in rivals[pair % 3 :] + rivals[: pair % 3]:
            began = {name: clock() for name, clock in clocks.items()}
            rival.run(case.steps)
            hardware.synchronize()
            for name, clock in clocks.items():
                taken[rival, name].append(clock() - began[name])
    speed = case.steps * case.batch_size / statistics.median(taken[bare, "wall clock"])
    print(
        f"{case.arch} {case.size} px, batch {case.batch_size}, {hardware.name}, {hardware.precision}: "
        f"bare loop {speed:.1f} images/s"
    )
    for title, rival in (("project", own), ("project with augmentation", with_augmentation)):
        for name in clocks:
            ratios = [theirs / ours for ours, theirs in zip(taken[rival, name], taken[bare, name], strict=True)]
            spread = f"{min(ratios):.3f} to {max(ratios):.3f}, {pairs} pairs"
            print(f"  {title} / bare loop, by {name}: {statistics.median(ratios):.3f} ({spread})", flush=True)


class Own:
    """The project's loop, as a run uses it, with a validation that costs nothing."""

    def __init__(self, case, hardware, images, targets, augmentation) -> None:
        import numpy as np

        from evalkit.config.recipe import Recipe
        from evalkit.training.batches import Batches
        from evalkit.training.objectives import MultilabelObjective
        from evalkit.training.pixels import Normaliser, Pixels

        recipe = {"lr": 1e-3, "steps": 1, "batch_size": case.batch_size, "augmentation": augmentation}
        self.recipe, self.hardware = Recipe.model_validate(recipe), hardware
        self.network = make_network(case)
        self.batches = Batches(
            Pixels(images.numpy(), np.arange(IMAGES), hardware.device),
            targets.numpy(),
            Normaliser([0.5], [0.25], in_channels=1, device=hardware.device),
            batch_size=case.batch_size,
            objective=MultilabelObjective(),
            augmentation=self.recipe.augmentation,
            seed=0,
            device=hardware.device,
        )

    def run(self, steps: int) -> None:
        """Train for some steps."""
        from evalkit.training.distributed import Ranks
        from evalkit.training.loop import fit
        from evalkit.training.progress import Progress
        from evalkit.training.selection import Score
        from evalkit.training.state import TrainingState

        with tempfile.TemporaryDirectory() as folder:
            fit(
                self.network,
                self.batches,
                self.recipe,
                lr=1e-3,
                steps=steps,
                seed=0,
                hardware=self.hardware,
                ranks=Ranks(),
                validate=lambda *_: Score(0.5, "mean auc"),
                state=TrainingState(Path(folder) / "state.pt"),
                progress=Progress("benchmark", bar=None, quiet=False),
            )


class Bare:
    """What one would write in a notebook."""

    def __init__(self, case, hardware, images, targets) -> None:
        import torch

        self.case, self.hardware = case, hardware
        self.network = make_network(case).to(hardware.device, memory_format=torch.channels_last)
        self.images, self.targets = images.to(hardware.device), targets.to(hardware.device)

    def run(self, steps: int) -> None:
        """Train for some steps."""
        import torch
        from torch.nn.functional import binary_cross_entropy_with_logits

        optimizer = torch.optim.AdamW(self.network.parameters(), lr=1e-3, fused=True)
        self.network.train()
        for _ in range(steps):
            chosen = torch.randint(0, IMAGES, (self.case.batch_size,), device=self.hardware.device)
            images = (self.images[chosen][:, None].float() / 255 - 0.5) / 0.25
            with self.hardware.autocast():
                logits = self.network(images)
            loss = binary_cross_entropy_with_logits(logits.float(), self.targets[chosen])
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()


def make_network(case: Case):
    import timm

    return timm.create_model(case.arch, in_chans=1, num_classes=CLASSES)


if __name__ == "__main__":
    main()
