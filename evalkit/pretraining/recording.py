"""A pretraining done once: not again with the same key, and kept whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from evalkit.config.loading import Study
from evalkit.fingerprints import file_sha256, value_hash
from evalkit.records import RunRecord, Stopwatch, recorded_run, replacing_run, write_record
from evalkit.training.progress import Progress, showing_progress
from evalkit.training.session import Session
from evalkit.training.state import TrainingState

CHECKPOINT = "checkpoint.pth"


@dataclass(frozen=True)
class Made:
    """What came of a training.

    Attributes
    ----------
    write : callable
        Writes the checkpoint to a path.
    record : mapping
        How the training went.
    states : list of TrainingState
        What was kept in case the process died.
    summary : str
        In a few words.
    """

    write: Callable[[Path], None]
    record: Mapping[str, Any]
    states: list[TrainingState]
    summary: str


def recorded_pretraining(
    study: Study,
    backbone: str,
    session: Session,
    facts: Mapping[str, Any],
    inputs: Mapping[str, str],
    train: Callable[[str, Progress], Made],
) -> RunRecord:
    """Do a pretraining and record it, unless it is done already.

    Parameters
    ----------
    study : Study
    backbone : str
        What is made.
    session : Session
    facts : mapping
        Everything that decides the result; its hash is the key.
    inputs : mapping
        SHA-256 of the files read.
    train : callable
        Given the key, trains.

    Returns
    -------
    RunRecord
        As it lies in the backbone's folder.
    """
    key, ranks, folder = value_hash(facts), session.ranks, study.layout.pretraining(backbone)
    with showing_progress(f"pretraining {backbone}", quiet=not ranks.is_first) as progress:
        found = ranks.from_first(recorded_run(folder, key) if ranks.is_first else {})
        if found:
            progress.say(f"done before, with the same key {key[:12]}")
            return cast(RunRecord, found)
        stopwatch = Stopwatch()
        made = train(key, progress)
        record = {"study": study.name, "key": key, **facts, **made.record, "inputs": dict(inputs)}
        if ranks.is_first:
            with replacing_run(folder) as staging:
                made.write(staging / CHECKPOINT)
                record["outputs"] = {CHECKPOINT: file_sha256(staging / CHECKPOINT)}
                record |= stopwatch.stop(device=session.hardware.name)
                write_record(staging, cast(RunRecord, record))
            for state in made.states:
                state.discard()
        progress.say(f"done, {made.summary}")
        return cast(RunRecord, ranks.from_first(record))
