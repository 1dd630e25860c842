"""Detections: COCO's average precision, compared on resampled images or patients."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

import stats
from evalkit.comparisons.cells import MEAN, Cell, Floats
from evalkit.comparisons.estimation.base import (
    NAN,
    Difference,
    Estimate,
    common_runs,
    from_result,
    percentiles,
    quietly,
    why_alone,
)
from evalkit.comparisons.procedure import Procedure
from stats.resampling import repeat_weights

Boxes = list[dict[str, Any]]
_Key = tuple[str, tuple[int, ...]]


@dataclass(frozen=True, eq=False)
class DetectionCases:
    """The images that every model has looked at.

    Attributes
    ----------
    ground_truth : mapping
        COCO's dictionary of images, annotations and categories.
    patients : mapping of image id to patient, or None
        Where images of one patient belong together.
    """

    ground_truth: Mapping[str, Any]
    patients: Mapping[Any, str] | None

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the categories, in the order of their ids."""
        return tuple(str(each["name"]) for each in sorted(self.ground_truth["categories"], key=lambda one: one["id"]))

    @cached_property
    def boxes(self) -> dict[str, int]:
        """How many boxes each class has; crowds do not count."""
        counts = Counter(each["category_id"] for each in self.ground_truth["annotations"] if not each.get("iscrowd"))
        ids = sorted(each["id"] for each in self.ground_truth["categories"])
        return {name: counts[category] for name, category in zip(self.classes, ids, strict=True)}

    @cached_property
    def n_clusters(self) -> int:
        """Patients or, where each image stands for itself, images."""
        return len(self.ground_truth["images"]) if self.patients is None else len(set(self.patients.values()))

    def within(self, images: Collection[Any]) -> DetectionCases:
        """The cases of some images, by their ids."""
        truth = dict(self.ground_truth)
        truth["images"] = [each for each in truth["images"] if each["id"] in images]
        truth["annotations"] = [each for each in truth["annotations"] if each["image_id"] in images]
        of = self.patients
        patients = None if of is None else {image: patient for image, patient in of.items() if image in images}
        return DetectionCases(truth, patients)


