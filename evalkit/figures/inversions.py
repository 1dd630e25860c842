"""A few test images, and what each backbone's inversion makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evalkit.comparisons.files.measured import read_reconstructions
from evalkit.comparisons.kinds.values import Measured
from evalkit.config.loading import Study
from evalkit.config.tables import InversionsFigure
from evalkit.errors import InputError
from evalkit.figures.boxes import draw_places
from evalkit.figures.facts import note_gaps
from evalkit.figures.files import COLUMNS
from evalkit.figures.pictures import LONGEST, Pixels, average_down
from evalkit.seeds import seed_from

#: Of the residuals' pixels, this share lies on the scale; its end is a multiple of so many grey values.
_COVERED, _STEP = 0.995, 5


def show_inversions(
    study: Study, figure: InversionsFigure, runs: Measured
) -> tuple[pd.DataFrame, dict[str, Any], tuple[Pixels, ...]]:
    """Choose images, and take them and what each backbone's first run made of them.

    Parameters
    ----------
    study : Study
    figure : InversionsFigure
    runs : Measured
        Of one setting.

    Returns
    -------
    rows : DataFrame
        What was measured on each reconstruction, backbone by backbone.
    facts : dict
        ``images``; ``panels``: which run of each backbone is shown; ``limit``: the largest residual, in grey values,
        that a common scale of colours needs; ``averaged``: to which side larger pictures were averaged down, if they
        were; ``notes``.
    pictures : tuple of ndarray of uint8, each (side, side)
        The originals, then the reconstructions of the first backbone, of the second, and so on, rounded to whole grey
        values, all in the order of ``images``.

    Raises
    ------
    InputError
        A run lacks its reconstructions, or two runs have other originals.
    """
    selection = runs.gathered.selection
    setting = selection.settings[0]
    # Not of the figure's name or the setting: figures of both spaces show the same images.
    seed = seed_from(purpose="pictures", evaluation=selection.evaluation, seed=study.file.seed)
    places = sorted(draw_places(runs.ids["patient_id"].tolist(), seed)[: figure.images])
    names = runs.ids["image_id"].iloc[places].tolist()
    rows, made = [], []
    panels: list[dict[str, Any]] = []
    originals: Pixels | None = None
    for cell in runs.cells[setting]:
        if not cell.repeats:
            continue
        folder = study.layout.run(selection.evaluation, setting, cell.backbone, cell.repeats[0])
        targets, images = read_reconstructions(folder, names)
        if originals is not None and not np.array_equal(originals, targets):
            raise InputError(
                f"{folder} has other originals than the runs before it",
                "the same pixels in every run",
                runs.gathered.remedy,
            )
        originals = targets
        made += [np.rint(np.clip(image, 0, 255)).astype(np.uint8) for image in images]
        rows += [
            {"image_id": name, "backbone": cell.backbone, "label": cell.label}
            | {metric: cell.outcomes[0][metric][place] for metric in ("psnr", "ssim", "rmse")}
            for name, place in zip(names, places, strict=True)
        ]
        panels.append({"backbone": cell.backbone, "repeat": cell.repeats[0], "runs": len(cell.repeats)})
    assert originals is not None, "there is a run that gave predictions"
    side = originals.shape[1]
    pictures = tuple(average_down(picture) for picture in (*originals, *made))
    controls = [study.backbone(panel["backbone"]).control is not None for panel in panels]
    facts = {
        "images": [{"image_id": name, "side": side} for name in names],
        "panels": panels,
        "limit": choose_limit(find_residuals(pictures, len(names)), np.repeat(controls, len(names)).tolist()),
        "averaged": LONGEST if side > LONGEST else None,
        "notes": note_gaps(runs.cells[setting]),
    }
    return pd.DataFrame(rows, columns=list(COLUMNS["inversions"])), facts, pictures


def find_residuals(pictures: Sequence[Pixels], images: int) -> list[NDArray[np.int16]]:
    """Reconstruction minus original of every picture after the first `images`, which are the originals."""
    originals = [picture.astype(np.int16) for picture in pictures[:images]]
    return [picture.astype(np.int16) - originals[number % images] for number, picture in enumerate(pictures[images:])]


def choose_limit(residuals: Sequence[NDArray[np.int16]], controls: Sequence[bool]) -> int:
    """Choose the end of a scale from -limit to limit on which the residuals of all backbones can be compared.

    Parameters
    ----------
    residuals : sequence of ndarray
    controls : sequence of bool
        Whether each is a control's. Controls count where there are no others only: a mean image is so far off that on
        its scale nothing of the backbones could be seen.

    Returns
    -------
    int
        The 99.5th percentile of absolute residuals, rounded up to a multiple of 5.
    """
    counted = [each for each, control in zip(residuals, controls, strict=True) if not control] or list(residuals)
    largest = float(np.quantile(np.abs(np.concatenate([each.ravel() for each in counted])), _COVERED))
    return max(_STEP, _STEP * int(np.ceil(largest / _STEP)))
