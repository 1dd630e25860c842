"""One run, ready to be done: a backbone and a space with the images and the generator, and what is known before it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from evalkit.checkpoints.report import fingerprint_of
from evalkit.config.inversion import Inversion
from evalkit.config.loading import Study
from evalkit.config.projection import ProjectionRecipe
from evalkit.errors import InputError
from evalkit.fingerprints import code_hash, file_sha256, value_hash
from evalkit.inversion.identity import NOT_ASKED, refuse_own_weights
from evalkit.inversion.published import NO_TRUNK
from evalkit.plan import Run
from evalkit.records import RunRecord
from evalkit.seeds import seed_from
from evalkit.settings import parse_setting
from evalkit.stylegan2.generator import Generator
from evalkit.stylegan2.loading import load_generator
from evalkit.training.networks import Network, pretrained_network
from evalkit.training.parts import Parts, load_parts
from evalkit.training.session import Session
from tasks.inversion.eyes import Eye, choose_eye, present_file

#: The source that decides a search.
_SEARCHING = ("evalkit.inversion.projector", "evalkit.inversion.encoders", "evalkit.training.parts")


@dataclass(frozen=True)
class Material:
    """What all repeats of a cell have in common.

    Attributes
    ----------
    study : Study
    evaluation, setting, backbone : str
        The cell.
    entry : Inversion
        The evaluation's part of the study file.
    recipe : ProjectionRecipe
        With the setting's space.
    eye : Eye
        What looks at the images.
    parts : Parts
    generator : Generator
        On the CPU.
    source : dict
        Of the generator: fingerprint, where it is from, and how many patients it has learnt from (None if unknown), of
        whom none is inverted.
    lpips : pathlib.Path or None
        The file of its trunk, where it is there.
    identity : Network or None
        By which identity is measured, where the study says so.
    inputs : dict of str to str
        SHA-256 of the files read.
    """

    study: Study
    evaluation: str
    setting: str
    backbone: str
    entry: Inversion
    recipe: ProjectionRecipe
    eye: Eye
    parts: Parts
    generator: Generator
    source: dict[str, Any]
    lpips: Path | None
    identity: Network | None
    inputs: dict[str, str]

    def describe_lpips(self) -> dict[str, Any] | str:
        """The trunk of LPIPS, or why there is none."""
        if self.lpips is None or self.entry.lpips is None:
            return NO_TRUNK
        return {"trunk": self.entry.lpips.trunk, "sha256": self.entry.lpips.digest}


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

    @cached_property
    def batches(self) -> list[range]:
        """Places of the images that are optimised side by side. They depend on nothing but the study."""
        count, size = len(self.material.parts.inverted), self.material.entry.batch_size
        return [range(first, min(first + size, count)) for first in range(0, count, size)]

    @property
    def steps(self) -> int:
        """Steps of the search for each image."""
        return 0 if self.material.eye.control == "mean-w" else self.material.recipe.steps

    @cached_property
    def search_key(self) -> str:
        """Hash of what decides the reconstructions. How they are measured is not in it, nor how many processes search,
        since each batch is searched by one alone."""
        facts = {name: value for name, value in self._describe_search().items() if name != "processes"}
        return value_hash({**facts, "code": [code_hash(module) for module in _SEARCHING]})

    def facts(self) -> RunRecord:
        """Everything that decides the result and is known before the run."""
        material = self.material
        return {
            **self._describe_search(),  # type: ignore[typeddict-item]
            "search": self.search_key,
            "lpips": material.describe_lpips(),
            "identity": NOT_ASKED if material.identity is None else material.identity.describe(),
            "code": code_hash("tasks.inversion.runs"),
        }

    def _describe_search(self) -> dict[str, Any]:
        material, entry = self.material, self.material.entry
        return {
            "task": entry.task,
            "run": {**self.run._asdict(), "steps": self.steps},
            "seed": self.seed,
            "control": material.eye.control,
            "recipe": material.recipe.model_dump(mode="json", exclude={"steps"}),
            "perceptual": entry.perceptual.model_dump(mode="json") if material.eye.build is not None else {},
            "network": material.eye.facts,
            "generator": material.source,
            "batch_size": entry.batch_size,
            "data": {
                "calibration": material.parts.calibration.describe(),
                "test": material.parts.inverted.describe(),
            },
            **self.session.describe(),
        }


def load_material(study: Study, evaluation: str, setting: str, backbone: str) -> Material:
    """Load what all repeats of a cell have in common.

    Raises
    ------
    InputError
        Weights, data, splits or the generator have not been made or were made from something else; a patient is on
        both sides; or the backbone cannot look at images.
    """
    entry, parts = study.inversion(evaluation), load_parts(study, evaluation)
    generator, source = _load_generator(study, evaluation, parts)
    values = {**entry.projection.model_dump(), "space": parse_setting(setting)["space"]}
    lpips, eye = entry.lpips, choose_eye(study, backbone)
    identity = None if entry.identity is None else pretrained_network(study, entry.identity)
    if identity is not None and entry.identity is not None:
        weights = {backbone: eye.facts.get("weights"), entry.identity: identity.fingerprint}
        refuse_own_weights(evaluation, entry.identity, backbone, weights)
    place = f"evaluations.{evaluation}.lpips.path"
    return Material(
        study=study,
        evaluation=evaluation,
        setting=setting,
        backbone=backbone,
        entry=entry,
        recipe=ProjectionRecipe.model_validate(values),
        eye=eye,
        parts=parts,
        generator=generator,
        source=source,
        lpips=None if lpips is None else present_file(lambda: study.resolve_path(lpips.path, what=place)),
        identity=identity,
        inputs={**parts.inputs, "generator": file_sha256(study.layout.generator(evaluation))},
    )


def plan_run(material: Material, repeat: int, session: Session) -> Plan:
    """Choose a repeat's seed: the same for all backbones and spaces, which share noise and the random encoder."""
    evaluation = material.evaluation
    return Plan(
        material=material,
        run=Run(evaluation, material.setting, material.backbone, repeat),
        seed=seed_from(purpose="inversion", evaluation=evaluation, repeat=repeat, seed=material.study.file.seed),
        session=session,
    )


def _load_generator(study: Study, evaluation: str, parts: Parts) -> tuple[Generator, dict[str, Any]]:
    """The evaluation's generator as it was made, and what a record says of it."""
    path = study.layout.generator(evaluation)
    again = f"make it: python -m tasks.inversion generator --study {study.source} --evaluation {evaluation}"
    missing = [file for file in (path, path.with_suffix(".json")) if not file.exists()]
    if missing:
        raise InputError(f"{missing[0]} does not exist", f"the generator of {evaluation}, and its report", again)
    report = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    generator, _ = load_generator(path)
    fingerprint = fingerprint_of(generator.state_dict())
    if report["fingerprint"] != fingerprint:
        raise InputError(f"{path} is not the generator that its report describes", "both of one making", again)
    source: dict[str, Any] = {"fingerprint": fingerprint, "source": report["source"], "patients": None}
    shared = parts.count_shared_patients()
    if report["data"] is not None:
        learnt, now = report["data"]["train"], parts.training.describe()
        if learnt != now:
            raise InputError(
                f"{path} was trained on {learnt['images']:,} images that are not the {now['images']:,} of the splits",
                "a generator that was trained on the splits as they are now",
                again,
            )
        source |= {"patients": learnt["patients"], "shared_patients": shared}
    return generator, source
