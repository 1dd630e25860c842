"""Inversions in words, for footnotes: metrics, generator, search, perceptual distance, controls."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from evalkit.comparisons.cells import count_cases
from evalkit.config.backbones import BackboneEntry
from evalkit.config.inversion import Inversion
from evalkit.config.published import PUBLISHED, TrunkName
from evalkit.metrics import METRICS
from evalkit.settings import parse_setting

#: Spaces as publications call them.
SPACES = {"w": "space W", "w+": "space W+"}

_SPACES = {"w": "W: one vector for all layers", "w+": "W+: one vector for each layer"}
_TRUNKS: dict[TrunkName, str] = {"alexnet": "AlexNet", "vgg16": "VGG-16"}
_CONTROLS = {
    "pixel-only": "pixels alone, without a perceptual term",
    "mean-w": "the generator's mean image for every original, nothing optimised",
    "random": "an encoder with random weights",
}
_DISTANCES = {"l1": "absolute", "l2": "squared"}


def define_image_metrics(
    metrics: Sequence[str], entry: Inversion, *, classifier: str, unavailable: Collection[str] = ()
) -> list[str]:
    """Define metrics of single images as they are measured here, for these names leave much open.

    Parameters
    ----------
    metrics : sequence of str
        Those shown.
    entry : Inversion
        Says which trunk LPIPS has.
    classifier : str
        By what identity is measured; empty where it is not.
    unavailable : collection of str
        Metrics that could not be measured.
    """
    if "lpips" in unavailable or entry.lpips is None:
        trunk = "; not measured, for lack of its trunk, a file that the evaluation names under lpips.path"
    else:
        trunk = f" with {_describe_trunk(entry.lpips.trunk, entry.lpips.digest)}"
    found = {
        "psnr": "PSNR: 20 log10(255 / RMSE) of each image, in dB.",
        "ssim": "SSIM: as Wang et al. (2004) define it, Gaussian window of 11 x 11 pixels and standard deviation 1.5, "
        "population covariances, range 255.",
        "rmse": "RMSE: of grey values from 0 to 255.",
        "lpips": f"LPIPS: learned perceptual distance (Zhang et al. 2018){trunk}.",
        "ms_ssim": "MS-SSIM: SSIM over five scales (Wang et al. 2003), range 255.",
        "identity": "Identity: cosine similarity of the pooled features of original and reconstruction, by "
        f"{classifier}, which had no part in any reconstruction.",
    }
    lower = [METRICS[name].label for name in metrics if not METRICS[name].higher_is_better]
    better = [f"Better when lower: {', '.join(lower)}."] if lower else []
    return [found[name] for name in metrics] + better


def find_unpublished(entries: Iterable[BackboneEntry]) -> list[str]:
    """Name the rows of VGG-16 whose weights are not those that torchvision publishes."""
    return [
        f"{entry.label}: {_describe_trunk('vgg16', entry.sha256)}."
        for entry in entries
        if entry.is_vgg16 and entry.sha256 and entry.sha256 != PUBLISHED["vgg16"]
    ]


def name_tests(*, averaged: bool) -> dict[str, str]:
    """The tests in words; `averaged` where patients have several images."""
    over = "test patients, the mean of each one's images" if averaged else "test images"
    return {
        "ttest_paired": f"paired t-test over {over}",
        "wilcoxon": f"Wilcoxon's signed-rank test over {over} (its difference is the Hodges-Lehmann estimate)",
        "bootstrap": f"bootstrap over {over}",
    }


def describe_inversions(
    entry: Inversion,
    settings: Sequence[str],
    controls: Sequence[str],
    *,
    report: Mapping[str, Any],
    records: Sequence[Mapping[str, Any]],
) -> list[str]:
    """Say how the reconstructions of a table came about.

    Parameters
    ----------
    entry : Inversion
    settings : sequence of str
        Those shown.
    controls : sequence of str
        Kinds of the rows that are no backbones to compare.
    report : mapping
        What lies beside the generator; empty where it has not been made.
    records : sequence of mapping
        Of the runs that are done.
    """
    data = records[0].get("data", {}) if records else {}
    return [
        *_describe_images(entry),
        _describe_generator(entry, report),
        _describe_search(entry, [str(parse_setting(setting)["space"]) for setting in settings]),
        _describe_distance(entry, data.get("calibration", {})),
        *_describe_controls(controls),
        _describe_disjointness(entry),
    ]


def _describe_trunk(name: TrunkName, sha256: str) -> str:
    other = "" if sha256 == PUBLISHED[name] else f", from another file than torchvision's own (sha256 {sha256[:12]})"
    return f"the trunk of {_TRUNKS[name]}{other}"


def _describe_images(entry: Inversion) -> Iterator[str]:
    if entry.only:
        yield f"Only images with {' or '.join(entry.only)}."


def _describe_generator(entry: Inversion, report: Mapping[str, Any]) -> str:
    source, spec = entry.generator, report.get("spec", {})
    size = f" of {spec['resolution']} px" if "resolution" in spec else ""
    mark = f", fingerprint {report['fingerprint'][:12]}" if "fingerprint" in report else ", not there yet"
    if source.train is None:
        return f"Generator: StyleGAN2{size}, from a file{mark}."
    seen = report.get("data", {}).get("train", {})
    images = f" on {count_cases(seen['images'], 'image')} of {count_cases(seen['patients'], 'patient')}" if seen else ""
    return f"Generator: StyleGAN2{size}, trained here{images} for {source.train.recipe.steps:,} steps{mark}."


def _describe_search(entry: Inversion, spaces: Sequence[str]) -> str:
    recipe = entry.projection
    noise = "and the noise inputs are" if recipe.noise == "optimised" else "is"
    terms = [
        f"{recipe.pixel_weight:g} x mean squared difference of grey values from -1 to 1" if recipe.pixel_weight else "",
        f"{recipe.perceptual_weight:g} x perceptual distance" if recipe.perceptual_weight else "",
        f"{recipe.noise_weight:g} x structure of the noise" if recipe.noise == "optimised" else "",
    ]
    ramps = f"rising over the first {100 * recipe.ramp_up:g} % and falling over the last {100 * recipe.ramp_down:g} %"
    return (
        f"Search: from the mean latent, each image's own latent ({'; '.join(_SPACES[space] for space in spaces)}) "
        f"{noise} optimised for {recipe.steps:,} steps (Adam, rate {recipe.lr:g}, {ramps}). "
        f"Objective: {' + '.join(filter(None, terms))}."
    )


def _describe_distance(entry: Inversion, calibration: Mapping[str, Any]) -> str:
    recipe = entry.perceptual
    kinds = {"equal": "equal weights", "chess": "weights doubling with depth, the last 1 (CheSS)"}
    weights = (
        kinds[recipe.weights]
        if isinstance(recipe.weights, str)
        else f"weights {', '.join(f'{weight:g}' for weight in recipe.weights)}"
    )
    limit = f" of images averaged down to {recipe.limit} px" if recipe.limit else ""
    if recipe.calibration == "raw":
        scale = "as they are (raw), so that the size of a network's features has its part in the result"
    else:
        images = f" {calibration['images']:,}" if "images" in calibration else ""
        scale = (
            f"each divided by its mean between pairs of{images} calibration images, so that the size of a network's "
            "features decides nothing"
        )
    return (
        f"Perceptual distance: mean {_DISTANCES[recipe.distance]} difference of the frozen backbone's features{limit} "
        f"after {', '.join(recipe.taps)}, {weights}, {scale}."
    )


def _describe_controls(controls: Sequence[str]) -> Iterator[str]:
    if controls:
        what = "; ".join(f"{kind}: {_CONTROLS[kind]}" for kind in dict.fromkeys(controls))
        yield f"Controls, which are compared but are never the best of a column ({what})."


def _describe_disjointness(entry: Inversion) -> str:
    if entry.generator.train is None:
        return (
            "No patient of an inverted image is among those of the calibration images. What the generator was trained "
            "on is not known here."
        )
    return (
        "No patient of an inverted image is among those that the generator was trained on, or those of the "
        "calibration images (checked)."
    )
