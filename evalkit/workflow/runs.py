"""Runs of evaluations: their files, and what makes their jobs run again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from evalkit.config.detection import Detection
from evalkit.config.evaluations import Classification
from evalkit.config.inversion import Inversion
from evalkit.config.loading import Study
from evalkit.fingerprints import value_hash
from evalkit.plan import parse_span
from evalkit.settings import read_setting
from evalkit.workflow.backbones import network_hash
from evalkit.workflow.inversion import describe_inversion
from evalkit.workflow.machine import values_of


def features_files(study: Study, evaluation: str, backbone: str) -> list[Path]:
    """A backbone's features of the data sets that an evaluation's probes read."""
    entry = study.evaluation(evaluation)
    return [study.layout.features_job(name, backbone) for name in (entry.dataset, *entry.test_on)]


def features_attempt(study: Study, wildcards: Any) -> int:
    """Which attempt at features is due: one more than their job's record says if they are missing."""
    cell = (wildcards.dataset, wildcards.backbone)
    try:
        done = int(json.loads(study.layout.features_job(*cell).read_text(encoding="utf-8"))["attempt"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0
    path = study.layout.features(*cell)
    return done + (not (path.exists() and path.with_suffix(".json").exists()))


def apart_files(study: Study, backbone: str, evaluation: str) -> list[Path]:
    """The checks that no run is tested on what it was made from; they come before any run.

    What a backbone was made from here is in none of an evaluation's data sets, nor what the one was made from by which
    identity is measured; and another data set to test on shares nothing with the evaluation's own.
    """
    evaluated = study.evaluation(evaluation)
    looking = [backbone]
    if isinstance(evaluated, Inversion) and evaluated.identity is not None:
        looking.append(evaluated.identity)
    entries = [study.backbone(name).pretrain for each in looking for name in study.lineage(each)]
    pairs = [(entry.data, other) for entry in entries if entry for other in (evaluated.dataset, *evaluated.test_on)]
    pairs += [(evaluated.dataset, other) for other in evaluated.test_on]
    return list(dict.fromkeys(study.layout.apart(*pair) for pair in pairs))


def run_hash(study: Study, evaluation: str, setting: str, backbone: str) -> str:
    """Changes when a network is to be fine-tuned in another way. What changes its images comes with the splits."""
    entry = study.evaluation(evaluation)
    if isinstance(entry, Classification):
        how = _describe_classification(entry, setting)
    elif isinstance(entry, Inversion):
        how = describe_inversion(study, entry, setting, backbone)
    else:
        how = _describe_detection(entry)
    return value_hash({"task": entry.task, "labels": entry.labels, **how, "network": network_hash(study, backbone)})


def _describe_classification(entry: Classification, setting: str) -> dict[str, Any]:
    axes = read_setting(setting)
    if axes.regime == "probe":
        recipe = values_of(entry.probe)
    else:
        budget: Any = entry.training.steps
        if isinstance(budget, dict):
            budget = entry.training.count_steps(images=0, fraction=axes.fraction)
        recipe = {**values_of(entry.training, leave_out={"steps"}), "steps": budget}
    return {"class_weights": entry.class_weights, "test_on": entry.test_on, "recipe": recipe}


def _describe_detection(entry: Detection) -> dict[str, Any]:
    """All but who is in which part and which heads there are."""
    elsewhere = {"task", "dataset", "labels", "settings", "seeds", "validation_share", "test_share", "repeats_per_job"}
    return {"detector": values_of(entry, leave_out=elsewhere)}


def attempt(study: Study, wildcards: Any, *, retry_failed: bool) -> int:
    """Which attempt at a job is due: one more than its record says if a run is missing or is to be tried again.

    Parameters
    ----------
    wildcards : Snakemake's wildcards
        With evaluation, setting, backbone and span.
    retry_failed : bool
        Whether runs that failed (diverged, out of memory) are to be tried again.

    Returns
    -------
    int
        The recorded attempt as long as everything recorded is there, so that nothing is run again.
    """
    cell = (wildcards.evaluation, wildcards.setting, wildcards.backbone)
    try:
        record = json.loads(study.layout.job(*cell, wildcards.span).read_text(encoding="utf-8"))
        runs = [(run["outcome"], list(run["outputs"])) for run in record["runs"]]
        done = int(record["attempt"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0
    folders = [study.layout.run(*cell, repeat) for repeat in parse_span(wildcards.span)]
    missing = any(
        not (folder / name).exists()
        for folder, (_, outputs) in zip(folders, runs, strict=True)
        for name in ("run.json", *outputs)
    )
    failed = any(outcome != "done" for outcome, _ in runs)
    return done + (missing or (failed and retry_failed))
