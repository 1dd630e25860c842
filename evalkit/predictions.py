"""A run's predictions on disk: the contract between what trains networks and what compares them.

One row per image: ``image_id``, ``patient_id``, ``study_id``, then, for a multi-label task, ``target:<class>`` (1, 0 or
missing) for every class, or, for a multi-class task, ``target`` and ``predicted`` (the names of classes); then
``score:<class>`` (a probability, float64) for every class, in the study's order of classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evalkit.atomic import write_parquet
from evalkit.errors import InputError

IDS = ("image_id", "patient_id", "study_id")

_REMEDY = "delete the run's folder and run the study again, or export the predictions again"


def write_predictions(
    path: Path,
    ids: pd.DataFrame,
    *,
    labels: Sequence[str],
    targets: NDArray[np.floating],
    scores: NDArray[np.floating],
) -> None:
    """Write the predictions of a multi-label task, whole or not at all.

    Parameters
    ----------
    path : pathlib.Path
        ``predictions.parquet`` or ``validation.parquet`` in a run folder.
    ids : DataFrame
        With the columns image_id, patient_id and study_id, one row per image.
    labels : sequence of str
        The classes.
    targets : array, shape (images, classes)
        1, 0 or NaN.
    scores : array, shape (images, classes)
        Probabilities.

    Raises
    ------
    InputError
        The table breaks the contract, for example by a score that is no probability.
    """
    columns = {f"target:{label}": targets[:, k].astype(np.float64) for k, label in enumerate(labels)}
    _write(path, ids, columns, labels, scores)


def write_class_predictions(
    path: Path,
    ids: pd.DataFrame,
    *,
    labels: Sequence[str],
    targets: NDArray[np.floating],
    scores: NDArray[np.floating],
) -> None:
    """Write the predictions of a multi-class task, whole or not at all.

    The predicted class is the one with the highest score, the first of equals.

    Parameters
    ----------
    path, ids, labels, scores
        As in `write_predictions`.
    targets : array, shape (images, classes)
        1 for the image's class, 0 for the others.

    Raises
    ------
    InputError
        As `write_predictions`.
    ValueError
        A row of `targets` does not hold exactly one 1.
    """
    if not (np.isin(targets, (0, 1)).all() and (targets.sum(axis=1) == 1).all()):
        raise ValueError("targets of a multi-class task hold one 1 in each row, and 0 besides")
    names = np.array(labels, dtype=object)
    columns = {"target": names[targets.argmax(axis=1)], "predicted": names[scores.argmax(axis=1)]}
    _write(path, ids, columns, labels, scores)


def read_predictions(path: Path) -> pd.DataFrame:
    """Read predictions of either kind and check that they keep the contract.

    Returns
    -------
    DataFrame
        The ids as text; targets as float64 (multi-label) or, with the predicted classes, as text; scores as float64.

    Raises
    ------
    InputError
        The file is missing, is no parquet file, or breaks the contract.
    """
    try:
        frame = pd.read_parquet(path)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist", "a finished run's predictions", "run the study first") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is not readable: {error}", "a parquet file of predictions", _REMEDY) from error
    _check(frame, path)
    return frame


def classes_of(frame: pd.DataFrame) -> list[str]:
    """The classes of a table of predictions, in order."""
    return [name.removeprefix("score:") for name in frame.columns if name.startswith("score:")]


def is_multiclass(frame: pd.DataFrame) -> bool:
    """Whether each image has exactly one class, in column ``target``."""
    return "target" in frame.columns


def targets_of(frame: pd.DataFrame) -> pd.DataFrame:
    """The targets of either kind as float64 columns ``target:<class>``: 1, 0 or NaN."""
    classes = classes_of(frame)
    if not is_multiclass(frame):
        return frame[[f"target:{name}" for name in classes]]
    return pd.DataFrame({f"target:{name}": (frame["target"] == name).astype(np.float64) for name in classes})


def _write(
    path: Path, ids: pd.DataFrame, targets: dict[str, NDArray], labels: Sequence[str], scores: NDArray[np.floating]
) -> None:
    columns = {name: ids[name].astype(str).to_numpy() for name in IDS} | targets
    columns |= {f"score:{label}": scores[:, k].astype(np.float64) for k, label in enumerate(labels)}
    frame = pd.DataFrame(columns)
    _check(frame, path)
    write_parquet(path, frame)


def _check(frame: pd.DataFrame, path: Path) -> None:
    classes = classes_of(frame)
    targets = ["target", "predicted"] if is_multiclass(frame) else [f"target:{each}" for each in classes]
    scores = [f"score:{each}" for each in classes]
    expected = [*IDS, *targets, *scores]
    if list(frame.columns) != expected or not classes:
        raise InputError(f"{path} has the columns {', '.join(frame.columns)}", ", ".join(expected), _REMEDY)
    for name in (*IDS, *(targets if is_multiclass(frame) else [])):
        if frame[name].isna().any() or not pd.api.types.is_string_dtype(frame[name].dtype):
            raise InputError(f"{path}: {name} is missing or not text in some row", "a text for each image", _REMEDY)
    twice = frame["image_id"].duplicated()
    if twice.any():
        raise InputError(f"{path} has the image {frame['image_id'][twice].iloc[0]!r} twice", "one row each", _REMEDY)
    numbers = frame[scores if is_multiclass(frame) else targets + scores]
    wrong = [name for name in numbers if numbers[name].dtype != np.float64]
    if wrong:
        raise InputError(f"{path}: {wrong[0]} is of type {numbers[wrong[0]].dtype}", "float64", _REMEDY)
    values = frame[scores].to_numpy()
    _require(frame, path, scores, (values >= 0) & (values <= 1), "a probability in [0, 1]")
    if is_multiclass(frame):
        _require(frame, path, targets, frame[targets].isin(classes).to_numpy(), f"one of {', '.join(classes)}")
        called = np.array(classes, dtype=object)[values.argmax(axis=1)]
        _require(frame, path, ["predicted"], (frame["predicted"].to_numpy() == called)[:, None], "the highest score's")
        return
    values = frame[targets].to_numpy()
    _require(frame, path, targets, np.isnan(values) | (values == 0) | (values == 1), "1, 0 or none")


def _require(frame: pd.DataFrame, path: Path, names: list[str], fine: NDArray[np.bool_], expected: str) -> None:
    if fine.all():
        return
    row, column = np.argwhere(~fine)[0]
    name, image = names[column], frame["image_id"].iloc[row]
    raise InputError(f"{path}: {name} of {image!r} is {frame[name].iloc[row]}", expected, _REMEDY)
