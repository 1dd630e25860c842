"""Features for a linear probe against a bare forward pass over the same pixels, images/s, alternating.

python benchmarks/probe_features.py --arch resnet18 --side 64 --images 1024
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np


def main() -> None:
    """Alternate the two and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", default="resnet18")
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--images", type=int, default=1024)
    parser.add_argument("--pairs", type=int, default=7)
    arguments = parser.parse_args()
    from evalkit.training.environment import prepare_environment

    prepare_environment(1)
    import torch

    from evalkit.training.devices import choose_hardware
    from evalkit.training.features import BATCH, build_trunk, extract
    from evalkit.training.networks import Network

    random = np.random.default_rng(0)
    images = random.integers(0, 256, (arguments.images, arguments.side, arguments.side), dtype=np.uint8)
    hardware = choose_hardware("auto", "auto", threads=1)
    plan = Network(arguments.arch, 1, (0.5,), (0.25,), "benchmark")
    trunk = build_trunk(plan, side=arguments.side, seed=0, hardware=hardware)
    pixels = torch.from_numpy(images)

    def bare() -> None:
        parts = []
        with torch.inference_mode(), hardware.autocast():
            for batch in pixels.split(BATCH):
                grey = batch.to(hardware.device)[:, None].float() / 255
                parts.append(trunk((grey - 0.5) / 0.25).float())
        torch.cat(parts).cpu().numpy()

    seconds: dict[str, list[float]] = {"ours": [], "bare": []}
    for pair in range(arguments.pairs + 1):
        for name, work in (("ours", lambda: extract(trunk, plan, images, hardware)), ("bare", bare)):
            started = time.perf_counter()
            work()
            if pair:  # The first one warms up.
                seconds[name].append(time.perf_counter() - started)
    ratios = [theirs / ours for ours, theirs in zip(seconds["ours"], seconds["bare"], strict=True)]
    print(
        f"{arguments.arch} at {arguments.side} px: "
        f"{arguments.images / statistics.median(seconds['ours']):.0f} images/s, "
        f"{statistics.median(ratios):.3f} of a bare forward pass ({min(ratios):.3f} to {max(ratios):.3f}, "
        f"{arguments.pairs} pairs)"
    )


if __name__ == "__main__":
    main()
