"""Images inverted together against one at a time, same settings, images/s, alternating.

python benchmarks/inversion.py --arch resnet50 --batch 8 --steps 10 --pairs 3

The generator is the demo's (64 px), not trained, for its speed does not depend on that. A ratio of 1.8 is expected on
one CPU thread; an encoder alone gains about 2.2 there.
"""

from __future__ import annotations

import argparse
import statistics
import time


def main() -> None:
    """Alternate the two and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", default="resnet50", help="the encoder")
    parser.add_argument("--resolution", type=int, default=64)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--space", choices=["w", "w+"], default="w")
    parser.add_argument("--steps", type=int, default=10, help="of the recipe's 1000, for each measurement")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="cpu")
    arguments = parser.parse_args()
    from evalkit.training.environment import prepare_environment

    prepare_environment(1)
    import torch

    from evalkit.config.generator import GeneratorSpec
    from evalkit.config.projection import TAPS, PerceptualRecipe, ProjectionRecipe
    from evalkit.inversion.encoders import build_encoder
    from evalkit.inversion.latents import latent_statistics
    from evalkit.inversion.perceptual import calibrate
    from evalkit.inversion.projector import project
    from evalkit.stylegan2.generator import Generator
    from evalkit.training.devices import choose_hardware
    from evalkit.training.networks import Network

    hardware = choose_hardware(arguments.device, "auto", threads=1)
    torch.manual_seed(0)
    side = arguments.resolution
    generator = Generator(GeneratorSpec.demo(resolution=side)).to(hardware.device)
    network = Network(arguments.arch, 1, (0.5,), (0.25,), "benchmark")
    encoder = build_encoder(network, TAPS, seed=0, image_size=side, hardware=hardware)
    targets = torch.rand(arguments.batch, 1, side, side) * 255
    keys = [str(number) for number in range(arguments.batch)]
    distance = calibrate(encoder, PerceptualRecipe(), targets, hardware)
    latents = latent_statistics(generator)
    recipe = ProjectionRecipe(steps=arguments.steps, space=arguments.space)

    def invert(size: int) -> None:
        for first in range(0, arguments.batch, size):
            part = slice(first, first + size)
            project(
                generator,
                targets[part],
                keys[part],
                distance,
                recipe,
                hardware=hardware,
                seed=0,
                statistics=latents,
            )
        hardware.synchronize()

    clocks = {"wall clock": time.perf_counter}
    if not hardware.on_gpu:
        # Other processes on the machine count less here.
        clocks["CPU time"] = time.process_time
    seconds: dict[tuple[int, str], list[float]] = {(size, name): [] for size in (arguments.batch, 1) for name in clocks}
    for pair in range(arguments.pairs + 1):
        for size in (arguments.batch, 1):
            started = {name: clock() for name, clock in clocks.items()}
            invert(size)
            if pair:  # The first one warms up.
                for name, clock in clocks.items():
                    seconds[size, name].append(clock() - started[name])
    for name in clocks:
        together, alone = seconds[arguments.batch, name], seconds[1, name]
        ratios = [single / batch for batch, single in zip(together, alone, strict=True)]
        rate = arguments.batch * arguments.steps / statistics.median(together)
        print(
            f"{arguments.arch} encoder, {side} px, space {arguments.space}, {hardware.name}, by {name}: "
            f"{rate:.1f} image-steps/s in batches of {arguments.batch} "
            f"({3.6 * rate:.0f} images an hour at 1000 steps), "
            f"{statistics.median(ratios):.2f} times one at a time "
            f"({min(ratios):.2f} to {max(ratios):.2f}, {arguments.pairs} pairs)"
        )


if __name__ == "__main__":
    main()
