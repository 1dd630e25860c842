"""The boxes of a few test images, and what each backbone's detector calls on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

import stats
from evalkit.comparisons.estimation.detections import Boxes, DetectionCases
from evalkit.errors import InputError
from evalkit.figures.files import COLUMNS

#: Of the images drawn at random, those without a box are this share, at least one where there are two or more.
EMPTY_SHARE = 0.25

#: What a row is: a box of the ground truth, and of a backbone a true or a false detection, or a box that was missed.
TRUTH, TRUE, FALSE, MISSED = "truth", "true", "false", "missed"


@dataclass(frozen=True)
class Shown:
    """One run whose detections are drawn.

    Attributes
    ----------
    backbone, label : str
    repeat : int
        Which of its runs,
    runs : int
        of so many.
    detections : list of dict
        COCO's results on the test set.
    point : stats.OperatingPoint or None
        The threshold and how it did on the validation images; None where nothing was found there.
    """

    backbone: str
    label: str
    repeat: int
    runs: int
    detections: Boxes
    point: stats.OperatingPoint | None

    def called(self) -> Boxes:
        """The detections of at least the threshold; none without one."""
        if self.point is None:
            return []
        return [each for each in self.detections if each["score"] >= self.point.threshold]


def choose_images(
    truth: Mapping[str, Any], *, images: int, image_ids: Sequence[str] | None, seed: int
) -> list[dict[str, Any]]:
    """Choose the test images to show.

    Parameters
    ----------
    truth : mapping
        COCO's images and annotations; the images carry image_id and patient_id.
    images : int
        So many are drawn, a quarter of them without a box; those with a box, and those without, are of different
        patients as long as there are any.
    image_ids : sequence of str, optional
        These instead.
    seed : int

    Returns
    -------
    list of dict
        COCO's images. Drawn ones with a box come first, and then as in the test set.

    Raises
    ------
    InputError
        An image that is not in the test set.
    """
    known = {str(each["image_id"]): each for each in truth["images"]}
    if image_ids is not None:
        unknown = [name for name in image_ids if name not in known]
        if unknown:
            raise InputError(
                f"image_ids names {', '.join(unknown)}",
                f"images of the test set, such as {', '.join(list(known)[:3])}",
                "correct image_ids, or leave it out to have images drawn",
            )
        return [known[name] for name in image_ids]
    with_boxes = {each["image_id"] for each in truth["annotations"] if not each.get("iscrowd")}
    places: dict[bool, list[int]] = {True: [], False: []}
    for place in draw_places([str(each["patient_id"]) for each in truth["images"]], seed):
        places[truth["images"][place]["id"] in with_boxes].append(place)
    n_empty = min(len(places[False]), max(round(EMPTY_SHARE * images), int(images > 1)))
    n_full = min(len(places[True]), images - n_empty)
    n_empty = min(len(places[False]), images - n_full)
    chosen = [*sorted(places[True][:n_full]), *sorted(places[False][:n_empty])]
    return [truth["images"][place] for place in chosen]


def draw_places(patients: Sequence[str], seed: int) -> list[int]:
    """Put images in a random order in which the first image of every patient comes before the second of any.

    Parameters
    ----------
    patients : sequence of str
        Each image's.
    seed : int

    Returns
    -------
    list of int
        Places in `patients`.
    """
    order = np.random.default_rng(seed).permutation(len(patients))
    drawn = pd.DataFrame({"place": order, "patient": [patients[place] for place in order]})
    drawn["turn"] = drawn.groupby("patient").cumcount()
    return [int(place) for place in drawn.sort_values("turn", kind="stable")["place"]]


def collect_boxes(
    cases: DetectionCases, shown: Sequence[Shown], chosen: Sequence[Mapping[str, Any]], *, iou: float
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Collect the boxes of some images: the ground truth, and what each backbone calls, right or wrong.

    Parameters
    ----------
    cases : DetectionCases
    shown : sequence of Shown
        In the order of the study.
    chosen : sequence of mapping
        COCO's images, as `choose_images` gives them.
    iou : float
        From which overlap a detection finds a box.

    Returns
    -------
    rows : DataFrame
        One for each box, in pixels of the image's file; see `COLUMNS`.
    facts : dict
        ``images`` with their size; ``classes``; ``panels``: each backbone's run and threshold; ``iou``; ``notes``.
    """
    truth = cases.ground_truth
    names = {each["id"]: str(each["name"]) for each in truth["categories"]}
    keys = {each["id"]: str(each["image_id"]) for each in chosen}
    rows = [_row(each, keys, names, TRUTH) for each in truth["annotations"] if not each.get("iscrowd")]
    notes = []
    for run in shown:
        called = run.called()
        own = {"backbone": run.backbone, "label": run.label}
        if not any(not each.get("iscrowd") for each in truth["annotations"]):
            rows += [_row(each, keys, names, FALSE) | own for each in called]  # There is nothing to find.
            continue
        matches = stats.match_boxes(truth, called, iou=iou)
        rows += [
            _row(each, keys, names, TRUE if true else FALSE) | own
            for each, true, ignored in zip(called, matches.true.tolist(), matches.ignored.tolist(), strict=True)
            if not ignored
        ]
        rows += [
            _row(each, keys, names, MISSED) | own
            for each, found in zip(truth["annotations"], matches.found.tolist(), strict=True)
            if not found and not each.get("iscrowd")
        ]
        if run.point is None:
            notes.append(f"{run.label}: no box of the validation images was found, so there is no threshold.")
    frame = pd.DataFrame([row for row in rows if row["image_id"] is not None], columns=list(COLUMNS["boxes"]))
    places = {key: number for number, key in enumerate(keys.values())}
    frame = frame.sort_values("image_id", key=lambda column: column.map(places), kind="stable", ignore_index=True)
    boxes = frame[frame["outcome"] == TRUTH]["image_id"].value_counts()
    facts = {
        "images": [
            {
                "image_id": str(each["image_id"]),
                "width": int(each["width"]),
                "height": int(each["height"]),
                "boxes": int(boxes.get(str(each["image_id"]), 0)),
            }
            for each in chosen
        ],
        "classes": list(cases.classes),
        "panels": [_describe(run) for run in shown],
        "iou": iou,
        "notes": notes,
    }
    return frame, facts


def _row(box: Mapping[str, Any], keys: Mapping[Any, str], names: Mapping[Any, str], outcome: str) -> dict[str, Any]:
    """A row; its image_id is None where the image is not shown."""
    x, y, width, height = box["bbox"]
    place = {"x": x, "y": y, "width": width, "height": height}
    about = {"image_id": keys.get(box["image_id"]), "target": names[box["category_id"]], "outcome": outcome}
    return {**about, "backbone": "", "label": "", "score": box.get("score", np.nan), **place}


def _describe(run: Shown) -> dict[str, Any]:
    point = run.point
    of_point = {"threshold": None, "f1": None} if point is None else {"threshold": point.threshold, "f1": point.f1}
    return {"backbone": run.backbone, "repeat": run.repeat, "runs": run.runs, **of_point}
