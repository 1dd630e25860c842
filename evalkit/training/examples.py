"""Packed images with their labels, joined by image id."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evalkit.balancing.stored import load_balanced
from evalkit.config.loading import Study
from evalkit.datasets.manifest import Manifest, load_manifest
from evalkit.errors import InputError
from evalkit.fingerprints import file_sha256
from evalkit.packing.packed import Packed, load_packed
from evalkit.splits.external import choose_external

if TYPE_CHECKING:
    import torch

    from evalkit.training.pixels import Pixels


@dataclass(frozen=True)
class Examples:
    """Images and labels, in the order of the packed data set.

    Attributes
    ----------
    images : DataFrame
        image_id, patient_id, study_id, row (in `packed`) and sha256 (of the pixels).
    targets : array of float32, shape (images, classes)
        1, 0 or NaN for a missing label.
    labels : tuple of str
        The classes.
    packed : array of uint8, shape (rows, side, side)
        The whole packed data set, memory-mapped.
    inputs : dict of str to str
        SHA-256 of the files that images and labels come from.
    dataset : str
        The study's name for the data set.
    left_out : dict of str to int
        Of another data set to test on: images that are not tested, by reason.
    """

    images: pd.DataFrame
    targets: NDArray[np.float32]
    labels: tuple[str, ...]
    packed: NDArray[np.uint8]
    inputs: dict[str, str] = field(default_factory=dict)
    dataset: str = ""
    left_out: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.images)

    @cached_property
    def _index(self) -> pd.Index:
        return pd.Index(self.images["image_id"].to_numpy(dtype=object))

    def select(self, image_ids: Iterable[str]) -> Examples:
        """The examples with these ids, still in the order of the packed data set.

        Raises
        ------
        InputError
            An id is not among the examples.
        """
        wanted = np.array(image_ids if isinstance(image_ids, np.ndarray) else list(image_ids), dtype=object)
        positions = self._index.get_indexer(wanted)
        absent = wanted[positions < 0]
        if len(absent):
            raise InputError(
                f"{len(absent):,} images of the splits are not in the packed data set, the first is {absent.min()!r}",
                "splits made from this packed data set",
                "make the splits again: python -m evalkit.splits --study STUDY --evaluation EVALUATION",
            )
        chosen = np.unique(positions)
        return replace(self, images=self.images.iloc[chosen].reset_index(drop=True), targets=self.targets[chosen])

    def pixels(self, device: torch.device) -> Pixels:
        """The images' pixels, to be gathered onto a device."""
        # Figures take images too, and go without torch.
        from evalkit.training.pixels import Pixels

        return Pixels(self.packed, self.images["row"].to_numpy(np.int64), device)

    def fingerprint(self) -> str:
        """SHA-256 of ids, pixels and targets, in order: what a training or a prediction depends on.

        Patients and studies are part of it although no network sees them: predictions carry their ids.
        """
        digest = hashlib.sha256("\n".join(self.labels).encode())
        for name in ("image_id", "patient_id", "study_id", "sha256"):
            digest.update(("\n\n" + "\n".join(self.images[name].tolist())).encode())
        digest.update(np.ascontiguousarray(self.targets).tobytes())
        return digest.hexdigest()

    def describe(self) -> dict[str, Any]:
        """Counts and fingerprint, for a record."""
        return {
            "images": len(self),
            "patients": int(self.images["patient_id"].nunique()),
            "sha256": self.fingerprint(),
            **({"left_out": self.left_out} if self.left_out else {}),
        }


def load_examples(study: Study, dataset: str, labels: Sequence[str] | None) -> Examples:
    """Load a data set of a study as it was read and packed.

    Parameters
    ----------
    study : Study
    dataset : str
        Its name.
    labels : sequence of str or None
        The classes; None for the data set's default.

    Raises
    ------
    InputError
        It has not been read or packed, was packed from another manifest, or has no such class.
    """
    path = study.layout.manifest(dataset)
    folder = study.layout.packed(dataset, study.file.image_size)
    manifest, packed = load_manifest(path), load_packed(folder)
    if packed.report["manifest"] != manifest.fingerprint():
        raise InputError(
            f"{folder} was packed from another manifest",
            "a packed data set made from the manifest as it is now",
            f"pack it again: python -m evalkit.packing --study {study.source} --dataset {dataset}",
        )
    inputs = {"manifest": file_sha256(path), "packed": file_sha256(folder / "index.parquet")}
    return replace(join_examples(manifest, packed, labels), inputs=inputs, dataset=dataset)


