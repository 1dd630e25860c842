"""Doing a run: learn, predict, record. A run whose key is recorded is not done again.

Its folder gets `validation.parquet`, `predictions.parquet`, `predictions-<data set>.parquet` for each other data set it
is tested on and, last, `run.json` with a key: the hash of everything that decides the result.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from evalkit.fingerprints import file_sha256, value_hash
from evalkit.layout import PREDICTIONS, VALIDATION, external_predictions
from evalkit.predictions import write_class_predictions, write_predictions
from evalkit.records import RunRecord, Stopwatch, recorded_run, replacing_run, write_record
from evalkit.training.examples import Examples
from evalkit.training.progress import Progress, showing_progress
from tasks.classification.plans import Plan


class Learned(Protocol):
    """What came of learning."""

    def describe(self) -> RunRecord:
        """How it went, with the outcome."""
        ...

    def predict(self, examples: Examples) -> NDArray[np.float64]:
        """Probabilities, shape (images, classes)."""
        ...

    def keep(self, folder: Path) -> list[str]:
        """Write what is to be kept of it into the run's folder, and say which files that are."""
        ...

    def discard(self) -> None:
        """Remove what was kept in case the process died; the run is now recorded."""
        ...


class Learner(Protocol):
    """A way to use a backbone: fine-tuning, or a linear probe."""

    def facts(self, plan: Plan) -> RunRecord:
        """Everything that decides the result and is known before the run."""
        ...

    def learn(self, plan: Plan, key: str, progress: Progress) -> Learned:
        """Learn from the run's training and validation images."""
        ...

    def recall(self, plan: Plan, record: Mapping[str, Any]) -> Callable[[Examples], NDArray[np.float64]] | None:
        """What a finished run learnt, as probabilities of other images; None where that was not kept."""
        ...


def do_run(plan: Plan, learner: Learner, *, retry_failed: bool = False) -> RunRecord:
    """Do and record one run, unless it is done already.

    Returns
    -------
    RunRecord
        As the first process wrote it now, or as it was recorded before.
    """
    facts, ranks = learner.facts(plan), plan.session.ranks
    key = value_hash(facts)
    with showing_progress(plan.title, quiet=not ranks.is_first) as progress:
        found = ranks.from_first(recorded_run(plan.folder, key) if ranks.is_first else {})
        if found and (found["outcome"] == "done" or not retry_failed):
            lacking = _list_lacking(plan, found)
            if not lacking:
                progress.say(f"{found['outcome']} before, with the same key {key[:12]}")
                return cast(RunRecord, found)
            recalled = learner.recall(plan, found)
            if recalled is not None:
                if ranks.is_first:
                    found = _add_external(
                        plan, found, {name: recalled(plan.material.external[name]) for name in lacking}
                    )
                progress.say(f"tested on {', '.join(lacking)} as well, without training")
                return cast(RunRecord, ranks.from_first(found))
        stopwatch = Stopwatch()
        record: RunRecord = {
            "study": plan.material.study.name,
            "key": key,
            "outcome": plan.why_undefined(),
            **facts,
        }
        scores: dict[str, NDArray[np.float64]] = {}
        learned = None
        if not record["outcome"]:
            learned = learner.learn(plan, key, progress)
            record |= learned.describe()
            if record["outcome"] == "done" and ranks.is_first:
                scores = {name: learned.predict(part) for name, part in _predicted_parts(plan).items()}
                if not all(np.isfinite(each).all() for each in scores.values()):
                    record["outcome"], scores = "diverged", {}
        record["data"]["test_on"] = _describe_external(plan)
        record["inputs"] = plan.material.inputs
        record |= stopwatch.stop(device=plan.session.hardware.name)
        if ranks.is_first:
            with replacing_run(plan.folder) as staging:
                written = _write_scores(plan, staging, scores)
                if scores and learned is not None:
                    written += learned.keep(staging)
                record["outputs"] = {name: file_sha256(staging / name) for name in written}
                write_record(staging, record)
            if learned is not None:
                learned.discard()
        progress.say(f"{record['outcome']} after {record['wall_seconds']:.1f} s{_speed(record)}")
        return ranks.from_first(record)


def _predicted_parts(plan: Plan) -> dict[str, Examples]:
    external = {external_predictions(name): examples for name, examples in plan.material.external.items()}
    return {VALIDATION: plan.validation, PREDICTIONS: plan.test, **external}


def _describe_external(plan: Plan) -> dict[str, dict[str, int | str]]:
    return {name: examples.describe() for name, examples in plan.material.external.items()}


def _list_lacking(plan: Plan, found: dict[str, Any]) -> list[str]:
    """The other data sets that a finished run has not been tested on, as they are now."""
    if found["outcome"] != "done":
        return []
    tested = found["data"].get("test_on", {})
    return [name for name, described in _describe_external(plan).items() if tested.get(name) != described]


def _add_external(plan: Plan, found: dict[str, Any], scores: dict[str, NDArray[np.float64]]) -> dict[str, Any]:
    """Add predictions for other data sets to a finished run; all else of it stays as it is."""
    kept = [name for name in found["outputs"] if name not in map(external_predictions, scores)]
    with replacing_run(plan.folder) as staging:
        for name in kept:
            shutil.copy2(plan.folder / name, staging / name)
        written = _write_scores(plan, staging, {external_predictions(name): each for name, each in scores.items()})
        tested = found["data"].get("test_on", {}) | {name: plan.material.external[name].describe() for name in scores}
        record = {
            **found,
            "data": {**found["data"], "test_on": tested},
            "inputs": {**found["inputs"], **plan.material.inputs},
            "outputs": {name: file_sha256(staging / name) for name in (*kept, *written)},
        }
        write_record(staging, cast(RunRecord, record))
    return record


def _write_scores(plan: Plan, folder: Path, scores: dict[str, NDArray[np.float64]]) -> list[str]:
    write = write_class_predictions if plan.material.entry.task == "multiclass" else write_predictions
    parts = _predicted_parts(plan)
    for name, values in scores.items():
        part = parts[name]
        write(folder / name, part.images, labels=part.labels, targets=part.targets, scores=values)
    return list(scores)


def _speed(record: RunRecord) -> str:
    return f", {record['images_per_second']:.0f} images/s" if "images_per_second" in record else ""
