"""Which images of another data set trained networks are tested on."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import pandas as pd

from evalkit.datasets.manifest import Manifest
from evalkit.errors import InputError

#: Why images are left out.
_UNCLEAR, _NOT_PACKED = "without exactly one of the classes", "could not be read"


@dataclass(frozen=True, eq=False)
class ExternalImages:
    """Images of another data set to test on, and those that would be tested but for a reason.

    Attributes
    ----------
    chosen : DataFrame
        image_id, patient_id and one column per label: 1, 0 or NaN. A label that the data set does not have is missing
        throughout, or, for a multi-class task, 0.
    left_out : DataFrame
        image_id, patient_id and reason.
    """

    chosen: pd.DataFrame
    left_out: pd.DataFrame

    def count_left_out(self) -> dict[str, int]:
        """How many images are left out, by reason."""
        counts = self.left_out["reason"].value_counts(sort=False)
        return {str(reason): int(count) for reason, count in counts.items()}


def choose_external(
    manifest: Manifest, labels: Sequence[str], *, task: str, dataset: str, packed: Collection[str] | None = None
) -> ExternalImages:
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
    packed : collection of str, optional
        Ids of the images that could be packed, where that is known.

    Returns
    -------
    ExternalImages

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
    reason = pd.Series("", index=chosen.index)
    if packed is not None:
        reason[~chosen["image_id"].isin(packed)] = _NOT_PACKED
    if task == "multiclass":
        held = chosen[list(labels)] == 1
        chosen[list(labels)] = held.astype(float)
        reason[held.sum(axis=1) != 1] = _UNCLEAR
        if (reason == _UNCLEAR).all():
            raise InputError(
                f"the data set {dataset!r} has no test image with exactly one of the classes {', '.join(shared)}",
                "images of one class each",
                "take it out of 'test_on'",
            )
    left_out = chosen[["image_id", "patient_id"]].assign(reason=reason)[reason != ""]
    return ExternalImages(chosen[reason == ""].reset_index(drop=True), left_out.reset_index(drop=True))
