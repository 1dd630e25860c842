"""Making the generator of an inversion: trained on the evaluation's training images, or read from a file.

Its folder gets the weights, `generator.json` (what it is and where it is from), `snapshots.npz` of a training, and
last `run.json` with a key: the hash of everything that decides the weights.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from evalkit.atomic import write_json
from evalkit.checkpoints.report import fingerprint_of
from evalkit.config.inversion import TrainedHere
from evalkit.config.loading import Study
from evalkit.errors import InputError
from evalkit.fingerprints import code_hash, file_sha256, value_hash
from evalkit.generators import find_generator, open_generator
from evalkit.layout import SNAPSHOTS
from evalkit.records import RunRecord, Stopwatch, recorded_run, replacing_run, write_record
from evalkit.seeds import seed_from
from evalkit.stylegan2.generator import Generator
from evalkit.stylegan2.loading import save_generator
from evalkit.stylegan2.snapshots import save_snapshots
from evalkit.stylegan2.training import TrainedGenerator, train_generator
from evalkit.training.parts import load_parts
from evalkit.training.progress import Progress, showing_progress
from evalkit.training.session import Session, training_session
from evalkit.training.state import TrainingState


def make_generator(study: Study, evaluation: str, *, record: Path | None = None, attempt: int = 0) -> RunRecord:
    """Make an inversion's generator, unless it is made already.

    Parameters
    ----------
    study : Study
    evaluation : str
    record : pathlib.Path, optional
        Where to write the job's record when the generator is there.
    attempt : int
        Written into the job's record.

    Raises
    ------
    InputError
        Images or splits have not been made; the training diverged; or the file is not there, not a generator of this
        study's images, or has another hash.
    """
    train = study.inversion(evaluation).generator.train
    with training_session(study) as session:
        order = _to_train(study, evaluation, train, session) if train else _to_read(study, evaluation)
        made = _make(study, evaluation, session, order)
        if record is not None and session.ranks.is_first:
            done = {"key": made["key"], "outputs": made["outputs"]}
            write_json(record, {"evaluation": evaluation, "attempt": attempt, **done})
    return made


@dataclass(frozen=True)
class _Made:
    """A generator, what `generator.json` says of it, and what came of its training where there was one."""

    generator: Generator
    report: dict[str, Any]
    trained: TrainedGenerator | None = None


@dataclass(frozen=True)
class _Order:
    """How a generator is to be made: what decides it, the files read, and what makes it."""

    facts: dict[str, Any]
    inputs: dict[str, str]
    make: Callable[[TrainingState, Progress], _Made]


def _to_train(study: Study, evaluation: str, entry: TrainedHere, session: Session) -> _Order:
    parts = load_parts(study, evaluation)
    parts.count_shared_patients()
    images = parts.training
    seed = seed_from(purpose="generator", evaluation=evaluation, seed=study.file.seed)
    facts = {
        "task": "generator",
        "run": {"evaluation": evaluation, "steps": entry.recipe.steps},
        "seed": seed,
        "spec": entry.spec.model_dump(mode="json"),
        "recipe": entry.recipe.model_dump(mode="json", exclude={"steps"}),
        "data": {"train": images.describe()},
        "code": code_hash("evalkit.stylegan2.training"),
        **session.describe(),
    }

    def make(state: TrainingState, progress: Progress) -> _Made:
        trained = train_generator(
            entry.spec,
            images.packed,
            entry.recipe,
            seed=seed,
            hardware=session.hardware,
            ranks=session.ranks,
            state=state,
            progress=progress,
            rows=images.images["row"].to_numpy(np.int64),
        )
        if trained.course.outcome != "done":
            raise InputError(
                f"the generator of {evaluation}: {trained.course.outcome} after {trained.course.step} of "
                f"{entry.recipe.steps} steps",
                "a loss that stays finite",
                "lower the learning rate of its recipe, or raise r1_gamma",
            )
        report = {"source": "trained by this workflow", "data": facts["data"], "history": trained.course.history}
        return _Made(trained.generator, report, trained)

    return _Order(facts, parts.inputs, make)


def _to_read(study: Study, evaluation: str) -> _Order:
    path = find_generator(study, evaluation)
    sha256 = file_sha256(path)
    facts = {
        "task": "generator",
        "run": {"evaluation": evaluation},
        "source": path.name,
        "sha256": sha256,
        "asked": study.inversion(evaluation).generator.sha256,
        "side": study.file.image_size,
        "code": code_hash("evalkit.stylegan2.loading"),
    }

    def make(_: TrainingState, progress: Progress) -> _Made:
        generator, report = open_generator(study, evaluation)
        return _Made(generator, {**report, "data": None})

    return _Order(facts, {"generator": sha256}, make)


def _make(study: Study, evaluation: str, session: Session, order: _Order) -> RunRecord:
    """Make and record it, unless it is there with the same key."""
    key, ranks, weights = value_hash(order.facts), session.ranks, study.layout.generator(evaluation)
    with showing_progress(f"generator of {evaluation}", quiet=not ranks.is_first) as progress:
        found = ranks.from_first(recorded_run(weights.parent, key) if ranks.is_first else {})
        if found:
            progress.say(f"made before, with the same key {key[:12]}")
            return cast(RunRecord, found)
        stopwatch = Stopwatch()
        state = TrainingState(session.layout.training_state(f"{key}-generator"), writes=ranks.is_first)
        made = order.make(state, progress)
        record: dict[str, Any] = {"study": study.name, "key": key, "outcome": "done", **order.facts}
        record |= {"inputs": order.inputs, **stopwatch.stop(device=session.hardware.name)}
        if made.trained is not None:
            record["images_per_second"] = round(made.trained.images_per_second, 3)
        if ranks.is_first:
            with replacing_run(weights.parent) as staging:
                record["outputs"] = _write(staging, weights.name, made)
                write_record(staging, cast(RunRecord, record))
            state.discard()
        progress.say("done")
        return cast(RunRecord, ranks.from_first(record))


def _write(folder: Path, name: str, made: _Made) -> dict[str, str]:
    """Write the generator's files; gives their SHA-256."""
    weights = folder / name
    save_generator(weights, made.generator)
    tensors = {key: tensor.cpu() for key, tensor in made.generator.state_dict().items()}
    facts = {"fingerprint": fingerprint_of(tensors), "spec": made.generator.spec.model_dump(mode="json")}
    write_json(weights.with_suffix(".json"), {**made.report, **facts})
    if made.trained is not None:
        steps = [int(note["step"]) for note in made.trained.course.history]
        save_snapshots(folder / SNAPSHOTS, made.trained.snapshots, steps)
    return {path.name: file_sha256(path) for path in sorted(folder.iterdir())}
