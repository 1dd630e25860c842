"""The facts beside a table of counts: what a footnote has to say and a row does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evalkit.comparisons.detectors import describe_empty_images
from evalkit.comparisons.draws import describe_data, describe_draws
from evalkit.comparisons.external import describe_left_out
from evalkit.comparisons.wording import describe_copies
from evalkit.config.detection import Detection
from evalkit.config.evaluations import Classification
from evalkit.config.loading import Study
from evalkit.counting.gathering import Part
from evalkit.datasets.manifest import load_manifest


def describe_counts(study: Study, name: str, report: Mapping[str, Any], parts: Sequence[Part]) -> dict[str, Any]:
    """Collect what the renderings of a table of counts need beside its rows.

    Parameters
    ----------
    study : Study
    name : str
        The table's key among the study's ``counts``.
    report : mapping
        The report of the evaluation's splits.
    parts : sequence of Part
        What is counted.

    Returns
    -------
    dict
        Plain values, ready for JSON; the same reports give the same file.
    """
    counts = study.counts(name)
    datasets = list(dict.fromkeys(part.dataset for part in parts))
    entry = study.evaluation(counts.evaluation)
    return {
        "table": name,
        "title": counts.title,
        "study": study.name,
        "study_title": study.file.title,
        "evaluation": counts.evaluation,
        "dataset": report["dataset"],
        "task": report["task"],
        "drawn": any(study.dataset(dataset).phantom is not None for dataset in datasets),
        "repeats": report["repeats"],
        "test_set": report["test_set"],
        "copies": describe_copies(entry) if isinstance(entry, Classification) and "balanced" in entry.trainsets else "",
        "data": [
            f"{dataset}: {text}" if len(datasets) > 1 else text
            for dataset in datasets
            for text in _describe_dataset(study, dataset)
            if text
        ],
        "draws": _describe_boxed(entry, report, parts) if isinstance(entry, Detection) else describe_draws(report),
        "external": [
            describe_left_out(part.dataset, part.left_out)
            for part in parts
            if part.left_out and isinstance(entry, Classification)
        ],
        "notes": list(study.file.notes),
    }


def _describe_boxed(entry: Detection, report: Mapping[str, Any], parts: Sequence[Part]) -> list[str]:
    """What the draws of a detection are, and the images without a box."""
    counted = {part.split: part.draws[0] for part in parts}
    left_out = {reason: count for part in parts for reason, count in part.left_out.items()}
    return [*describe_draws({**report, "roles": counted}), describe_empty_images(entry, left_out)]


def _describe_dataset(study: Study, dataset: str) -> list[str | None]:
    path = study.layout.manifest(dataset)
    report = load_manifest(path).report if path.exists() else {}
    return [describe_data(report), study.dataset(dataset).note]
