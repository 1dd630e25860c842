"""LPIPS: the package's own numbers for the trunk in the file, and none without the file."""

from __future__ import annotations

import warnings
from pathlib import Path

import lpips
import numpy as np
import pytest
import torch
from torch import Tensor

from evalkit.errors import InputError
from evalkit.inversion.lpips_distance import Lpips, open_lpips
from evalkit.training.devices import Hardware

from .conftest import make_images, write_trunk


@pytest.fixture(scope="module")
def alexnet(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    path = tmp_path_factory.mktemp("trunk") / "alexnet.pth"
    return path, write_trunk(path, "alexnet")


@pytest.fixture(scope="module")
def measure(alexnet: tuple[Path, str], hardware: Hardware) -> Lpips:
    opened = open_lpips(*alexnet, hardware=hardware)
    assert opened is not None
    return opened


def by_hand(path: Path, originals: Tensor, images: Tensor) -> list[float]:
    """The formula of Zhang et al. (CVPR 2018) with AlexNet's layers spelt out and the package's heads."""
    from torch.nn.functional import conv2d, max_pool2d, relu

    trunk = torch.load(path)
    heads = torch.load(Path(lpips.__file__).parent / "weights/v0.1/alex.pth", map_location="cpu")
    shift = torch.tensor([-0.030, -0.088, -0.188])[:, None, None]
    scale = torch.tensor([0.458, 0.448, 0.450])[:, None, None]

    def features(pixels: Tensor) -> list[Tensor]:
        maps, found = ((pixels / 127.5 - 1).repeat(1, 3, 1, 1) - shift) / scale, []
        for layer, stride, padding in ((0, 4, 2), (3, 1, 2), (6, 1, 1), (8, 1, 1), (10, 1, 1)):
            if layer in (3, 6):
                maps = max_pool2d(maps, 3, 2)
            weight, bias = trunk[f"features.{layer}.weight"], trunk[f"features.{layer}.bias"]
            maps = relu(conv2d(maps, weight, bias, stride=stride, padding=padding))
            found.append(maps / (maps.square().sum(dim=1, keepdim=True).sqrt() + 1e-10))
        return found

    total = torch.zeros(len(images))
    for place, (one, other) in enumerate(zip(features(originals), features(images), strict=True)):
        total += conv2d((one - other) ** 2, heads[f"lin{place}.model.1.weight"]).mean(dim=(1, 2, 3))
    return total.tolist()


def test_the_number_is_that_of_trunk_and_heads(measure: Lpips, alexnet: tuple[Path, str]) -> None:
    originals, images = make_images(6, side=64)[:3], make_images(6, side=64)[3:]
    found = measure(originals, images)
    np.testing.assert_allclose(found, by_hand(alexnet[0], originals, images), rtol=1e-4)
    assert found.dtype == np.float64
    assert (found > 0).all()
    assert measure(originals, originals).tolist() == [0, 0, 0]


def test_grey_counts_as_three_equal_channels(measure: Lpips) -> None:
    originals, images = make_images(20, side=64), make_images(20, side=64).roll(1, dims=0)
    coloured = measure(originals.repeat(1, 3, 1, 1), images.repeat(1, 3, 1, 1))
    np.testing.assert_allclose(measure(originals, images), coloured, rtol=1e-6)


def test_vgg16_by_choice(tmp_path: Path, hardware: Hardware) -> None:
    path = tmp_path / "vgg16.pth"
    measure = open_lpips(path, write_trunk(path, "vgg16"), trunk="vgg16", hardware=hardware)
    assert measure is not None
    assert measure.describe()["trunk"] == "vgg16"
    images = make_images(2, side=32)
    assert float(measure(images[:1], images[1:])[0]) > 0


def test_without_a_file_there_is_no_number(tmp_path: Path, hardware: Hardware) -> None:
    assert open_lpips(None, "0" * 64, hardware=hardware) is None
    assert open_lpips(tmp_path / "absent.pth", "0" * 64, hardware=hardware) is None


def test_building_is_quiet_and_leaves_the_global_generator_alone(
    alexnet: tuple[Path, str], hardware: Hardware, capsys: pytest.CaptureFixture[str]
) -> None:
    before = torch.random.get_rng_state()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        open_lpips(*alexnet, hardware=hardware)
    assert torch.equal(before, torch.random.get_rng_state())
    assert capsys.readouterr() == ("", "")


def test_small_images_are_refused(measure: Lpips) -> None:
    with pytest.raises(InputError, match="32 px or more"):
        measure(make_images(1, side=16), make_images(1, side=16))
