"""What contrastive pretraining costs beside a bare loop and lightly's: ``python benchmarks/pretraining.py``.

All train the same network with the same batch size, memory format and precision on the same uint8 images in memory.
The bare loop has the project's views and loss and nothing else: take a batch, make two views, encode, loss, backward,
step. Lightly's is that of its tutorials, from its own parts: its transform of PIL images in a DataLoader, its
projection head, its loss, its momentum update. The loops take turns; each round gives one ratio of images/s (above 1:
the project's loop is faster).
"""

from __future__ import annotations

import argparse
import copy
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
    Case("resnet18", 64, 64, 3, "cpu"),
    Case("resnet50", 512, 256, 10, "cuda"),
]
METHODS = ("moco", "simclr")
IMAGES, QUEUE, PROJECTION, LR = 512, 4096, 128, 0.01


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="rounds of measurements (default 7)")
    parser.add_argument("--only", choices=[f"{case.arch}-{case.size}" for case in CASES])
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--batch-size", type=int, help="instead of the case's own")
    parser.add_argument("--without-lightly", action="store_true", help="compare with the bare loop only")
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
        if arguments.batch_size:
            case = Case(case.arch, case.size, arguments.batch_size, case.steps, case.device)
        for method in arguments.methods:
            measure(case, method, arguments.rounds, with_lightly=not arguments.without_lightly)


def measure(case: Case, method: str, rounds: int, *, with_lightly: bool) -> None:
    """Print the ratios of one case and method."""
    import torch

    from evalkit.training.devices import choose_hardware

    hardware = choose_hardware(case.device, "auto", 1)  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (IMAGES, case.size, case.size), generator=generator, dtype=torch.uint8)
    own, bare = Own(case, method, hardware, images), Bare(case, method, hardware, images)
    rivals = {"project": own, "bare loop": bare}
    if with_lightly:
        try:
            rivals["lightly's loop"] = Lightly(case, method, hardware, images)
        except ImportError:
            print("lightly is not installed: its loop is left out")
    for rival in rivals.values():
        rival.run(1)
    clocks = {"wall clock": time.perf_counter}
    if case.device == "cpu":
        # Less disturbed by other work on the machine, and the same thing for one thread that never waits.
        clocks["processor time"] = time.process_time
    taken: dict[tuple[str, str], list[float]] = {(name, clock): [] for name in rivals for clock in clocks}
    for turn in range(rounds):
        names = list(rivals)
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            hardware.synchronize()
            began = {clock: now() for clock, now in clocks.items()}
            rivals[name].run(case.steps)
            hardware.synchronize()
            for clock, now in clocks.items():
                taken[name, clock].append(now() - began[clock])
    images_done = case.steps * case.batch_size
    print(f"{method}, {case.arch} {case.size} px, batch {case.batch_size}, {hardware.name}, {hardware.precision}:")
    for name in rivals:
        print(f"  {name}: {images_done / statistics.median(taken[name, 'wall clock']):.1f} images/s")
    for name in list(rivals)[1:]:
        for clock in clocks:
            ratios = [theirs / ours for ours, theirs in zip(taken["project", clock], taken[name, clock], strict=True)]
            spread = f"{min(ratios):.3f} to {max(ratios):.3f}, {rounds} rounds"
            print(f"  project / {name}, by {clock}: {statistics.median(ratios):.3f} ({spread})", flush=True)
    if case.device == "cuda":
        print(f"  peak memory of the card: {hardware.peak_memory() / 2**30:.1f} GiB")


class Own:
    """The project's loop, as a pretraining uses it."""

    def __init__(self, case, method, hardware, images) -> None:
        import numpy as np

        from evalkit.pretraining.methods import make_method
        from evalkit.pretraining.pairs import Pairs
        from evalkit.training.distributed import Ranks
        from evalkit.training.pixels import Normaliser, Pixels

        self.entry, self.hardware = make_entry(case, method), hardware
        self.pairs = Pairs(
            Pixels(images.numpy(), np.arange(IMAGES), hardware.device),
            Normaliser([0.5], [0.25], in_channels=1, device=hardware.device),
            self.entry.views,
            batch_size=case.batch_size,
            seed=0,
            device=hardware.device,
        )
        self.method = make_method(self.entry, make_encoder(case), self.pairs, hardware, Ranks())

    def run(self, steps: int) -> None:
        """Train for some steps."""
        from evalkit.pretraining.loop import contrast
        from evalkit.training.distributed import Ranks
        from evalkit.training.progress import Progress
        from evalkit.training.state import TrainingState

        with tempfile.TemporaryDirectory() as folder:
            contrast(
                self.method,
                self.pairs,
                self.entry.recipe,
                steps=steps,
                records=1,
                hardware=self.hardware,
                ranks=Ranks(),
                state=TrainingState(Path(folder) / "state.pt"),
                progress=Progress("benchmark", bar=None, quiet=False),
            )


