"""``evalkit check``: a study's configuration, data and weights, looked at before anything is trained."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from evalkit.config import Study, load_study
from evalkit.errors import InputError


class Finding(NamedTuple):
    """One thing looked at.

    Attributes
    ----------
    place : str
        Where in the configuration, for example ``datasets.nih``.
    ok : bool
        Whether the study can run with it.
    message : str
        What was found; for a failure also what was expected and what to do.
    """

    place: str
    ok: bool
    message: str


def check_study(name: str, *, config_only: bool = False) -> Iterator[Finding]:
    """Check a study, one finding at a time.

    Parameters
    ----------
    name : str
        A study's name or the path of a study file.
    config_only : bool
        Leave data and weights alone: the configuration is checked without them.

    Yields
    ------
    Finding
        For the configuration, each architecture, each table and, unless `config_only`, each data set and each file of
        weights. After a configuration that cannot be read nothing more follows.
    """
    try:
        study = load_study(name)
    except InputError as error:
        yield Finding("configuration", False, str(error))
        return
    yield Finding("configuration", True, f"{study.source}: {_counts(study)}")
    for backbone in study.backbones:
        yield _look(f"backbones.{backbone}", _check_architecture, study, backbone)
    for table in study.file.tables:
        yield _look(f"tables.{table}", _check_table, study, table)
    if config_only:
        return
    for dataset in study.file.datasets:
        yield _look(f"datasets.{dataset}", _check_dataset, study, dataset)
    for backbone, entry in study.backbones.items():
        if not entry.is_scratch:
            yield _look(f"weights of {backbone}", _check_weights, study, backbone)


def _look(place: str, check: Callable[[Study, str], str], study: Study, name: str) -> Finding:
    try:
        return Finding(place, True, check(study, name))
    except InputError as error:
        return Finding(place, False, str(error))


def _counts(study: Study) -> str:
    file = study.file
    counts = {
        "backbone": len(file.backbones),
        "data set": len(file.datasets),
        "evaluation": len(file.evaluations),
        "table": len(file.tables),
    }
    return ", ".join(f"{count} {what}{'' if count == 1 else 's'}" for what, count in counts.items())


def _check_architecture(study: Study, backbone: str) -> str:
    from evalkit.checkpoints.formats import format_named
    from evalkit.checkpoints.trunks import check_architecture

    entry = study.backbone(backbone)
    check_architecture(entry.arch)
    if entry.format is not None:
        format_named(entry.format)
    return f"{entry.label}, {entry.arch}"


def _check_table(study: Study, table: str) -> str:
    from evalkit.comparisons import check_table

    check_table(study, table)
    return study.table(table).title


def _check_dataset(study: Study, dataset: str) -> str:
    from evalkit.datasets import read_dataset
    from evalkit.splits.making import choose_labels

    entry = study.dataset(dataset)
    if entry.phantom is not None:
        return f"{entry.phantom.patients:,} phantom patients, drawn when they are needed"
    manifest = read_dataset(entry, study.dataset_root(dataset))
    for evaluation in study.file.evaluations.values():
        if evaluation.dataset == dataset:
            choose_labels(evaluation, manifest)
    patients = manifest.images["patient_id"].nunique()
    return (
        f"{len(manifest.images):,} images of {patients:,} patients, labels: {', '.join(manifest.labels)} "
        "(tables read; image files are opened when they are packed)"
    )


def _check_weights(study: Study, backbone: str) -> str:
    from evalkit.checkpoints.sources import make_canonical

    entry, path = study.backbone(backbone), study.checkpoint_path(backbone)
    if path is not None and path.is_relative_to(study.layout.root) and not path.exists():
        return "made by this workflow when they are needed"
    report = make_canonical(entry, path=path)[1]
    return f"{report.matched} tensors, the whole trunk; {report.format}; fingerprint {report.short_fingerprint}"
