"""Making the splits of an evaluation, with their draws, counts and checks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evalkit.config.design import Design
from evalkit.datasets.manifest import Manifest
from evalkit.errors import InputError
from evalkit.splits.describing import describe_origin, describe_repeats, describe_role
from evalkit.splits.drawing import Order, draw_order
from evalkit.splits.labels import choose_labels, read_classes
from evalkit.splits.leakage import check_roles
from evalkit.splits.roles import assign_roles
from evalkit.splits.stored import ROLES, SET_ASIDE, Role, Splits
from evalkit.splits.tally import Tally, tally_images
from evalkit.splits.trainsets import pick_trainsets


def make_splits(manifest: Manifest, packed_index: pd.DataFrame, evaluation: Design, *, name: str, seed: int) -> Splits:
    """Divide a data set's patients, draw the fractions of an evaluation and pick its training sets.

    The test and validation patients are the data set's own where it has them; else they are drawn: `test_share` of all
    patients, then `validation_share` of the remaining ones. Whether a held-out split is named 'valid' or 'test' is up
    to the reader of the data set; each is used as what it is named, and the one that is not there is drawn. See
    `assign_roles` for so many images of each class, and for images divided instead of patients.

    A test patient drawn here comes with labels as the manifest has them, so the policy for uncertain labels, which
    leaves those of a data set's own test split missing, applies to its images; the manifest's footnote says so.

    Parameters
    ----------
    manifest : Manifest
        The data set.
    packed_index : DataFrame
        The index of the packed data set: image_id, patient_id, sha256, low and cap. Images that it does not have are
        in no role, and are counted.
    evaluation : Design
        Task, labels, fractions, repeats, training sets, and how much is held out.
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
        A class is unknown, has no positive or no negative training image, or fewer images than are asked for; an image
        of a multi-class task is not of exactly one class; patients are too few; a draw with every class cannot be
        found; patients or pixels are in two roles; or the index is of another manifest.
    """
    labels = choose_labels(evaluation, manifest)
    images = _join(manifest, packed_index, evaluation, labels)
    if evaluation.task == "multiclass":
        images["class"] = read_classes(images, labels, dataset=evaluation.dataset)
        images[labels] = (images[labels] == 1).astype(float)
    roles = assign_roles(images, labels, evaluation, seed=seed)
    images["role"] = roles.names
    set_aside = {role: images[left] for role, left in roles.set_aside.items()}
    images = images.sort_values("patient_id", kind="stable", ignore_index=True)
    leakage = check_roles(images[images["role"] != SET_ASIDE], divided_images=evaluation.split_by == "image")
    tallies = {role: tally_images(images[images["role"] == role], labels) for role in ROLES}
    absent = _absent_classes(tallies, labels)
    if absent["train"] and evaluation.missing_class == "redraw":
        raise InputError(
            f"the training patients have no positive or no negative image of {', '.join(absent['train'])}",
            "both for every class",
            "leave these classes out of 'labels', or set 'missing_class: keep' to keep and mark them",
        )

    fractions = sorted(fraction for fraction in evaluation.fractions if fraction < 1)
    orders = _draw_orders(tallies, labels, evaluation, fractions, seed=seed)
    draws = [draw for role in orders for draw in describe_repeats(tallies[role], orders[role], role, fractions, labels)]
    training = images[images["role"] == "train"]
    trainsets = pick_trainsets(training, labels, evaluation, seed=seed) if evaluation.task == "multiclass" else {}
    columns = {
        **{each: images[each] for each in ("image_id", "patient_id", "study_id", "role", "class") if each in images},
        **{f"trainset-{each}": images.index.isin(training.index[picked]) for each, picked in trainsets.items()},
        **_rank_images(images, orders),
    }
    report: dict[str, Any] = {
        "evaluation": name,
        "dataset": evaluation.dataset,
        "task": evaluation.task,
        "seed": seed,
        "labels": labels,
        "split_by": evaluation.split_by,
        "validation": evaluation.validation,
        "test_set": describe_origin(manifest, evaluation, "test"),
        "validation_set": describe_origin(manifest, evaluation, "validation"),
        "drawn_roles": list(orders),
        "fractions": fractions,
        "repeats": len(orders["train"]),
        "roles": {role: describe_role(images[images["role"] == role], tallies[role], labels) for role in ROLES},
        "trainsets": {
            each: tally_images(training[picked], labels).describe(labels) for each, picked in trainsets.items()
        },
        "set_aside": {
            role: {"images": len(left), "patients": int(left["patient_id"].nunique())}
            for role, left in set_aside.items()
        },
        "absent_classes": absent,
        "draws": draws,
        "redraws": {role: [order.redraws for order in orders[role]] for role in orders},
        "draws_lacking_a_class": [draw for draw in draws if draw["lacking"]],
        "not_packed": len(manifest.images) - len(images),
        "leakage": leakage,
        "manifest": manifest.fingerprint(),
        "footnote": manifest.report.get("footnote", ""),
    }
    return Splits(pd.DataFrame(columns), report)


def _join(manifest: Manifest, packed_index: pd.DataFrame, evaluation: Design, labels: list[str]) -> pd.DataFrame:
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


def _absent_classes(tallies: dict[Role, Tally], labels: list[str]) -> dict[str, list[str]]:
    """For each role, the classes of which it has no positive or no negative image."""
    return {
        role: [label for label, lacks in zip(labels, tally.lacking(slice(None)), strict=True) if lacks]
        for role, tally in tallies.items()
    }


def _draw_orders(
    tallies: dict[Role, Tally], labels: list[str], evaluation: Design, fractions: list[float], *, seed: int
) -> dict[Role, list[Order]]:
    """An order of patients for each repeat and each role that fractions are drawn from."""
    drawn: list[Role] = ["train", "validation"] if evaluation.validation == "fraction" else ["train"]
    return {
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
        for role in drawn
    }


def _rank_images(images: pd.DataFrame, orders: dict[Role, list[Order]]) -> dict[str, NDArray[np.int32]]:
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
