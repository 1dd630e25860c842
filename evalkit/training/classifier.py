"""A network trained to give each image a probability for each class."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import nn

from evalkit.config.recipe import Recipe
from evalkit.records import RunRecord
from evalkit.training.batches import Batches
from evalkit.training.describing import describe_fits
from evalkit.training.devices import Hardware
from evalkit.training.examples import Examples
from evalkit.training.loop import Fit
from evalkit.training.networks import Network
from evalkit.training.objectives import Objective
from evalkit.training.pixels import Normaliser
from evalkit.training.prediction import predict
from evalkit.training.progress import Progress
from evalkit.training.rates import best_fit, fit_rates
from evalkit.training.selection import Score
from evalkit.training.session import Session
from evalkit.training.state import TrainingState


@dataclass(frozen=True)
class Predictor:
    """A trained network as it is used.

    Attributes
    ----------
    network : nn.Module
    normalise : Normaliser
    objective : Objective
    hardware : Hardware
    batch_size : int
        Images of a forward pass.
    """

    network: nn.Module
    normalise: Normaliser
    objective: Objective
    hardware: Hardware
    batch_size: int

    def predict(self, examples: Examples) -> NDArray[np.float64]:
        """Probabilities, shape (images, classes)."""
        pixels = examples.pixels(self.hardware.device)
        logits = predict(self.network, pixels, self.normalise, self.hardware, batch_size=self.batch_size)
        return self.objective.probabilities(logits)

    def save(self, path: Path) -> None:
        """Write the network's weights, head included (safetensors)."""
        tensors = {name: value.cpu().contiguous() for name, value in self.network.state_dict().items()}
        save_file(tensors, path)


def recall_predictor(
    plan: Network, path: Path, *, classes: int, side: int, objective: Objective, hardware: Hardware, batch_size: int
) -> Predictor:
    """Build a trained network again from the weights that `Predictor.save` wrote."""
    network = plan.build(classes=classes, seed=0, image_size=side)
    network.load_state_dict(load_file(path))
    device = hardware.device
    network = network.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    normalise = Normaliser(plan.mean, plan.std, in_channels=plan.in_channels, device=device)
    return Predictor(network, normalise, objective, hardware, batch_size)


@dataclass(frozen=True)
class Classifier:
    """A trained network and how it came about.

    Attributes
    ----------
    network : nn.Module
        With the weights kept, where there are any.
    best : Fit
        The training that was kept.
    fits : list of Fit
        One for each learning rate tried.
    normalise : Normaliser
    objective : Objective
    batch_size : int
        Images of a training step.
    session : Session
    """

    network: nn.Module
    best: Fit
    fits: list[Fit]
    normalise: Normaliser
    objective: Objective
    batch_size: int
    session: Session

    @property
    def predictor(self) -> Predictor:
        """The network as it is used."""
        return Predictor(self.network, self.normalise, self.objective, self.session.hardware, self.best.micro_batch)

    def describe(self) -> RunRecord:
        """How the training went, for a record."""
        return describe_fits(self.best, self.fits, batch_size=self.batch_size, hardware=self.session.hardware)


def train_classifier(
    plan: Network,
    train: Examples,
    validation: Examples,
    recipe: Recipe,
    *,
    objective: Objective,
    steps: int,
    seed: int,
    session: Session,
    states: list[TrainingState],
    progress: Progress,
) -> Classifier:
    """Train a network on images with labels and keep what is best on validation.

    Parameters
    ----------
    plan : Network
        What to build.
    train, validation : Examples
    recipe : Recipe
    objective : Objective
    steps : int
        Optimiser steps.
    seed : int
        Of head, order, augmentation and, for scratch, trunk.
    session : Session
    states : list of TrainingState
        One for each of the recipe's learning rates.
    progress : Progress
    """
    hardware, device = session.hardware, session.hardware.device
    hardware.forget_peak_memory()
    normalise = Normaliser(plan.mean, plan.std, in_channels=plan.in_channels, device=device)
    batches = Batches(
        train.pixels(device),
        train.targets,
        normalise,
        objective=objective,
        batch_size=recipe.batch_size,
        augmentation=recipe.augmentation,
        seed=seed,
        device=device,
    )
    validation_pixels = validation.pixels(device)
    side = train.packed.shape[1]

    def validate(network: nn.Module, batch_size: int) -> Score:
        logits = predict(network, validation_pixels, normalise, hardware, batch_size=batch_size)
        return objective.score(validation.targets, logits)

    network, fits = fit_rates(
        lambda: plan.build(classes=len(train.labels), seed=seed, image_size=side),
        batches,
        recipe,
        steps=steps,
        seed=seed,
        hardware=hardware,
        ranks=session.ranks,
        validate=validate,
        states=states,
        progress=progress,
    )
    return Classifier(network, best_fit(fits), fits, normalise, objective, recipe.batch_size, session)


def why_undefined(train: Examples, validation: Examples) -> str:
    """Why a training on these images means nothing, or an empty text."""
    for name, part in (("training", train), ("validation", validation)):
        if not (~np.isnan(part.targets)).any():
            return f"undefined: no labelled {name} image"
    return ""
