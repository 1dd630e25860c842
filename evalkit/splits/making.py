"""Making the splits of an evaluation, with their draws, counts and checks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from evalkit.config.strict import nearest
from evalkit.config.evaluations import Evaluation
from evalkit.datasets.manifest import Manifest
from evalkit.errors import InputError
from evalkit.splits.drawing import Order, Tally, draw_order, shuffle
from evalkit.splits.leakage import check_roles
from evalkit.splits.stored import ROLES, Role, Splits, count_drawn

_SPLIT_ROLES = {"train": "train", "valid": "validation", "test": "test"}


def make_splits(
    manifest: Manifest, packed_index: pd.DataFrame, evaluation: Evaluation, *, name: str, seed: int
) -> Splits:
    """Divide a data set's patients and draw the fractions of an evaluation.

    The test and validation patients are the data set's own where it has them; else they are drawn: `test_share` of all
    patients, then `validation_share` of the remaining ones. Whether a held-out split is named 'valid' or 'test' is up
    to the reader of the data set; each is used as what it is named, and the one that is not there is drawn.

    A test patient drawn here comes with labels as the manifest has them, so the policy for uncertain labels, which
    leaves those of a data set's own test split missing, applies to its images; the manifest's footnote says so.

    Parameters
    ----------
    manifest : Manifest
        The data set.
    packed_index : DataFrame
        The index of the packed data set: image_id, patient_id, sha256, low and cap. Images that it does not have are
        in no role, and are counted.
    evaluation : Evaluation
        Labels, fractions, repeats and shares.
    name : str
        The evaluation's name, for the report.
    seed : int
        The study's seed.

    Returns
    -------
    Splits

    Raises
    ------
    InputError
        A class is unknown, or has no positive or no negative training image; patients are too few; a draw with every
        class cannot be found; patients or pixels are in two roles; or the index is of another manifest.
    """
    labels = choose_labels(evaluation, manifest)
    images = _join(manifest, packed_index, evaluation, labels)
    images["role"] = _assign_roles(images, evaluation, seed)
    images = images.sort_values("patient_id", kind="stable", ignore_index=True)
    leakage = check_roles(images)
    tallies = {role: _tally(images[images["role"] == role], labels) for role in ROLES}
    absent = _absent_classes(tallies, labels)
    if absent["train"] and evaluation.missing_class == "redraw":
        raise InputError(
            f"the training patients have no positive or no negative image of {', '.join(absent['train'])}",
            "both for every class",
            "leave these classes out of 'labels', or set 'missing_class: keep' to keep and mark them",
        )

    fractions = sorted(fraction for fraction in evaluation.fractions if fraction < 1)
    drawn_roles: list[Role] = ["train", "validation"] if evaluation.validation == "fraction" else ["train"]
    orders = {
        role: [
            draw_order(
                tallies[role],
                labels,
                fraction=fractions[0],
                redraw=evaluation.missing_class == "redraw",
                role=role,
                dataset=evaluation.dataset,
                repeat=repeat,
                seed=seed,
            )
            for repeat in range(evaluation.repeats if fractions else 0)
        ]
        for role in drawn_roles
    }
    draws = [
        _describe_draw(tallies[role], order, role, fraction, repeat, labels)
        for role in drawn_roles
        for repeat, order in enumerate(orders[role])
        for fraction in fractions
    ]
    kept = images[["image_id", "patient_id", "study_id", "role"]]
    ranks = pd.DataFrame(_rank_images(images, orders), index=kept.index)
    report: dict[str, Any] = {
        "evaluation": name,
        "dataset": evaluation.dataset,
        "seed": seed,
        "labels": labels,
        "validation": evaluation.validation,
        "test_set": _describe_origin(manifest, "test", evaluation.test_share, "all"),
        "validation_set": _describe_origin(manifest, "valid", evaluation.validation_share, "the remaining"),
        "drawn_roles": drawn_roles,
        "fractions": fractions,
        "repeats": len(orders["train"]),
        "roles": {role: _describe_role(images[images["role"] == role], tallies[role], labels) for role in ROLES},
        "absent_classes": absent,
        "draws": draws,
        "redraws": {role: [order.redraws for order in orders[role]] for role in drawn_roles},
        "draws_lacking_a_class": [draw for draw in draws if draw["lacking"]],
        "not_packed": len(manifest.images) - len(images),
        "leakage": leakage,
        "manifest": manifest.fingerprint(),
        "footnote": manifest.report.get("footnote", ""),
    }
    return Splits(pd.concat([kept, ranks], axis=1), report)


def choose_labels(evaluation: Evaluation, manifest: Manifest) -> list[str]:
    """The classes of an evaluation: those it names, else the data set's default.

    Raises
    ------
    InputError
        The data set does not have one of them.
    """
    labels = evaluation.labels or manifest.default_labels
    if not labels:
        raise InputError(
            f"the data set {evaluation.dataset!r} has no label",
            "one or more columns of labels, for the evaluation to predict",
            "add the labels' columns to its table; without them it serves for contrastive pretraining only",
        )
    for label in labels:
        if label not in manifest.labels:
            raise InputError(
                f"the evaluation names the class {label!r}, which {evaluation.dataset!r} does not have"
                + nearest(label, manifest.labels),
                "classes of the data set",
                "correct 'labels' in the study file",
            )
    return list(labels)


def _join(manifest: Manifest, packed_index: pd.DataFrame, evaluation: Evaluation, labels: list[str]) -> pd.DataFrame:
    columns = manifest.images[["image_id", "patient_id", "study_id", "split", *labels]]
    joined = columns.merge(packed_index[["image_id", "patient_id", "sha256", "low", "cap"]], on="image_id")
    if len(joined) < len(packed_index) or not joined["patient_id_x"].equals(joined["patient_id_y"]):
        raise InputError(
            f"the packed data set of {len(packed_index):,} images does not belong to the manifest of "
            f"{len(manifest.images):,}",
            "images and patients of the manifest",
            f"pack it again: python -m evalkit.packing --study STUDY --dataset {evaluation.dataset}",
        )
    return joined.drop(columns="patient_id_y").rename(columns={"patient_id_x": "patient_id"})


def _assign_roles(images: pd.DataFrame, evaluation: Evaluation, seed: int) -> pd.Series:
    """The role of each image; patients are ordered by their ids first, so that no other order matters."""
    splits = images.groupby("patient_id", sort=True)["split"]
    torn = splits.nunique() > 1
    if torn.any():
        patient = torn.index[torn][0]
        raise InputError(
            f"{int(torn.sum()):,} patients are in two splits of the manifest; {patient!r} is in "
            + " and ".join(map(repr, sorted(set(splits.get_group(patient))))),
            "all images of a patient in one split",
            f"read the data set again: python -m evalkit.datasets --study STUDY --dataset {evaluation.dataset}",
        )
    patients = splits.first()
    own = set(patients)
    roles = patients.map(_SPLIT_ROLES).fillna("train").astype(object)
    for role, split, share in (
        ("test", "test", evaluation.test_share),
        ("validation", "valid", evaluation.validation_share),
    ):
        if split in own:
            continue
        pool = np.flatnonzero(roles == "train")
        chosen = count_drawn(share, len(pool))
        if chosen >= len(pool):
            raise InputError(
                f"{len(pool):,} patients are left to divide, and {share:g} of them are to be the {role} patients",
                "at least one patient on each side",
                f"use more patients, or change '{role}_share'",
            )
        order = shuffle(len(pool), purpose=role, dataset=evaluation.dataset, seed=seed)
        roles.iloc[pool[order[:chosen]]] = role
    if not (roles == "train").any():
        raise InputError(
            "no patient is left for training", "training patients besides test and validation", "mend the splits"
        )
    return images["patient_id"].map(roles)


def _tally(images: pd.DataFrame, labels: list[str]) -> Tally:
    patients = images["patient_id"]
    return Tally(
        images=images.groupby(patients, sort=True).size().to_numpy(),
        positives=(images[labels] == 1).groupby(patients, sort=True).sum().to_numpy(),
        negatives=(images[labels] == 0).groupby(patients, sort=True).sum().to_numpy(),
    )


def _absent_classes(tallies: dict[Role, Tally], labels: list[str]) -> dict[str, list[str]]:
    """For each role, the classes of which it has no positive or no negative image."""
    return {
        role: [label for label, lacks in zip(labels, tally.lacking(slice(None)), strict=True) if lacks]
        for role, tally in tallies.items()
    }


def _rank_images(images: pd.DataFrame, orders: dict[Role, list[Order]]) -> dict[str, np.ndarray]:
    """For each repeat the rank of each image's patient; -1 in roles that are not drawn from."""
    columns = {}
    members = {role: (images["role"] == role).to_numpy() for role in orders}
    codes = {role: pd.factorize(images.loc[members[role], "patient_id"], sort=True)[0] for role in orders}
    for repeat in range(len(orders["train"])):
        ranks = np.full(len(images), -1, dtype=np.int32)
        for role, repeats in orders.items():
            rank_of = np.empty(len(repeats[repeat].patients), dtype=np.int32)
            rank_of[repeats[repeat].patients] = np.arange(len(rank_of), dtype=np.int32)
            ranks[members[role]] = rank_of[codes[role]]
        columns[f"order-{repeat}"] = ranks
    return columns


