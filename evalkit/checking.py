"""``evalkit check``: a study's configuration, data and weights, looked at before anything is trained."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from evalkit.config import Study, load_study
from evalkit.config.inversion import Inversion
from evalkit.config.unlisted import list_identities
from evalkit.errors import InputError

if TYPE_CHECKING:
    from evalkit.datasets import Manifest
    from evalkit.pretraining.feasibility import Known


class Finding(NamedTuple):
    """One thing looked at.

    Attributes
    ----------
    place : str
        Where in the configuration, for example ``datasets.nih``.
    ok : bool
        Whether the study can run with it.
    message : str
        What was found; for a failure also what was expected and what to do. It begins with ``warning:`` where a study
        can run, but most likely is not what is wanted.
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
        For the configuration, each architecture, each encoder of an inversion, each table; unless `config_only` for
        each data set, each other data set that an evaluation tests on, of an inversion its generator from a file, its
        images where they are divided, and what LPIPS and identity are measured by, for each file of weights; and for
        each pretraining. Backbones that are needed but not listed are included. After a configuration that cannot be
        read nothing more follows.
    """
    try:
        study = load_study(name)
    except InputError as error:
        yield Finding("configuration", False, str(error))
        return
    yield Finding("configuration", True, f"{study.source}: {_counts(study)}")
    from evalkit.pretraining.feasibility import Known

    known, entries, buildable = Known(), study.backbones | study.unlisted, set()
    for backbone in entries:
        finding = _look(f"backbones.{backbone}", _check_architecture, study, backbone)
        buildable |= {backbone} if finding.ok else set()
        yield finding
    inversions = [name for name, entry in study.file.evaluations.items() if isinstance(entry, Inversion)]
    for name in inversions:
        for backbone in study.rows(name):
            if backbone in buildable and study.backbone(backbone).arch:
                yield _look(f"evaluations.{name}, {backbone}", _check_encoder, study, backbone)
    for table in study.file.tables:
        yield _look(f"tables.{table}", _check_table, study, table)
    if not config_only:
        manifests: dict[str, Manifest] = {}
        for dataset in study.file.datasets:
            yield _look(
                f"datasets.{dataset}", partial(_check_dataset, known=known, manifests=manifests), study, dataset
            )
        for name in study.file.evaluations:
            yield from _check_test_on(study, name, manifests)
        for name in inversions:
            if study.inversion(name).generator.path is not None:
                yield _look(f"generator of {name}", _check_generator, study, name)
            if _are_divided(study, name):
                yield _look(f"images of {name}", _check_images, study, name)
            if name in _measuring_lpips(study):
                yield _look(f"LPIPS of {name}", _check_lpips, study, name)
        for backbone, entry in entries.items():
            if not entry.is_scratch:
                yield _look(f"weights of {backbone}", partial(_check_weights, known=known), study, backbone)
        for name, _ in list_identities(study.file):
            yield _look(f"identity of {name}", partial(_check_identity, known=known), study, name)
    for backbone, entry in entries.items():
        if entry.pretrain is not None and backbone in buildable:
            yield from _check_pretraining(study, backbone, known)


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
    counted = ", ".join(f"{count} {what}{'' if count == 1 else 's'}" for what, count in counts.items())
    starts = {entry.pretrain.init for entry in (study.backbones | study.unlisted).values() if entry.pretrain}
    further = {
        "pretraining starts from": [name for name in study.unlisted if name in starts],
        "identity is measured by": list(dict.fromkeys(key for _, key in list_identities(file))),
    }
    return counted + "".join(f"; {what} {', '.join(names)}" for what, names in further.items() if names)


def _check_architecture(study: Study, backbone: str) -> str:
    from evalkit.checkpoints.formats import format_named
    from evalkit.checkpoints.trunks import check_architecture

    entry = study.backbone(backbone)
    if not entry.arch:
        return f"{entry.label}, a row without a network"
    check_architecture(entry.arch)
    if entry.format is not None:
        format_named(entry.format)
    return f"{entry.label}, {entry.arch}"


def _check_table(study: Study, table: str) -> str:
    from evalkit.comparisons import check_table

    check_table(study, table)
    return study.table(table).title


def _check_dataset(study: Study, dataset: str, *, known: Known, manifests: dict[str, Manifest]) -> str:
    from evalkit.datasets import read_dataset
    from evalkit.splits.labels import check_only, choose_labels, read_classes

    entry = study.dataset(dataset)
    if entry.phantom is not None and not _is_drawn(study, dataset):
        return f"{entry.phantom.patients:,} phantom patients, drawn when they are needed"
    manifest = read_dataset(entry, study.dataset_root(dataset))
    for evaluation in study.file.evaluations.values():
        if evaluation.dataset == dataset:
            labels = choose_labels(evaluation, manifest)
            if isinstance(evaluation, Inversion):
                check_only(evaluation.only or [], manifest, dataset=dataset)
            if evaluation.task == "multiclass":
                read_classes(manifest.images, labels, dataset=dataset)
    patients = frozenset(manifest.images["patient_id"])
    known.images[dataset], known.patients[dataset] = len(manifest.images), patients
    manifests[dataset] = manifest
    return (
        f"{len(manifest.images):,} images of {len(patients):,} patients, labels: {', '.join(manifest.labels)} "
        "(tables read; image files are opened when they are packed)"
    )


def _check_test_on(study: Study, name: str, manifests: Mapping[str, Manifest]) -> Iterator[Finding]:
    """Look at the other data sets that an evaluation tests on, as far as they and its labels are known."""
    from evalkit.splits.external import choose_external
    from evalkit.splits.labels import choose_labels

    entry = study.evaluation(name)

    def look(_: Study, dataset: str) -> str:
        own = manifests.get(entry.dataset)
        labels = choose_labels(entry, own) if own is not None else entry.labels or []
        found = choose_external(manifests[dataset], labels, task=entry.task, dataset=dataset)
        left_out = "".join(f"; {count:,} left out, {reason}" for reason, count in found.count_left_out().items())
        common = ", ".join(label for label in labels if label in manifests[dataset].labels)
        return f"{len(found.chosen):,} images of {dataset}, labels of both: {common}{left_out}"

    for dataset in entry.test_on:
        if dataset in manifests and (entry.labels or entry.dataset in manifests):
            yield _look(f"evaluations.{name}.test_on", look, study, dataset)


def _is_drawn(study: Study, dataset: str) -> bool:
    """Whether phantoms lie there as they would be drawn now."""
    from evalkit.phantom import generator_version

    entry = study.dataset(dataset)
    assert entry.phantom is not None
    try:
        note = json.loads((study.dataset_root(dataset) / "phantom.json").read_text(encoding="utf-8"))
        return note["generator"] == generator_version() and entry.phantom.model_dump().items() <= note["order"].items()
    except (OSError, ValueError, KeyError, AttributeError):
        return False


def _check_weights(study: Study, backbone: str, *, known: Known) -> str:
    from evalkit.checkpoints.sources import make_canonical

    entry = study.backbone(backbone)
    if entry.is_vgg16:
        return _check_vgg16(study, backbone)
    path = study.checkpoint_path(backbone)
    if path is not None and path.is_relative_to(study.layout.root) and not path.exists():
        return "made by this workflow when they are needed"
    report = make_canonical(entry, path=path)[1]
    known.channels[backbone], known.fingerprints[backbone] = report.in_channels, report.fingerprint
    return f"{report.matched} tensors, the whole trunk; {report.format}; fingerprint {report.short_fingerprint}"


def _check_encoder(study: Study, backbone: str) -> str:
    """Cut a network without values where an inversion would look through it."""
    import timm
    import torch

    from evalkit.inversion.stages import cut_into_stages

    arch = study.backbone(backbone).arch
    with torch.device("meta"):
        stages = cut_into_stages(timm.create_model(arch, num_classes=0), arch)
    return f"{arch} can be a perceptual encoder, with {len(stages)} taps"


def _check_generator(study: Study, evaluation: str) -> str:
    from evalkit.generators import open_generator

    generator, report = open_generator(study, evaluation)
    colours = {1: "grey", 3: "colour"}[generator.spec.img_channels]
    return f"{report['format']}, {generator.spec.resolution} px, {colours}"


def _are_divided(study: Study, evaluation: str) -> bool:
    """Whether an inversion's images are there, packed and divided."""
    packed = study.layout.packed(study.inversion(evaluation).dataset, study.file.image_size)
    return study.layout.splits(evaluation).exists() and (packed / "packing.json").exists()


