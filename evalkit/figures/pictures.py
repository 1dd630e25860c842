"""A few test images with their boxes and those of each backbone: which images, at what threshold, and their pixels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

import stats
from evalkit.comparisons.files.coco import read_coco_detections, read_coco_truth
from evalkit.comparisons.kinds.detections import Detected
from evalkit.config.loading import Study
from evalkit.config.tables import BoxesFigure
from evalkit.figures.boxes import Shown, choose_images, collect_boxes
from evalkit.figures.facts import note_gaps
from evalkit.layout import VALIDATION_DETECTIONS, VALIDATION_TRUTH
from evalkit.packing.ragged import load_ragged
from evalkit.seeds import seed_from

Pixels = NDArray[np.uint8]

#: The longest side of a picture, in pixels: enough for print at the size of a figure's panel.
LONGEST = 512


def show_boxes(
    study: Study, figure: BoxesFigure, runs: Detected
) -> tuple[pd.DataFrame, dict[str, Any], tuple[Pixels, ...]]:
    """Choose images, collect their boxes and those of each backbone's first run, and take the pixels.

    Parameters
    ----------
    study : Study
    figure : BoxesFigure
    runs : Detected
        Of one setting.

    Returns
    -------
    rows, facts
        As `collect_boxes`, with how the images were chosen.
    pictures : tuple of ndarray of uint8, each (height, width)
        In the order of the facts' ``images``, with a longest side of at most `LONGEST` pixels.

    Raises
    ------
    InputError
        An image that is not in the test set, a run without its detections on validation images, or images that are
        not packed.
    """
    gathered = runs.gathered
    evaluation, setting = gathered.selection.evaluation, gathered.selection.settings[0]
    shown = [
        Shown(
            backbone=cell.backbone,
            label=cell.label,
            repeat=cell.repeats[0],
            runs=len(cell.repeats),
            detections=cell.outcomes[0],
            point=_choose_point(study.layout.run(evaluation, setting, cell.backbone, cell.repeats[0]), figure.iou),
        )
        for cell in runs.cells[setting]
        if cell.repeats
    ]
    truth = runs.cases.ground_truth
    # Not of the figure's name or the setting: figures of several settings show the same images.
    seed = seed_from(purpose="pictures", evaluation=evaluation, seed=study.file.seed)
    chosen = choose_images(truth, images=figure.images, image_ids=figure.image_ids, seed=seed)
    rows, facts = collect_boxes(runs.cases, shown, chosen, iou=figure.iou)
    facts["drawn_at_random"] = figure.image_ids is None
    facts["notes"] = [*note_gaps(runs.cells[setting]), *facts["notes"]]
    folder = study.layout.ragged(gathered.tested, study.detection(evaluation).longest)
    return rows, facts, _take_pixels(folder, [each["image_id"] for each in facts["images"]])


def average_down(picture: Pixels) -> Pixels:
    """Average a square picture down to `LONGEST`, if it is larger."""
    if picture.shape[0] <= LONGEST:
        return picture
    return np.asarray(Image.fromarray(picture).resize((LONGEST, LONGEST), Image.Resampling.BOX), np.uint8)


def _choose_point(folder: Path, iou: float) -> stats.OperatingPoint | None:
    """The threshold of highest F1 on a run's validation images."""
    path = folder / VALIDATION_TRUTH
    truth, checked = read_coco_truth(path)
    return stats.best_operating_point(
        truth, read_coco_detections(folder / VALIDATION_DETECTIONS, checked, path), iou=iou
    )


def _take_pixels(folder: Path, image_ids: Sequence[str]) -> tuple[Pixels, ...]:
    ragged = load_ragged(folder)
    pictures = []
    for row in ragged.rows(list(image_ids)).tolist():
        picture = Image.fromarray(np.asarray(ragged.image(row)))
        picture.thumbnail((LONGEST, LONGEST), Image.Resampling.BICUBIC)  # Never larger than it is.
        pictures.append(np.asarray(picture, np.uint8))
    return tuple(pictures)
