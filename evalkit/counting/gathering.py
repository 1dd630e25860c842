"""What is counted, from the reports that splitting and balancing leave and from other data sets' manifests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from evalkit.balancing.stored import read_balancing
from evalkit.config.design import Design
from evalkit.config.evaluations import Classification
from evalkit.config.loading import Study
from evalkit.counting.rows import UNUSED
from evalkit.datasets.manifest import load_manifest
from evalkit.packing.packed import load_packed
from evalkit.settings import format_setting
from evalkit.splits.external import choose_external
from evalkit.splits.tally import tally_images


@dataclass(frozen=True)
class Part:
    """Images that are counted together.

    Attributes
    ----------
    dataset, setting, split : str
        As in `evalkit.counting.rows.CountRow`.
    draws : sequence of mapping
        Counts of each draw, as of `evalkit.splits.tally.Tally.describe`; one where nothing is drawn.
    status : str
        Why there are none, where there are none.
    left_out : mapping of str to int
        Images that do not serve, by reason.
    """

    dataset: str
    setting: str
    split: str
    draws: Sequence[Mapping[str, Any]]
    status: str = ""
    left_out: Mapping[str, int] = field(default_factory=dict)


def gather_parts(study: Study, entry: Classification, name: str, report: Mapping[str, Any]) -> list[Part]:
    """Find everything that a classification counts: training in each setting, validation, test, and what is left over.

    Parameters
    ----------
    study : Study
    entry : Classification
        The evaluation.
    name : str
        Its name.
    report : mapping
        The report of its splits.

    Raises
    ------
    InputError
        Balanced training images are asked for and have not been made from these splits, or another data set to test
        on has none of the classes.
    """
    own = report["dataset"]
    parts = [Part(own, setting, "train", draws) for setting, draws in _training(study, entry, name, report)]
    if "validation" in report["drawn_roles"] and report["fractions"]:
        parts += [Part(own, setting, "validation", draws) for setting, draws in _fractions(entry, report, "validation")]
    else:
        parts.append(Part(own, "", "validation", [report["roles"]["validation"]]))
    parts.append(Part(own, "", "test", [report["roles"]["test"]]))
    left = {count: sum(aside[count] for aside in report["set_aside"].values()) for count in ("images", "patients")}
    if left["images"]:
        parts.append(Part(own, "", UNUSED, [{**left, "classes": {}}]))
    return parts + [part for name in entry.test_on for part in _count_external(study, entry, name, report["labels"])]


def _training(
    study: Study, entry: Design, name: str, report: Mapping[str, Any]
) -> Iterator[tuple[str, Sequence[Mapping[str, Any]]]]:
    if entry.task == "multilabel":
        yield from _fractions(entry, report, "train")
        return
    for trainset in entry.trainsets:
        if trainset == "balanced":
            counts = read_balancing(study, name)["after"]
        else:
            counts = report["roles"]["train"] if trainset == "full" else report["trainsets"][trainset]
        yield format_setting({"trainset": trainset}), [counts]


def _fractions(
    entry: Design, report: Mapping[str, Any], role: str
) -> Iterator[tuple[str, Sequence[Mapping[str, Any]]]]:
    for fraction in entry.fractions:
        drawn = [draw for draw in report["draws"] if (draw["role"], draw["fraction"]) == (role, fraction)]
        yield format_setting({"fraction": fraction}), drawn if fraction < 1 else [report["roles"][role]]


def _count_external(study: Study, entry: Design, dataset: str, labels: Sequence[str]) -> Iterator[Part]:
    path = study.layout.manifest(dataset)
    if not path.exists():
        yield Part(dataset, "", "test", [], status="unavailable: the data set has not been read")
        return
    folder = study.layout.packed(dataset, study.file.image_size)
    # Images that could not be read are tested by nobody.
    packed = load_packed(folder).index["image_id"] if (folder / "packing.json").exists() else None
    found = choose_external(load_manifest(path), labels, task=entry.task, dataset=dataset, packed=packed)
    yield Part(dataset, "", "test", [tally_images(found.chosen, labels).describe(labels)])
    if len(found.left_out):
        left = {"images": len(found.left_out), "patients": found.left_out["patient_id"].nunique(), "classes": {}}
        yield Part(dataset, "", UNUSED, [left], left_out=found.count_left_out())