def _check_images(study: Study, evaluation: str) -> str:
    from evalkit.training.parts import load_parts

    parts = load_parts(study, evaluation)
    train = f"{len(parts.training):,} train the generator, " if study.inversion(evaluation).generator.train else ""
    return f"{train}{len(parts.calibration):,} calibrate, {len(parts.inverted):,} are inverted"


def _measuring_lpips(study: Study) -> set[str]:
    """The inversions that a table shows LPIPS of, or that name its trunk."""
    asked = {table.evaluation for table in study.file.tables.values() if "lpips" in table.metrics}
    named = {name for name, entry in study.file.evaluations.items() if isinstance(entry, Inversion) and entry.lpips}
    return asked | named


def _check_lpips(study: Study, evaluation: str) -> str:
    """Look at the file of its trunk; without it the study runs, and the table says so."""
    from evalkit.inversion.published import NO_TRUNK, read_trunk

    entry, place = study.inversion(evaluation).lpips, f"evaluations.{evaluation}.lpips"
    lacking = f"warning: its column will say {NO_TRUNK!r}"
    if entry is None:
        return f"{lacking}: {place}.path names no file"
    try:
        path = study.resolve_path(entry.path, what=f"{place}.path")
    except InputError as error:
        return f"{lacking}. {error}"
    trunk = read_trunk(entry.trunk, path, entry.digest)
    if trunk is None:
        return f"{lacking}: {path} does not exist"
    return f"{entry.trunk}, {len(trunk.tensors)} tensors; sha256 {trunk.sha256[:12]}"


