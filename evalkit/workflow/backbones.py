"""Backbones, made here or read from checkpoints: their files, and what makes their jobs run again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evalkit.config.datasets import Dataset
from evalkit.config.loading import Study
from evalkit.config.pretraining import Contrastive, Pretraining
from evalkit.datasets.overlap import describe_overlap
from evalkit.errors import InputError
from evalkit.fingerprints import code_hash, file_state, value_hash
from evalkit.workflow.data import dataset_files
from evalkit.workflow.machine import machine_values, values_of


def pretraining_data(study: Study, backbone: str) -> list[Path]:
    """The images a backbone is made from."""
    return dataset_files(study, pretraining_of(study, backbone).data)


def pretraining_start(study: Study, backbone: str) -> list[Path]:
    """The weights a pretraining starts from."""
    init = pretraining_of(study, backbone).init
    return weights_files(study, init) if init else []


def pretraining_apart_from(study: Study, backbone: str) -> list[str]:
    """The data sets that a pretraining's data are checked against before it starts: those of all evaluations.

    Of a pretraining that is done as it would be done now they are those it was checked against then. A further
    evaluation would make it run again otherwise; that one's own runs wait for the check of its data (`apart_files`).
    An input marked as ancient would not do: once Snakemake is to make that file again, it looks no more whether
    anything that depends on it has changed.
    """
    data = study.dataset(pretraining_of(study, backbone).data)
    used = [name for entry in study.file.evaluations.values() for name in (entry.dataset, *entry.test_on)]
    datasets = [name for name in dict.fromkeys(used) if not _drawn_apart(data, study.dataset(name))]
    job = _pretraining_job(study, backbone)
    if job.get("decided_by") == pretraining_mark(study, backbone) and not _is_missing(study, backbone, job):
        return [dataset for dataset in datasets if dataset in job["apart_from"]]
    return datasets


def pretraining_checks(study: Study, backbone: str) -> list[Path]:
    """The checks a pretraining waits for, so that hours are not spent on weights that may not be used."""
    data = pretraining_of(study, backbone).data
    return [study.layout.apart(data, other) for other in pretraining_apart_from(study, backbone)]


def pretraining_attempt(study: Study, backbone: str) -> int:
    """Which attempt at a pretraining is due: one more than its job's record says if what it made is missing."""
    job = _pretraining_job(study, backbone)
    return job["attempt"] + _is_missing(study, backbone, job) if job else 0


def pretraining_module(study: Study, backbone: str) -> str:
    """The module that makes a backbone; its code decides the weights."""
    method = pretraining_of(study, backbone).method
    return f"evalkit.pretraining.{'supervised' if method == 'supervised' else 'contrastive'}"


def pretraining_hash(study: Study, backbone: str) -> str:
    """Changes when a backbone is to be made in another way."""
    entry = study.backbone(backbone)
    shape = values_of(entry, leave_out={"label", "baseline", "note", "pretrained_on"})
    pretrain = entry.pretrain
    if isinstance(pretrain, Contrastive) and pretrain.ifa is not None:
        # A preset is what it stands for.
        shape["pretrain"]["ifa"] = {block: values_of(term) for block, term in pretrain.ifa.terms.items()}
    return value_hash({**shape, **machine_values(study)})


def pretraining_mark(study: Study, backbone: str) -> list[str]:
    """What decides a pretraining beside its files, for its job's record: configuration and code."""
    return [pretraining_hash(study, backbone), code_hash(pretraining_module(study, backbone))]


def checkpoint_inputs(study: Study, backbone: str) -> list[Path]:
    """What says that the checkpoint is there, where this workflow makes it: the file, or the record of its job.

    Any other checkpoint is checked by the job itself, not by Snakemake.
    """
    path = study.known_checkpoint(backbone)
    if path is None or not path.is_relative_to(study.layout.root):
        return []
    maker = path.parent.name
    return [study.layout.pretraining_job(maker) if path.parent == study.layout.pretraining(maker) else path]


def checkpoint_state(study: Study, backbone: str) -> str:
    """Size and time of a checkpoint from elsewhere; ``absent`` where there is none, or its variable is not set."""
    path = study.known_checkpoint(backbone)
    return "absent" if path is None or checkpoint_inputs(study, backbone) else file_state(path)


def backbone_hash(study: Study, backbone: str) -> str:
    """Changes when a checkpoint is to be read in another way."""
    return value_hash(
        values_of(study.backbone(backbone), leave_out={"label", "baseline", "note", "pretrained_on", "pretrain"})
    )


def network_hash(study: Study, backbone: str) -> str:
    """Changes when a backbone is to be built or fed in another way."""
    shape = values_of(study.backbone(backbone), leave_out={"label", "baseline", "note", "pretrained_on", "pretrain"})
    return value_hash({**shape, **machine_values(study)})


def weights_files(study: Study, backbone: str) -> list[Path]:
    """The canonical weights a run starts from; none for scratch, and for VGG-16, whose file is used as it is."""
    if study.backbone(backbone).is_scratch or study.backbone(backbone).is_vgg16:
        return []
    weights = study.layout.weights(backbone)
    return [weights, weights.with_suffix(".json")]


def contrastive_backbones(study: Study) -> list[str]:
    """The backbones that contrastive pretraining makes, those included that the study needs without listing them."""
    entries = study.unlisted | study.backbones
    return [name for name, entry in entries.items() if isinstance(entry.pretrain, Contrastive)]


def pretraining_of(study: Study, backbone: str) -> Pretraining:
    """How this workflow makes a backbone; InputError where it does not."""
    pretrain = study.backbone(backbone).pretrain
    if pretrain is None:
        raise InputError(f"the backbone {backbone!r} is not made by this workflow", "an entry with 'pretrain'")
    return pretrain


def _drawn_apart(one: Dataset, other: Dataset) -> bool:
    """Whether two data sets are phantoms of other patients, by their numbers: their check need not come first."""
    return one.phantom is not None and other.phantom is not None and not describe_overlap(one, other)


def _pretraining_job(study: Study, backbone: str) -> dict[str, Any]:
    """The record of a pretraining's job, empty where there is none that can be read."""
    try:
        job = json.loads(study.layout.pretraining_job(backbone).read_text(encoding="utf-8"))
        lists = {name: list(job[name]) for name in ("apart_from", "decided_by", "outputs")}
        return {"attempt": int(job["attempt"]), **lists}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _is_missing(study: Study, backbone: str, job: Mapping[str, Any]) -> bool:
    folder = study.layout.pretraining(backbone)
    return not all((folder / name).exists() for name in ("run.json", *job["outputs"]))
