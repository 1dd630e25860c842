"""A table of counts of a study: from reports on disk to tidy rows and the facts a rendering needs beside them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from evalkit.atomic import write_json
from evalkit.config.detection import Detection
from evalkit.config.loading import Study
from evalkit.counting.boxes import gather_boxed_parts
from evalkit.counting.context import describe_counts
from evalkit.counting.gathering import Part, gather_parts
from evalkit.counting.rows import ALL, WITH_BOX, WITHOUT_BOX, CountRow, write_counts
from evalkit.errors import InputError
from evalkit.splits.stored import load_splits
from evalkit.splits.tally import VALUES


def write_count_table(study: Study, name: str) -> Path:
    """Count what a table of counts asks for and write its rows, with the facts for its renderings beside them.

    Parameters
    ----------
    study : Study
    name : str
        The table's key among the study's ``counts``.

    Returns
    -------
    pathlib.Path
        The CSV file; the facts are in the ``.json`` of the same name.

    Raises
    ------
    InputError
        The splits or the balanced training images have not been made, or do not belong to the study as it is.
    """
    evaluation = study.counts(name).evaluation
    splits, entry = load_splits(study.layout.splits(evaluation)), study.evaluation(evaluation)
    report = splits.report
    _check_report(study, evaluation, report)
    if isinstance(entry, Detection):
        parts = gather_boxed_parts(study, entry, splits)
        counted = [*((label, WITH_BOX) for label in splits.labels), (ALL, WITH_BOX), (ALL, WITHOUT_BOX)]
    else:
        parts = gather_parts(study, study.classification(evaluation), evaluation, report)
        values = VALUES[:1] if report["task"] == "multiclass" else VALUES
        counted = [(label, value) for label in splits.labels for value in values]
    path = study.layout.report(f"{name}.csv")
    write_json(path.with_suffix(".json"), describe_counts(study, name, report, parts))
    place = {"table": name, "study": study.name, "evaluation": evaluation}
    write_counts(path, [row for part in parts for row in _count(part, place, counted)])
    return path


def _count(part: Part, place: Mapping[str, Any], counted: Sequence[tuple[str, str]]) -> Iterator[CountRow]:
    """The rows of a part: its classes and what is said of them, then all of its images."""
    where: dict[str, Any] = {**place, "dataset": part.dataset, "setting": part.setting, "split": part.split}
    if not part.draws:
        for label, value in [*counted, (ALL, "")]:
            unknown: dict[str, Any] = {"images": math.nan, "patients": math.nan, "n_draws": None, "status": part.status}
            yield CountRow(**where, class_=label, value=value, **unknown)
        return
    for label, value in counted if part.draws[0]["classes"] else []:
        draws = [draw["classes"][label][value] for draw in part.draws]
        yield CountRow(
            **where, class_=label, value=value, **_average(draws, wanted=value not in ("missing", WITHOUT_BOX))
        )
    yield CountRow(**where, class_=ALL, value="", **_average(part.draws, wanted=True))


def _average(draws: Sequence[Mapping[str, int]], *, wanted: bool) -> dict[str, Any]:
    """The mean over draws; `wanted` says that a draw without any image is worth a status."""
    images = [draw["images"] for draw in draws]
    empty = images.count(0) if wanted else 0
    status = "ok" if not empty else "absent" if empty == len(images) else f"absent in {empty}/{len(images)} draws"
    return {
        "images": fmean(images),
        "patients": fmean(draw["patients"] for draw in draws),
        "images_sd": stdev(images) if len(images) > 1 else math.nan,
        "n_draws": len(images),
        "status": status,
        "boxes": fmean(draw["boxes"] for draw in draws) if "boxes" in draws[0] else math.nan,
    }


def _check_report(study: Study, evaluation: str, report: Mapping[str, Any]) -> None:
    """Refuse splits that were made for another task or other settings."""
    entry = study.evaluation(evaluation)
    picked = {"undersampled", "modified"} & set(entry.trainsets)
    fractions = sorted(fraction for fraction in entry.fractions if fraction < 1)
    if (report["task"], report["fractions"]) != (entry.task, fractions) or not picked <= set(report["trainsets"]):
        raise InputError(
            f"the splits of {evaluation!r} were made for other settings than the study has now",
            "splits of the evaluation as it is",
            f"make them again: python -m evalkit.splits --study {study.source} --evaluation {evaluation}",
        )
