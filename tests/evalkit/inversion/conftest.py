"""A tiny generator with live noise, images that it can nearly make, and trunks drawn at random in published layouts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from evalkit.config.generator import GeneratorSpec
from evalkit.config.projection import PerceptualRecipe, ProjectionRecipe
from evalkit.inversion.encoders import Encoder, build_encoder
from evalkit.inversion.latents import LatentStatistics, latent_statistics
from evalkit.inversion.perceptual import PerceptualDistance, calibrate
from evalkit.inversion.published import trunk_shapes
from evalkit.stylegan2.generator import Generator
from evalkit.training.devices import Hardware, choose_hardware
from evalkit.training.networks import Network

SIDE = 32


@pytest.fixture(scope="session")
def hardware() -> Hardware:
    return choose_hardware("cpu", "auto", 1)


def make_generator(**changes: Any) -> Generator:
    """A generator, the same at each call, whose noise inputs show in its images."""
    tiny = {"resolution": SIDE, "z_dim": 16, "w_dim": 16, "mapping_layers": 2, "channel_base": 256, "channel_max": 16}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        generator = Generator(GeneratorSpec.model_validate(tiny | changes))
    for convolution in generator.synthesis.convolutions:
        convolution.noise_gain.data.fill_(0.02)
    return generator


@pytest.fixture(scope="session")
def statistics() -> LatentStatistics:
    """Of `make_generator`'s latents."""
    return latent_statistics(make_generator(), 500)


def make_targets(count: int, generator: Generator) -> tuple[Tensor, list[str]]:
    """Images of the generator, 0 to 255, and their names."""
    random = torch.Generator().manual_seed(5)
    with torch.no_grad():
        w = generator.map(torch.randn(count, generator.spec.z_dim, generator=random))
        images = generator.synthesise(w[:, None].expand(-1, generator.num_ws, -1), "constant")
    return ((images + 1) * 127.5).clamp(0, 255), [f"image-{number}" for number in range(count)]


def make_images(count: int, *, channels: int = 1, side: int = SIDE) -> Tensor:
    """Smooth random images, 0 to 255."""
    random = torch.Generator().manual_seed(9)
    coarse = torch.rand(count, channels, side // 4, side // 4, generator=random) * 255
    return torch.nn.functional.interpolate(coarse, size=(side, side), mode="bilinear")


def make_network(arch: str = "resnet18", channels: int = 1) -> Network:
    return Network(arch, channels, (0.5,) * channels, (0.25,) * channels, "test")


def make_recipe(**changes: Any) -> ProjectionRecipe:
    return ProjectionRecipe.model_validate({"steps": 20, "latent_samples": 500} | changes)


@pytest.fixture
def make_encoder(hardware: Hardware) -> Callable[..., Encoder]:
    def make(
        arch: str = "resnet18", channels: int = 1, taps: tuple[str, ...] = PerceptualRecipe().taps, side: int = SIDE
    ) -> Encoder:
        return build_encoder(make_network(arch, channels), taps, seed=1, image_size=side, hardware=hardware)  # type: ignore[arg-type]

    return make


@pytest.fixture
def distance(make_encoder: Callable[..., Encoder], hardware: Hardware) -> PerceptualDistance:
    return calibrate(make_encoder(), PerceptualRecipe(), make_images(4), hardware)


def write_trunk(path: Path, name: str, *, change: Callable[[dict[str, Tensor]], Any] | None = None) -> str:
    """Write a trunk drawn at random with a stub of its classifier, in torchvision's layout; give the file's sha256."""
    import hashlib

    random = torch.Generator().manual_seed(2)
    tensors = {
        key: torch.randn(shape, generator=random) / max(1, torch.tensor(shape[1:]).prod().item()) ** 0.5
        for key, shape in trunk_shapes(name).items()  # type: ignore[arg-type]
    }
    tensors["classifier.6.bias"] = torch.zeros(1000)
    if change is not None:
        change(tensors)
    torch.save(tensors, path)
    return hashlib.sha256(path.read_bytes()).hexdigest()
