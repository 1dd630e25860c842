"""Multi-label classification: fine-tune a backbone on images with several labels each, and predict the test images.

A run is one backbone, setting and repeat. Its folder gets `validation.parquet`, `predictions.parquet` and, last,
`run.json` with a key: the hash of everything that decides the result. A run whose key is recorded is not done again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from evalkit.atomic import write_json
from evalkit.config.loading import Study
from evalkit.config.recipe import Recipe
from evalkit.errors import InputError
from evalkit.fingerprints import code_hash, file_sha256, value_hash
from evalkit.plan import Run, count_repeats
from evalkit.predictions import write_predictions
from evalkit.records import RunRecord, Stopwatch, recorded_run, replacing_run, write_record
from evalkit.seeds import seed_from
from evalkit.settings import parse_setting
from evalkit.splits.stored import Splits, load_splits
from evalkit.training.classifier import train_classifier, why_undefined
from evalkit.training.examples import Examples, load_examples
from evalkit.training.networks import Network, pretrained_network
from evalkit.training.progress import showing_progress
from evalkit.training.session import Session, training_session

TASK = "multilabel"
PREDICTIONS, VALIDATION = "predictions.parquet", "validation.parquet"


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
    splits: Splits
    network: Network
    inputs: dict[str, str]

    @property
    def fraction(self) -> float:
        """The share of labelled training patients."""
        return float(parse_setting(self.setting).get("fraction", 1.0))

    @property
    def recipe(self) -> Recipe:
        """How the network is trained."""
        return self.study.evaluation(self.evaluation).training


@dataclass(frozen=True)
class Plan:
    """One run, ready to be done: its images, and the key of everything that decides its result."""

    material: Material
    run: Run
    seed: int
    steps: int
    train: Examples
    validation: Examples
    test: Examples
    session: Session

    @property
    def folder(self) -> Path:
        """The run folder."""
        return self.material.study.layout.run(*self.run)

    def facts(self) -> RunRecord:
        """Everything that decides the result and is known before the run."""
        return {
            "task": TASK,
            "run": {**self.run._asdict(), "steps": self.steps},
            "seed": self.seed,
            "labels": list(self.train.labels),
            # The budget is in 'steps'; that of other fractions is not this run's business.
            "recipe": self.material.recipe.model_dump(mode="json", exclude={"steps", "epochs"}),
            "network": self.material.network.describe(),
            "data": {
                "train": self.train.describe(),
                "validation": self.validation.describe(),
                "test": self.test.describe(),
            },
            "code": code_hash(__name__),
            **self.session.describe(),  # type: ignore[typeddict-item]
        }

    def why_undefined(self) -> str:
        """Why there is nothing to train or to test, or an empty text."""
        return why_undefined(self.train, self.validation) or ("" if len(self.test) else "undefined: no test image")


def run_job(
    study: Study,
    evaluation: str,
    setting: str,
    backbone: str,
    repeats: Sequence[int],
    *,
    retry_failed: bool = False,
    record: Path | None = None,
    attempt: int = 0,
) -> list[RunRecord]:
    """Do some repeats of a cell in this process, those that are not done yet.

    Parameters
    ----------
    study : Study
    evaluation, setting, backbone : str
        The cell.
    repeats : sequence of int
        Which repeats.
    retry_failed : bool
        Do runs again that diverged or ran out of memory with the same key.
    record : pathlib.Path, optional
        Where to write the job's record when all repeats are done.
    attempt : int
        Written into the job's record.

    Returns
    -------
    list of RunRecord
        One for each repeat.

    Raises
    ------
    InputError
        The cell is not in the study, or something that the runs need has not been made.
    """
    _check_cell(study, evaluation, setting, repeats)
    with training_session(study) as session:
        material = load_material(study, evaluation, setting, backbone)
        records = [do_run(plan_run(material, each, session), retry_failed=retry_failed) for each in repeats]
        if record is not None and session.ranks.is_first:
            write_json(record, _summarise(material, records, attempt))
    return records


def load_material(study: Study, evaluation: str, setting: str, backbone: str) -> Material:
    """Load what all repeats of a cell have in common.

    Raises
    ------
    InputError
        Weights, data or splits have not been made, or were made from something else.
    """
    entry, path = study.evaluation(evaluation), study.layout.splits(evaluation)
    network = pretrained_network(study, backbone)
    examples = load_examples(study, entry.dataset, entry.labels)
    splits = load_splits(path)
    if splits.labels != list(examples.labels):
        raise InputError(
            f"{path} was made for the labels {', '.join(splits.labels)}",
            f"the study's labels {', '.join(examples.labels)}",
            f"make it again: python -m evalkit.splits --study {study.source} --evaluation {evaluation}",
        )
    inputs = {**examples.inputs, "splits": file_sha256(path)}
    return Material(study, evaluation, setting, backbone, examples, splits, network, inputs)


def plan_run(material: Material, repeat: int, session: Session) -> Plan:
    """Choose a repeat's images and seed. The seed does not depend on the backbone: all share the same noise."""
    cell = {"evaluation": material.evaluation, "setting": material.setting}
    splits, fraction = material.splits, material.fraction
    train, validation, test = (
        material.examples.select(splits.image_ids(role, fraction=fraction, repeat=repeat))
        for role in ("train", "validation", "test")
    )
    return Plan(
        material=material,
        run=Run(**cell, backbone=material.backbone, repeat=repeat),
        seed=seed_from(purpose="training", **cell, repeat=repeat, seed=material.study.file.seed),
        steps=material.recipe.count_steps(images=len(train), fraction=fraction),
        train=train,
        validation=validation,
        test=test,
        session=session,
    )


