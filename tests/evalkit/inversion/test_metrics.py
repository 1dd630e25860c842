"""The metrics against scikit-image, torchmetrics, and numbers that can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.signal import correlate2d
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from evalkit.inversion.metrics import IMAGE_METRICS, ms_ssim, psnr, rmse, ssim

from .conftest import make_images


def make_pairs(count: int, *, channels: int = 1, side: int = 64) -> tuple[np.ndarray, np.ndarray]:
    originals = make_images(count, channels=channels, side=side).numpy()
    noise = np.random.default_rng(1).normal(0, 1, originals.shape) * np.arange(1, count + 1)[:, None, None, None] * 5
    return originals, (originals + noise).clip(0, 255)


def test_a_constant_error_by_hand() -> None:
    originals = np.full((2, 1, 16, 16), 100.0)
    images = originals + np.array([3, -5])[:, None, None, None]
    assert rmse(originals, images).tolist() == [3, 5]
    np.testing.assert_allclose(psnr(originals, images), 20 * np.log10(255 / np.array([3, 5])))


@pytest.mark.parametrize("channels", [1, 3])
def test_equal_to_scikit_image(channels: int) -> None:
    originals, images = make_pairs(3, channels=channels)
    pairs = list(zip(originals.astype(np.float64), images, strict=True))
    expected = [peak_signal_noise_ratio(*pair, data_range=255) for pair in pairs]
    np.testing.assert_allclose(psnr(originals, images), expected, rtol=1e-12)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
    expected = [structural_similarity(*pair, channel_axis=0, **options) for pair in pairs]
    assert ssim(originals, images).tolist() == expected


def test_ssim_is_wangs_formula() -> None:
    """The definition spelt out: a window of 11 x 11, only where it lies inside."""
    originals, images = make_pairs(2)
    bell = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    window = np.outer(bell, bell) / bell.sum() ** 2

    def mean(values: np.ndarray) -> np.ndarray:
        return correlate2d(values, window, mode="valid")

    expected = []
    for x, y in zip(originals[:, 0].astype(np.float64), images[:, 0], strict=True):
        covariance = mean(x * y) - mean(x) * mean(y)
        variances = mean(x**2) - mean(x) ** 2 + mean(y**2) - mean(y) ** 2
        luminance = (2 * mean(x) * mean(y) + 2.55**2) / (mean(x) ** 2 + mean(y) ** 2 + 2.55**2)
        expected.append(np.mean(luminance * (2 * covariance + 7.65**2) / (variances + 7.65**2)))
    np.testing.assert_allclose(ssim(originals, images), expected, rtol=1e-9)


def test_ms_ssim_of_each_image_is_that_of_the_image_alone() -> None:
    originals, images = make_pairs(2, side=176)
    together = ms_ssim(originals, images)
    alone = [ms_ssim(originals[[place]], images[[place]])[0] for place in (0, 1)]
    np.testing.assert_allclose(together, alone, atol=1e-9)
    assert 0 < together[1] < together[0] < 1
    assert np.isnan(ms_ssim(originals[:, :, :175, :175], images[:, :, :175, :175])).all()


def test_equal_images() -> None:
    originals, _ = make_pairs(2, side=192)
    values = {name: measure(originals, originals) for name, measure in IMAGE_METRICS.items()}
    assert values["psnr"].tolist() == [np.inf, np.inf]
    assert values["rmse"].tolist() == [0, 0]
    np.testing.assert_allclose(values["ssim"], 1)
    np.testing.assert_allclose(values["ms_ssim"], 1)


def test_arrays_and_tensors_with_and_without_a_channel() -> None:
    originals, images = make_pairs(2)
    for measure in (psnr, rmse, ssim):
        expected = measure(originals, images)
        assert expected.shape == (2,)
        assert measure(originals[:, 0], images[:, 0]).tolist() == expected.tolist()
        assert measure(torch.from_numpy(originals), torch.from_numpy(images)).tolist() == expected.tolist()


def test_images_that_do_not_fit_are_refused() -> None:
    originals, images = make_pairs(2)
    with pytest.raises(ValueError, match="expected two equal"):
        psnr(originals, images[:1])
    with pytest.raises(ValueError, match="expected two equal"):
        psnr(originals[0, 0], images[0, 0])


def test_images_below_the_window_have_no_ssim() -> None:
    originals, images = make_pairs(2)
    assert np.isnan(ssim(originals[..., :10, :10], images[..., :10, :10])).all()
