"""Two views of one radiograph for contrastive pretraining: the random changes of the IFA paper, on the device.

ShiftScaleRotate, OpticalDistortion, MedianBlur, MotionBlur, Sharpen, RandBrightness, RandContrast,
MultiplicativeNoise, GaussNoise and Cutout, made in this order, each switched on for each image by a draw of its own.
There is no flip: a mirrored chest has its heart on the wrong side. Everything random is in the draws, which are made
on the CPU for a whole batch, so that a view does not depend on the device or on how a batch is divided.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from evalkit.config.pretraining import Views
from evalkit.pretraining.filters import median_of_nine, motion_blur, sharpen
from evalkit.pretraining.noise import SEEDS, normal_fields, uniform_fields
from evalkit.pretraining.warping import warp
from evalkit.seeds import seed_from

#: The changes, by the names of their probabilities in `Views`; an image's first draws switch them on.
CHANGES = (
    "shift_scale_rotate",
    "optical_distortion",
    "median_blur",
    "motion_blur",
    "sharpen",
    "random_brightness",
    "random_contrast",
    "multiplicative_noise",
    "gauss_noise",
    "cutout",
)

#: The draws that follow, which say how much is changed; one of 1 is the bound itself.
AMOUNTS = (
    "right",
    "down",
    "scale",
    "rotation",
    "distortion",
    "direction",
    "sharpening",
    "brightness",
    "contrast",
    "speckle",
    "speckle_seed",
    "noise",
    "noise_seed",
)

#: What every image draws, in order; four more for each hole follow: width, height, and its place across and down.
COLUMNS = (*CHANGES, *AMOUNTS)


def draw_views(images: int, *, seed: int, step: int, view: int, views: Views) -> Tensor:
    """Draw what `make_views` needs for one view of each image of one step.

    Parameters
    ----------
    images : int
        Images of the whole batch, over all processes.
    seed : int
        Of the pretraining.
    step : int
        From 0.
    view : int
        0 or 1.
    views : Views
        Its number of holes decides how many numbers an image takes.

    Returns
    -------
    Tensor, shape (images, draws)
        Uniform in [0, 1), on the CPU, a pure function of the arguments.
    """
    generator = torch.Generator().manual_seed(seed_from(purpose="views", seed=seed, step=step, view=view))
    return torch.rand(images, len(COLUMNS) + 4 * views.holes, generator=generator)


def make_views(images: Tensor, draws: Tensor, views: Views) -> Tensor:
    """Change each image as its draws say. Call it outside autocast.

    Parameters
    ----------
    images : Tensor, shape (n, 1, side, side)
        Grey values in [0, 1]; left as they are.
    draws : Tensor, shape (n, draws)
        From `draw_views`, on the device of `images`.
    views : Views
        Probabilities and bounds; a change whose probability or bound is 0 costs nothing.

    Returns
    -------
    Tensor, shape (n, 1, side, side)
        Grey values in [0, 1]; `images` itself where nothing was to be changed.
    """
    # Which images a change is for is decided on the CPU, where their numbers are needed: a card is waited for once.
    switched = switched_on(draws[:, : len(CHANGES)].cpu(), views)
    if not switched.any():
        return images
    images = images.clone()
    for names, change in _STEPS:
        rows = switched[:, [CHANGES.index(name) for name in names]].any(dim=1).nonzero().squeeze(1)
        if len(rows):
            rows = rows.to(images.device, non_blocking=True)
            images.index_copy_(0, rows, change(images[rows], draws[rows], views))
    # Once, at the end, as a detector saturates.
    return images.clamp_(0, 1)


def switched_on(draws: Tensor, views: Views) -> Tensor:
    """Say which changes are on.

    Parameters
    ----------
    draws : Tensor, shape (n, draws)
        From `draw_views`, or their first columns.
    views : Views

    Returns
    -------
    Tensor of bool, shape (n, 10)
        In the order of `CHANGES`.
    """
    bounds = {
        "shift_scale_rotate": max(views.shift, views.scale, views.rotate),
        "optical_distortion": views.distortion,
        "sharpen": views.sharpening,
        "random_brightness": views.brightness,
        "random_contrast": views.contrast,
        "multiplicative_noise": views.speckle,
        "gauss_noise": views.noise,
        "cutout": views.hole * views.holes,
    }
    probabilities = [getattr(views, name) if bounds.get(name, 1) else 0.0 for name in CHANGES]
    return draws[:, : len(CHANGES)] < torch.tensor(probabilities, device=draws.device)


def _warp(images: Tensor, draws: Tensor, views: Views) -> Tensor:
    moved, distorted = switched_on(draws, views)[:, :2].unbind(1)
    right, down, scale, rotation = (_signed(draws, name) * moved for name in ("right", "down", "scale", "rotation"))
    # An image without distortion has a factor of exactly 1.
    distortion = _signed(draws, "distortion") * distorted * views.distortion
    return warp(
        images,
        shift=torch.stack([right, down], dim=1) * views.shift,
        scale=1 + scale * views.scale,
        angle=rotation * math.radians(views.rotate),
        distortion=distortion if views.optical_distortion and views.distortion else None,
    )


def _take_median(images: Tensor, draws: Tensor, views: Views) -> Tensor:
    return median_of_nine(images)


def _blur(images: Tensor, draws: Tensor, views: Views) -> Tensor:
    half = max(1, round(views.blur * images.shape[3] / 2))
    return motion_blur(images, size=2 * half + 1, direction=_drawn(draws, "direction") * 180)


def _sharpen(images: Tensor, draws: Tensor, views: Views) -> Tensor:
    return sharpen(images, _drawn(draws, "sharpening") * views.sharpening)


def _brighten(images: Tensor, draws: Tensor, views: Views) -> Tensor:
    return images + _per_image(_signed(draws, "brightness") * views.brightness)


def _spread(images: Tensor, draws: Tensor, views: Views) -> Tensor:
    # In two steps: torch would add up a single image in another order than one of many where it has several threads.
    mean = images.mean(dim=3, keepdim=True).mean(dim=2, keepdim=True)
    return (images - mean) * _per_image(1 + _signed(draws, "contrast") * views.contrast) + mean


def _speckle(images: Tensor, draws: Tensor, views: Views) -> Tensor:
    fields = uniform_fields(_seeds(draws, "speckle_seed"), images.shape)
    return images * (fields * _per_image(_drawn(draws, "speckle") * views.speckle) + 1)


def _add_noise(images: Tensor, draws: Tensor, views: Views) -> Tensor:
    fields = normal_fields(_seeds(draws, "noise_seed"), images.shape)
    return images + fields * _per_image(_drawn(draws, "noise") * views.noise)


def _cut_out(images: Tensor, draws: Tensor, views: Views) -> Tensor:
    """Blacken the pixels whose centres lie in a hole; holes lie wholly inside, their sides half the bound or more."""
    holes = draws[:, len(COLUMNS) :].unflatten(1, (views.holes, 4))
    sizes = (1 + holes[..., :2]) / 2 * views.hole
    starts = holes[..., 2:] * (1 - sizes)
    inside = []
    for axis, length in enumerate((images.shape[3], images.shape[2])):
        centres = (torch.arange(length, device=images.device) + 0.5) / length
        start, size = starts[..., axis, None], sizes[..., axis, None]
        inside.append((centres >= start) & (centres < start + size))
    across, down = inside
    covered = (down[..., :, None] & across[..., None, :]).any(dim=1, keepdim=True)
    return images.masked_fill(covered, 0)


#: Each step with the changes that it makes, in order. A hole comes last, so that nothing is left in it.
_STEPS: tuple[tuple[tuple[str, ...], Callable[[Tensor, Tensor, Views], Tensor]], ...] = (
    (("shift_scale_rotate", "optical_distortion"), _warp),
    (("median_blur",), _take_median),
    (("motion_blur",), _blur),
    (("sharpen",), _sharpen),
    (("random_brightness",), _brighten),
    (("random_contrast",), _spread),
    (("multiplicative_noise",), _speckle),
    (("gauss_noise",), _add_noise),
    (("cutout",), _cut_out),
)


def _drawn(draws: Tensor, name: str) -> Tensor:
    return draws[:, COLUMNS.index(name)]


def _signed(draws: Tensor, name: str) -> Tensor:
    return _drawn(draws, name) * 2 - 1


def _seeds(draws: Tensor, name: str) -> Tensor:
    return (_drawn(draws, name) * SEEDS).to(torch.int32)


def _per_image(values: Tensor) -> Tensor:
    return values[:, None, None, None]
