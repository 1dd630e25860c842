"""Images inverted together against one at a time, or against NVIDIA's projector; images an hour, alternating.

python benchmarks/inversion.py --arch resnet50 --batch 8 --steps 10 --pairs 3
python benchmarks/inversion.py --nvidia CHECKOUT --resolution 256 --batch 8 --steps 3 --pairs 3 --device cpu

The first has the same settings on both sides. The generator is the demo's (64 px), not trained, for its speed does not
depend on that. A ratio of 1.8 is expected on one CPU thread; an encoder alone gains about 2.2 there.

The second runs `project` of projector.py in a checkout of stylegan2-ada-pytorch, of which nothing is in this project,
beside ours on the same images. What is compared:

- Ours inverts the images in batches of --batch, theirs one after the other: it has no other way.
- Both search w and the noise inputs by the same schedule, with their noise regularisation, for --steps steps. Images
  an hour are for 1000 of them.
- The generator is built by their code with our weights: the widths that they publish, unless --generator says
  otherwise. How far their images of one w differ is printed.
- Their VGG-16 is a download. In its place theirs gets our encoder, behind their call: one vector of features, scaled
  so that their sum of squares is our distance (l2), from images of 256 px at most, as theirs are.
- Our pixel weight is 0, as they have no pixel term; the difference is taken nonetheless, for the curve.
- Left out on both sides: loading, calibration, and the mean and spread of w. Ours measures them once; theirs does again
  for each image, here of 16 latents instead of 10,000. Ours makes the reconstructions in this time, theirs after it.
- On a card without --precision fp32 the generator has 16 bits, ours by autocast to bfloat16, theirs in its four largest
  resolutions in half precision, as their training stores it; the encoder has the same on both sides. Neither has TF32.
  Ours computes deterministically, theirs need not.
- Their code compiles CUDA extensions when first used on a card, and goes on in plain torch if it cannot; the printed
  line says which.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest import mock

if TYPE_CHECKING:
    from torch import Tensor

    from evalkit.config.projection import PerceptualRecipe
    from evalkit.inversion.perceptual import PerceptualDistance
    from evalkit.stylegan2.generator import Generator
    from evalkit.training.devices import Hardware

#: Side beyond which NVIDIA's projector reduces images before their features.
_LIMIT = 256
#: Latents that NVIDIA's projector maps for each image to know their mean; its own 10,000 belong to what is left out.
_LATENTS = 16


def main() -> None:
    """Alternate the two and print the ratio."""
    arguments = read_arguments()
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

    hardware = choose_hardware(arguments.device, arguments.precision, threads=1)
    torch.manual_seed(0)
    side, batch = arguments.resolution, arguments.batch
    published = GeneratorSpec(resolution=side, channel_base=32_768 if side >= 512 else 16_384, conv_clamp=256)
    spec = published if arguments.generator == "published" else GeneratorSpec.demo(resolution=side)
    generator = Generator(spec).to(hardware.device).eval().requires_grad_(False)
    network = Network(arguments.arch, 1, (0.5,), (0.25,), "benchmark")
    encoder = build_encoder(network, TAPS, seed=0, image_size=side, hardware=hardware)
    targets = torch.rand(batch, 1, side, side) * 255
    keys = [str(number) for number in range(batch)]
    objective = {"pixel_weight": 0.0} if arguments.nvidia else {}
    recipe = ProjectionRecipe.model_validate({"steps": arguments.steps, "space": arguments.space, **objective})
    perceptual = PerceptualRecipe.model_validate({"distance": "l2", "limit": _LIMIT} if arguments.nvidia else {})
    distance = calibrate(encoder, perceptual, targets, hardware)
    latents = latent_statistics(generator)

    def invert(size: int) -> None:
        for first in range(0, batch, size):
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

    peer, told = "one at a time", list[str]()
    other: Callable[[], None] = partial(invert, 1)
    if arguments.nvidia:
        peer = "NVIDIA's projector"
        theirs = build_theirs(generator, arguments.nvidia, hardware)
        told.append(f"the same w gives images that differ by {largest_difference(generator, theirs):.1e} at most")
        other = projector_of(theirs, Features(distance, perceptual), targets, arguments.steps, hardware)
    seconds = alternate(partial(invert, batch), other, arguments.pairs, hardware)
    if arguments.nvidia:
        told.append(tell_extensions(hardware))
    for name, (ours, others) in seconds.items():
        rate, slower = (batch * arguments.steps / statistics.median(each) for each in (ours, others))
        ratios = [alone / together for together, alone in zip(ours, others, strict=True)]
        print(
            f"{arguments.arch} encoder, {arguments.generator} generator of {side} px, space {arguments.space}, "
            f"{hardware.name}, {hardware.precision}, by {name}: {rate:.2f} image-steps/s in batches of {batch} "
            f"({3.6 * rate:.1f} images an hour at 1000 steps), "
            f"{statistics.median(ratios):.2f} times {peer} ({3.6 * slower:.1f} images an hour) "
            f"({min(ratios):.2f} to {max(ratios):.2f}, {arguments.pairs} pairs)" + "".join(f"; {each}" for each in told)
        )


def read_arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", default="resnet50", help="the encoder")
    parser.add_argument(
        "--nvidia", type=Path, metavar="CHECKOUT", help="of stylegan2-ada-pytorch, whose projector is timed"
    )
    parser.add_argument(
        "--generator", choices=["demo", "published"], help="its widths; published with --nvidia, else demo"
    )
    parser.add_argument("--resolution", type=int, default=64)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--space", choices=["w", "w+"], default="w")
    parser.add_argument("--steps", type=int, default=10, help="of the recipe's 1000, for each measurement")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="cpu")
    parser.add_argument("--precision", choices=["auto", "fp32"], default="auto")
    arguments = parser.parse_args()
    arguments.generator = arguments.generator or ("published" if arguments.nvidia else "demo")
    if arguments.nvidia and not (arguments.nvidia / "projector.py").is_file():
        parser.error(f"{arguments.nvidia} holds no projector.py; give a checkout of stylegan2-ada-pytorch")
    if arguments.nvidia and arguments.space != "w":
        parser.error("NVIDIA's projector searches w only")
    return arguments


def alternate(
    ours: Callable[[], None], other: Callable[[], None], pairs: int, hardware: Hardware
) -> dict[str, tuple[list[float], list[float]]]:
    """Seconds of the two in turns, by each clock; the first turn of each warms up."""
    clocks = {"wall clock": time.perf_counter}
    if not hardware.on_gpu:
        # Other processes on the machine count less here.
        clocks["CPU time"] = time.process_time
    seconds: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in clocks}
    for pair in range(pairs + 1):
        for place, invert in enumerate((ours, other)):
            started = {name: clock() for name, clock in clocks.items()}
            invert()
            hardware.synchronize()
            if pair:
                for name, clock in clocks.items():
                    seconds[name][place].append(clock() - started[name])
    return seconds


def build_theirs(generator: Generator, checkout: Path, hardware: Hardware) -> Any:
    """NVIDIA's generator with the weights of ours."""
    from evalkit.stylegan2.naming import constants_of, table_of

    sys.path.insert(0, str(checkout))
    spec = generator.spec
    theirs = importlib.import_module("training.networks").Generator(
        z_dim=spec.z_dim,
        c_dim=0,
        w_dim=spec.w_dim,
        img_resolution=spec.resolution,
        img_channels=spec.img_channels,
        mapping_kwargs={"num_layers": spec.mapping_layers},
        synthesis_kwargs={
            "channel_base": spec.channel_base,
            "channel_max": spec.channel_max,
            "num_fp16_res": 0 if hardware.precision == "fp32" else 4,
            "conv_clamp": spec.conv_clamp,
        },
    )
    table = table_of("stylegan2-ada-pytorch", resolution=spec.resolution, mapping_layers=spec.mapping_layers)
    ours, constants = generator.state_dict(), constants_of("stylegan2-ada-pytorch", spec.resolution)
    weights = {there.name: ours[name].reshape(there.shape(ours[name].shape)) for name, there in table.items()}
    theirs.load_state_dict(weights | constants | {"mapping.w_avg": generator.w_avg})
    return theirs.to(hardware.device).eval().requires_grad_(False)


