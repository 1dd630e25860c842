"""Picking so many images of each class, patient by patient in a random order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evalkit.splits.drawing import shuffle

Unit = Literal["patient", "image"]


def order_images(
    images: pd.DataFrame, *, purpose: str, dataset: str, seed: int, unit: Unit = "patient"
) -> NDArray[np.intp]:
    """Order images at random, those of a patient one after another.

    Parameters
    ----------
    images : DataFrame
        image_id and patient_id. The order of its rows does not matter.
    purpose, dataset, seed
        What the order is for; they make its seed.
    unit : {'patient', 'image'}
        With 'image', patients are not kept together.

    Returns
    -------
    ndarray of int, shape (images,)
        Positions of rows.
    """
    names: dict[str, str | int] = {"dataset": dataset, "seed": seed}
    patients = _shuffled_ranks(images["patient_id"], purpose=purpose, **names)
    within = _shuffled_ranks(images["image_id"], purpose=f"{purpose}, images", **names)
    return np.lexsort((within, patients) if unit == "patient" else (within,))


def pick_per_class(
    images: pd.DataFrame,
    counts: Mapping[str, int],
    *,
    purpose: str,
    dataset: str,
    seed: int,
    unit: Unit = "patient",
) -> NDArray[np.bool_]:
    """Pick the first images of each class in a random order of patients.

    That is what walking the patients gives, taking of each one the images of classes that are still short.

    Parameters
    ----------
    images : DataFrame
        image_id, patient_id and class.
    counts : mapping of str to int
        How many images of each class. Fewer are picked where there are fewer; with the same purpose, what is picked
        for smaller counts is among what is picked for larger ones.
    purpose, dataset, seed, unit
        See `order_images`.

    Returns
    -------
    ndarray of bool, shape (images,)
    """
    order = order_images(images, purpose=purpose, dataset=dataset, seed=seed, unit=unit)
    ordered = images["class"].iloc[order]
    picked = np.zeros(len(images), dtype=bool)
    picked[order] = (ordered.groupby(ordered).cumcount() < ordered.map(dict(counts))).to_numpy()
    return picked


def _shuffled_ranks(ids: pd.Series, **names: str | int) -> NDArray[np.intp]:
    """The rank of each row's id in a random order of the different ids."""
    codes, different = pd.factorize(ids, sort=True)
    ranks = np.empty(len(different), dtype=np.intp)
    ranks[shuffle(len(different), **names)] = np.arange(len(different))
    return ranks[codes]