class DetectionEstimates:
    """Average precision of detections, as the mean over each model's runs.

    Replicates are made once per run, on the same resamples of images for all of them. Where a model has several runs,
    these are drawn with replacement too (the two-way bootstrap over runs and patients), so that how training varies
    is in the interval and in the test.

    Parameters
    ----------
    cases : DetectionCases
    procedure : Procedure
        Its metric is ap, ap50 or ap75.
    runs : int
        Runs that the study asks for in each cell of the setting.
    """

    def __init__(self, cases: DetectionCases, procedure: Procedure, runs: int = 1) -> None:
        self._cases, self._procedure, self._runs = cases, procedure, runs
        self._metric = procedure.metric.name.upper()
        self._values: dict[_Key, Floats] = {}
        self._replicates: dict[_Key, Floats] = {}

    @property
    def unit(self) -> str:
        """What estimates are made of."""
        return "repeat" if self._runs > 1 else "image"

    def primary_test(self, target: str) -> str:
        """The bootstrap over images."""
        return self._procedure.primary

    def further_tests(self, target: str) -> list[tuple[str, str]]:
        """What a publication did, and what else was asked for."""
        return self._procedure.further_tests(self._procedure.primary)

    def why_undefined(self, target: str) -> str:
        """A class without a box has no average precision, and COCO leaves it out of the mean."""
        boxes = self._cases.boxes
        return "" if (any(boxes.values()) if target == MEAN else boxes[target]) else "undefined: no box"

    def why_not_resampled(self, target: str) -> str:
        """Why images, or patients, cannot be resampled, as a status; empty where they can."""
        return why_alone(self._cases.n_clusters, "image" if self._cases.patients is None else "patient")

    def values(self, cell: Cell[Boxes], target: str) -> Floats:
        """The average precision of each of a cell's runs (repeats,)."""
        key = (cell.backbone, cell.repeats)
        if key not in self._values:
            found = [self._measure(detections) for detections in cell.outcomes]
            self._values[key] = np.array([(each.mean, *each.per_class) for each in found])
        return self._values[key][:, 0 if target == MEAN else 1 + self._cases.classes.index(target)]

    def estimate(self, cell: Cell[Boxes], target: str) -> Estimate:
        """Estimate a cell's average precision, with the percentiles of its replicates."""
        if not cell.repeats:
            return Estimate(status=cell.missing)
        n = len(cell.repeats) if self._runs > 1 else len(self._cases.ground_truth["images"])
        n_clusters, why = self._cases.n_clusters, self.why_undefined(target)
        if why:
            return Estimate(n=n, n_clusters=n_clusters, status=why)
        values, alone = self.values(cell, target), bool(self.why_not_resampled(target))
        low, high = (NAN, NAN) if alone else self._interval(cell, target)
        return Estimate(
            float(values.mean()),
            sd=float(values.std(ddof=1)) if values.size > 1 else NAN,
            low=low,
            high=high,
            ci_method="" if alone else "map_bootstrap percentile",
            n=n,
            n_clusters=n_clusters,
            status=cell.status,
        )

    def compare(self, cell: Cell[Boxes], reference: Cell[Boxes], target: str, test: str) -> Difference:
        """Compare two cells on the same resampled images, on the runs that both have."""
        common, status = common_runs(cell, reference)
        if not common:
            return Difference(status=status)
        cell, reference = cell.keep(common), reference.keep(common)
        values = float(self.values(cell, target).mean()), float(self.values(reference, target).mean())
        alone = self.why_not_resampled(target)
        if alone:
            return Difference(values[0] - values[1], status=alone)
        first, second = self.replicates(cell, target), self.replicates(reference, target)
        if np.count_nonzero(~np.isnan(first - second)) < 2:
            return Difference(values[0] - values[1], status="undefined: no resample with a box")
        level = self._procedure.confidence_level
        result = quietly(lambda: stats.difference_from_replicates(values[0], first, values[1], second, level))
        difference = from_result(result, level)
        notes = (*difference.notes, *self._tell_absent(cell)) if target == MEAN else difference.notes
        return replace(difference, status=status, notes=notes) if difference.status == "ok" else difference

    def replicates(self, cell: Cell[Boxes], target: str) -> Floats:
        """Average precision on resampled images, or patients; the same resamples for every model and run."""
        key = (cell.backbone, cell.repeats)
        if key not in self._replicates:
            self._replicates[key] = np.stack([self._resample(detections) for detections in cell.outcomes])
        replicates = self._replicates[key]
        if target != MEAN:
            return self._average(replicates[..., self._cases.classes.index(target)])
        # Like COCO, over the classes that have a box in the resample.
        present = ~np.isnan(replicates)
        total, count = np.where(present, replicates, 0.0).sum(axis=2), present.sum(axis=2)
        means: Floats = np.divide(total, count, out=np.full(total.shape, NAN), where=count > 0)
        return self._average(means)

    def _average(self, of_runs: Floats) -> Floats:
        """Mean over runs (runs, resamples), which are drawn with replacement as the patients are.

        Backbones share the draws; run r of each was trained with the same noise.
        """
        drawn = repeat_weights(len(of_runs), of_runs.shape[1], self._procedure.seed)
        means: Floats = (of_runs * drawn.T).sum(axis=0) / len(of_runs)
        return means

    def _interval(self, cell: Cell[Boxes], target: str) -> tuple[float, float]:
        return percentiles(self.replicates(cell, target), self._procedure.confidence_level)

    def _tell_absent(self, cell: Cell[Boxes]) -> list[str]:
        """Say so where resamples lack a class that the data have; they are the same for all cells."""
        boxes = np.array(list(self._cases.boxes.values()))
        of_run = self._replicates[cell.backbone, cell.repeats][0]
        lacking = int(np.isnan(of_run[:, boxes > 0]).any(axis=1).sum())
        told = f"{lacking:,} of {len(of_run):,} replicates lack a box of some class and are means over the others"
        return [told] if lacking else []

    def _measure(self, detections: Boxes) -> stats.AveragePrecision:
        truth = self._cases.ground_truth
        return quietly(lambda: stats.average_precision(truth, detections, metric=self._metric))

    def _resample(self, detections: Boxes) -> Floats:
        """Replicates of one run (resamples, classes)."""
        return quietly(
            lambda: stats.map_replicates(
                self._cases.ground_truth,
                detections,
                metric=self._metric,
                groups=self._cases.patients,
                n_resamples=self._procedure.resamples,
                rng=self._procedure.seed,
                per_class=True,
            )
        )
