"""One run, ready to be done: a backbone, head and repeat with its images, and what is known before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evalkit.config.detection import Detection, find_sided
from evalkit.config.detector import DetectorSpec
from evalkit.config.loading import Study
from evalkit.datasets.manifest import Manifest, load_manifest
from evalkit.detection.examples import BoxedExamples, load_boxed_examples
from evalkit.errors import InputError
from evalkit.fingerprints import code_hash, file_sha256
from evalkit.plan import Run
from evalkit.records import RunRecord
from evalkit.seeds import seed_from
from evalkit.settings import parse_setting
from evalkit.splits.boxed import drop_empty
from evalkit.splits.stored import ROLES, Role, load_splits
from evalkit.training.networks import Network, pretrained_network
from evalkit.training.session import Session


@dataclass(frozen=True)
class Material:
    """What all repeats of a cell have in common.

    Attributes
    ----------
    study : Study
    evaluation, setting, backbone : str
        The cell.
    entry : Detection
        The evaluation's part of the study file.
    network : Network
        The backbone.
    spec : DetectorSpec
    parts : dict of str to BoxedExamples
        By role.
    inputs : dict of str to str
        SHA-256 of the files read.
    """

    study: Study
    evaluation: str
    setting: str
    backbone: str
    entry: Detection
    network: Network
    spec: DetectorSpec
    parts: dict[Role, BoxedExamples]
    inputs: dict[str, str]


@dataclass(frozen=True)
class Plan:
    """One run: what of its record is known before it."""

    material: Material
    run: Run
    seed: int
    session: Session

    @property
    def title(self) -> str:
        """What to call the run in messages."""
        return f"{self.run.evaluation} {self.run.setting} {self.run.backbone} repeat {self.run.repeat}"

    @property
    def steps(self) -> int:
        """Optimiser steps."""
        return self.material.entry.recipe.count_steps(images=len(self.material.parts["train"]))

    def facts(self) -> RunRecord:
        """Everything that decides the result and is known before the run; the budget is in the steps."""
        material, entry = self.material, self.material.entry
        return {
            "task": entry.task,
            "run": {**self.run._asdict(), "steps": self.steps},
            "seed": self.seed,
            "labels": list(material.parts["train"].labels),
            "recipe": entry.recipe.model_dump(mode="json", exclude={"steps", "epochs"}),
            "network": material.network.describe(),
            "detector": material.spec.model_dump(mode="json"),
            "protocol": entry.protocol,
            "engine": entry.engine,
            "longest": entry.longest,
            "empty_images": entry.empty_images,
            "data": {role: part.describe() for role, part in material.parts.items()},
            "code": code_hash("tasks.detection.runs"),
            **self.session.describe(),  # type: ignore[typeddict-item]
        }

    def why_undefined(self) -> str:
        """Why there is nothing to learn from or to test on, or an empty text."""
        train, validation, test = (self.material.parts[role] for role in ROLES)
        lacking = [label for label, boxes in train.count_boxes().items() if not boxes]
        if lacking:
            return f"undefined: no training box of {', '.join(lacking)}"
        if not validation.boxed_ids:
            return "undefined: no validation box"
        return "" if len(test) else "undefined: no test image"


def load_material(study: Study, evaluation: str, setting: str, backbone: str) -> Material:
    """Load what all repeats of a cell have in common.

    Raises
    ------
    InputError
        Weights, data or splits have not been made or were made from something else, or the backbone cannot carry a
        detector.
    """
    entry, path = study.detection(evaluation), study.layout.splits(evaluation)
    network, splits = pretrained_network(study, backbone), load_splits(path)
    if entry.labels is not None and splits.labels != entry.labels:
        raise InputError(
            f"{path} was made for the labels {', '.join(splits.labels)}",
            f"the study's labels {', '.join(entry.labels)}",
            f"make it again: python -m evalkit.splits --study {study.source} --evaluation {evaluation}",
        )
    examples = load_boxed_examples(study, entry.dataset, splits.labels, longest=entry.longest)
    _check_sides(entry, splits.labels, evaluation)
    _check_unboxed(load_manifest(study.layout.manifest(entry.dataset)), examples, entry, evaluation)
    parts = {
        role: examples.select(drop_empty(splits.image_ids(role), examples.boxed_ids, entry.empty_images, role))
        for role in ROLES
    }
    spec = DetectorSpec.model_validate(
        {
            "head": parse_setting(setting)["head"],
            "protocol": entry.way,
            "arch": network.arch,
            "classes": len(examples.labels),
            "in_channels": network.in_channels,
            "mean": network.mean,
            "std": network.std,
            "anchors": entry.anchors,
            "proposals": entry.proposals,
            "regions": entry.regions,
        }
    )
    inputs = {**examples.inputs, "splits": file_sha256(path)}
    return Material(study, evaluation, setting, backbone, entry, network, spec, parts, inputs)


def _check_sides(entry: Detection, labels: Sequence[str], evaluation: str) -> None:
    """Refuse mirrored training where classes are sides; with the data set's own classes nobody could know before."""
    sided = find_sided(labels)
    if entry.recipe.flip and sided:
        raise InputError(
            f"evaluations.{evaluation}.recipe.flip mirrors images, and {', '.join(sided)} tell left from right",
            "training without mirroring, since a mirror swaps these classes",
            "set 'flip: false' in the recipe",
        )


def _check_unboxed(manifest: Manifest, examples: BoxedExamples, entry: Detection, evaluation: str) -> None:
    """Refuse to take an image for empty that has a class by its label and no box for it."""
    if entry.empty_images == "exclude":
        return
    labels = [label for label in examples.labels if label in manifest.labels]
    named = manifest.images.set_index("image_id")[labels].eq(1).any(axis=1)
    unboxed = sorted(set(named.index[named]) & set(examples.images["image_id"]) - examples.boxed_ids)
    if unboxed:
        raise InputError(
            f"{len(unboxed):,} images of {entry.dataset!r} have one of the classes {', '.join(labels)} by their label "
            f"and no box, the first is {unboxed[0]!r}: boxes were drawn on some images only",
            "nothing to be found on images without a box",
            f"set 'empty_images: exclude' in evaluations.{evaluation}, which leaves out all images without a box",
        )


def plan_run(material: Material, repeat: int, session: Session) -> Plan:
    """Choose a repeat's seed. It does not depend on the backbone: all share the same noise."""
    cell = {"evaluation": material.evaluation, "setting": material.setting}
    return Plan(
        material=material,
        run=Run(**cell, backbone=material.backbone, repeat=repeat),
        seed=seed_from(purpose="training", **cell, repeat=repeat, seed=material.study.file.seed),
        session=session,
    )
