"""Examples of what pretraining's random changes do: ``python -m evalkit.pretraining.examples_of_views``.

Written as arrays for `reports.augmentations`, which draws them without torch.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from evalkit.atomic import replacing
from evalkit.commands import add_study_argument, run_command
from evalkit.config.loading import Study, load_study
from evalkit.config.pretraining import Contrastive, Views
from evalkit.errors import InputError
from evalkit.packing.packed import load_packed
from evalkit.pretraining.views import CHANGES, COLUMNS, draw_views, make_views, switched_on
from evalkit.seeds import seed_from
from evalkit.training.pixels import to_grey

#: Radiographs shown.
IMAGES = 2

#: Each change alone at its full bound: its name, the change, and the amounts that are not in their middle.
_ALONE: tuple[tuple[str, str, dict[str, float]], ...] = (
    ("shift_scale_rotate", "shift_scale_rotate", {"right": 1, "down": 1, "scale": 1, "rotation": 1}),
    ("barrel", "optical_distortion", {"distortion": 1}),
    ("pincushion", "optical_distortion", {"distortion": 0}),
    ("median_blur", "median_blur", {}),
    ("motion_blur", "motion_blur", {"direction": 0.25}),
    ("sharpen", "sharpen", {"sharpening": 1}),
    ("brighter", "random_brightness", {"brightness": 1}),
    ("darker", "random_brightness", {"brightness": 0}),
    ("more_contrast", "random_contrast", {"contrast": 1}),
    ("less_contrast", "random_contrast", {"contrast": 0}),
    ("multiplicative_noise", "multiplicative_noise", {"speckle": 1}),
    ("gauss_noise", "gauss_noise", {"noise": 1}),
    ("cutout", "cutout", {}),
)

#: Bounds that are shares of something.
_SHARES = ("shift", "scale", "distortion", "sharpening", "brightness", "contrast", "speckle", "noise", "hole")


def write_examples(study: Study, backbone: str) -> Path:
    """Make examples from the packed images that a backbone is pretrained on.

    Parameters
    ----------
    study : Study
    backbone : str
        One with contrastive pretraining.

    Returns
    -------
    pathlib.Path
        ``reports/figure_augmentations.npz`` of the study, with `panels` (uint8, radiographs x panels x side x side),
        the panels' `names`, `probabilities` (NaN for the original and the two complete views) and `bounds` (as a reader
        is told them), the `backbone` as printed in tables, and whether the radiographs are `drawn`. The same images and
        configuration give the same bytes.

    Raises
    ------
    InputError
        The backbone has no contrastive pretraining, or its data have not been packed.
    """
    pretrain = study.backbone(backbone).pretrain
    if not isinstance(pretrain, Contrastive):
        raise InputError(
            f"the backbone {backbone!r} has no contrastive pretraining",
            "a backbone whose 'pretrain' has the method moco or simclr",
            "name another backbone of the study",
        )
    packed = load_packed(study.layout.packed(pretrain.data, study.file.image_size))
    seed = seed_from(purpose="examples of views", backbone=backbone, seed=study.file.seed)
    rows = packed.index["row"].to_numpy()
    chosen = np.random.default_rng(seed).choice(rows, min(IMAGES, len(rows)), replace=False)
    images = to_grey(torch.from_numpy(packed.images[chosen]))
    panels, names, probabilities = make_panels(images, pretrain.views, seed=seed)
    bounds = describe_bounds(pretrain.views, side=images.shape[-1])
    path = study.layout.report("figure_augmentations.npz")
    with replacing(path) as temporary:
        np.savez_compressed(
            temporary,
            panels=panels,
            names=names,
            probabilities=probabilities,
            bounds=np.array([bounds.get(name, "") for name in names.tolist()]),
            backbone=np.array(study.backbone(backbone).label),
            drawn=np.array(study.dataset(pretrain.data).phantom is not None),
        )
    return path


def make_panels(
    images: torch.Tensor, views: Views, *, seed: int
) -> tuple[NDArray[np.uint8], NDArray[np.str_], NDArray[np.float64]]:
    """Make the original, each change alone at its full bound, and two complete views of some images.

    Parameters
    ----------
    images : Tensor, shape (n, 1, side, side)
        Grey values in [0, 1].
    views : Views
        A change that is off leaves the original.
    seed : int
        Decides the two views, the holes' places and the noise.

    Returns
    -------
    tuple of three arrays
        Panels (n, panels, side, side) as uint8, the panels' names, and the changes' probabilities, 0 for one that is
        off.
    """
    drawn = [draw_views(len(images), seed=seed, step=0, view=view, views=views) for view in (0, 1)]
    possible = dict(zip(CHANGES, switched_on(torch.zeros(1, len(CHANGES)), views)[0].tolist(), strict=True))
    panels, names, probabilities = [images], ["original"], [np.nan]
    for name, change, amounts in _ALONE:
        panels.append(make_views(images, _alone(drawn[0], change, amounts), views))
        names.append(name)
        probabilities.append(getattr(views, change) if possible[change] else 0.0)
    for number, draws in enumerate(drawn, start=1):
        panels.append(make_views(images, draws, views))
        names.append(f"view_{number}")
        probabilities.append(np.nan)
    grey = torch.cat(panels, dim=1).mul(255).round().to(torch.uint8).numpy()
    return grey, np.array(names), np.array(probabilities)


def describe_bounds(views: Views, *, side: int) -> dict[str, str]:
    """Say how far each change goes at most.

    Parameters
    ----------
    views : Views
    side : int
        Of the images, in pixels.

    Returns
    -------
    dict of str to str
        By the panel's name; two lines at most.
    """
    shares = {key: f"{100 * getattr(views, key):.3g} %" for key in _SHARES}
    length = 2 * max(1, round(views.blur * side / 2)) + 1  # As `evalkit.pretraining.views` blurs.
    return {
        "shift_scale_rotate": f"{shares['shift']}, {shares['scale']},\n{views.rotate:.3g}\N{DEGREE SIGN}",
        "barrel": shares["distortion"],
        "pincushion": shares["distortion"],
        "median_blur": "3 \N{MULTIPLICATION SIGN} 3 pixels",
        "motion_blur": f"{length} pixels",
        "sharpen": shares["sharpening"],
        "brighter": f"+{shares['brightness']}",
        "darker": f"\N{MINUS SIGN}{shares['brightness']}",
        "more_contrast": f"+{shares['contrast']}",
        "less_contrast": f"\N{MINUS SIGN}{shares['contrast']}",
        "multiplicative_noise": f"\N{PLUS-MINUS SIGN}{shares['speckle']}",
        "gauss_noise": f"SD {shares['noise']}",
        "cutout": f"{views.holes} of {shares['hole']}",
    }


def _alone(draws: torch.Tensor, change: str, amounts: dict[str, float]) -> torch.Tensor:
    """Draws that switch one change on, with holes of full size; places of holes and seeds of noise stay as drawn."""
    changed = draws.clone()
    # A probability is at most 1, so a draw of 1 is off and one of 0 is on unless the change never is.
    changed[:, : len(CHANGES)] = 1
    changed[:, CHANGES.index(change)] = 0
    for name, value in (
        {"right": 0.5, "down": 0.5, "scale": 0.5, "rotation": 0.5, "distortion": 0.5} | amounts
    ).items():
        changed[:, COLUMNS.index(name)] = value
    holes = changed[:, len(COLUMNS) :]
    holes[:, 0::4] = holes[:, 1::4] = 1
    return changed


def main() -> None:
    """Write the examples for the backbone that the arguments name."""
    parser = argparse.ArgumentParser(
        prog="python -m evalkit.pretraining.examples_of_views", description="Make examples of pretraining's views."
    )
    add_study_argument(parser)
    parser.add_argument("--backbone", required=True, help="a backbone of the study with contrastive pretraining")
    arguments = parser.parse_args()
    study = load_study(arguments.study)
    torch.set_num_threads(study.file.threads)
    print(write_examples(study, arguments.backbone))


if __name__ == "__main__":
    run_command(main)
