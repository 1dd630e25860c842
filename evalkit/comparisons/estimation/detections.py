"""Detections: COCO's average precision, compared on resampled images or patients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
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

Boxes = list[dict[str, Any]]


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


class DetectionEstimates:
    """Average precision of detections, in one run of each model.

    Replicates are made once per model, on the same resamples of images for all of them.

    Parameters
    ----------
    cases : DetectionCases
    procedure : Procedure
        Its metric is ap, ap50 or ap75.
    """

    def __init__(self, cases: DetectionCases, procedure: Procedure) -> None:
        self._cases, self._procedure = cases, procedure
        self._metric = procedure.metric.name.upper()
        self._values: dict[str, stats.AveragePrecision] = {}
        self._replicates: dict[str, Floats] = {}

    @property
    def unit(self) -> str:
        """What estimates are made of."""
        return "image"

    def primary_test(self, target: str) -> str:
        """The bootstrap over images."""
        return self._procedure.primary

    def further_tests(self, target: str) -> list[tuple[str, str]]:
        """What a publication did, and what else was asked for."""
        return self._procedure.further_tests(self._procedure.primary)

    def why_undefined(self, target: str) -> str:
        """A class without a box has no average precision, and COCO leaves it out of the mean."""
        if target == MEAN:
            return ""
        number = self._cases.classes.index(target)
        category = sorted(each["id"] for each in self._cases.ground_truth["categories"])[number]
        boxes = [each for each in self._cases.ground_truth["annotations"] if each["category_id"] == category]
        return "" if any(not each.get("iscrowd") for each in boxes) else "undefined: no box"

    def why_not_resampled(self, target: str) -> str:
        """Why images, or patients, cannot be resampled, as a status; empty where they can."""
        return why_alone(self._n_clusters, "image" if self._cases.patients is None else "patient")

    def estimate(self, cell: Cell[Boxes], target: str) -> Estimate:
        """Estimate a cell's average precision, with the percentiles of its replicates."""
        if not cell.repeats:
            return Estimate(status=cell.missing)
        n = len(self._cases.ground_truth["images"])
        why = self.why_undefined(target)
        if why:
            return Estimate(n=n, n_clusters=self._n_clusters, status=why)
        alone = bool(self.why_not_resampled(target))
        bounds = (NAN, NAN) if alone else self._interval(cell, target)
        return Estimate(
            self._value(cell, target),
            low=bounds[0],
            high=bounds[1],
            ci_method="" if alone else "map_bootstrap percentile",
            n=n,
            n_clusters=self._n_clusters,
            status=cell.status,
        )

    def compare(self, cell: Cell[Boxes], reference: Cell[Boxes], target: str, test: str) -> Difference:
        """Compare two cells on the same resampled images."""
        common, status = common_runs(cell, reference)
        if not common:
            return Difference(status=status)
        values = self._value(cell, target), self._value(reference, target)
        alone = self.why_not_resampled(target)
        if alone:
            return Difference(values[0] - values[1], status=alone)
        first, second = self.replicates(cell, target), self.replicates(reference, target)
        if np.count_nonzero(~np.isnan(first - second)) < 2:
            return Difference(values[0] - values[1], status="undefined: no resample with a box")
        level = self._procedure.confidence_level
        result = quietly(lambda: stats.difference_from_replicates(values[0], first, values[1], second, level))
        difference = from_result(result, level)
        return replace(difference, status=status) if difference.status == "ok" else difference

    @property
    def _n_clusters(self) -> int:
        patients = self._cases.patients
        return len(self._cases.ground_truth["images"]) if patients is None else len(set(patients.values()))

    def _interval(self, cell: Cell[Boxes], target: str) -> tuple[float, float]:
        return percentiles(self.replicates(cell, target), self._procedure.confidence_level)

    def _value(self, cell: Cell[Boxes], target: str) -> float:
        if cell.backbone not in self._values:
            self._values[cell.backbone] = quietly(
                lambda: stats.average_precision(self._cases.ground_truth, cell.outcomes[0], metric=self._metric)
            )
        found = self._values[cell.backbone]
        return found.mean if target == MEAN else float(found.per_class[self._cases.classes.index(target)])

    def replicates(self, cell: Cell[Boxes], target: str) -> Floats:
        """Average precision on resampled images, or patients; the same resamples for every model."""
        if cell.backbone not in self._replicates:
            self._replicates[cell.backbone] = quietly(
                lambda: stats.map_replicates(
                    self._cases.ground_truth,
                    cell.outcomes[0],
                    metric=self._metric,
                    groups=self._cases.patients,
                    n_resamples=self._procedure.resamples,
                    rng=self._procedure.seed,
                    per_class=True,
                )
            )
        replicates = self._replicates[cell.backbone]
        if target != MEAN:
            return replicates[:, self._cases.classes.index(target)]
        # Like COCO, over the classes that have a box in the resample.
        present = ~np.isnan(replicates)
        total = np.where(present, replicates, 0.0).sum(axis=1)
        return np.divide(total, present.sum(axis=1), out=np.full(total.shape, NAN), where=present.any(axis=1))
