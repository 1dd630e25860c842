"""The perceptual distance: its definition, its scale, and that it is computed for each image by itself."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from evalkit.config.projection import PerceptualRecipe
from evalkit.errors import InputError
from evalkit.inversion.encoders import Encoder
from evalkit.inversion.perceptual import PerceptualDistance, calibrate, reduce_to
from evalkit.training.devices import Hardware

from .conftest import make_images

MakeEncoder = Callable[..., Encoder]


def make_distance(encoder: Encoder, hardware: Hardware, images: int = 5, **recipe: object) -> PerceptualDistance:
    taps = {"taps": encoder.taps}
    return calibrate(encoder, PerceptualRecipe.model_validate(taps | recipe), make_images(images), hardware)


@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_the_distance_is_the_weighted_mean_difference(norm: str, make_encoder: MakeEncoder, hardware: Hardware) -> None:
    encoder = make_encoder(taps=("stem", "block3"))
    distance = make_distance(encoder, hardware, distance=norm, calibration="raw", weights=(2, 3))
    ones, others = make_images(4)[:2] / 255, make_images(4)[2:] / 255
    found = distance(ones, distance.features(others))
    expected = torch.zeros(2)
    for weight, first, second in zip((2, 3), encoder(ones), encoder(others), strict=True):
        gap = first - second
        each = gap.abs() if norm == "l1" else gap**2
        expected += weight * each.flatten(1).mean(dim=1)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=0)
    assert distance.scales == (1, 1)


def test_equal_images_have_no_distance(distance: PerceptualDistance) -> None:
    images = make_images(2) / 255
    assert distance(images, distance.features(images)).tolist() == [0, 0]


@pytest.mark.parametrize("count", [2, 5, 20])
def test_calibration_makes_the_mean_pair_1_at_each_tap(
    count: int, make_encoder: MakeEncoder, hardware: Hardware
) -> None:
    distance = make_distance(make_encoder(), hardware, images=count)
    images = make_images(count) / 255
    pairs = distance.differences(distance.features(images), distance.features(images.roll(-1, dims=0)))
    torch.testing.assert_close(pairs.mean(dim=0) / torch.tensor(distance.scales), torch.ones(5), atol=1e-4, rtol=0)
    mean = distance(images, distance.features(images.roll(-1, dims=0))).mean()
    assert float(mean) == pytest.approx(1, abs=1e-4)


def test_the_size_of_features_does_not_count(make_encoder: MakeEncoder, hardware: Hardware) -> None:
    images = make_images(4) / 255

    def measure(factor: float, calibration: str) -> float:
        encoder = make_encoder(taps=("stem",))
        for parameter in encoder.stages[0][1].parameters():  # the stem's normalisation
            parameter.data *= factor
        distance = make_distance(encoder, hardware, calibration=calibration)
        return float(distance(images[:1], distance.features(images[1:2])))

    assert measure(100, "pairs") == pytest.approx(measure(1, "pairs"), rel=1e-4)
    assert measure(100, "raw") == pytest.approx(100 * measure(1, "raw"), rel=1e-4)


def test_large_images_are_averaged_by_area(make_encoder: MakeEncoder, hardware: Hardware) -> None:
    images = make_images(3, side=64) / 255
    small = torch.nn.functional.interpolate(images, size=(32, 32), mode="area")
    torch.testing.assert_close(reduce_to(images, 32), small)
    assert reduce_to(small, 32) is small
    assert reduce_to(images, None) is images
    limited = make_distance(make_encoder(taps=("stem",)), hardware, limit=32)
    assert limited.features(images)[0].shape[2:] == (16, 16)
    with pytest.raises(InputError, match="divisor of 64"):
        reduce_to(images, 24)


def test_a_tap_that_sees_nothing_is_refused(make_encoder: MakeEncoder, hardware: Hardware) -> None:
    encoder = make_encoder(taps=("stem", "block1"))
    encoder.stages[1][1][-1].bn2.weight.data.fill_(float("nan"))
    with pytest.raises(InputError, match="at block1 differ by nan"):
        make_distance(encoder, hardware)
    encoder = make_encoder(taps=("stem",))
    for parameter in encoder.stages[0][1].parameters():
        parameter.data.zero_()
    with pytest.raises(InputError, match="at stem differ by 0"):
        make_distance(encoder, hardware)


def test_what_cannot_be_calibrated_or_does_not_fit_is_refused(make_encoder: MakeEncoder, hardware: Hardware) -> None:
    encoder = make_encoder(taps=("stem",))
    with pytest.raises(ValueError, match="two images"):
        make_distance(encoder, hardware, images=1)
    with pytest.raises(ValueError, match="tapped at"):
        PerceptualDistance(encoder, PerceptualRecipe(), (1,) * 5, hardware)


def test_the_record_names_what_counts(make_encoder: MakeEncoder, hardware: Hardware) -> None:
    facts = make_distance(make_encoder(), hardware).describe()
    assert facts["recipe"]["calibration"] == "pairs"
    assert len(facts["scales"]) == 5
    assert facts["encoder"]["arch"] == "resnet18"
