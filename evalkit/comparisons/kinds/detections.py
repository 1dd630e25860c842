"""Runs of detection: scored boxes, from COCO's files, on the same images of each run's own ground truth."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evalkit.comparisons.cells import MEAN, Cell
from evalkit.comparisons.detectors import describe_detectors, describe_empty_images
from evalkit.comparisons.draws import describe_draws
from evalkit.comparisons.estimation.detections import Boxes, DetectionCases, DetectionEstimates
from evalkit.comparisons.files.coco import read_coco_detections, read_coco_truth
from evalkit.comparisons.kinds.base import Compared, Facts, Place, count_recorded_images
from evalkit.comparisons.procedure import Procedure
from evalkit.comparisons.runs import DONE, FoundRun, Gathered, load_cells
from evalkit.comparisons.wording import define_metrics
from evalkit.config.loading import Study
from evalkit.errors import InputError
from evalkit.layout import DETECTIONS, GROUND_TRUTH
from evalkit.settings import parse_setting

#: What an image of a run's ground truth tells beside its id.
_OF_IMAGES = ("image_id", "patient_id", "study_id", "width", "height")


@dataclass(frozen=True, eq=False)
class Detected:
    """What the runs of a selection found.

    Attributes
    ----------
    gathered : Gathered
    cases : DetectionCases
        Patients are clusters where one has several images.
    cells : dict of str to list of Cell
        By setting; outcomes are lists of COCO's detections.
    """

    gathered: Gathered
    cases: DetectionCases
    cells: dict[str, list[Cell[Boxes]]]

    unit = "image"

    @property
    def images(self) -> pd.Series:
        """Number of each test image, by image id."""
        found = self.cases.ground_truth["images"]
        return pd.Series(np.arange(len(found)), index=pd.Index([each["image_id"] for each in found], dtype="str"))

    def count_patients(self, cases: NDArray[np.bool_]) -> int:
        """How many patients some of the images come from."""
        return len({each["patient_id"] for each in self._choose(cases)})

    def within(self, cases: NDArray[np.bool_]) -> _Part:
        """Some of the images, to be compared on."""
        return _Part(self, {each["id"] for each in self._choose(cases)})

    def describe(self, targets: Mapping[str, Sequence[str]]) -> Facts:
        """What a table's renderings say of the detections."""
        study, selection = self.gathered.study, self.gathered.selection
        entry, truth = study.detection(selection.evaluation), self.cases.ground_truth
        trunks = [study.backbone(name).arch for name in selection.backbones]
        clustered = {"map_bootstrap": "bootstrap over test images, patients as clusters"}
        return Facts(
            test_set={
                "images": len(truth["images"]),
                "patients": len({each["patient_id"] for each in truth["images"]}),
                "unit": self.unit,
                "cases": len(truth["images"]),
                "with_boxes": len({each["image_id"] for each in truth["annotations"]}),
                "boxes": self.cases.boxes,
            },
            definitions=define_metrics(targets, multiclass=False),
            training=[
                *describe_draws(self._count_learnt()),
                describe_empty_images(entry),
                *describe_detectors(entry, selection.settings, trunks),
            ],
            caveats=[*self._tell_absent(targets), *self._tell_seeds()],
            tests={} if self.cases.patients is None else clustered,
            further={"external": ""},
        )

    def _choose(self, cases: NDArray[np.bool_]) -> list[dict[str, Any]]:
        images = self.cases.ground_truth["images"]
        return [each for each, chosen in zip(images, cases.tolist(), strict=True) if chosen]

    def _count_learnt(self) -> dict[str, Any]:
        """The report of the splits with the images that were learnt from, which may be fewer than it divided."""
        report, done = dict(self.gathered.splits), [each.record for each in self.gathered.found if each.outcome == DONE]
        if report and done:
            report["roles"] = {**report["roles"], **{part: done[0]["data"][part] for part in ("train", "validation")}}
        return report

    def _tell_absent(self, targets: Mapping[str, Sequence[str]]) -> list[str]:
        absent = [name for name, boxes in self.cases.boxes.items() if not boxes]
        if not absent or not self.images.size or not any(MEAN in of_metric for of_metric in targets.values()):
            return []
        return [f"No box of {', '.join(absent)} in the test images: means are over the other classes, as COCO's are."]

    def _tell_seeds(self) -> list[str]:
        several = any(self.gathered.count_runs(setting) > 1 for setting in self.cells)
        told = (
            "Cells of several runs are compared by the mean over their runs, which are resampled as the patients are."
        )
        return [told] if several else []


class _Part:
    """Some of the images, by their ids in the ground truth."""

    def __init__(self, found: Detected, images: set[int]) -> None:
        self._found, self._images, self._cases = found, images, found.cases.within(images)

    def compare(self, setting: str, procedure: Procedure) -> Compared:
        """A setting's cells, and how to estimate with them; R has no tests of detections."""
        runs, images = self._found.gathered.count_runs(setting), self._images
        cells = [cell.map(lambda boxes: _keep(boxes, images)) for cell in self._found.cells[setting]]
        return cells, lambda _: DetectionEstimates(self._cases, procedure, runs)