def largest_difference(generator: Generator, theirs: Any) -> float:
    """Between images of the two for one w, in 32 bits, where images nominally have values from -1 to 1."""
    import torch

    w = generator.map(torch.randn(1, generator.spec.z_dim, device=generator.w_avg.device))
    ws = w[:, None].repeat(1, generator.num_ws, 1)
    image = theirs.synthesis(ws, noise_mode="const", force_fp32=True)
    return float((image - generator.synthesise(ws, "constant")).abs().max())


class Features:
    """Our encoder behind the call of the VGG-16 that NVIDIA's projector loads."""

    def __init__(self, distance: PerceptualDistance, recipe: PerceptualRecipe) -> None:
        self._distance = distance
        self._factors = [weight / scale for weight, scale in zip(recipe.tap_weights, distance.scales, strict=True)]

    def eval(self) -> Features:
        """It is so always."""
        return self

    def to(self, device: object) -> Features:
        """It is there."""
        return self

    def __call__(self, images: Tensor, *, resize_images: bool, return_lpips: bool) -> Tensor:
        """Features of images from 0 to 255, whose squared differences add up to our distance."""
        import torch

        taps = zip(self._distance.features(images / 255), self._factors, strict=True)
        return torch.cat([tap.float().flatten(1) * (factor / tap[0].numel()) ** 0.5 for tap, factor in taps], dim=1)


def projector_of(
    theirs: Any, features: Features, targets: Tensor, steps: int, hardware: Hardware
) -> Callable[[], None]:
    """NVIDIA's projector, to be run on one target after the other."""
    import torch

    projector = importlib.import_module("projector")
    download = SimpleNamespace(util=SimpleNamespace(open_url=contextlib.nullcontext))

    def invert() -> None:
        torch.use_deterministic_algorithms(False)
        with mock.patch.object(projector, "dnnlib", download), mock.patch("torch.jit.load", return_value=features):
            for target in targets:
                projector.project(theirs, target, num_steps=steps, w_avg_samples=_LATENTS, device=hardware.device)
        torch.use_deterministic_algorithms(True)

    return invert


def tell_extensions(hardware: Hardware) -> str:
    """Whether NVIDIA's code, having run, found its CUDA extensions."""
    if not hardware.on_gpu:
        return "theirs in plain torch, as always on a CPU"
    modules = {name: importlib.import_module(f"torch_utils.ops.{name}") for name in ("bias_act", "upfirdn2d")}
    missing = [name for name, module in modules.items() if module._plugin is None]
    if missing:
        return f"theirs in plain torch for {' and '.join(missing)}, whose CUDA extensions could not be built"
    return "theirs with its CUDA extensions"


if __name__ == "__main__":
    main()
