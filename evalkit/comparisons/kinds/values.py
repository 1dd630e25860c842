"""Runs of inversion: what was measured on each reconstructed image, from predictions.parquet."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evalkit.comparisons.cells import Cell, Floats, count_cases
from evalkit.comparisons.estimation.values import ValueCases, ValueEstimates
from evalkit.comparisons.external import describe_seen
from evalkit.comparisons.files.measured import Measurements
from evalkit.comparisons.inversions import define_image_metrics, describe_inversions, find_unpublished, name_tests
from evalkit.comparisons.kinds.base import Compared, Facts, Place
from evalkit.comparisons.procedure import Procedure
from evalkit.comparisons.runs import DONE, FoundRun, Gathered, load_cells
from evalkit.config.inversion import Inversion
from evalkit.config.loading import Study
from evalkit.damage import refusing_damage
from evalkit.settings import parse_setting


@dataclass(frozen=True, eq=False)
class Measured:
    """What was measured on the reconstructions of a selection's runs.

    Attributes
    ----------
    gathered : Gathered
    ids : DataFrame
        image_id, patient_id and study_id of every image, in the order of the values.
    cells : dict of str to list of Cell
        By setting; outcomes are values (images,) by metric.
    unavailable : dict of str to dict
        By setting, backbone and metric: why there are no values.
    """

    gathered: Gathered
    ids: pd.DataFrame
    cells: dict[str, list[Cell[dict[str, Floats]]]]
    unavailable: dict[str, dict[str, dict[str, str]]]

    unit = "image"

    @property
    def images(self) -> pd.Series:
        """Number of each image, by image id."""
        return pd.Series(np.arange(len(self.ids)), index=pd.Index(self.ids["image_id"], dtype="str"))

    @property
    def averaged(self) -> bool:
        """Whether a patient has several images, which are then averaged."""
        return bool(self.ids["patient_id"].duplicated().any())

    def count_patients(self, cases: NDArray[np.bool_]) -> int:
        """How many patients some of the images come from."""
        return int(self.ids["patient_id"][cases].nunique())

    def within(self, cases: NDArray[np.bool_]) -> _Part:
        """Some of the images, to be compared on."""
        return _Part(self, cases)

    def of_metric(self, setting: str, metric: str) -> list[Cell[Floats]]:
        """A setting's cells with the values of one metric; where it has none, a cell says why."""
        return [self._choose(cell, metric, self.unavailable[setting][cell.backbone]) for cell in self.cells[setting]]

    def describe(self, targets: Mapping[str, Sequence[str]]) -> Facts:
        """What a table's renderings say of the reconstructions."""
        gathered = self.gathered
        entry = gathered.study.inversion(gathered.selection.evaluation)
        report = _read_report(gathered.study.layout.generator(gathered.selection.evaluation))
        rows = [gathered.study.backbone(name) for name in gathered.selection.backbones]
        classifiers = [entry.identity] if entry.identity is not None and "identity" in targets else []
        several = any(gathered.count_runs(setting) > 1 for setting in self.cells)
        return Facts(
            test_set={
                "images": len(self.ids),
                "patients": int(self.ids["patient_id"].nunique()),
                "unit": self.unit,
                "cases": len(self.ids),
            },
            definitions=define_image_metrics(
                list(targets),
                entry,
                classifier=self._name_classifier(entry),
                unavailable={name for rows in self.unavailable.values() for row in rows.values() for name in row},
            ),
            training=describe_inversions(
                entry,
                gathered.selection.settings,
                [row.control for row in rows if row.control],
                report=report,
                records=[each.record for each in gathered.found if each.outcome == DONE],
            ),
            caveats=[
                "Of several runs of a cell, the mean of each image is compared; how runs vary is not in the test."
                if several
                else "Each image was inverted once by each backbone; how much another start of its noise would change "
                "is not in the test.",
                *find_unpublished(rows),
                *describe_seen(gathered.study, classifiers, gathered.reports),
            ],
            tests=name_tests(averaged=self.averaged),
            further={
                "external": "",
                "spread": "test patients, whose images are averaged first" if self.averaged else "test images",
            },
        )

    def _name_classifier(self, entry: Inversion) -> str:
        """The label and the weights of what identity is measured by."""
        if entry.identity is None:
            return ""
        study = self.gathered.study
        fingerprint = _read_report(study.layout.weights(entry.identity)).get("fingerprint", "")
        return study.backbone(entry.identity).label + (f" (fingerprint {fingerprint[:12]})" if fingerprint else "")

    def _choose(self, cell: Cell[dict[str, Floats]], metric: str, reasons: Mapping[str, str]) -> Cell[Floats]:
        lacking = reasons.get(metric, "")
        infinite = max((int(np.isinf(run[metric]).sum()) for run in cell.outcomes), default=0)
        if infinite and not lacking:
            lacking = f"undefined: infinite for {count_cases(infinite, 'image')}"
        if lacking and cell.repeats:
            return Cell(cell.backbone, cell.label, cell.expected, (), (), lacking)
        return cell.map(lambda values: values[metric])