def _describe_draw(
    tally: Tally, order: Order, role: str, fraction: float, repeat: int, labels: list[str]
) -> dict[str, Any]:
    drawn = order.patients[: count_drawn(fraction, len(order.patients))]
    positives = tally.positives[drawn].sum(axis=0)
    return {
        "role": role,
        "fraction": fraction,
        "repeat": repeat,
        "patients": len(drawn),
        "images": int(tally.images[drawn].sum()),
        "positives": dict(zip(labels, positives.tolist(), strict=True)),
        "lacking": [label for label, lacks in zip(labels, tally.lacking(drawn), strict=True) if lacks],
    }


def _describe_role(images: pd.DataFrame, tally: Tally, labels: list[str]) -> dict[str, Any]:
    return {
        "images": len(images),
        "patients": len(tally.images),
        "studies": int(images["study_id"].nunique()),
        "positives": dict(zip(labels, tally.positives.sum(axis=0).tolist(), strict=True)),
        "negatives": dict(zip(labels, tally.negatives.sum(axis=0).tolist(), strict=True)),
    }


def _describe_origin(manifest: Manifest, split: str, share: float, among: str) -> str:
    if (manifest.images["split"] != split).all():
        return f"{share:.0%} of {among} patients, drawn at random"
    return str(manifest.report["test_set"]) if split == "test" else "the data set's own"