class Bare:
    """What one would write in a notebook, with the project's views and losses."""

    def __init__(self, case, method, hardware, images) -> None:
        import torch
        from torch.nn import functional

        self.case, self.hardware, self.entry = case, hardware, make_entry(case, method)
        self.encoder = make_encoder(case).to(hardware.device, memory_format=torch.channels_last)
        self.images = images.to(hardware.device)
        if method == "moco":
            self.key_encoder = copy.deepcopy(self.encoder).requires_grad_(False)
            self.queue = functional.normalize(torch.randn(QUEUE, PROJECTION, device=hardware.device), dim=1)
            self.pointer = 0

    def run(self, steps: int) -> None:
        """Train for some steps."""
        import torch

        from evalkit.pretraining.losses import info_nce, nt_xent

        size = self.case.batch_size
        optimizer = torch.optim.SGD(self.encoder.parameters(), lr=LR, momentum=0.9, weight_decay=1e-4, fused=True)
        self.encoder.train()
        for step in range(steps):
            chosen = torch.randint(0, IMAGES, (size,), device=self.hardware.device)
            images = self.images[chosen][:, None].float() / 255
            first, second = (self.view(images, step, view) for view in (0, 1))
            if self.entry.method == "simclr":
                with self.hardware.autocast():
                    projected, _ = self.encoder(torch.cat([first, second]))
                loss = nt_xent(projected[:size], projected[size:], temperature=self.entry.temperature)
            else:
                with self.hardware.autocast():
                    queries, _ = self.encoder(first)
                    with torch.no_grad():
                        keys, _ = self.key_encoder(second)
                loss = info_nce(queries, keys, self.queue, temperature=self.entry.temperature, images=size)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            if self.entry.method == "moco":
                with torch.no_grad():
                    for key, query in zip(self.key_encoder.parameters(), self.encoder.parameters(), strict=True):
                        key.lerp_(query, 1 - self.entry.momentum)
                self.queue[self.pointer : self.pointer + size] = keys
                self.pointer = (self.pointer + size) % QUEUE

    def view(self, images, step: int, view: int):
        """One view of a batch."""
        from evalkit.pretraining.views import draw_views, make_views

        draws = draw_views(len(images), seed=0, step=step, view=view, views=self.entry.views)
        return (make_views(images, draws.to(images.device), self.entry.views) - 0.5) / 0.25


class Lightly:
    """The loop of lightly's tutorials for MoCo and SimCLR, from its own parts, on the same images and trunk."""

    def __init__(self, case, method, hardware, images) -> None:
        import timm
        import torch
        from lightly.loss import NTXentLoss
        from lightly.models.modules import MoCoProjectionHead, SimCLRProjectionHead
        from lightly.transforms import MoCoV2Transform, SimCLRTransform
        from PIL import Image
        from torch import nn

        self.method, self.hardware, self.entry = method, hardware, make_entry(case, method)
        trunk = timm.create_model(case.arch, in_chans=1, num_classes=0)
        width = trunk.num_features
        head = (MoCoProjectionHead if method == "moco" else SimCLRProjectionHead)(width, width, PROJECTION)
        self.network = nn.Sequential(trunk, head).to(hardware.device, memory_format=torch.channels_last)
        self.key_network = copy.deepcopy(self.network).requires_grad_(False)
        bank = (QUEUE, PROJECTION) if method == "moco" else 0
        self.loss = NTXentLoss(temperature=self.entry.temperature, memory_bank_size=bank).to(hardware.device)
        transform = (MoCoV2Transform if method == "moco" else SimCLRTransform)(
            input_size=case.size, normalize={"mean": [0.5], "std": [0.25]}
        )
        self.loader = torch.utils.data.DataLoader(
            [Image.fromarray(each.numpy()) for each in images],
            batch_size=case.batch_size,
            shuffle=True,
            drop_last=True,
            collate_fn=Collate(transform),
            num_workers=0 if case.device == "cpu" else os.cpu_count() or 1,
            persistent_workers=case.device != "cpu",
        )
        self.batches = iter(self.loader)

    def run(self, steps: int) -> None:
        """Train for some steps."""
        import torch
        from lightly.models.utils import update_momentum

        optimizer = torch.optim.SGD(self.network.parameters(), lr=LR, momentum=0.9, weight_decay=1e-4)
        self.network.train()
        for _ in range(steps):
            first, second = (view.to(self.hardware.device, non_blocking=True) for view in self.next_batch())
            if self.method == "moco":
                update_momentum(self.network, self.key_network, m=self.entry.momentum)
            with self.hardware.autocast():
                projected = self.network(first)
                if self.method == "moco":
                    with torch.no_grad():
                        other = self.key_network(second)
                else:
                    other = self.network(second)
            loss = self.loss(projected.float(), other.float())
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()

    def next_batch(self):
        """The next batch's two views; a new pass when one ends."""
        try:
            return next(self.batches)
        except StopIteration:
            self.batches = iter(self.loader)
            return next(self.batches)


@dataclass(frozen=True)
class Collate:
    """Makes both views of each picture of a batch, and stacks them."""

    transform: object

    def __call__(self, pictures):
        """Tensors of the first views and of the second ones."""
        import torch

        views = [self.transform(each) for each in pictures]
        return [torch.stack(each) for each in zip(*views, strict=True)]


def make_entry(case: Case, method: str):
    """A pretraining entry with default views."""
    from evalkit.config.pretraining import Moco, Simclr

    recipe = {"optimizer": "sgd", "lr": LR, "steps": 1, "batch_size": case.batch_size, "schedule": "constant"}
    values = {"method": method, "data": "benchmark", "recipe": recipe, "projection": PROJECTION}
    if method == "moco":
        return Moco.model_validate(values | {"queue": QUEUE})
    return Simclr.model_validate(values)


def make_encoder(case: Case):
    """The encoder that all but lightly's loop train."""
    from evalkit.pretraining.encoders import build_encoder
    from evalkit.training.networks import Network

    plan = Network(case.arch, 1, (0.5,), (0.25,), "benchmark")
    return build_encoder(plan, projection=PROJECTION, blocks=(), seed=0, image_size=case.size)


if __name__ == "__main__":
    main()
