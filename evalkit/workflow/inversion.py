"""Inversions: their generators, the files that decide a run beside its recipe, and what makes jobs run again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from evalkit.config.inversion import Inversion
from evalkit.config.loading import Study
from evalkit.errors import InputError
from evalkit.fingerprints import file_state, value_hash
from evalkit.workflow.backbones import network_hash, weights_files
from evalkit.workflow.data import divided_files
from evalkit.workflow.machine import machine_values, values_of


def generator_inputs(study: Study, evaluation: str) -> list[Path]:
    """What a generator is trained on; nothing for one from a file, which its job checks itself."""
    if study.inversion(evaluation).generator.train is None:
        return []
    return [*divided_files(study, evaluation), study.layout.splits(evaluation)]


def generator_hash(study: Study, evaluation: str) -> str:
    """Changes when a generator is to be made in another way, or its file is another one."""
    entry = study.inversion(evaluation)
    source = entry.generator
    if source.train is None:
        return value_hash({**values_of(source), "file": _state(study, source.path), "side": study.file.image_size})
    return value_hash({**values_of(source.train), "only": entry.only, **machine_values(study)})


def generator_attempt(study: Study, evaluation: str) -> int:
    """Which attempt at a generator is due: one more than its job's record says if what it made is missing."""
    try:
        job = json.loads(study.layout.generator_job(evaluation).read_text(encoding="utf-8"))
        done, outputs = int(job["attempt"]), list(job["outputs"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0
    folder = study.layout.generator(evaluation).parent
    return done + (not all((folder / name).exists() for name in ("run.json", *outputs)))


def identity_files(study: Study, evaluation: str) -> list[Path]:
    """The canonical weights by which identity is measured; none where it is not."""
    identity = study.inversion(evaluation).identity
    return [] if identity is None else weights_files(study, identity)


def describe_inversion(study: Study, entry: Inversion, setting: str, backbone: str) -> dict[str, Any]:
    """What decides a run beside its network; who is in which part comes with the splits, weights with the generator."""
    chosen = {"only", "images", "calibration_images", "projection", "perceptual", "batch_size", "lpips"}
    backbone_entry = study.backbone(backbone)
    return {
        "inversion": entry.model_dump(mode="json", include=chosen),
        "space": setting,
        "lpips": None if entry.lpips is None else _state(study, entry.lpips.path),
        "identity": None if entry.identity is None else network_hash(study, entry.identity),
        # VGG-16 has no canonical weights that Snakemake would see.
        "vgg16": [backbone_entry.path, _state(study, backbone_entry.path)] if backbone_entry.is_vgg16 else None,
    }


def _state(study: Study, path: str | None) -> str:
    """Size and time of a file; ``absent`` where there is none, or a variable in its path is not set."""
    try:
        return file_state(study.resolve_path(path or "", what="a path"))
    except InputError:
        return "absent"
