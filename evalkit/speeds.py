"""How fast networks train here, measured in a few seconds on random images."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from evalkit.config.detection import Detection
from evalkit.config.generator import GeneratorSpec

if TYPE_CHECKING:
    from torch import Tensor, nn

    from evalkit.detection.engine import Target


def measure_speed(arch: str, *, in_channels: int, size: int, threads: int, seconds: float = 5.0) -> float:
    """Time training steps of a network with random weights on random images, on this machine's CPU or GPU.

    Parameters
    ----------
    arch : str
        timm's name.
    in_channels, size : int
        Shape of the input, (batch, in_channels, size, size), in pixels.
    threads : int
        CPU threads.
    seconds : float
        How long to measure, after one step to warm up.

    Returns
    -------
    float
        Images per second.
    """
    import timm
    import torch

    torch.set_num_threads(threads)
    device = "cuda" if has_gpu() else "cpu"
    batch = 32 if device == "cuda" or size <= 128 else 2
    network = timm.create_model(arch, in_chans=in_channels, num_classes=5).to(device)
    images = torch.rand(batch, in_channels, size, size, device=device)
    return _time_steps(network, lambda: network(images).float().square().mean(), batch, device, seconds)


def measure_detector_speed(
    entry: Detection, arch: str, head: str, *, in_channels: int, threads: int, seconds: float = 5.0
) -> float:
    """Time training steps of a detector with random weights on random images, on this machine's CPU or GPU.

    Parameters
    ----------
    entry : Detection
        The evaluation: sizes and numbers.
    arch, head : str
        Trunk and head.
    in_channels : int
        Of the trunk.
    threads, seconds
        As of `measure_speed`.

    Returns
    -------
    float
        Images per second.
    """
    import torch

    from evalkit.config.detector import DetectorSpec
    from evalkit.detection.engine import engine_named

    torch.set_num_threads(threads)
    device = "cuda" if has_gpu() else "cpu"
    engine, values = engine_named(entry.engine), {"head": head, "arch": arch, "in_channels": in_channels}
    numbers = {name: getattr(entry, name) for name in ("anchors", "proposals", "regions")}
    network = engine.build(DetectorSpec.model_validate({**values, **numbers}), None, 0).to(device)
    side = entry.recipe.short_side_test
    images = [torch.rand(1, side, side, device=device) for _ in range(2)]
    boxes = torch.tensor([[side / 4, side / 4, side / 2, side / 2]], device=device)
    targets: list[Target] = [{"boxes": boxes, "labels": torch.zeros(1, dtype=torch.int64, device=device)}] * 2

    def loss() -> Tensor:
        return torch.stack(list(engine.losses(network, images, targets).values())).sum()

    return _time_steps(network, loss, len(images), device, seconds)


def measure_generator_speed(spec: GeneratorSpec, *, threads: int, seconds: float = 5.0) -> float:
    """Time training steps of a generator and its discriminator, without the regularisations of some steps.

    Parameters
    ----------
    spec : GeneratorSpec
    threads, seconds
        As of `measure_speed`.

    Returns
    -------
    float
        Training images per second, roughly.
    """
    import torch
    from torch.nn.functional import softplus

    from evalkit.stylegan2.discriminator import Discriminator
    from evalkit.stylegan2.generator import Generator

    torch.set_num_threads(threads)
    device = "cuda" if has_gpu() else "cpu"
    batch = 8 if device == "cuda" or spec.resolution <= 128 else 2
    networks = torch.nn.ModuleList([Generator(spec), Discriminator(spec, group=batch)]).to(device)
    generator, discriminator = networks
    real = torch.rand(batch, spec.img_channels, spec.resolution, spec.resolution, device=device)

    def loss() -> Tensor:
        made = generator(torch.randn(batch, spec.z_dim, device=device), "random")
        of_generator = softplus(-discriminator(made)).mean()
        return of_generator + softplus(discriminator(made.detach())).mean() + softplus(-discriminator(real)).mean()

    return _time_steps(networks, loss, batch, device, seconds)


def measure_inversion_speed(
    spec: GeneratorSpec, arch: str, *, in_channels: int, threads: int, seconds: float = 5.0
) -> float:
    """Time steps of a search for latents, with a generator and an encoder of random weights.

    Parameters
    ----------
    spec : GeneratorSpec
    arch : str
        Of the encoder, in timm; empty for none.
    in_channels : int
        Of the encoder.
    threads, seconds
        As of `measure_speed`.

    Returns
    -------
    float
        Images per second, each step of an image counting as one.
    """
    import timm
    import torch

    from evalkit.stylegan2.generator import Generator

    torch.set_num_threads(threads)
    device = "cuda" if has_gpu() else "cpu"
    batch = 8 if device == "cuda" or spec.resolution <= 128 else 1
    generator = Generator(spec).requires_grad_(False).to(device)
    encoder: nn.Module | None = None
    if arch:
        encoder = timm.create_model(arch, in_chans=in_channels, num_classes=0).eval().requires_grad_(False).to(device)
    latents = torch.nn.ParameterList([torch.randn(batch, generator.num_ws, spec.w_dim)]).to(device)

    def loss() -> Tensor:
        images = generator.synthesise(latents[0], "constant")
        seen = images.square().mean()
        if encoder is None:
            return seen
        return seen + encoder(images.mean(dim=1, keepdim=True).expand(-1, in_channels, -1, -1)).square().mean()

    return _time_steps(latents, loss, batch, device, seconds)


def _time_steps(network: nn.Module, loss: Callable[[], Tensor], batch: int, device: str, seconds: float) -> float:
    """Images per second of training steps, after one to warm up."""
    import time

    import torch

    optimiser = torch.optim.SGD(network.parameters(), lr=1e-6)

    def step() -> None:
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            value = loss()
        value.backward()
        optimiser.step()
        optimiser.zero_grad()
        if device == "cuda":
            torch.cuda.synchronize()

    step()
    started, steps = time.perf_counter(), 0
    while steps == 0 or time.perf_counter() - started < seconds:
        step()
        steps += 1
    return steps * batch / (time.perf_counter() - started)


def has_gpu() -> bool:
    """Whether `measure_speed` uses a GPU here."""
    import torch

    return torch.cuda.is_available()
