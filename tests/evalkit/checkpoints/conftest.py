"""Trunks with random weights and BatchNorm statistics, and files in every key layout of the field."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import pytest
import timm
import torch

Tensors = dict[str, torch.Tensor]


@functools.cache
def _trunk(arch: str, channels: int, seed: int) -> Tensors:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        state = timm.create_model(arch, num_classes=0, in_chans=channels).state_dict()
        for name, tensor in state.items():
            if name.endswith("running_mean"):
                tensor.normal_()
            elif name.endswith("running_var"):
                tensor.uniform_(0.5, 2)
            elif name.endswith("num_batches_tracked"):
                tensor.fill_(7)
    return state


@pytest.fixture
def trunk() -> Callable[..., Tensors]:
    """A fresh copy of a random trunk: ``trunk(arch, channels=3, seed=0)``."""

    def make(arch: str = "resnet18", channels: int = 3, seed: int = 0) -> Tensors:
        return {name: tensor.clone() for name, tensor in _trunk(arch, channels, seed).items()}

    return make


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Save a payload with torch.save under a temporary folder and give its path."""

    def save(payload: object, name: str = "weights.pth", **options: bool) -> Path:
        torch.save(payload, tmp_path / name, **options)
        return tmp_path / name

    return save


def prefixed(prefix: str, tensors: Tensors) -> Tensors:
    return {f"{prefix}{name}": tensor for name, tensor in tensors.items()}
