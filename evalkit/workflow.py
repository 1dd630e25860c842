"""What the Snakefile asks: inputs, arguments and the values whose change makes a job run again.

Snakemake compares the parameters a job was run with to those it would get now. Each hash here covers the part of the
configuration that one kind of job depends on, so that editing a caption retrains nothing and adding a backbone runs
only its own jobs. Nothing here needs data or weights to be present: a dry run works without them.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.config.datasets import CsvEntry
from evalkit.config.loading import Study, load_study
from evalkit.config.pretraining import Contrastive, Pretraining
from evalkit.errors import InputError
from evalkit.fingerprints import code_hash, file_state, value_hash
from evalkit.plan import list_jobs, parse_span
from evalkit.settings import parse_setting

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

#: Cores this process may use; --cores may say otherwise.
REAL_CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

#: What a table is rendered as; the first holds the rows, the others their layout.
REPORT_ENDINGS = (".csv", ".md", ".tex", ".html")

#: What the index files of a public data set are called; a change of one of them is a change of the data set.
_INDEX_FILES = {"chexpert": ("*.csv",), "nih": ("*.csv", "*_list.txt")}


def open_study(config: Mapping[str, Any]) -> Study:
    """Load the study that ``--config`` chooses, and check its tables before anything is trained.

    Parameters
    ----------
    config : mapping
        What stands after ``--config``: ``study`` (a name or a path; the demo by default), ``retry_failed``, and names
        in upper case, which become environment variables for the ``${NAME}`` of the configuration.

    Raises
    ------
    InputError
        Another key, or a study or a table that is not valid.
    """
    from evalkit.comparisons.procedure import check_table

    unknown = sorted({name for name in config if not name.isupper()} - {"study", "retry_failed"})
    if unknown:
        raise InputError(
            f"--config has {', '.join(unknown)}",
            "study, retry_failed, or a variable's name in upper case",
            "correct the name; targets come after --",
        )
    os.environ.update({name: str(value) for name, value in config.items() if name.isupper()})
    study = load_study(config.get("study", "demo"))
    for table in study.file.tables:
        check_table(study, table)
    return study


def training_slots(study: Study) -> int:
    """How many trainings may run at once here: the real cores shared out by the threads of each."""
    return max(1, REAL_CORES // study.file.threads)


def gpus(study: Study) -> int:
    """How many cards a training asks the scheduler for; with ``device: auto`` one, where this machine has any."""
    has_card = Path("/proc/driver/nvidia/version").exists()
    return {"cpu": 0, "cuda": 1, "auto": int(has_card)}[study.file.device]


def phantom_arguments(study: Study, dataset: str) -> str:
    """The arguments that draw a phantom data set."""
    entry = study.dataset(dataset)
    assert entry.phantom is not None
    return (
        f"--layout {entry.format} --patients {entry.phantom.patients} --first-patient {entry.phantom.first_patient}"
        f" --size {entry.phantom.size} --seed {entry.phantom.seed}"
    )


def phantom_mark(study: Study, dataset: str) -> list[Path]:
    """The file that says a phantom data set is complete, or nothing for a real one."""
    entry = study.dataset(dataset)
    return [] if entry.phantom is None else [study.layout.phantom(dataset, entry.format) / "phantom.json"]


def dataset_hash(study: Study, dataset: str) -> str:
    """Changes when a data set is to be read in another way."""
    return value_hash(_values(study.dataset(dataset), leave_out={"note"}))


def dataset_state(study: Study, dataset: str) -> list[str]:
    """Size and time of a real data set's index files; ``absent`` where the folder or its variable is missing."""
    entry = study.dataset(dataset)
    if entry.phantom is not None:
        return ["phantom"]
    try:
        root = study.dataset_root(dataset)
    except InputError:
        return ["absent"]
    patterns = (entry.table,) if isinstance(entry, CsvEntry) else _INDEX_FILES[entry.format]
    files = sorted(path for pattern in patterns for path in root.glob(pattern))
    return [f"{path.name}: {file_state(path)}" for path in files] or ["absent"]


def dataset_files(study: Study, dataset: str) -> list[Path]:
    """What a job that reads a packed data set depends on."""
    return [study.layout.manifest(dataset), study.layout.packed(dataset, study.file.image_size) / "packing.json"]


def split_hash(study: Study, evaluation: str) -> str:
    """Changes when patients are to be divided in another way."""
    values = _values(study.evaluation(evaluation), leave_out={"recipe", "repeats_per_job", "seeds", "aggregate"})
    return value_hash({**values, "seed": study.file.seed})


def compared_files(study: Study, dataset: str, other: str) -> list[Path]:
    """Two packed data sets, or one where it is to be compared with itself."""
    return [path for name in dict.fromkeys((dataset, other)) for path in dataset_files(study, name)]


