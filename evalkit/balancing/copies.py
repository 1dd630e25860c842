"""Which copies are to be made: of which images, turned and zoomed how far."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from evalkit.config.evaluations import Balancing
from evalkit.errors import InputError
from evalkit.seeds import seed_from
from evalkit.splits.picking import order_images


def plan_copies(
    training: pd.DataFrame, labels: Sequence[str], bounds: Balancing, *, dataset: str, seed: int
) -> pd.DataFrame:
    """Choose copies that bring every class to the size of the largest.

    The images of a class are copied in a random order, patient by patient, and again from the start when all have been
    copied, so that their numbers of copies differ by one at most.

    Parameters
    ----------
    training : DataFrame
        image_id, patient_id and class of the training images. The order of its rows does not matter.
    labels : sequence of str
        The classes.
    bounds : Balancing
        The largest changes.
    dataset : str
    seed : int
        The study's seed. The change of a copy depends on data set, image, number and seed, and on no other copy.

    Returns
    -------
    DataFrame
        image_id (``<source>#copy-<number>``, numbers from 1), source (the image's id), patient_id, class, angle in
        degrees (counter-clockwise) and zoom (a factor), both uniform within the bounds; in the order of `labels`.

    Raises
    ------
    InputError
        A class has no training image, or an image is called like a copy.
    """
    counts = training["class"].value_counts().reindex(list(labels), fill_value=0)
    if counts.min() == 0:
        raise InputError(
            f"no training image is of class {', '.join(counts.index[counts == 0])}",
            "training images of each class, to be copied",
            "leave the class out of 'labels', or 'balanced' out of settings.trainset",
        )
    ordered = training.iloc[order_images(training, purpose="balancing", dataset=dataset, seed=seed)]
    parts = []
    for label in labels:
        images = ordered[ordered["class"] == label]
        turns = np.arange(counts.max() - len(images))
        copied = images.iloc[turns % len(images)]
        parts.append(copied[["patient_id", "class"]].assign(source=copied["image_id"], number=turns // len(images) + 1))
    copies = pd.concat(parts, ignore_index=True)
    copies["image_id"] = copies["source"] + "#copy-" + copies["number"].astype("str")
    _check_names(copies, training)
    draws = [
        _draw(dataset=dataset, image=source, copy=number, seed=seed)
        for source, number in zip(copies["source"], copies["number"].tolist(), strict=True)
    ]
    angle, zoom = np.array(draws, dtype=np.float64).reshape(-1, 2).T
    copies["angle"], copies["zoom"] = angle * bounds.rotate, 1 + zoom * bounds.zoom
    return copies[["image_id", "source", "patient_id", "class", "angle", "zoom"]]


def _draw(**names: str | int) -> tuple[float, float]:
    """Two numbers in [-1, 1), from the raw output of a bit generator, which NumPy keeps the same in every version."""
    first, second = np.random.PCG64(seed_from(purpose="copy", **names)).random_raw(2) >> np.uint64(11)
    return float(first) / 2**52 - 1, float(second) / 2**52 - 1


def _check_names(copies: pd.DataFrame, training: pd.DataFrame) -> None:
    taken = copies["image_id"][copies["image_id"].isin(training["image_id"])]
    if len(taken):
        raise InputError(
            f"an image of the data set is called {taken.iloc[0]!r}, which is to be the name of a copy",
            "image ids that do not end in '#copy-' and a number",
            "rename the image",
        )
