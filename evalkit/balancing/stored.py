"""Balanced training images as they are kept, and what they were made from, so that stale ones are refused."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from evalkit.config.evaluations import Balancing
from evalkit.config.loading import Study
from evalkit.damage import refusing_damage
from evalkit.errors import InputError
from evalkit.fingerprints import value_hash
from evalkit.packing.packed import Packed, load_packed
from evalkit.splits.stored import Splits, load_splits

#: What a change of each part of `describe_origin` is called.
_PARTS = {"training": "training images", "pixels": "pixels", "bounds": "settings under 'balancing'", "seed": "seed"}


def load_balanced(study: Study, evaluation: str) -> Packed:
    """Open an evaluation's training images with the copies that balance its classes.

    Parameters
    ----------
    study : Study
    evaluation : str
        A multi-class evaluation with ``trainset: balanced``.

    Returns
    -------
    Packed
        First the training images, in the order of the splits, then the copies. Its index also has source (the image
        that a row is made of, for an image its own id), angle in degrees and zoom (a factor). A copy's patient is its
        source's, and so are `low` and `cap`.

    Raises
    ------
    InputError
        They have not been made, are damaged, or were made from other splits, pixels or settings than there are now.
    """
    read_balancing(study, evaluation)
    return load_packed(study.layout.balanced(evaluation), command=_command(study, evaluation))


def read_balancing(study: Study, evaluation: str) -> dict[str, Any]:
    """Read the report of balancing: counts ``before`` and ``after``, as of `evalkit.splits.tally.Tally.describe`.

    Raises
    ------
    InputError
        As `load_balanced`.
    """
    folder, command = study.layout.balanced(evaluation), _command(study, evaluation)
    path = folder / "balancing.json"
    # The report of packing is written last.
    if not (path.exists() and (folder / "packing.json").exists()):
        raise InputError(
            f"{folder} holds no finished balanced training images",
            "packing.json, which is written last",
            f"make them: {command}",
        )
    with refusing_damage(path, expected="a report as this program wrote it", remedy=f"make it again: {command}"):
        report = dict(json.loads(path.read_text(encoding="utf-8")))
        made_from = dict(report["made_from"])
    entry = study.classification(evaluation)
    packed = load_packed(study.layout.packed(entry.dataset, study.file.image_size))
    now = describe_origin(load_splits(study.layout.splits(evaluation)), packed, entry.balancing, seed=study.file.seed)
    changed = [words for part, words in _PARTS.items() if made_from.get(part) != now[part]]
    if changed:
        raise InputError(
            f"{folder} was made from other {' and '.join(changed)} than there are now",
            "balanced training images made from the splits and the packed data set as they are",
            f"make them again: {command}",
        )
    return report


def describe_origin(splits: Splits, packed: Packed, bounds: Balancing, *, seed: int) -> dict[str, Any]:
    """What decides balanced training images: hashes of the training images with their classes and of their pixels."""
    training = training_images(splits)
    pixels = pd.Series(packed.index["sha256"].to_numpy(), index=packed.index["image_id"])
    known = training["image_id"].isin(pixels.index)
    return {
        "training": value_hash([training["image_id"].tolist(), training["class"].tolist()]),
        "pixels": value_hash(pixels[training["image_id"][known]].tolist()),
        "bounds": bounds.model_dump(),
        "seed": seed,
    }


def training_images(splits: Splits) -> pd.DataFrame:
    """The training images of a multi-class task: image_id, patient_id and class, in the order of the splits."""
    images = splits.images
    return images.loc[images["role"] == "train", ["image_id", "patient_id", "class"]].reset_index(drop=True)


def _command(study: Study, evaluation: str) -> str:
    return f"python -m evalkit.balancing --study {study.source} --evaluation {evaluation}"