def apart_files(study: Study, backbone: str, evaluation: str) -> list[Path]:
    """The checks that nothing a backbone was made from here is in an evaluation's data; they come before any run."""
    other = study.evaluation(evaluation).dataset
    entries = [study.backbone(name).pretrain for name in _lineage(study, backbone)]
    return list(dict.fromkeys(study.layout.apart(entry.data, other) for entry in entries if entry is not None))


def pretraining_data(study: Study, backbone: str) -> list[Path]:
    """The images a backbone is made from."""
    return dataset_files(study, _pretraining(study, backbone).data)


def pretraining_start(study: Study, backbone: str) -> list[Path]:
    """The weights a pretraining starts from."""
    init = _pretraining(study, backbone).init
    return weights_files(study, init) if init else []


def pretraining_apart_from(study: Study, backbone: str) -> list[str]:
    """The data sets that a pretraining's data are checked against before it starts: those of all evaluations.

    Of a pretraining that is done as it would be done now they are those it was checked against then. A further
    evaluation would make it run again otherwise; that one's own runs wait for the check of its data (`apart_files`).
    An input marked as ancient would not do: once Snakemake is to make that file again, it looks no more whether
    anything that depends on it has changed.
    """
    datasets = list(dict.fromkeys(evaluation.dataset for evaluation in study.file.evaluations.values()))
    job = _pretraining_job(study, backbone)
    if job.get("decided_by") == pretraining_mark(study, backbone) and not _is_missing(study, backbone, job):
        return [dataset for dataset in datasets if dataset in job["apart_from"]]
    return datasets


def pretraining_checks(study: Study, backbone: str) -> list[Path]:
    """The checks a pretraining waits for, so that hours are not spent on weights that may not be used."""
    data = _pretraining(study, backbone).data
    return [study.layout.apart(data, other) for other in pretraining_apart_from(study, backbone)]


def pretraining_attempt(study: Study, backbone: str) -> int:
    """Which attempt at a pretraining is due: one more than its job's record says if what it made is missing."""
    job = _pretraining_job(study, backbone)
    return job["attempt"] + _is_missing(study, backbone, job) if job else 0


def pretraining_module(study: Study, backbone: str) -> str:
    """The module that makes a backbone; its code decides the weights."""
    method = _pretraining(study, backbone).method
    return f"evalkit.pretraining.{'supervised' if method == 'supervised' else 'contrastive'}"


def contrastive_backbones(study: Study) -> list[str]:
    """The backbones that contrastive pretraining makes, those that others start from included."""
    entries = study.origins | study.backbones
    return [name for name, entry in entries.items() if isinstance(entry.pretrain, Contrastive)]


def pretraining_jobs(study: Study) -> list[Path]:
    """The jobs' records of contrastive pretraining, for its figure.

    Raises
    ------
    SystemExit
        The study has no such backbone. Snakemake would show any other exception with a traceback.
    """
    jobs = [study.layout.pretraining_job(name) for name in contrastive_backbones(study)]
    if not jobs:
        raise SystemExit(f"error: {study.source} has no contrastive pretraining; there is nothing to draw")
    return jobs


def views_inputs(study: Study) -> list[Path]:
    """The packed images that examples of the first contrastive backbone's views are made from."""
    pretraining_jobs(study)
    return dataset_files(study, _pretraining(study, contrastive_backbones(study)[0]).data)


def views_arguments(study: Study) -> tuple[str, str]:
    """The backbone whose views are shown, and a hash of them."""
    names = contrastive_backbones(study)
    if not names:
        return "", ""
    entry = _pretraining(study, names[0])
    assert isinstance(entry, Contrastive)
    return names[0], value_hash(_values(entry.views))


def pretraining_hash(study: Study, backbone: str) -> str:
    """Changes when a backbone is to be made in another way."""
    entry = study.backbone(backbone)
    shape = _values(entry, leave_out={"label", "baseline", "note", "pretrained_on"})
    pretrain = entry.pretrain
    if isinstance(pretrain, Contrastive) and pretrain.ifa is not None:
        # A preset is what it stands for.
        shape["pretrain"]["ifa"] = {block: _values(term) for block, term in pretrain.ifa.terms.items()}
    return value_hash({**shape, **_machine(study)})


def pretraining_mark(study: Study, backbone: str) -> list[str]:
    """What decides a pretraining beside its files, for its job's record: configuration and code."""
    return [pretraining_hash(study, backbone), code_hash(pretraining_module(study, backbone))]


def checkpoint_inputs(study: Study, backbone: str) -> list[Path]:
    """What says that the checkpoint is there, where this workflow makes it: the file, or the record of its job.

    Any other checkpoint is checked by the job itself, not by Snakemake.
    """
    path = _known_checkpoint(study, backbone)
    if path is None or not path.is_relative_to(study.layout.root):
        return []
    maker = path.parent.name
    return [study.layout.pretraining_job(maker) if path.parent == study.layout.pretraining(maker) else path]