def load_external_examples(study: Study, dataset: str, labels: Sequence[str], *, task: str) -> Examples:
    """Load another data set to test on: its own test images, or all of them where it has no test split.

    Parameters
    ----------
    study : Study
    dataset : str
        Its name.
    labels : sequence of str
        What networks were trained to predict. A label that this data set does not have is missing throughout.
    task : {"multilabel", "multiclass"}
        For a multi-class task only images that have exactly one of the classes serve.

    Raises
    ------
    InputError
        It has not been read or packed, or has none of the labels or, for a multi-class task, no image of one class.
    """
    manifest = load_manifest(study.layout.manifest(dataset))
    examples = load_examples(study, dataset, None)
    found = choose_external(manifest, labels, task=task, dataset=dataset, packed=examples.images["image_id"])
    examples = examples.select(found.chosen["image_id"])
    targets = found.chosen.set_index("image_id")[list(labels)].loc[examples.images["image_id"]]
    return replace(
        examples, targets=targets.to_numpy(np.float32), labels=tuple(labels), left_out=found.count_left_out()
    )


def load_balanced_examples(study: Study, evaluation: str, examples: Examples) -> Examples:
    """Load an evaluation's training images together with the copies that bring its classes to one size.

    Parameters
    ----------
    study : Study
    evaluation : str
    examples : Examples
        The images that copies were made of; a copy has the patient, the study and the label of its source.

    Raises
    ------
    InputError
        The copies have not been made, or were made from other splits or pixels.
    """
    balanced = load_balanced(study, evaluation)
    index = balanced.index.sort_values("row", ignore_index=True)
    positions = pd.Index(examples.images["image_id"]).get_indexer(index["source"])
    if (positions < 0).any():
        raise InputError(
            f"{int((positions < 0).sum()):,} balanced images are copies of images that are not packed",
            "copies made from this packed data set",
            f"make them again: python -m evalkit.balancing --study {study.source} --evaluation {evaluation}",
        )
    sources = examples.images.iloc[positions].reset_index(drop=True)
    images = sources[["patient_id", "study_id"]].assign(**{name: index[name] for name in ("image_id", "row", "sha256")})
    columns = ["image_id", "patient_id", "study_id", "row", "sha256"]
    return replace(examples, images=images[columns], targets=examples.targets[positions], packed=balanced.images)


def join_examples(manifest: Manifest, packed: Packed, labels: Sequence[str] | None) -> Examples:
    """Join a data set's labels to its packed images by image id.

    Parameters
    ----------
    manifest : Manifest
    packed : Packed
    labels : sequence of str or None
        The classes; None for the data set's default.

    Raises
    ------
    InputError
        A class is not in the manifest, or an image is packed that the manifest does not have.
    """
    labels = tuple(labels or manifest.default_labels)
    unknown = [label for label in labels if label not in manifest.labels]
    if unknown:
        raise InputError(
            f"the data set has no label {', '.join(map(repr, unknown))}",
            f"labels of {', '.join(manifest.labels)}",
            "correct 'labels' in the study",
        )
    known = manifest.images.set_index("image_id")
    index = packed.index.sort_values("row", ignore_index=True)
    positions = known.index.get_indexer(index["image_id"])
    strangers = index["image_id"][positions < 0]
    if len(strangers):
        raise InputError(
            f"{len(strangers):,} packed images are not in the manifest, the first is {strangers.iloc[0]!r}",
            "a packed data set made from this manifest",
            "pack it again: python -m evalkit.packing --study STUDY --dataset DATASET",
        )
    joined = known.iloc[positions].reset_index()
    images = joined[["image_id", "patient_id", "study_id"]].assign(row=index["row"], sha256=index["sha256"])
    return Examples(images, np.array(joined[list(labels)], np.float32), labels, packed.images)
