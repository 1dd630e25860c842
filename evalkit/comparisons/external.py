"""What a reader must know of networks tested on another data set than they were trained on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from evalkit.comparisons.cells import TestSet
from evalkit.comparisons.draws import list_left_out
from evalkit.comparisons.runs import DONE, Gathered
from evalkit.config.loading import Study

#: Data sets that were made from others' images.
_DERIVED_FROM = {"rsna": "nih", "siim-acr": "nih"}

#: Formats that say nothing of where images come from.
_OF_ANY_ORIGIN = ("csv", "folder", "coco")


def with_origins(datasets: Iterable[str]) -> set[str]:
    """Data sets together with those whose images they were made from."""
    return {name for dataset in datasets for name in (dataset, _DERIVED_FROM.get(dataset, dataset))}


def find_origins(study: Study, dataset: str) -> set[str]:
    """The public data sets that a real data set's images may be from; none for a drawn one."""
    entry = study.dataset(dataset)
    if entry.phantom is not None:
        return set()
    return with_origins([dataset] if entry.format in _OF_ANY_ORIGIN else [dataset, entry.format])


def describe_seen(study: Study, backbones: Iterable[str], datasets: Iterable[str]) -> list[str]:
    """Backbones that may have seen images of these data sets in pretraining, each in a sentence."""
    evaluated: set[str] = set().union(*(find_origins(study, dataset) for dataset in datasets))
    entries = [study.backbone(backbone) for backbone in backbones]
    return [
        f"{entry.label} was pretrained on {', '.join(entry.pretrained_on)}: images of this evaluation may have been "
        "seen in pretraining."
        for entry in entries
        if evaluated & with_origins(entry.pretrained_on)
    ]


def describe_external(runs: Gathered, test_set: TestSet) -> str:
    """Say what was trained and tested on, which labels both have, what was left out, and where both may stem from.

    That they share no patient and no image is checked before any run.
    """
    trained = runs.study.evaluation(runs.selection.evaluation).dataset
    common, absent = _divide_classes(runs, test_set)
    text = f"External test: networks trained on {trained} were tested on {runs.tested} as they are"
    # Where nothing has been run, nothing is known of its labels.
    labels = f"; labels of both: {', '.join(common)}" if common else ""
    lacking = "an image" if runs.multiclass else "a label"
    labels += f"; without {lacking} in {runs.tested}: {', '.join(absent)}" if common and absent else ""
    told = describe_left_out(runs.tested, _find_left_out(runs))
    origins = find_origins(runs.study, trained) & find_origins(runs.study, runs.tested)
    shared = f" Both stem from {', '.join(sorted(origins))}: patients may be in both." if origins else ""
    return f"{text}{labels}.{' ' if told else ''}{told}{shared}"


def describe_left_out(dataset: str, left_out: Mapping[str, int]) -> str:
    """Say which images of a data set are not tested although they are among its test images; empty where all are."""
    return f"Test images of {dataset} left out: {list_left_out(left_out)}." if left_out else ""


def _divide_classes(runs: Gathered, test_set: TestSet) -> tuple[list[str], list[str]]:
    """The classes that the data set tested on has, and those that it lacks.

    A class that it lacks is missing throughout or, of a task with one class for each image, 0.
    """
    targets, classes = test_set.targets, test_set.classes
    labelled: NDArray[np.bool_] = targets == 1 if runs.multiclass else ~np.isnan(targets)
    found = np.any(labelled, axis=0)
    common = [name for name, is_there in zip(classes, found.tolist(), strict=True) if is_there]
    return common, [name for name in classes if name not in common]


def _find_left_out(runs: Gathered) -> dict[str, int]:
    """What the runs left out, as they recorded it; it is the same for all, since they were tested on the same cases."""
    records = [each.record["data"]["test_on"][runs.tested] for each in runs.found if each.outcome == DONE]
    return dict(records[0].get("left_out", {})) if records else {}
