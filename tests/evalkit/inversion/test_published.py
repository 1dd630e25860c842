"""Published trunks: whole, with the right hash, or refused with the reason."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from evalkit.config import load_study
from evalkit.config.published import PUBLISHED
from evalkit.errors import InputError
from evalkit.inversion.published import read_trunk, trunk_shapes

from .conftest import write_trunk


def test_a_whole_trunk_is_read(tmp_path: Path) -> None:
    path = tmp_path / "alexnet.pth"
    sha256 = write_trunk(path, "alexnet")
    trunk = read_trunk("alexnet", path, sha256)
    assert trunk is not None
    assert {name: tuple(each.shape) for name, each in trunk.tensors.items()} == trunk_shapes("alexnet")
    assert torch.equal(trunk.tensors["features.3.weight"], torch.load(path)["features.3.weight"])
    assert trunk.describe() == {"trunk": "alexnet", "sha256": sha256, "published": False}


def test_safetensors_will_do(tmp_path: Path) -> None:
    write_trunk(tmp_path / "alexnet.pth", "alexnet")
    path = tmp_path / "alexnet.safetensors"
    save_file(torch.load(tmp_path / "alexnet.pth"), path)
    trunk = read_trunk("alexnet", path, hashlib.sha256(path.read_bytes()).hexdigest())
    assert trunk is not None
    assert len(trunk.tensors) == 10


def test_another_hash_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "alexnet.pth"
    write_trunk(path, "alexnet")
    with pytest.raises(InputError, match="sha256"):
        read_trunk("alexnet", path, "0" * 64)


def test_a_file_must_be_what_its_name_says(tmp_path: Path) -> None:
    path = tmp_path / f"alexnet-owt-{PUBLISHED['alexnet'][:8]}.pth"
    sha256 = write_trunk(path, "alexnet")
    with pytest.raises(InputError, match=f"begins with {PUBLISHED['alexnet'][:8]}"):
        read_trunk("alexnet", path, sha256)
    renamed = path.rename(tmp_path / f"alexnet-{sha256[:8]}.pth")
    assert read_trunk("alexnet", renamed, sha256) is not None


def test_known_hashes_are_torchvisions() -> None:
    from torchvision.models import AlexNet_Weights, VGG16_Weights

    assert AlexNet_Weights.IMAGENET1K_V1.url.endswith(f"-{PUBLISHED['alexnet'][:8]}.pth")
    assert VGG16_Weights.IMAGENET1K_V1.url.endswith(f"-{PUBLISHED['vgg16'][:8]}.pth")
    assert load_study("paper").backbone("vgg16").sha256 == PUBLISHED["vgg16"]


def drop(tensors: dict[str, Tensor]) -> Any:
    return tensors.pop("features.6.bias")


def add(tensors: dict[str, Tensor]) -> Any:
    tensors["features.99.weight"] = torch.zeros(1)


def widen(tensors: dict[str, Tensor]) -> Any:
    tensors["features.0.bias"] = torch.zeros(65)


def spoil(tensors: dict[str, Tensor]) -> Any:
    tensors["features.8.bias"][3] = float("inf")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop, r"no features\.6\.bias"),
        (add, r"unknown features\.99\.weight"),
        (widen, r"features\.0\.bias of shape \[65\]"),
        (spoil, r"features\.8\.bias that are not finite"),
        (dict.clear, r"no features\.0\.weight, no .* and 7 more|no table of named tensors"),
    ],
)
def test_anything_short_of_the_trunk_is_refused(
    change: Callable[[dict[str, Tensor]], Any], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "alexnet.pth"
    sha256 = write_trunk(path, "alexnet", change=change)
    with pytest.raises(InputError, match=message):
        read_trunk("alexnet", path, sha256)


def test_another_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "vgg16.pth"
    sha256 = write_trunk(path, "alexnet")
    with pytest.raises(InputError, match=r"-397923af\.pth"):
        read_trunk("vgg16", path, sha256)
