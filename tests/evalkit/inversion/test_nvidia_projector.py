"""NVIDIA's projector run beside ours on the same generator and random numbers.

``EVALKIT_STYLEGAN2_ADA`` names a checkout of stylegan2-ada-pytorch; nothing of it is part of this project.
"""

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from evalkit.inversion.draws import draw_for_images
from evalkit.inversion.latents import latent_statistics
from evalkit.inversion.noise import draw_noise
from evalkit.inversion.projector import project
from evalkit.stylegan2.generator import Generator
from evalkit.training.devices import Hardware

from .conftest import make_generator, make_recipe, make_targets

CHECKOUT = os.environ.get("EVALKIT_STYLEGAN2_ADA", "")

pytestmark = pytest.mark.skipif(not CHECKOUT, reason="EVALKIT_STYLEGAN2_ADA names no checkout")


@pytest.fixture
def theirs(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(CHECKOUT)
    before = set(sys.modules)
    for name in ("dnnlib", "legacy", "imageio", "requests"):
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name in {"imageio", "requests"}:  # of no use to the function under test
                monkeypatch.setitem(sys.modules, error.name, ModuleType(error.name))
    yield importlib.import_module("projector")
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(Path(CHECKOUT))):
            del sys.modules[name]


class Adapter(nn.Module):
    """Our generator with the attributes that NVIDIA's projector uses."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        spec = generator.spec
        self.z_dim, self.img_channels, self.img_resolution = spec.z_dim, spec.img_channels, spec.resolution
        self.synthesis, self.mapping = Synthesis(generator), Mapping(generator)


class Synthesis(nn.Module):
    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = generator
        for layer, shape in enumerate(generator.noise_shapes):
            self.register_buffer(f"layer{layer}_noise_const", torch.zeros(shape))

    def forward(self, ws: Tensor, noise_mode: str) -> Tensor:
        assert noise_mode == "const"
        count = len(self.generator.noise_shapes)
        return self.generator.synthesise(ws, [getattr(self, f"layer{layer}_noise_const") for layer in range(count)])


class Mapping(nn.Module):
    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator, self.num_ws = generator, generator.num_ws

    def forward(self, z: Tensor, c: None) -> Tensor:
        return self.generator.map(z)[:, None].repeat(1, self.num_ws, 1)


class Pixels(nn.Module):
    """In place of NVIDIA's feature detector: pixels, scaled so that the squared distance is our pixel term."""

    def forward(self, images: Tensor, resize_images: bool, return_lpips: bool) -> Tensor:
        return (images / 127.5 / images[0].numel() ** 0.5).flatten(1)


def drawn_in_their_order(generator: Generator, key: str, seed: int, steps: int) -> Iterator[Tensor]:
    """Our random numbers in the order in which NVIDIA's projector asks for its own."""
    like = torch.zeros(())
    for noise in draw_noise(generator.noise_shapes, [key], like, seed=seed):
        yield noise.detach()[0, 0]
    width = generator.spec.w_dim
    for step in range(steps):
        yield draw_for_images((1, width), [key], like, seed=seed, purpose="latent noise", index=step)


@pytest.mark.parametrize("steps", [20, 40, 60])
@pytest.mark.parametrize(("noise_weight", "limit"), [(0.0, 2e-5), (1e5, 5e-3)])  # of the way
def test_both_take_the_same_way(
    noise_weight: float,
    limit: float,
    steps: int,
    theirs: Any,
    hardware: Hardware,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    seed = 4
    generator = make_generator(resolution=16)
    (target,), (key,) = make_targets(1, generator)
    recipe = make_recipe(steps=steps, noise_weight=noise_weight, latent_samples=10_000)
    (ours,) = project(generator, target[None], [key], None, recipe, hardware=hardware, seed=seed)

    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(Pixels()), buffer)
    buffer.seek(0)
    monkeypatch.setattr(theirs, "dnnlib", SimpleNamespace(util=SimpleNamespace(open_url=lambda url: buffer)))
    numbers = drawn_in_their_order(generator, key, seed, steps)
    monkeypatch.setattr(torch, "randn_like", lambda like: next(numbers).reshape(like.shape))
    way = theirs.project(
        Adapter(generator),
        target,
        num_steps=steps,
        regularize_noise_weight=noise_weight,
        device=torch.device("cpu"),
    )
    moved = float((ours.ws - latent_statistics(generator).mean).abs().max())
    difference = float((way[-1] - ours.ws).abs().max())
    record_property("difference of w", difference)
    print(f"noise term {noise_weight:g}, {steps} steps: w moved by {moved:.2g} and differs by {difference:.1e}")
    assert moved > 1
    assert difference < limit * moved
    assert next(numbers, None) is None