def _check_identity(study: Study, evaluation: str, *, known: Known) -> str:
    from evalkit.inversion.identity import refuse_own_weights

    judge = study.inversion(evaluation).identity
    assert judge is not None
    for row in study.asked_rows(evaluation):
        if row != judge:
            refuse_own_weights(evaluation, judge, row, known.fingerprints)
    return f"measured by {study.backbone(judge).label}"


def _check_vgg16(study: Study, backbone: str) -> str:
    """Look at torchvision's file; without it the study runs, and the row says so."""
    from evalkit.inversion.published import UNAVAILABLE, read_trunk

    try:
        path = study.checkpoint_path(backbone)
    except InputError as error:
        return f"warning: its rows will say {UNAVAILABLE!r}. {error}"
    trunk = read_trunk("vgg16", path, study.backbone(backbone).sha256 or "")
    if trunk is None:
        return f"warning: {path} does not exist; its rows will say {UNAVAILABLE!r}"
    return f"{len(trunk.tensors)} tensors, all convolutions; sha256 {trunk.sha256[:12]}"


def _check_pretraining(study: Study, backbone: str, known: Known) -> Iterator[Finding]:
    from evalkit.pretraining.feasibility import describe_pretraining, find_doubts, find_obstacles

    place, ok = f"pretraining of {backbone}", True
    for obstacle in find_obstacles(study, backbone, known):
        ok = False
        yield Finding(place, ok, str(obstacle))
    if ok:
        yield Finding(place, ok, describe_pretraining(study, backbone))
    for doubt in find_doubts(study, backbone, known):
        yield Finding(place, True, f"warning: {doubt}")
