"""VinDr-CXR as Kaggle has it (train.csv beside train/) or as PhysioNet has it (annotations/ beside train/ and test/).

Three readers looked at each training image. Labels and boxes are joined to images by their id alone, and the readers
are brought to one truth as the study chooses.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from evalkit.config.datasets import VindrEntry
from evalkit.datasets.boxed import build_boxed_manifest, find_usable
from evalkit.datasets.boxes import make_boxes
from evalkit.datasets.fusion import fuse_boxes
from evalkit.datasets.manifest import Manifest
from evalkit.datasets.reading import describe_files, refuse_first
from evalkit.datasets.vindr_tables import (
    CORNERS,
    GLOBAL_LABELS,
    KAGGLE_FINDINGS,
    LOCAL_FINDINGS,
    NO_FINDING,
    VindrPart,
    read_kaggle,
    read_official,
)

Fusion = Literal["any", "majority", "wbf"]

_SAYS = {
    "any": "a finding counts where any reader has it, every box as drawn",
    "majority": "a finding counts where most readers have it, a fused box where most of them contributed to it",
    "wbf": "a finding counts where any reader has it, boxes on the same place fused",
}


def read_vindr(entry: VindrEntry, root: Path) -> Manifest:
    """Read a folder in either layout of VinDr-CXR.

    Parameters
    ----------
    entry : VindrEntry
        How readers are brought to one truth, which images to keep, and what those that cannot be used do.
    root : pathlib.Path
        The folder that holds train.csv and train/, or annotations/, train/ and test/.

    Returns
    -------
    Manifest
        Labels: the findings with boxes (which are the default), in PhysioNet's copy `GLOBAL_LABELS`, and 'No finding',
        which under 'any' and 'wbf' takes all readers. The data set has no patients: each image is one. PhysioNet's test
        images, whose truth the readers agreed on, have the split 'test', the others 'train'.

    Raises
    ------
    InputError
        A table or a column is missing, a class is unknown, a row has a finding and no box or the other way round, a
        reader is there twice, tables do not fit together, or images cannot be used and `entry` does not exclude them.
    """
    official = (root / "annotations").is_dir()
    findings = LOCAL_FINDINGS if official else KAGGLE_FINDINGS
    labels = (*findings, *(GLOBAL_LABELS if official else ()), NO_FINDING)
    parts = [read_official(root, split, labels) for split in ("train", "test")] if official else [read_kaggle(root)]
    images = pd.concat([_list_images(part, root) for part in parts], ignore_index=True)
    twice = images["image_id"].duplicated()
    refuse_first(twice, images["image_id"], "an image of both parts", "each image in one part", parts[0].files[0])
    raw = pd.concat([_settle_votes(part.votes, entry.fusion) for part in parts]).loc[images["image_id"], list(labels)]
    boxes = pd.concat([_settle_boxes(part, entry.fusion) for part in parts], ignore_index=True)
    usable = find_usable(images, boxes, root, entry, source=parts[0].files[0])
    test_set = "PhysioNet's test images" if official else "images drawn at random"
    copy = "PhysioNet's copy" if official else "Kaggle's copy"
    return build_boxed_manifest(
        usable,
        raw.set_axis(images.index),
        entry=entry,
        default_labels=findings,
        box_labels=findings,
        unit="image",
        report={
            "format": "vindr",
            "files": describe_files([file for part in parts for file in part.files], root),
            "copy": copy,
            "fusion": entry.fusion,
            "readers": _count_readers(parts),
            "test_set": test_set,
            "footnote": f"VinDr-CXR, {copy}. Readers: {_SAYS[entry.fusion]}. Each image counts as a patient of its "
            f"own, as the data set names none. Test set: {test_set}.",
        },
        source=parts[0].files[0],
    )


def _list_images(part: VindrPart, root: Path) -> pd.DataFrame:
    """One row for each image, in the order of the table."""
    image_ids = pd.Series(part.votes["image_id"].unique(), dtype="str")
    refuse_first(~image_ids.str.fullmatch(r"[\w-]+"), image_ids, "the id", "letters and digits", part.files[0])
    return pd.DataFrame(
        {
            "image_id": image_ids,
            "patient_id": image_ids,
            "study_id": image_ids,
            "path": [_find_file(root, f"{part.folder}/{image}") for image in image_ids],
            "split": part.split,
        }
    )


def _find_file(root: Path, stem: str) -> str | None:
    return next((stem + ending for ending in (".dicom", ".dcm") if (root / (stem + ending)).is_file()), None)


def _settle_votes(votes: pd.DataFrame, fusion: Fusion) -> pd.DataFrame:
    """The labels of each image, indexed by its id, from one row for each of its readers."""
    shares = votes.groupby("image_id", sort=False).mean()
    settled = (shares > 0.5 if fusion == "majority" else shares > 0).astype("float64").where(shares.notna())
    if fusion != "majority":
        # That somebody found nothing says little where another found something.
        settled[NO_FINDING] = (shares[NO_FINDING] == 1).astype("float64").where(shares[NO_FINDING].notna())
    return settled


def _settle_boxes(part: VindrPart, fusion: Fusion) -> pd.DataFrame:
    """The boxes of each image and finding, from those of all readers."""
    boxes = part.boxes.sort_values(["image_id", "label", "reader", *CORNERS], ignore_index=True)
    readers = boxes["image_id"].map(part.votes["image_id"].value_counts()).to_numpy()
    image_ids, labels, names = (boxes[name].tolist() for name in ("image_id", "label", "reader"))
    corners = boxes[CORNERS].to_numpy()
    starts = np.flatnonzero(~boxes.duplicated(["image_id", "label"]))
    rows: list[tuple[str, str, float, float, float, float]] = []
    for first, last in zip(starts, [*starts[1:], len(boxes)], strict=True):
        places = corners[first:last]
        if fusion != "any":
            fused = fuse_boxes(places, names[first:last])
            needed = readers[first] / 2 if fusion == "majority" else 0
            places = np.array([box.corners for box in fused if len(box.readers) > needed]).reshape(-1, 4)
        for left, top, right, foot in places.tolist():
            rows.append((image_ids[first], labels[first], left, top, right - left, foot - top))
    return make_boxes(rows)


def _count_readers(parts: Sequence[VindrPart]) -> dict[str, int]:
    """How many images have how many readers."""
    per_image = pd.concat([part.votes.groupby("image_id").size() for part in parts])
    return {str(readers): int(images) for readers, images in per_image.value_counts().sort_index().items()}
