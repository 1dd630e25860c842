"""The images of an inversion: what the generator learns from, what calibrates, and what is inverted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from evalkit.config.inversion import Inversion
from evalkit.config.loading import Study
from evalkit.datasets.manifest import load_manifest
from evalkit.errors import InputError
from evalkit.fingerprints import file_sha256
from evalkit.seeds import seed_from
from evalkit.splits.labels import check_only
from evalkit.splits.stored import ROLES, load_splits
from evalkit.training.examples import Examples, load_examples


@dataclass(frozen=True)
class Parts:
    """Images of an inversion by what they are for, each part in order of image ids and without labels.

    Attributes
    ----------
    training : Examples
        What the generator learns from, where this workflow trains it.
    calibration : Examples
        One image of each patient.
    inverted : Examples
    inputs : dict of str to str
        SHA-256 of the files read.
    """

    training: Examples
    calibration: Examples
    inverted: Examples
    inputs: dict[str, str]

    def count_shared_patients(self) -> int:
        """Count the patients of inverted images that the generator or the calibration has seen: none, or it raises.

        Raises
        ------
        InputError
            There are some.
        """
        seen = set(self.training.images["patient_id"]) | set(self.calibration.images["patient_id"])
        shared = sorted(seen & set(self.inverted.images["patient_id"]))
        if shared:
            raise InputError(
                f"{len(shared):,} patients of inverted images are among those of the generator's training or of the "
                f"calibration, for example {', '.join(map(repr, shared[:3]))}",
                "different patients",
                "make the splits again: python -m evalkit.splits --study STUDY --evaluation EVALUATION",
            )
        return 0


def load_parts(study: Study, evaluation: str) -> Parts:
    """Load an inversion's images; what is inverted and what calibrates is the same for every backbone.

    Raises
    ------
    InputError
        Data or splits have not been made, a label is unknown, or there are fewer images than needed.
    """
    entry, path = study.inversion(evaluation), study.layout.splits(evaluation)
    splits = load_splits(path)
    check_only(entry.only or [], load_manifest(study.layout.manifest(entry.dataset)), dataset=entry.dataset)
    examples = load_examples(study, entry.dataset, entry.only)
    if entry.only:
        examples = examples.select(examples.images["image_id"][(examples.targets == 1).any(axis=1)])
    # Labels chose the images, and are of no influence on anything else.
    examples = replace(examples, targets=np.empty((len(examples), 0), np.float32), labels=())
    kept = set(examples.images["image_id"])
    train, validation, test = (
        _in_order(examples.select([name for name in splits.image_ids(role) if name in kept])) for role in ROLES
    )
    calibration = _draw(validation, entry.calibration_images, study, entry, "calibration images", patients=True)
    inverted = test
    if entry.images is not None:
        _check_count(len(test), entry.images, f"evaluations.{evaluation}.images", entry)
        inverted = _draw(test, entry.images, study, entry, "inverted images")
    _check_count(len(inverted), 1, f"test images of {evaluation}", entry)
    return Parts(train, calibration, inverted, {**examples.inputs, "splits": file_sha256(path)})


def part_of(examples: Examples, places: Sequence[int] | range) -> Examples:
    """Some of the images, by their places."""
    chosen = list(places)
    images = examples.images.iloc[chosen].reset_index(drop=True)
    return replace(examples, images=images, targets=examples.targets[chosen])


def _draw(
    examples: Examples, count: int, study: Study, entry: Inversion, purpose: str, *, patients: bool = False
) -> Examples:
    """The first `count` of a random order, which a longer draw has too; if so asked, at most one of a patient."""
    seed = seed_from(purpose=purpose, dataset=entry.dataset, seed=study.file.seed)
    order = np.random.default_rng(seed).permutation(len(examples))
    if patients:
        again = examples.images["patient_id"].iloc[order].duplicated().to_numpy()
        order = order[~again]
    return part_of(examples, sorted(order[:count]))


def _in_order(examples: Examples) -> Examples:
    return replace(examples, images=examples.images.sort_values("image_id", ignore_index=True))


def _check_count(found: int, wanted: int, place: str, entry: Inversion) -> None:
    if found < wanted:
        which = f" with one of the labels {', '.join(entry.only)}" if entry.only else ""
        raise InputError(
            f"{place}: {found:,} of the test patients' images{which} are there",
            f"{wanted:,} or more",
            "ask for fewer images, or take more patients; 'test_share' gives more where the test set is drawn",
        )
