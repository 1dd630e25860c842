"""A run's predictions on disk: the contract between what trains networks and what compares them.

One row per image: ``image_id``, ``patient_id``, ``study_id``, then ``target:<class>`` (1, 0 or missing) for every
class and ``score:<class>`` (a probability, float64) for every class, in the study's order of classes.
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
    """Write predictions, whole or not at all.

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
    columns = {name: ids[name].astype(str).to_numpy() for name in IDS}
    columns |= {f"target:{label}": targets[:, k].astype(np.float64) for k, label in enumerate(labels)}
    columns |= {f"score:{label}": scores[:, k].astype(np.float64) for k, label in enumerate(labels)}
    frame = pd.DataFrame(columns)
    _check(frame, path)
    write_parquet(path, frame)


def read_predictions(path: Path) -> pd.DataFrame:
    """Read predictions and check that they keep the contract.

    Returns
    -------
    DataFrame
        The ids as text, targets and scores as float64.

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


def _check(frame: pd.DataFrame, path: Path) -> None:
    classes = classes_of(frame)
    expected = [*IDS, *(f"target:{each}" for each in classes), *(f"score:{each}" for each in classes)]
    if list(frame.columns) != expected or not classes:
        raise InputError(f"{path} has the columns {', '.join(frame.columns)}", ", ".join(expected), _REMEDY)
    for name in IDS:
        if frame[name].isna().any() or not pd.api.types.is_string_dtype(frame[name].dtype):
            raise InputError(f"{path}: {name} is missing or not text in some row", "an id for each image", _REMEDY)
    twice = frame["image_id"].duplicated()
    if twice.any():
        raise InputError(f"{path} has the image {frame['image_id'][twice].iloc[0]!r} twice", "one row each", _REMEDY)
    numbers = frame[expected[len(IDS) :]]
    wrong = [name for name in numbers if numbers[name].dtype != np.float64]
    if wrong:
        raise InputError(f"{path}: {wrong[0]} is of type {numbers[wrong[0]].dtype}", "float64", _REMEDY)
    targets, scores = np.split(numbers.to_numpy(), 2, axis=1)
    _check_values(frame, path, "target", classes, np.isnan(targets) | (targets == 0) | (targets == 1), "1, 0 or none")
    _check_values(frame, path, "score", classes, (scores >= 0) & (scores <= 1), "a probability in [0, 1]")


def _check_values(
    frame: pd.DataFrame, path: Path, kind: str, classes: list[str], fine: NDArray[np.bool_], expected: str
) -> None:
    if fine.all():
        return
    row, column = np.argwhere(~fine)[0]
    name, image = f"{kind}:{classes[column]}", frame["image_id"].iloc[row]
    raise InputError(f"{path}: {name} of {image!r} is {frame[name].iloc[row]}", expected, _REMEDY)
