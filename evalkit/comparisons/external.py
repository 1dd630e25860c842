"""What a reader must know of networks tested on another data set than they were trained on."""

from __future__ import annotations

from collections.abc import Iterable

from evalkit.comparisons.gathering import Gathered
from evalkit.config.loading import Study

#: Data sets that were made from others' images.
_DERIVED_FROM = {"rsna": "nih", "siim-acr": "nih"}

#: Formats that say nothing of where images come from.
_OF_ANY_ORIGIN = ("csv", "folder")


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


def describe_external(runs: Gathered) -> str:
    """Say what was trained and tested on, which labels both have, and where both may stem from.

    That they share no patient and no image is checked before any run.
    """
    trained = runs.study.evaluation(runs.selection.evaluation).dataset
    test_set = runs.test_set
    common = [name for column, name in enumerate(test_set.classes) if test_set.scored(column).any()]
    absent = [name for name in test_set.classes if name not in common]
    text = f"External test: networks trained on {trained} were tested on {runs.tested} as they are"
    # Where nothing has been run, nothing is known of its labels.
    labels = f"; labels of both: {', '.join(common)}" if common else ""
    labels += f"; without a label in {runs.tested}: {', '.join(absent)}" if common and absent else ""
    origins = find_origins(runs.study, trained) & find_origins(runs.study, runs.tested)
    shared = f" Both stem from {', '.join(sorted(origins))}: patients may be in both." if origins else ""
    return f"{text}{labels}.{shared}"