def _keep(boxes: Boxes, images: set[int]) -> Boxes:
    return [each for each in boxes if each["image_id"] in images]


class DetectionKind:
    """Scored boxes."""

    alike: Sequence[Place] = (
        ("protocol",),
        ("engine",),
        ("empty_images",),
        ("longest",),
        *(("detector", part) for part in ("head", "protocol", "anchors", "proposals", "regions")),
    )

    def ask_of(self, study: Study, each: FoundRun, labels: Sequence[str]) -> Iterator[tuple[Place, Any]]:
        """What a run's record should hold; what the backbone makes of the detector is not asked."""
        entry = study.detection(each.run.evaluation)
        yield ("labels",), list(labels)
        yield ("recipe",), entry.recipe.model_dump(mode="json", exclude={"steps", "epochs"})
        yield ("engine",), entry.engine
        yield ("empty_images",), entry.empty_images
        yield ("longest",), entry.longest
        yield ("detector", "head"), parse_setting(each.run.setting)["head"]
        yield ("detector", "protocol"), entry.way
        for part in ("anchors", "proposals", "regions"):
            yield ("detector", part), getattr(entry, part).model_dump(mode="json")
        yield ("run", "steps"), entry.recipe.count_steps(images=count_recorded_images(each.record))

    def read(self, gathered: Gathered) -> Detected:
        """Read the runs' detections; their ground truths must be the same."""
        reader = _Reader(gathered)
        cells = {
            setting: load_cells(gathered.study, runs, reader.read) for setting, runs in gathered.by_setting().items()
        }
        truth = reader.truth
        patients = {each["id"]: each["patient_id"] for each in truth["images"]}
        repeat = len(set(patients.values())) < len(patients)
        return Detected(gathered, DetectionCases(truth, patients if repeat else None), cells)


class _Reader:
    """Takes one run's folder after the other; the ground truth of the first decides what the others must match."""

    def __init__(self, gathered: Gathered) -> None:
        self._gathered = gathered
        self._source: Path | None = None
        categories = [{"id": number, "name": label} for number, label in enumerate(gathered.labels, start=1)]
        self.truth: dict[str, Any] = {"images": [], "annotations": [], "categories": categories}

    def read(self, folder: Path) -> Boxes:
        """Read one run's detections."""
        path = folder / GROUND_TRUTH
        truth, checked = read_coco_truth(path)
        self._check(path, truth)
        if self._source is None:
            self.truth, self._source = truth, path
        difference = find_difference(self.truth, truth)
        if difference:
            raise InputError(
                f"{path} does not match {self._source}: {difference}",
                "the same test images, patients, boxes and categories in every run",
                self._gathered.remedy,
            )
        return read_coco_detections(folder / DETECTIONS, checked, path)

    def _check(self, path: Path, truth: Mapping[str, Any]) -> None:
        names, labels = [each["name"] for each in truth["categories"]], self._gathered.labels
        if names != labels:
            raise InputError(
                f"{path} has the categories {', '.join(map(str, names))}", ", ".join(labels), self._gathered.remedy
            )
        lacking = [
            (each["id"], key) for each in truth["images"] for key in ("image_id", "patient_id") if key not in each
        ]
        if lacking:
            raise InputError(
                f"{path}: the image {lacking[0][0]!r} has no {lacking[0][1]}", "one", self._gathered.remedy
            )


def find_difference(first: Mapping[str, Any], second: Mapping[str, Any]) -> str:
    """What keeps detections on two ground truths from being compared; empty if nothing does."""
    if first == second:
        return ""
    one, other = ({each["image_id"]: each for each in truth["images"]} for truth in (first, second))
    more, fewer = sorted(set(other) - set(one)), sorted(set(one) - set(other))
    if more or fewer:
        example = f"{more[0]!r} is new" if more else f"{fewer[0]!r} is missing"
        return f"it has {len(more)} other images and lacks {len(fewer)}; {example}"
    for name, image in one.items():
        for key in ("id", *_OF_IMAGES):
            if image.get(key) != other[name].get(key):
                return f"{key} of the image {name!r} is {other[name].get(key)!r} and not {image.get(key)!r}"
    if [each["id"] for each in first["categories"]] != [each["id"] for each in second["categories"]]:
        return "the categories have other ids"
    boxes, others = _boxes_by_image(first), _boxes_by_image(second)
    differing = [name for name, image in one.items() if boxes[image["id"]] != others[image["id"]]]
    return f"the boxes of the image {differing[0]!r} are others" if differing else ""


def _boxes_by_image(truth: Mapping[str, Any]) -> defaultdict[Any, list[tuple[Any, ...]]]:
    found: defaultdict[Any, list[tuple[Any, ...]]] = defaultdict(list)
    for each in truth["annotations"]:
        found[each["image_id"]].append((each["category_id"], *each["bbox"], each.get("iscrowd", 0)))
    for boxes in found.values():
        boxes.sort()
    return found
