"""Small networks, always the same."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from evalkit.config.generator import GeneratorSpec
from evalkit.stylegan2.generator import Generator


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def make_spec(**changes: Any) -> GeneratorSpec:
    """A generator for 16 x 16 pixels."""
    small = {"resolution": 16, "z_dim": 12, "w_dim": 10, "mapping_layers": 3, "channel_base": 128, "channel_max": 12}
    return GeneratorSpec.model_validate(small | changes)


def make_generator(**changes: Any) -> Generator:
    """A generator whose every tensor matters: noise gains, biases and the mean w are not zero."""
    generator = Generator(make_spec(**changes)).eval().requires_grad_(False)
    random = torch.Generator().manual_seed(5)
    for name, tensor in generator.state_dict().items():
        if name.endswith(("bias", "noise_gain", "w_avg")):
            tensor += 0.3 * torch.randn(tensor.shape, generator=random)
    return generator


def draw(*shape: int, seed: int = 1) -> torch.Tensor:
    """Normal random numbers, always the same."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