def do_run(plan: Plan, *, retry_failed: bool = False) -> RunRecord:
    """Train, predict and record one run, unless it is done already.

    Returns
    -------
    RunRecord
        As the first process wrote it now, or as it was recorded before.
    """
    facts, ranks = plan.facts(), plan.session.ranks
    key = value_hash(facts)
    title = f"{plan.run.evaluation} {plan.run.setting} {plan.run.backbone} repeat {plan.run.repeat}"
    with showing_progress(title, quiet=not ranks.is_first) as progress:
        found = ranks.from_first(recorded_run(plan.folder, key) if ranks.is_first else {})
        if found and (found["outcome"] == "done" or not retry_failed):
            progress.say(f"{found['outcome']} before, with the same key {key[:12]}")
            return cast(RunRecord, found)
        stopwatch = Stopwatch()
        record: RunRecord = {"study": plan.material.study.name, "key": key, "outcome": plan.why_undefined(), **facts}
        scores: dict[str, NDArray[np.float64]] = {}
        states = plan.session.states(key, plan.material.recipe)
        if not record["outcome"]:
            classifier = train_classifier(
                plan.material.network,
                plan.train,
                plan.validation,
                plan.material.recipe,
                steps=plan.steps,
                seed=plan.seed,
                session=plan.session,
                states=states,
                progress=progress,
            )
            record |= classifier.describe()
            if record["outcome"] == "done" and ranks.is_first:
                scores = {VALIDATION: classifier.predict(plan.validation), PREDICTIONS: classifier.predict(plan.test)}
                if not all(np.isfinite(each).all() for each in scores.values()):
                    record["outcome"], scores = "diverged", {}
        record["inputs"] = plan.material.inputs
        record |= stopwatch.stop(device=plan.session.hardware.name)
        if ranks.is_first:
            _write(plan, record, scores)
            for state in states:
                state.discard()
        progress.say(f"{record['outcome']} after {record['wall_seconds']:.1f} s{_speed(record)}")
        return ranks.from_first(record)


def _check_cell(study: Study, evaluation: str, setting: str, repeats: Sequence[int]) -> None:
    entry = study.evaluation(evaluation)
    settings = entry.list_settings()
    if setting not in settings:
        raise InputError(
            f"the evaluation {evaluation!r} has no setting {setting!r}", f"one of {', '.join(settings)}", "correct it"
        )
    count = count_repeats(entry, setting)
    if max(repeats) >= count:
        raise InputError(
            f"repeat {max(repeats)} of {evaluation}, {setting}",
            f"repeats from 0 to {count - 1}",
            "correct the argument, or raise 'repeats' (or, where nothing is drawn, 'seeds') in the study",
        )


def _write(plan: Plan, record: RunRecord, scores: dict[str, NDArray[np.float64]]) -> None:
    parts = {VALIDATION: plan.validation, PREDICTIONS: plan.test}
    with replacing_run(plan.folder) as staging:
        for name, values in scores.items():
            part = parts[name]
            write_predictions(staging / name, part.images, labels=part.labels, targets=part.targets, scores=values)
        record["outputs"] = {name: file_sha256(staging / name) for name in scores}
        write_record(staging, record)


def _speed(record: RunRecord) -> str:
    return f", {record['images_per_second']:.0f} images/s" if "images_per_second" in record else ""


def _summarise(material: Material, records: list[RunRecord], attempt: int) -> dict[str, Any]:
    return {
        "evaluation": material.evaluation,
        "setting": material.setting,
        "backbone": material.backbone,
        "attempt": attempt,
        "runs": [
            {
                "repeat": record["run"]["repeat"],
                "key": record["key"],
                "outcome": record["outcome"],
                "predictions": record["outputs"].get(PREDICTIONS),
            }
            for record in records
        ],
    }