class _Part:
    """Some of the images."""

    def __init__(self, measured: Measured, cases: NDArray[np.bool_]) -> None:
        patients = np.unique(measured.ids["patient_id"].to_numpy(str)[cases], return_inverse=True)[1]
        self._measured, self._chosen = measured, cases
        self._cases = ValueCases(patients.astype(np.intp), measured.unit)

    def compare(self, setting: str, procedure: Procedure) -> Compared:
        """A setting's cells, with the values of the metric, and how to estimate with them."""
        cells = self._measured.of_metric(setting, procedure.metric.name)
        chosen = [cell.map(lambda values: values[self._chosen]) for cell in cells]
        return chosen, lambda engine: ValueEstimates(self._cases, procedure, engine)


class ValueKind:
    """Values of each image."""

    alike: Sequence[Place] = (
        ("generator", "fingerprint"),
        ("batch_size",),
        ("lpips",),
        ("identity",),
        ("data", "calibration", "sha256"),
    )

    def ask_of(self, study: Study, each: FoundRun, labels: Sequence[str]) -> Iterator[tuple[Place, Any]]:
        """What a run's record should hold; a row without an encoder has no perceptual term to ask for."""
        entry, control = study.inversion(each.run.evaluation), study.backbone(each.run.backbone).control
        space = parse_setting(each.run.setting)["space"]
        yield ("control",), control
        yield ("recipe",), entry.projection.model_dump(mode="json", exclude={"steps"}) | {"space": space}
        yield ("run", "steps"), 0 if control == "mean-w" else entry.projection.steps
        # Sums are rounded in another order in batches of another size.
        yield ("batch_size",), entry.batch_size
        if each.record.get("perceptual"):
            for key, value in entry.perceptual.model_dump(mode="json").items():
                yield ("perceptual", key), value
        report = _read_report(study.layout.generator(each.run.evaluation))
        if "fingerprint" in report:
            yield ("generator", "fingerprint"), report["fingerprint"]
        report = _read_report(study.layout.weights(entry.identity)) if entry.identity is not None else {}
        if "fingerprint" in report:
            yield ("identity", "weights"), report["fingerprint"]

    def read(self, gathered: Gathered) -> Measured:
        """Read and align the runs' values."""
        measurements = Measurements(gathered.remedy)
        unavailable: dict[str, dict[str, dict[str, str]]] = {}
        cells = {}
        for setting, runs in gathered.by_setting().items():
            reasons: dict[str, dict[str, str]] = {each.run.backbone: {} for each in runs}
            for each in runs:
                reasons[each.run.backbone] |= each.record.get("unavailable", {})
            unavailable[setting] = reasons

            def read(folder: Path, reasons: dict[str, dict[str, str]] = reasons) -> dict[str, Floats]:
                return measurements.read(folder, unavailable=list(reasons[folder.parent.name]))

            cells[setting] = load_cells(gathered.study, runs, read)
        return Measured(gathered, measurements.ids, cells, unavailable)


def _read_report(weights: Path) -> dict[str, Any]:
    """The report beside weights; empty where they have not been made."""
    path = weights.with_suffix(".json")
    if not path.exists():
        return {}
    with refusing_damage(path, expected="the report beside weights", remedy="remove it, and run the study again"):
        report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return report
