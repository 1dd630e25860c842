"""The training loop, on one page.

The same arguments give the same network, bit for bit, also when the process is killed on the way and started again:
order, augmentation and dropout are functions of the seed and the step, and the rest is in the saved state. (The
number of threads and of processes and the kind of device are among the arguments: they change the order of sums.)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from evalkit.config.recipe import Training
from evalkit.training.backward import BackwardPass, TrainingBatches
from evalkit.training.devices import Hardware
from evalkit.training.distributed import Ranks, check_batch
from evalkit.training.meter import Meter
from evalkit.training.optimisation import learning_rate, make_optimizer, set_learning_rate
from evalkit.training.progress import Progress
from evalkit.training.schedule import LOOK_EVERY, validation_steps
from evalkit.training.selection import Score
from evalkit.training.state import TrainingState

Outcome = Literal["done", "diverged", "out of memory"]

#: Scores the network on validation images, a number of them at a time.
Validate = Callable[[nn.Module, int], Score]
#: Brings a network up to date after so many steps of so many images at a time.
Settle = Callable[[nn.Module, int, int], None]


@dataclass
class Fit:
    """A training and what came of it.

    Attributes
    ----------
    outcome : {"done", "diverged", "out of memory"}
        The last means that not even one image at a time fits.
    lr : float
        The learning rate.
    step : int
        Steps done.
    micro_batch : int
        Images worked on at a time by each process; fewer than its share of a batch if memory did not hold that. The
        gradients are those of the whole batch, except that batch normalisation sees the smaller number.
    history : list of dict
        For each validation: step, score, kind of score, mean training loss since the one before.
    best_step : int
        The step whose weights were kept: the first with the highest score.
    best : Score or None
        That score.
    weights : dict of str to Tensor
        The weights kept, on the CPU.
    seconds : float
        Time spent on training steps, earlier processes' included.
    """

    outcome: Outcome
    lr: float
    step: int
    micro_batch: int
    history: list[dict[str, Any]] = field(default_factory=list)
    best_step: int = 0
    best: Score | None = None
    weights: dict[str, Tensor] = field(default_factory=dict, repr=False)
    seconds: float = 0.0


def fit(
    network: nn.Module,
    batches: TrainingBatches,
    recipe: Training,
    *,
    lr: float,
    steps: int,
    seed: int,
    hardware: Hardware,
    ranks: Ranks,
    validate: Validate,
    state: TrainingState,
    progress: Progress,
    settle: Settle | None = None,
) -> Fit:
    """Train a network, or go on training it, and keep the weights with the best validation score.

    Parameters
    ----------
    network : nn.Module
        As initialised; it is changed, and left with the weights kept.
    batches : TrainingBatches
        The training images.
    recipe : Training
    lr : float
        One of the recipe's learning rates.
    steps : int
        Optimiser steps.
    seed : int
        The run's training seed.
    hardware : Hardware
    ranks : Ranks
        The processes that train together.
    validate : callable
        Given the network and a number of images that fit into memory, returns a `Score`; called in the first process.
    state : TrainingState
        Where to go on from, and where to save.
    progress : Progress
    settle : callable, optional
        Called with the network, the step and the micro-batch before each validation, in every process: for what must
        be brought up to date beside the weights.

    Returns
    -------
    Fit

    Raises
    ------
    InputError
        More processes than images in a batch, or a damaged state file.
    """
    check_batch(recipe.batch_size, ranks)
    network = ranks.prepare(network.to(hardware.device, memory_format=torch.channels_last)).train()  # type: ignore[call-overload]
    optimizer = make_optimizer(network, recipe, lr=lr)
    share = ranks.share(recipe.batch_size)
    run = Fit("done", lr, step=0, micro_batch=share.stop - share.start)
    meter = Meter(hardware)
    saved = state.load()
    if saved is not None:
        run, meter = _restore(saved, network, optimizer, hardware)
        progress.say(f"going on after step {run.step}")
    validations = validation_steps(steps, recipe.validations)
    backward = BackwardPass(network, batches, seed=seed, micro_batch=run.micro_batch, hardware=hardware, ranks=ranks)
    progress.start(step=run.step, steps=steps)

    while run.step < steps:
        rate = learning_rate(
            run.step, steps=steps, base=lr, schedule=recipe.schedule, warmup=recipe.warmup, drops=recipe.drops
        )
        set_learning_rate(optimizer, rate)
        loss = backward.run(run.step, say=progress.say)
        run.micro_batch = backward.micro_batch
        if loss is None:
            return _stopped(run, "out of memory", meter)
        ranks.add_gradients(network.parameters())
        optimizer.step()
        optimizer.zero_grad()
        meter.note(ranks.add(loss))
        run.step += 1

        if (run.step in validations or _is_time_to_look(run.step, hardware)) and not meter.is_finite():
            return _stopped(run, "diverged", meter)
        if run.step in validations:
            with meter.paused():
                if settle is not None:
                    settle(network, run.step, run.micro_batch)
                score = ranks.from_first(validate(network, run.micro_batch) if ranks.is_first else None)
            assert score is not None
            if not math.isfinite(score.value):
                return _stopped(run, "diverged", meter)
            _note_score(run, score, network, loss_sum=meter.take_losses())
        if state.is_due() and meter.is_finite():
            with meter.paused():
                state.save(_snapshot(run, network, optimizer, meter))
        progress.update(step=run.step, steps=steps, batch_size=recipe.batch_size, images=batches.images)

    run.seconds = meter.seconds
    if len(recipe.learning_rates) > 1:
        # This rate is finished and must survive a kill while the others are tried.
        state.save(_snapshot(run, network, optimizer, meter))
    network.load_state_dict(run.weights)
    return run


def _is_time_to_look(step: int, hardware: Hardware) -> bool:
    return not hardware.on_gpu or step % LOOK_EVERY == 0


def _stopped(run: Fit, outcome: Outcome, meter: Meter) -> Fit:
    run.outcome, run.seconds = outcome, meter.seconds
    run.best, run.weights = None, {}
    return run


def _note_score(run: Fit, score: Score, network: nn.Module, *, loss_sum: float) -> None:
    since = run.history[-1]["step"] if run.history else 0
    loss = loss_sum / (run.step - since)
    run.history.append({"step": run.step, "score": score.value, "kind": score.kind, "loss": loss})
    if run.best is None or score.value > run.best.value:
        run.best, run.best_step = score, run.step
        run.weights = {name: value.detach().to("cpu", copy=True) for name, value in network.state_dict().items()}


def _snapshot(run: Fit, network: nn.Module, optimizer: Optimizer, meter: Meter) -> dict[str, Any]:
    values = {each.name: getattr(run, each.name) for each in fields(run)}
    values |= {"best": tuple(run.best) if run.best else None, "seconds": meter.seconds}
    return {
        "run": values,
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "loss_sum": meter.loss_sum,
    }


def _restore(saved: dict[str, Any], network: nn.Module, optimizer: Optimizer, hardware: Hardware) -> tuple[Fit, Meter]:
    network.load_state_dict(saved["network"])
    optimizer.load_state_dict(saved["optimizer"])
    run = Fit(**saved["run"])
    run.best = Score(*run.best) if run.best else None
    return run, Meter(hardware, seconds=run.seconds, loss_sum=saved["loss_sum"])
