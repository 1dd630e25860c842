"""What each patient has: counts of images by class, from which every count of a split is summed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

#: What a label may say of an image.
VALUES = ("positive", "negative", "missing")


@dataclass(frozen=True)
class Tally:
    """What each patient of a role has, one row per patient in the order of their ids.

    Attributes
    ----------
    images : ndarray of int, shape (patients,)
        Images.
    positives, negatives : ndarray of int, shape (patients, classes)
        Images with the label 1 and 0.
    """

    images: NDArray[np.int64]
    positives: NDArray[np.int64]
    negatives: NDArray[np.int64]

    def lacking(self, patients: NDArray[np.intp] | slice) -> NDArray[np.bool_]:
        """Which classes have no positive or no negative image among some patients, shape (classes,)."""
        return (self.positives[patients].sum(axis=0) == 0) | (self.negatives[patients].sum(axis=0) == 0)

    def describe(self, labels: Sequence[str], patients: NDArray[np.intp] | slice = slice(None)) -> dict[str, Any]:
        """Count the images of some patients.

        Parameters
        ----------
        labels : sequence of str
            The classes.
        patients : ndarray of int or slice
            Positions of patients; all by default.

        Returns
        -------
        dict
            ``images``, ``patients`` and, for each class and each of `VALUES`, the images for which the label has the
            value and the patients with at least one such image.
        """
        images, positives, negatives = self.images[patients], self.positives[patients], self.negatives[patients]
        counts = dict(zip(VALUES, (positives, negatives, images[:, None] - positives - negatives), strict=True))
        return {
            "images": int(images.sum()),
            "patients": len(images),
            "classes": {
                label: {
                    value: {"images": int(count[:, column].sum()), "patients": int((count[:, column] > 0).sum())}
                    for value, count in counts.items()
                }
                for column, label in enumerate(labels)
            },
        }


def tally_images(images: pd.DataFrame, labels: Sequence[str]) -> Tally:
    """Count what each patient has.

    Parameters
    ----------
    images : DataFrame
        patient_id and one column per label (1, 0 or NaN).
    labels : sequence of str
        The classes.
    """
    patients, values = images["patient_id"], images[list(labels)]
    return Tally(
        images=images.groupby(patients, sort=True).size().to_numpy(),
        positives=(values == 1).groupby(patients, sort=True).sum().to_numpy(),
        negatives=(values == 0).groupby(patients, sort=True).sum().to_numpy(),
    )