def checkpoint_state(study: Study, backbone: str) -> str:
    """Size and time of a checkpoint from elsewhere; ``absent`` where there is none, or its variable is not set."""
    path = _known_checkpoint(study, backbone)
    return "absent" if path is None or checkpoint_inputs(study, backbone) else file_state(path)


def backbone_hash(study: Study, backbone: str) -> str:
    """Changes when a checkpoint is to be read in another way."""
    return value_hash(
        _values(study.backbone(backbone), leave_out={"label", "baseline", "note", "pretrained_on", "pretrain"})
    )


def weights_files(study: Study, backbone: str) -> list[Path]:
    """The canonical weights a run starts from; none for scratch."""
    if study.backbone(backbone).is_scratch:
        return []
    weights = study.layout.weights(backbone)
    return [weights, weights.with_suffix(".json")]


def run_hash(study: Study, evaluation: str, setting: str, backbone: str) -> str:
    """Changes when a network is to be fine-tuned in another way. What changes its images comes with the splits."""
    entry, recipe = study.backbone(backbone), study.evaluation(evaluation).training
    budget: Any = recipe.steps
    if isinstance(budget, dict):
        budget = recipe.count_steps(images=0, fraction=float(parse_setting(setting).get("fraction", 1.0)))
    return value_hash(
        {
            "labels": study.evaluation(evaluation).labels,
            "recipe": {**_values(recipe, leave_out={"steps"}), "steps": budget},
            "network": _values(entry, leave_out={"label", "baseline", "note", "pretrained_on", "pretrain"}),
            **_machine(study),
        }
    )


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
        outcomes = [run["outcome"] for run in record["runs"]]
        done = int(record["attempt"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0
    folders = [study.layout.run(*cell, repeat) for repeat in parse_span(wildcards.span)]
    missing = any(
        not (folder / "run.json").exists() or (outcome == "done" and not (folder / "predictions.parquet").exists())
        for folder, outcome in zip(folders, outcomes, strict=True)
    )
    failed = any(outcome != "done" for outcome in outcomes)
    return done + (missing or (failed and retry_failed))


def table_inputs(study: Study, table: str) -> list[Path]:
    """The job records of every run a table shows.

    Raises
    ------
    SystemExit
        The study has no such table. Snakemake would show any other exception with a traceback.
    """
    try:
        entry = study.table(table)
    except InputError as error:
        raise SystemExit(f"error: {error}") from None
    evaluation = study.evaluation(entry.evaluation)
    settings = entry.settings or evaluation.list_settings()
    return [
        study.layout.job(job.evaluation, job.setting, job.backbone, job.span)
        for job in list_jobs(study, entry.evaluation, backbones=entry.backbones)
        if job.setting in settings
    ]


def table_hash(study: Study, table: str) -> str:
    """Changes when a table is to be computed or worded in another way."""
    entry = study.table(table)
    shown = entry.backbones or list(study.backbones)
    dataset = study.evaluation(entry.evaluation).dataset
    return value_hash(
        {
            "table": _values(entry),
            "study": [study.file.title, study.file.notes],
            "aggregate": study.evaluation(entry.evaluation).aggregate,
            "note": study.dataset(dataset).note,
            "backbones": {name: _values(study.backbone(name)) for name in shown},
        }
    )


def _pretraining(study: Study, backbone: str) -> Pretraining:
    pretrain = study.backbone(backbone).pretrain
    if pretrain is None:
        raise InputError(f"the backbone {backbone!r} is not made by this workflow", "an entry with 'pretrain'")
    return pretrain


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


def _lineage(study: Study, backbone: str) -> list[str]:
    """A backbone and those it was made from here: what its pretraining starts from, or what it reads back."""
    found: list[str] = []
    waiting = [backbone]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.append(name)
        pretrain, path = study.backbone(name).pretrain, _known_checkpoint(study, name)
        if pretrain is not None:
            waiting += [pretrain.init] if pretrain.init else []
        else:
            waiting += [each for each in study.origins | study.backbones if path in _checkpoints(study, each)]
    return found


def _checkpoints(study: Study, backbone: str) -> list[Path]:
    """Files that the workflow writes a backbone's weights to, and that another entry may read."""
    return [study.layout.pretraining(backbone) / "checkpoint.pth", study.layout.export(backbone)]


def _known_checkpoint(study: Study, backbone: str) -> Path | None:
    try:
        return study.checkpoint_path(backbone)
    except InputError:
        return None


def _machine(study: Study) -> Mapping[str, Any]:
    return study.file.model_dump(mode="json", include={"seed", "image_size", "device", "precision", "threads"})


def _values(model: BaseModel, *, leave_out: set[str] = frozenset()) -> dict[str, Any]:  # type: ignore[assignment]
    return model.model_dump(mode="json", exclude=set(leave_out))
