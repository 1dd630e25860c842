"""How near a reconstruction is to its original: one number per image, on grey values from 0 to 255."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

#: The largest grey value, for all metrics, whatever an image itself spans.
RANGE = 255.0

#: Sides in pixels below which there is no SSIM (its window), and no MS-SSIM (the window at the coarsest of 5 scales).
_SSIM_SIDE, _MS_SSIM_SIDE = 11, 11 * 2**4


def rmse(originals: ArrayLike, images: ArrayLike) -> Floats:
    """Root of the mean squared difference of grey values, 0 to 255; lower is better.

    Parameters
    ----------
    originals, images : array_like, shape (n, side, side) or (n, channels, side, side)
        Grey values from 0 to 255; they need not be whole numbers. Tensors must lie on the CPU.

    Returns
    -------
    ndarray of float64, shape (n,)
    """
    pairs = _pairs(originals, images)
    return np.sqrt(np.mean((pairs[0] - pairs[1]) ** 2, axis=(1, 2, 3)))


def psnr(originals: ArrayLike, images: ArrayLike) -> Floats:
    """Peak signal-to-noise ratio in dB, ``20 log10(255 / RMSE)``; infinite for equal images.

    Parameters and result as for `rmse`.
    """
    with np.errstate(divide="ignore"):
        return 20 * np.log10(RANGE / rmse(originals, images))


def ssim(originals: ArrayLike, images: ArrayLike) -> Floats:
    """Mean structural similarity as first defined: 1 for equal images.

    A Gaussian window of 11 x 11 pixels with standard deviation 1.5, population covariances, K1 = 0.01, K2 = 0.03 and a
    range of 255; averaged where the window lies inside the image, and over channels. Computed by scikit-image, whose
    own defaults differ (a uniform window of 7 x 7, sample covariances).

    Parameters and result as for `rmse`.

    References
    ----------
    Wang et al., Image quality assessment: from error visibility to structural similarity. IEEE TIP 13 (2004) 600-612.
    """
    from skimage.metrics import structural_similarity

    first, second = _pairs(originals, images)
    if min(first.shape[2:]) < _SSIM_SIDE:
        return np.full(len(first), np.nan)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "K1": 0.01, "K2": 0.03}
    values = [
        structural_similarity(one, other, data_range=RANGE, channel_axis=0, **options)
        for one, other in zip(first, second, strict=True)
    ]
    return np.array(values, dtype=np.float64)


def ms_ssim(originals: ArrayLike, images: ArrayLike) -> Floats:
    """Multi-scale structural similarity over five scales, by torchmetrics; NaN for images of less than 176 pixels.

    At fewer scales the number would be another one, so smaller images have none. At the coarsest scale, torchmetrics
    averages over the whole image, with borders mirrored, where `ssim` stays inside.

    Parameters and result as for `rmse`.

    References
    ----------
    Wang, Simoncelli and Bovik, Multi-scale structural similarity for image quality assessment. Asilomar 2003.
    """
    first, second = _pairs(originals, images)
    if min(first.shape[2:]) < _MS_SSIM_SIDE:
        return np.full(len(first), np.nan)
    import torch
    from torchmetrics.functional.image import multiscale_structural_similarity_index_measure as measure

    # One at a time: a pair of 512 px takes more than 1 GB.
    values = [
        float(measure(torch.from_numpy(other[None]), torch.from_numpy(one[None]), data_range=RANGE))
        for one, other in zip(first, second, strict=True)
    ]
    return np.array(values, dtype=np.float64)


#: The metrics that need nothing but the two images. The column names of a run's predictions.
IMAGE_METRICS: dict[str, Callable[[ArrayLike, ArrayLike], Floats]] = {
    "psnr": psnr,
    "ssim": ssim,
    "rmse": rmse,
    "ms_ssim": ms_ssim,
}


def _pairs(originals: ArrayLike, images: ArrayLike) -> tuple[Floats, Floats]:
    """Both as float64 of shape (n, channels, side, side)."""
    first, second = (np.asarray(each, dtype=np.float64) for each in (originals, images))
    if first.shape != second.shape or first.ndim not in (3, 4):
        raise ValueError(f"images of shape {first.shape} and {second.shape}; expected two equal (n, [channels,] h, w)")
    return (first, second) if first.ndim == 4 else (first[:, None], second[:, None])
