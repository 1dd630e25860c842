"""Contrastive pretraining: an encoder trained on views of radiographs, whose labels nobody looks at.

The folder of a backbone made here gets ``checkpoint.pth``, in the layout of FAIR MoCo or of sthalles/SimCLR, and, last,
``run.json``.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from evalkit.backbones import input_statistics
from evalkit.config.loading import Study
from evalkit.config.pretraining import Contrastive, Moco, Simclr
from evalkit.errors import InputError
from evalkit.fingerprints import code_hash, file_sha256
from evalkit.pretraining.encoders import build_encoder
from evalkit.pretraining.loop import Course, contrast
from evalkit.pretraining.methods import Method, make_method
from evalkit.pretraining.pairs import Pairs
from evalkit.pretraining.recording import CHECKPOINT, Made, recorded_pretraining
from evalkit.pretraining.saving import read_encoder, write_encoder
from evalkit.records import RunRecord
from evalkit.seeds import seed_from
from evalkit.training.examples import Examples, load_examples
from evalkit.training.networks import Network, pretrained_network, untrained_network
from evalkit.training.pixels import Normaliser
from evalkit.training.progress import Progress
from evalkit.training.session import Session, training_session
from evalkit.training.state import TrainingState


def pretrain(study: Study, backbone: str) -> RunRecord:
    """Make a backbone's weights, unless they are made already.

    Returns
    -------
    RunRecord
        As it lies in the backbone's folder.

    Raises
    ------
    InputError
        The backbone is not made by contrastive pretraining; its data have not been packed, or are fewer than a batch;
        the weights it starts from are not there; or the training came to nothing.
    """
    entry = _entry(study, backbone)
    examples = _without_labels(load_examples(study, entry.data, None))
    _check_count(examples, entry)
    plan, recipe = start_network(study, backbone), entry.recipe
    steps = count_steps(entry, images=len(examples))
    earlier = find_continued(study, backbone)
    with training_session(study) as session:
        facts: dict[str, Any] = {
            "task": "contrastive pretraining",
            "run": {"backbone": backbone, "data": entry.data, "init": entry.init, "steps": steps},
            "seed": _seed(entry, study.file.seed),
            "recipe": recipe.model_dump(mode="json", exclude={"steps", "epochs", "augmentation", "validations"}),
            "pretraining": _describe(entry),
            "continues": file_sha256(earlier) if earlier else None,
            "network": plan.describe(),
            "data": {"train": examples.describe()},
            "code": code_hash(__name__),
            **session.describe(),
        }

        def train(key: str, progress: Progress) -> Made:
            (state,) = session.states(key, recipe)
            method, course = _train(
                entry,
                plan,
                examples,
                earlier=earlier,
                steps=steps,
                seed=facts["seed"],
                session=session,
                state=state,
                progress=progress,
            )
            _refuse_failure(backbone, course, entry, steps=steps)
            epoch, last = steps * recipe.batch_size // len(examples), course.history[-1]
            return Made(
                write=lambda path: write_encoder(path, method.state(), arch=plan.arch, epoch=epoch),
                record=_outcome(course, entry, session),
                states=[state],
                summary=f"loss {last['loss']:.3f}, feature std {last['feature_std']:.2f}",
            )

        return recorded_pretraining(study, backbone, session, facts, examples.inputs, train)


def start_network(study: Study, backbone: str) -> Network:
    """The network that a backbone's contrastive pretraining starts from.

    Without ``init`` it is drawn from the seed. With it, it has that entry's canonical weights and their channels, and
    images are normalised as the backbone's own entry says or, where that says nothing, as the other entry says.

    Raises
    ------
    InputError
        The other entry's weights have not been made; or the backbone's own entry asks for other channels, or says
        nothing of a normalisation that its evaluation would have to know.
    """
    entry = study.backbone(backbone)
    assert entry.pretrain is not None
    init = entry.pretrain.init
    if init is None:
        return untrained_network(study, backbone)
    start = pretrained_network(study, init)
    if entry.in_channels not in (None, start.in_channels):
        raise InputError(
            f"the backbone {backbone!r} says in_channels: {entry.in_channels}, and {init!r}, which it starts from, has "
            f"{start.in_channels}",
            "the same channels",
            f"leave in_channels of {backbone!r} out, or change that of {init!r}",
        )
    own = input_statistics(entry.model_copy(update={"in_channels": start.in_channels}), None)
    if entry.mean is None and (own.mean, own.std) != (start.mean, start.std):
        raise InputError(
            f"the backbone {backbone!r} says neither mean nor std, and {init!r}, which it starts from, has mean "
            f"{list(start.mean)} and std {list(start.std)}",
            "the normalisation that the weights are used to, in pretraining and in what follows",
            f"write the same mean and std into the entry of {backbone!r}",
        )
    return replace(start, mean=own.mean, std=own.std, statistics=own.origin)


def find_continued(study: Study, backbone: str) -> Path | None:
    """The checkpoint that a chained pretraining takes everything from, and not the trunk alone.

    That is where the entry it starts from was made here by the same method with the same projection (and, for MoCo,
    the same queue): its projection head, key encoder and queue go on, as in the IFA paper's released code. A new head
    would send the gradients of random directions into a trained trunk, and a new queue compare with noise at first.
    Optimiser and schedule begin anew.
    """
    entry = _entry(study, backbone)
    if entry.init is None:
        return None
    first = study.backbone(entry.init).pretrain
    alike = type(first) is type(entry) and isinstance(first, Contrastive) and first.projection == entry.projection
    if alike and isinstance(first, Moco) and isinstance(entry, Moco):
        alike = first.queue == entry.queue
    if not alike:
        return None
    path = study.layout.pretraining(entry.init) / CHECKPOINT
    if not path.exists():
        raise InputError(
            f"{path} does not exist",
            f"the checkpoint of {entry.init!r}, whose head and keys go on",
            f"make it: python -m evalkit.pretraining --study {study.source} --backbone {entry.init}",
        )
    return path


def count_steps(entry: Contrastive, *, images: int) -> int:
    """Optimiser steps of a pretraining; an epoch has full batches only."""
    epochs = entry.recipe.epochs
    return epochs * (images // entry.recipe.batch_size) if epochs else entry.recipe.count_steps(images=images)


def _entry(study: Study, backbone: str) -> Moco | Simclr:
    entry = study.backbone(backbone).pretrain
    if not isinstance(entry, Moco | Simclr):
        raise InputError(
            f"the backbone {backbone!r} is not made by contrastive pretraining",
            "a backbone with method moco or simclr",
            "name another backbone, or change its entry",
        )
    return entry


def _without_labels(examples: Examples) -> Examples:
    """Leave the labels out, so that the run does not depend on them."""
    return replace(examples, labels=(), targets=np.empty((len(examples), 0), np.float32))


def _check_count(examples: Examples, entry: Contrastive) -> None:
    size = entry.recipe.batch_size
    if len(examples) < size:
        raise InputError(
            f"the data {entry.data!r} have {len(examples):,} images, and recipe.batch_size is {size}",
            "at least as many images as a batch holds, or an image would be compared with itself",
            "lower recipe.batch_size, or pretrain on more images",
        )


def _seed(entry: Contrastive, seed: int) -> int:
    """Neither backbone nor method is among the names: all that start alike see the same views in the same order.

    What a pretraining starts from is, so that a second pretraining does not repeat the views of the first.
    """
    return seed_from(purpose="contrastive pretraining", data=entry.data, init=entry.init or "", seed=seed)


def _describe(entry: Moco | Simclr) -> dict[str, Any]:
    """What decides a result beside recipe, data and start, with the blocks of an IFA preset written out."""
    described = entry.model_dump(mode="json", exclude={"data", "init", "recipe", "ifa"})
    terms = entry.ifa.terms if entry.ifa else {}
    return described | {"ifa": {str(block): term.model_dump(mode="json") for block, term in terms.items()}}


def _train(
    entry: Moco | Simclr,
    plan: Network,
    examples: Examples,
    *,
    earlier: Path | None,
    steps: int,
    seed: int,
    session: Session,
    state: TrainingState,
    progress: Progress,
) -> tuple[Method, Course]:
    hardware, device = session.hardware, session.hardware.device
    hardware.forget_peak_memory()
    blocks = entry.ifa.terms if entry.ifa else ()
    side = examples.packed.shape[1]
    encoder = build_encoder(plan, projection=entry.projection, blocks=blocks, seed=seed, image_size=side)
    pairs = Pairs(
        examples.pixels(device),
        Normaliser(plan.mean, plan.std, in_channels=plan.in_channels, device=device),
        entry.views,
        batch_size=entry.recipe.batch_size,
        seed=seed,
        device=device,
    )
    method = make_method(entry, encoder, pairs, hardware, session.ranks)
    if earlier is not None:
        method.restore(read_encoder(earlier, arch=plan.arch))
    course = contrast(
        method,
        pairs,
        entry.recipe,
        steps=steps,
        records=entry.records,
        hardware=hardware,
        ranks=session.ranks,
        state=state,
        progress=progress,
    )
    return method, course


def _refuse_failure(backbone: str, course: Course, entry: Contrastive, *, steps: int) -> None:
    if course.outcome != "done":
        raise InputError(
            f"pretraining of {backbone}: {course.outcome} after {course.step} of {steps} steps",
            "a training that can be carried to its end",
            f"lower lr ({entry.recipe.learning_rates[0]:g}) of its recipe, or give it a warmup",
        )


def _outcome(course: Course, entry: Contrastive, session: Session) -> dict[str, Any]:
    images = course.step * entry.recipe.batch_size
    return {
        "outcome": course.outcome,
        "selection": {"lr": entry.recipe.learning_rates[0], "steps": course.step},
        "history": course.history,
        "images_per_second": round(images / course.seconds, 2) if course.seconds else 0.0,
        "peak_memory_bytes": session.hardware.peak_memory(),
    }
