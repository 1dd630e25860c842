"""The manifest: one row for each image of a data set, whatever layout the data set came in.

On disk it is three files side by side: ``manifest.parquet`` (the rows), ``manifest.json`` (labels and the report of
reading) and, where a data set has boxes, ``boxes.parquet``.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from evalkit.atomic import write_json, write_parquet
from evalkit.damage import refusing_damage
from evalkit.errors import InputError

Unit = Literal["image", "study"]


@dataclass(frozen=True)
class Manifest:
    """What a data set holds.

    Attributes
    ----------
    images : DataFrame
        One row per image: image_id, patient_id, study_id, path (with slashes, relative to the data set's folder),
        split ('train', 'valid', 'test', or '' throughout where the data set has none), age in years, sex ('M', 'F' or
        ''), view, then one float column per label (1, 0 or NaN) and ``raw:<label>`` where a policy changed a value.
    labels : list of str
        The classes, in the order of the columns.
    default_labels : list of str
        The classes an evaluation takes when it names none.
    unit : {'image', 'study'}
        What the data set's own protocol scores.
    boxes : DataFrame or None
        image_id, label, x, y, width, height; in pixels of the file, x and y of the upper left corner.
    report : dict
        Counts, source files with their hashes, the test set used and a ``footnote``; see `evalkit.datasets.building`.
    """

    images: pd.DataFrame
    labels: list[str]
    default_labels: list[str]
    unit: Unit
    boxes: pd.DataFrame | None
    report: dict[str, Any]

    def fingerprint(self) -> str:
        """Hash of the image ids, their patients and paths, in order: what packed pixels depend on.

        Returns
        -------
        str
            64 hexadecimal digits (SHA-256).
        """
        lines = self.images["image_id"] + "\t" + self.images["patient_id"] + "\t" + self.images["path"]
        return hashlib.sha256("\n".join(lines.tolist()).encode()).hexdigest()


def write_manifest(manifest: Manifest, path: Path) -> None:
    """Write a manifest to `path` (``manifest.parquet``), with its report and boxes beside it."""
    boxes = path.with_name("boxes.parquet")
    boxes.unlink(missing_ok=True)
    if manifest.boxes is not None:
        write_parquet(boxes, manifest.boxes)
    write_parquet(path, manifest.images)
    about = {
        "labels": manifest.labels,
        "default_labels": manifest.default_labels,
        "unit": manifest.unit,
        "boxes": None if manifest.boxes is None else len(manifest.boxes),
        "report": manifest.report,
    }
    write_json(path.with_suffix(".json"), about)


def load_manifest(path: Path) -> Manifest:
    """Read a manifest back.

    Parameters
    ----------
    path : pathlib.Path
        ``manifest.parquet``; its report lies beside it.

    Raises
    ------
    InputError
        It has not been made yet, or one of its files is damaged.
    """
    again = "python -m evalkit.datasets --study STUDY --dataset DATASET"
    missing = [file for file in (path, path.with_suffix(".json")) if not file.exists()]
    if missing:
        raise InputError(
            f"{missing[0]} does not exist",
            "the manifest of a data set",
            f"make it: {again}",
        )
    expected, remedy = "a manifest as this program wrote it", f"make it again: {again}"
    with refusing_damage(path, expected=expected, remedy=remedy):
        images = pd.read_parquet(path)
    with refusing_damage(beside := path.with_suffix(".json"), expected=expected, remedy=remedy):
        about = json.loads(beside.read_text(encoding="utf-8"))
        manifest = Manifest(
            images=images,
            labels=about["labels"],
            default_labels=about["default_labels"],
            unit=about["unit"],
            boxes=None,
            report=about["report"],
        )
        if about["boxes"] is None:
            return manifest
    with refusing_damage(beside := path.with_name("boxes.parquet"), expected=expected, remedy=remedy):
        return replace(manifest, boxes=pd.read_parquet(beside))
