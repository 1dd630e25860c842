"""Doing a run: learn, predict, record. A run whose key is recorded is not done again.

Its folder gets `validation.parquet`, `predictions.parquet`, `predictions-<data set>.parquet` for each other data set it
is tested on and, last, `run.json` with a key: the hash of everything that decides the result.
"""

from __future__ import annotations

from typing import Protocol, cast

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
            progress.say(f"{found['outcome']} before, with the same key {key[:12]}")
            return cast(RunRecord, found)
        stopwatch = Stopwatch()
        record: RunRecord = {
            "study": plan.material.study.name,
            "key": key,
            "outcome": plan.why_undefined(),
            **facts,
        }
        scores: dict[str, NDArray[np.float64]] = {}
        parts = _predicted_parts(plan)
        learned = None
        if not record["outcome"]:
            learned = learner.learn(plan, key, progress)
            record |= learned.describe()
            if record["outcome"] == "done" and ranks.is_first:
                scores = {name: learned.predict(part) for name, part in parts.items()}
                if not all(np.isfinite(each).all() for each in scores.values()):
                    record["outcome"], scores = "diverged", {}
        record["inputs"] = plan.material.inputs
        record |= stopwatch.stop(device=plan.session.hardware.name)
        if ranks.is_first:
            _write(plan, record, parts, scores)
            if learned is not None:
                learned.discard()
        progress.say(f"{record['outcome']} after {record['wall_seconds']:.1f} s{_speed(record)}")
        return ranks.from_first(record)


def _predicted_parts(plan: Plan) -> dict[str, Examples]:
    external = {external_predictions(name): examples for name, examples in plan.material.external.items()}
    return {VALIDATION: plan.validation, PREDICTIONS: plan.test, **external}


def _write(plan: Plan, record: RunRecord, parts: dict[str, Examples], scores: dict[str, NDArray[np.float64]]) -> None:
    write = write_class_predictions if plan.material.entry.task == "multiclass" else write_predictions
    with replacing_run(plan.folder) as staging:
        for name, values in scores.items():
            part = parts[name]
            write(staging / name, part.images, labels=part.labels, targets=part.targets, scores=values)
        record["outputs"] = {name: file_sha256(staging / name) for name in scores}
        write_record(staging, record)


def _speed(record: RunRecord) -> str:
    return f", {record['images_per_second']:.0f} images/s" if "images_per_second" in record else ""
