"""The loop of contrastive pretraining, on one page.

The same arguments give the same network, bit for bit, also when the process is killed on the way and started again:
order, views and shuffling are functions of the seed and the step, and the rest is in the saved state. (The number of
threads and of processes and the kind of device are among the arguments: they change the order of sums.)
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from evalkit.config.recipe import Recipe
from evalkit.errors import InputError
from evalkit.pretraining.collapse import describe_collapse
from evalkit.pretraining.exchange import gather
from evalkit.pretraining.methods import Comparison, Method
from evalkit.pretraining.pairs import Pairs
from evalkit.seeds import seed_from
from evalkit.training.devices import Hardware, is_out_of_memory
from evalkit.training.distributed import Ranks, check_batch
from evalkit.training.meter import Meter
from evalkit.training.optimisation import learning_rate, make_optimizer, set_learning_rate
from evalkit.training.progress import Progress
from evalkit.training.schedule import LOOK_EVERY, validation_steps
from evalkit.training.state import TrainingState


@dataclass
class Course:
    """How a pretraining went.

    Attributes
    ----------
    outcome : {"done", "diverged"}
    step : int
        Steps done.
    history : list of dict
        For each note: step; loss and its parts, contrastive and ifa, each the mean over the steps since the note
        before; lr; and feature_std, alignment and uniformity of the step's projections.
    seconds : float
        Time spent on steps, earlier processes' included.
    """

    outcome: Literal["done", "diverged"] = "done"
    step: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0


def contrast(
    method: Method,
    pairs: Pairs,
    recipe: Recipe,
    *,
    steps: int,
    records: int,
    hardware: Hardware,
    ranks: Ranks,
    state: TrainingState,
    progress: Progress,
) -> Course:
    """Pretrain an encoder, or go on pretraining it.

    Parameters
    ----------
    method : Method
        With the encoder as initialised; it is changed, and left as after the last step.
    pairs : Pairs
        The method's own.
    recipe : Recipe
        With one learning rate.
    steps : int
        Optimiser steps.
    records : int
        How many notes are made, equally spaced, the last one at the end.
    hardware : Hardware
    ranks : Ranks
        The processes that train together.
    state : TrainingState
        Where to go on from, and where to save.
    progress : Progress

    Returns
    -------
    Course

    Raises
    ------
    InputError
        More processes than images in a batch, a batch that memory does not hold, or a damaged state file.
    """
    check_batch(recipe.batch_size, ranks)
    (base,) = recipe.learning_rates
    encoder = method.encoder
    optimizer = make_optimizer(encoder, recipe, lr=base)
    course, meter = Course(), Meter(hardware)
    parts = torch.zeros(2, dtype=torch.float64, device=hardware.device)  # sums of the loss's two parts since a note
    saved = state.load()
    if saved is not None:
        course, meter = _restore(saved, method, optimizer, parts, hardware)
        progress.say(f"going on after step {course.step}")
    notes = validation_steps(steps, records)
    progress.start(step=course.step, steps=steps)

    while course.step < steps:
        rate = learning_rate(course.step, steps=steps, base=base, schedule=recipe.schedule, warmup=recipe.warmup)
        set_learning_rate(optimizer, rate)
        hardware.seed(seed_from(purpose="noise", seed=pairs.seed, step=course.step, rank=ranks.rank))
        comparison = _compare(method, course.step, recipe.batch_size, hardware)
        ranks.add_gradients(encoder.parameters())
        optimizer.step()
        optimizer.zero_grad()
        method.follow()
        both = ranks.add(torch.stack([comparison.contrastive, comparison.ifa]).detach())
        parts += both
        meter.note(both.sum())
        course.step += 1

        is_time_to_look = not hardware.on_gpu or course.step in notes or course.step % LOOK_EVERY == 0
        if is_time_to_look and not meter.is_finite():
            course.outcome = "diverged"
            break
        if course.step in notes:
            _note(course, comparison, parts, lr=rate, ranks=ranks, images=recipe.batch_size)
        if state.is_due() and meter.is_finite():
            snapshot = _snapshot(course, method, optimizer, parts, meter)
            with meter.paused():
                state.save(snapshot)
        progress.update(step=course.step, steps=steps, batch_size=recipe.batch_size, images=pairs.images)

    if not _is_finite(encoder):
        course.outcome = "diverged"
    course.seconds = meter.seconds
    return course


def _compare(method: Method, step: int, batch_size: int, hardware: Hardware) -> Comparison:
    """Compare a step's views and work out the gradients."""
    try:
        comparison = method.compare(step)
        comparison.loss.backward()
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise InputError(
            f"out of memory on {hardware.name} with recipe.batch_size {batch_size}",
            "a batch that fits whole, for contrast compares all of its images at once",
            f"lower recipe.batch_size (to {max(2, batch_size // 2)}, say) or the study's image_size, or share the "
            "batch among more cards with torchrun",
        ) from error
    return comparison


def _note(course: Course, comparison: Comparison, parts: Tensor, *, lr: float, ranks: Ranks, images: int) -> None:
    since = course.history[-1]["step"] if course.history else 0
    contrastive, ifa = (parts / (course.step - since)).tolist()
    parts.zero_()
    signs = describe_collapse(gather(comparison.first, ranks, images), gather(comparison.second, ranks, images))
    losses = {"loss": contrastive + ifa, "contrastive": contrastive, "ifa": ifa}
    course.history.append({"step": course.step, **losses, "lr": lr, **signs})


def _is_finite(network: nn.Module) -> bool:
    return all(bool(torch.isfinite(each).all()) for each in network.parameters())


def _snapshot(course: Course, method: Method, optimizer: Optimizer, parts: Tensor, meter: Meter) -> dict[str, Any]:
    return {
        "course": asdict(course) | {"seconds": meter.seconds},
        "method": method.state(),
        "optimizer": optimizer.state_dict(),
        "parts": parts,
    }


def _restore(
    saved: dict[str, Any], method: Method, optimizer: Optimizer, parts: Tensor, hardware: Hardware
) -> tuple[Course, Meter]:
    method.restore(saved["method"])
    optimizer.load_state_dict(saved["optimizer"])
    parts.copy_(saved["parts"])
    course = Course(**saved["course"])
    return course, Meter(hardware, seconds=course.seconds)
