"""One run, ready to be done: a backbone, setting and repeat with its images, and what is known before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from evalkit.config.evaluations import Classification
from evalkit.config.loading import Study
from evalkit.errors import InputError
from evalkit.fingerprints import file_sha256
from evalkit.plan import Run
from evalkit.records import RunRecord
from evalkit.seeds import seed_from
from evalkit.settings import Setting, read_setting
from evalkit.splits.stored import Splits, load_splits
from evalkit.training.classifier import why_undefined
from evalkit.training.examples import Examples, load_balanced_examples, load_examples, load_external_examples
from evalkit.training.networks import Network, pretrained_network
from evalkit.training.objectives import Objective, choose_objective
from evalkit.training.session import Session


@dataclass(frozen=True)
class Material:
    """What all repeats of a cell have in common.

    Attributes
    ----------
    study : Study
    evaluation, setting, backbone : str
        The cell.
    examples : Examples
        All packed images of the data set with their labels.
    copies : Examples or None
        The training images with the copies that balance their classes, where the setting asks for them.
    external : dict of str to Examples
        Test images of other data sets.
    splits : Splits
    network : Network
    inputs : dict of str to str
        SHA-256 of the files read.
    """

    study: Study
    evaluation: str
    setting: str
    backbone: str
    examples: Examples
    copies: Examples | None
    external: dict[str, Examples]
    splits: Splits
    network: Network
    inputs: dict[str, str]

    @property
    def entry(self) -> Classification:
        """The evaluation's part of the study file."""
        return self.study.classification(self.evaluation)

    @property
    def axes(self) -> Setting:
        """The setting, axis by axis."""
        return read_setting(self.setting)


@dataclass(frozen=True)
class Plan:
    """One run: its images, and what of its record is known before it."""

    material: Material
    run: Run
    seed: int
    train: Examples
    validation: Examples
    test: Examples
    session: Session

    @property
    def folder(self) -> Path:
        """The run folder."""
        return self.material.study.layout.run(*self.run)

    @property
    def title(self) -> str:
        """What to call the run in messages."""
        return f"{self.run.evaluation} {self.run.setting} {self.run.backbone} repeat {self.run.repeat}"

    @property
    def objective(self) -> Objective:
        """What is learnt."""
        entry = self.material.entry
        return choose_objective(entry.task, entry.class_weights, self.train.targets)

    def facts(self, *, recipe: Mapping[str, Any], steps: int, code: str) -> RunRecord:
        """Everything that decides the result and is known before the run.

        Parameters
        ----------
        recipe : mapping
            How the network is trained, or the linear classifier fitted.
        steps : int
            Optimiser steps; 0 where nothing is trained step by step.
        code : str
            Hash of the code that does it.
        """
        entry = self.material.entry
        return {
            "task": entry.task,
            "run": {**self.run._asdict(), "steps": steps},
            "seed": self.seed,
            "labels": list(self.train.labels),
            "class_weights": entry.class_weights,
            "recipe": dict(recipe),
            "network": self.material.network.describe(),
            "data": {
                "train": self.train.describe(),
                "validation": self.validation.describe(),
                "test": self.test.describe(),
            },
            "code": code,
            **self.session.describe(),  # type: ignore[typeddict-item]
        }

    def why_undefined(self) -> str:
        """Why there is nothing to learn from or to test, or an empty text."""
        return why_undefined(self.train, self.validation) or ("" if len(self.test) else "undefined: no test image")


def load_material(study: Study, evaluation: str, setting: str, backbone: str) -> Material:
    """Load what all repeats of a cell have in common.

    Raises
    ------
    InputError
        Weights, data, copies or splits have not been made, or were made from something else.
    """
    entry, path = study.classification(evaluation), study.layout.splits(evaluation)
    network = pretrained_network(study, backbone)
    examples = load_examples(study, entry.dataset, entry.labels)
    splits = load_splits(path)
    if splits.labels != list(examples.labels):
        raise InputError(
            f"{path} was made for the labels {', '.join(splits.labels)}",
            f"the study's labels {', '.join(examples.labels)}",
            f"make it again: python -m evalkit.splits --study {study.source} --evaluation {evaluation}",
        )
    if entry.task == "multiclass":
        # A blank beside a 1 says no more than a 0; that each image has exactly one 1 was checked with the splits.
        examples = replace(examples, targets=(examples.targets == 1).astype(np.float32))
    copies = None
    if read_setting(setting).trainset == "balanced":
        copies = load_balanced_examples(study, evaluation, examples)
    external = {name: load_external_examples(study, name, examples.labels, task=entry.task) for name in entry.test_on}
    inputs = {**examples.inputs, "splits": file_sha256(path)}
    for name, others in external.items():
        inputs |= {f"{name}: {file}": sha256 for file, sha256 in others.inputs.items()}
    return Material(study, evaluation, setting, backbone, examples, copies, external, splits, network, inputs)


def plan_run(material: Material, repeat: int, session: Session) -> Plan:
    """Choose a repeat's images and seed. The seed does not depend on the backbone: all share the same noise."""
    cell = {"evaluation": material.evaluation, "setting": material.setting}
    axes, splits = material.axes, material.splits
    chosen = {
        role: splits.image_ids(role, fraction=axes.fraction, repeat=repeat, trainset=axes.trainset)
        for role in ("train", "validation", "test")
    }
    parts = {role: material.examples.select(ids) for role, ids in chosen.items()}
    if material.copies is not None:
        parts["train"] = material.copies
    return Plan(
        material=material,
        run=Run(**cell, backbone=material.backbone, repeat=repeat),
        seed=seed_from(purpose="training", **cell, repeat=repeat, seed=material.study.file.seed),
        session=session,
        **parts,
    )
