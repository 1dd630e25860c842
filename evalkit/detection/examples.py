"""Images at their own aspect ratio with their boxes, joined by image id."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evalkit.config.loading import Study
from evalkit.datasets.manifest import load_manifest
from evalkit.errors import InputError
from evalkit.fingerprints import file_sha256
from evalkit.packing.ragged import Ragged, load_ragged

#: What is known of an image: where it is, and its size as packed and as it was in its file.
_COLUMNS = ["image_id", "patient_id", "study_id", "path", "row", "sha256", "height", "width"]
_FILE_SIZE = ["file_height", "file_width"]


@dataclass(frozen=True)
class BoxedExamples:
    """Images with the boxes of an evaluation's classes, in the order of their ids.

    Attributes
    ----------
    images : DataFrame
        image_id, patient_id, study_id, path, row (in `ragged`), sha256 (of the pixels), height and width as packed,
        file_height and file_width.
    boxes : tuple of ndarray of float64, each of shape (boxes of an image, 4)
        Left, top, right and bottom in pixels of the packed image.
    classes : tuple of ndarray of int64
        The class of each box, from 0.
    labels : tuple of str
        The classes.
    ragged : Ragged
        The packed data set.
    inputs : dict of str to str
        SHA-256 of the files that images and boxes come from.
    """

    images: pd.DataFrame
    boxes: tuple[NDArray[np.float64], ...]
    classes: tuple[NDArray[np.int64], ...]
    labels: tuple[str, ...]
    ragged: Ragged
    inputs: dict[str, str]

    def __len__(self) -> int:
        return len(self.images)

    def pixels(self, position: int) -> NDArray[np.uint8]:
        """An image, (height, width), mapped from the file."""
        return self.ragged.image(int(self.images["row"].iloc[position]))

    @property
    def boxed_ids(self) -> set[str]:
        """The images that have a box."""
        return {name for name, boxes in zip(self.images["image_id"], self.boxes, strict=True) if len(boxes)}

    def select(self, image_ids: Iterable[str]) -> BoxedExamples:
        """The examples with these ids, in the order of their ids.

        Raises
        ------
        InputError
            An id is not among the examples.
        """
        wanted = np.array(sorted(image_ids), dtype=object)
        positions = pd.Index(self.images["image_id"]).get_indexer(wanted)
        absent = wanted[positions < 0]
        if len(absent):
            raise InputError(
                f"{len(absent):,} images of the splits are not in the packed data set, the first is {absent[0]!r}",
                "splits made from this packed data set",
                "make the splits again: python -m evalkit.splits --study STUDY --evaluation EVALUATION",
            )
        return replace(
            self,
            images=self.images.iloc[positions].reset_index(drop=True),
            boxes=tuple(self.boxes[position] for position in positions),
            classes=tuple(self.classes[position] for position in positions),
        )

    def count_boxes(self) -> dict[str, int]:
        """Boxes of each class."""
        counts = np.zeros(len(self.labels), np.int64)
        for classes in self.classes:
            counts += np.bincount(classes, minlength=len(self.labels))
        return dict(zip(self.labels, counts.tolist(), strict=True))

    def fingerprint(self) -> str:
        """SHA-256 of ids, pixels and boxes, in order: what a training or a prediction depends on."""
        digest = hashlib.sha256("\n".join(self.labels).encode())
        for name in ("image_id", "patient_id", "study_id", "sha256"):
            digest.update(("\n\n" + "\n".join(self.images[name].tolist())).encode())
        for boxes, classes in zip(self.boxes, self.classes, strict=True):
            digest.update(len(classes).to_bytes(8, "little") + boxes.tobytes() + classes.tobytes())
        return digest.hexdigest()

    def describe(self) -> dict[str, Any]:
        """Counts and fingerprint, for a record."""
        return {
            "images": len(self),
            "patients": int(self.images["patient_id"].nunique()),
            "images_without_boxes": len(self) - len(self.boxed_ids),
            "boxes": self.count_boxes(),
            "sha256": self.fingerprint(),
        }


def load_boxed_examples(study: Study, dataset: str, labels: Sequence[str], *, longest: int) -> BoxedExamples:
    """Load a data set of a study as it was read and packed for detection.

    Parameters
    ----------
    study : Study
    dataset : str
        Its name.
    labels : sequence of str
        The classes. Boxes of others are left out.
    longest : int
        The longest side that the images were packed at.

    Raises
    ------
    InputError
        It has not been read or packed, was packed from another manifest, or has no box of one of the classes.
    """
    path, folder = study.layout.manifest(dataset), study.layout.ragged(dataset, longest)
    manifest, ragged = load_manifest(path), load_ragged(folder)
    if ragged.report["manifest"] != manifest.fingerprint():
        raise InputError(
            f"{folder} was packed from another manifest",
            "a packed data set made from the manifest as it is now",
            f"pack it again: python -m evalkit.packing --study {study.source} --dataset {dataset} --longest {longest}",
        )
    boxed = set(ragged.boxes["label"])
    unknown = [label for label in labels if label not in boxed]
    if unknown:
        raise InputError(
            f"the data set {dataset!r} has no box of {', '.join(map(repr, unknown))}",
            f"classes that have boxes: {', '.join(sorted(boxed)) or 'none'}",
            "correct 'labels' in the study",
        )
    inputs = {
        "manifest": file_sha256(path),
        "packed": file_sha256(folder / "index.parquet"),
        "boxes": file_sha256(folder / "boxes.parquet"),
    }
    index = ragged.index.merge(manifest.images[["image_id", "study_id", "path"]], on="image_id")
    images = index[[*_COLUMNS, *_FILE_SIZE]].sort_values("image_id", ignore_index=True)
    boxes, classes = _collect_boxes(ragged, images["row"].tolist(), labels)
    return BoxedExamples(images, boxes, classes, tuple(labels), ragged, inputs)


def _collect_boxes(
    ragged: Ragged, rows: Sequence[int], labels: Sequence[str]
) -> tuple[tuple[NDArray[np.float64], ...], tuple[NDArray[np.int64], ...]]:
    numbers = {label: number for number, label in enumerate(labels)}
    boxes, classes = [], []
    for row in rows:
        corners, names = ragged.boxes_of(row)
        kept = np.array([name in numbers for name in names], dtype=bool)
        left, top, width, height = corners[kept].T.reshape(4, -1)
        boxes.append(np.stack([left, top, left + width, top + height], axis=1))
        classes.append(np.array([numbers[name] for name in names if name in numbers], dtype=np.int64))
    return tuple(boxes), tuple(classes)
