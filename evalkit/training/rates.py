"""Learning rates tried with an equal budget each, the best one kept on validation."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from evalkit.config.recipe import Training
from evalkit.training.backward import TrainingBatches
from evalkit.training.devices import Hardware
from evalkit.training.distributed import Ranks
from evalkit.training.loop import Fit, Settle, Validate, fit
from evalkit.training.progress import Progress
from evalkit.training.state import TrainingState


def fit_rates(
    make_network: Callable[[], nn.Module],
    batches: TrainingBatches,
    recipe: Training,
    *,
    steps: int,
    seed: int,
    hardware: Hardware,
    ranks: Ranks,
    validate: Validate,
    states: list[TrainingState],
    progress: Progress,
    settle: Settle | None = None,
) -> tuple[nn.Module, list[Fit]]:
    """Train once for each of the recipe's learning rates, from the same start and with the same batches.

    Parameters
    ----------
    make_network : callable
        Builds the network as initialised, each time the same.
    states : list of TrainingState
        One for each learning rate.
    batches, recipe, steps, seed, hardware, ranks, validate, progress, settle
        As for `evalkit.training.loop.fit`.

    Returns
    -------
    nn.Module
        The network of the best rate, as far as one was trained to the end.
    list of Fit
        One for each learning rate, in the recipe's order.
    """
    fits = []
    for lr, state in zip(recipe.learning_rates, states, strict=True):
        network = make_network()
        fits.append(
            fit(
                network,
                batches,
                recipe,
                lr=lr,
                steps=steps,
                seed=seed,
                hardware=hardware,
                ranks=ranks,
                validate=validate,
                state=state,
                progress=progress,
                settle=settle,
            )
        )
    network.load_state_dict(best_fit(fits).weights or network.state_dict())
    return network, fits


def best_fit(fits: list[Fit]) -> Fit:
    """The training with the highest validation score; the first of equals, and the first of all if none was done."""
    done = [each for each in fits if each.best is not None and each.outcome == "done"]
    return max(done, key=lambda each: each.best.value, default=fits[0])  # type: ignore[union-attr]
