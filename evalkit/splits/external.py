"""Which images of another data set trained networks are tested on."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from evalkit.datasets.manifest import Manifest
from evalkit.errors import InputError


def choose_external(manifest: Manifest, labels: Sequence[str], *, task: str, dataset: str) -> pd.DataFrame:
    """Choose the images of another data set to test on: its own test images, or all where it has no test split.

    Parameters
    ----------
    manifest : Manifest
        The other data set.
    labels : sequence of str
        What networks were trained to predict.
    task : {'multilabel', 'multiclass'}
        For a multi-class task only images that have exactly one of the classes serve.
    dataset : str
        The data set's name, for messages.

    Returns
    -------
    DataFrame
        image_id, patient_id and one column per label: 1, 0 or NaN. A label that the data set does not have is missing
        throughout, or, for a multi-class task, 0.

    Raises
    ------
    InputError
        The data set has none of the labels or, for a multi-class task, no image of one class.
    """
    shared = [label for label in labels if label in manifest.labels]
    if not shared:
        raise InputError(
            f"the data set {dataset!r} has the labels {', '.join(manifest.labels) or 'none'}",
            f"at least one of {', '.join(labels)}, to test on",
            "take it out of 'test_on', or name its labels alike",
        )
    images = manifest.images
    tested = images[images["split"] == "test"] if (images["split"] == "test").any() else images
    chosen = tested[["image_id", "patient_id"]].join(tested[shared].reindex(columns=list(labels)))
    if task == "multiclass":
        held = chosen[list(labels)] == 1
        chosen[list(labels)] = held.astype(float)
        chosen = chosen[held.sum(axis=1) == 1]
        if chosen.empty:
            raise InputError(
                f"the data set {dataset!r} has no test image with exactly one of the classes {', '.join(shared)}",
                "images of one class each",
                "take it out of 'test_on'",
            )
    return chosen.reset_index(drop=True)
