"""Doing a run: train a detector, let it look, record. A run whose key is recorded is not done again.

Its folder gets COCO's files of test and validation images (`evalkit.layout` names them) and, last, `run.json` with a
key: the hash of everything that decides the result.
"""

from __future__ import annotations

import json
from typing import Any, cast

from evalkit.atomic import write_text
from evalkit.detection.coco import describe_truth
from evalkit.detection.scoring import score_detections
from evalkit.detection.training import Detector, train_detector
from evalkit.fingerprints import file_sha256, value_hash
from evalkit.layout import DETECTIONS, GROUND_TRUTH, VALIDATION_DETECTIONS, VALIDATION_TRUTH
from evalkit.records import RunRecord, Stopwatch, recorded_run, replacing_run, write_record
from evalkit.splits.stored import Role
from evalkit.training.progress import Progress, showing_progress
from tasks.detection.plans import Plan

#: Where truth and detections of a part go.
_FILES: dict[Role, tuple[str, str]] = {
    "validation": (VALIDATION_TRUTH, VALIDATION_DETECTIONS),
    "test": (GROUND_TRUTH, DETECTIONS),
}


def do_run(plan: Plan, *, retry_failed: bool = False) -> RunRecord:
    """Do and record one run, unless it is done already.

    Returns
    -------
    RunRecord
        As the first process wrote it now, or as it was recorded before.
    """
    facts, ranks, material = plan.facts(), plan.session.ranks, plan.material
    key, folder = value_hash(facts), material.study.layout.run(*plan.run)
    with showing_progress(plan.title, quiet=not ranks.is_first) as progress:
        found = ranks.from_first(recorded_run(folder, key) if ranks.is_first else {})
        if found and (found["outcome"] == "done" or not retry_failed):
            progress.say(f"{found['outcome']} before, with the same key {key[:12]}")
            return cast(RunRecord, found)
        stopwatch = Stopwatch()
        record: RunRecord = {
            "study": material.study.name,
            "key": key,
            "outcome": plan.why_undefined(),
            **facts,
        }
        detector: Detector | None = None
        files: dict[str, Any] = {}
        if not record["outcome"]:
            detector = _train(plan, key, progress)
            record |= detector.describe()
            if record["outcome"] == "done" and ranks.is_first:
                files, record["coco"] = _look(plan, detector)
        record["inputs"] = material.inputs
        record |= stopwatch.stop(device=plan.session.hardware.name)
        if ranks.is_first:
            with replacing_run(folder) as staging:
                for name, value in files.items():
                    write_text(staging / name, json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n")
                record["outputs"] = {name: file_sha256(staging / name) for name in files}
                write_record(staging, record)
            for state in plan.session.states(key, material.entry.recipe) if detector is not None else ():
                state.discard()
        speed = f", {record['images_per_second']:.1f} images/s" if "images_per_second" in record else ""
        progress.say(f"{record['outcome']} after {record['wall_seconds']:.1f} s{speed}")
        return ranks.from_first(record)


def _train(plan: Plan, key: str, progress: Progress) -> Detector:
    material = plan.material
    return train_detector(
        material.spec,
        material.network.weights,
        material.parts["train"],
        material.parts["validation"],
        material.entry,
        steps=plan.steps,
        seed=plan.seed,
        session=plan.session,
        states=plan.session.states(key, material.entry.recipe),
        progress=progress,
    )


def _look(plan: Plan, detector: Detector) -> tuple[dict[str, Any], dict[str, Any]]:
    """The files of a run, and COCO's numbers of each part."""
    files: dict[str, Any] = {}
    numbers: dict[str, Any] = {}
    for role, (truth_name, found_name) in _FILES.items():
        truth = describe_truth(plan.material.parts[role])
        found = detector.finder.find(plan.material.parts[role])
        files[truth_name], files[found_name] = truth, found
        numbers[role] = score_detections(truth, found)
    return files, numbers
