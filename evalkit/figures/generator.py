"""How an inversion's generator was trained: its samples on the way, training images, and what was noted of it."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evalkit.config.loading import Study
from evalkit.config.tables import GeneratorFigure
from evalkit.damage import refusing_damage
from evalkit.errors import InputError
from evalkit.figures.boxes import draw_places
from evalkit.figures.files import COLUMNS
from evalkit.figures.pictures import LONGEST, Pixels, average_down
from evalkit.layout import SNAPSHOTS
from evalkit.seeds import seed_from
from evalkit.stylegan2.cells import describe_cells, spread_places
from evalkit.stylegan2.frechet import frechet_distance
from evalkit.training.examples import Examples
from evalkit.training.parts import load_parts

#: Snapshots that are shown: the first, the last, and as many between.
_SHOWN = 5


class _Course(NamedTuple):
    """What a training leaves: its notes, the samples at each of them, and what it learnt from."""

    history: list[dict[str, float]]
    snapshots: NDArray[np.uint8]
    learnt: dict[str, Any]


def show_training(study: Study, figure: GeneratorFigure) -> tuple[pd.DataFrame, dict[str, Any], tuple[Pixels, ...]]:
    """Take what was noted of a training, samples of a few of its snapshots, and training images to compare with.

    Parameters
    ----------
    study : Study
    figure : GeneratorFigure

    Returns
    -------
    rows : DataFrame
        A row for each note.
    facts : dict
        ``snapshots``: steps and training images seen at those shown; ``columns``: samples of each; ``examples``: ids of
        the training images shown; ``side`` and ``colour`` of the samples; ``averaged``: to which side larger pictures
        were averaged down, if they were; ``training``: images and patients; ``steps`` and ``batch_size``;
        ``compared``: so many of each kind are in a Frechet distance; ``reference``: that between the training images
        compared with and as many of other patients, None where there are fewer; ``target``: that of r_t, None
        without augmentation; ``notes``.
    pictures : tuple of ndarray of uint8, each (side, side)
        ``columns`` samples of the first snapshot, of the second, and so on, then the training images.

    Raises
    ------
    InputError
        The training left no notes or snapshots, too few samples, or learnt from other images than are there now.
    """
    evaluation = figure.evaluation
    entry = study.inversion(evaluation)
    assert entry.generator.train is not None, "the study file's check lets only trainings through"
    recipe = entry.generator.train.recipe
    course = _read_course(study, figure)
    learnt_from = _load_training(study, evaluation, course.learnt)
    training, pixels = learnt_from.images, learnt_from.packed
    last = len(course.history) - 1
    shown = sorted({round(last * place / (_SHOWN - 1)) for place in range(_SHOWN)})
    seed = seed_from(purpose="pictures", evaluation=evaluation, seed=study.file.seed)
    examples = sorted(draw_places(training["patient_id"].tolist(), seed)[: figure.images])
    samples = [_to_grey(sample) for note in shown for sample in course.snapshots[note, : figure.images]]
    side = samples[0].shape[0]
    chosen = spread_places(len(training), recipe.frechet_images)
    facts = {
        "evaluation": evaluation,
        "dataset": entry.dataset,
        "snapshots": [{key: int(course.history[note][key]) for key in ("step", "images")} for note in shown],
        "columns": figure.images,
        "examples": training["image_id"].iloc[examples].tolist(),
        "side": side,
        "colour": course.snapshots.ndim == 5,
        "averaged": LONGEST if side > LONGEST else None,
        "training": {"images": len(training), "patients": int(training["patient_id"].nunique())},
        "steps": int(course.history[-1]["step"]),
        "batch_size": recipe.batch_size,
        "compared": len(chosen),
        "reference": _measure_reference(training, pixels, chosen),
        "target": recipe.augmentation.target if recipe.augmentation else None,
        "notes": [],
    }
    rows = pd.DataFrame(course.history, columns=list(COLUMNS["generator"]))
    pictures = [*samples, *(pixels[training["row"].iloc[place]] for place in examples)]
    return rows, facts, tuple(average_down(np.asarray(picture)) for picture in pictures)


def _read_course(study: Study, figure: GeneratorFigure) -> _Course:
    """Read notes and snapshots, which must be of each other."""
    weights = study.layout.generator(figure.evaluation)
    remedy = (
        f"make it: python -m tasks.inversion generator --study {study.source} --evaluation {figure.evaluation}; where "
        f"it was made before, remove {weights.parent} first"
    )
    path, left = weights.with_suffix(".json"), "what a generator's training leaves"
    with refusing_damage(path, expected=left, remedy=remedy):
        report = json.loads(path.read_text(encoding="utf-8"))
        if report["data"] is None:
            raise InputError(f"{path} is of a generator from {report['source']}", "one that was trained here", remedy)
        history, learnt = list(report["history"]), dict(report["data"]["train"])
    path = weights.with_name(SNAPSHOTS)
    with refusing_damage(path, expected=left, remedy=remedy), np.load(path, allow_pickle=False) as stored:
        snapshots, steps = stored["images"], stored["steps"].tolist()
    if steps != [note["step"] for note in history] or snapshots.shape[1] < figure.images:
        raise InputError(
            f"{path} holds {snapshots.shape[1]} samples at the steps {', '.join(map(str, steps))}",
            f"{figure.images} or more at each step noted in {weights.with_suffix('.json')}",
            remedy,
        )
    return _Course(history, snapshots, learnt)


def _load_training(study: Study, evaluation: str, learnt: dict[str, Any]) -> Examples:
    """The images that a generator learnt from, in order of image ids."""
    training = load_parts(study, evaluation).training
    if training.describe() != learnt:
        raise InputError(
            f"the generator of {evaluation} learnt from {learnt['images']:,} images of {learnt['patients']:,} "
            f"patients, which are not the {len(training):,} images that are for training now",
            "the images that it learnt from",
            f"make it again: python -m tasks.inversion generator --study {study.source} --evaluation {evaluation}",
        )
    return training


def _measure_reference(training: pd.DataFrame, pixels: NDArray[np.uint8], chosen: NDArray[np.int64]) -> float | None:
    """The Frechet distance that as many real images have, if those were the samples."""
    compared = training.iloc[chosen]
    others = training[~training["patient_id"].isin(compared["patient_id"])]
    if len(chosen) < 2 or len(others) < len(chosen):
        return None
    others = others.iloc[spread_places(len(others), len(chosen))]
    real, other = (describe_cells(pixels[each["row"].to_numpy()]) for each in (compared, others))
    return frechet_distance(real, other)


def _to_grey(sample: NDArray[np.uint8]) -> Pixels:
    """A colour generator of grey images makes three channels that are nearly alike."""
    return sample if sample.ndim == 2 else np.rint(sample.mean(axis=2)).astype(np.uint8)
