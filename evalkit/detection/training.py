"""A detector trained on images with boxes, and what it finds in others."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from evalkit.config.detection import Detection as DetectionEntry
from evalkit.config.detector import DetectorSpec
from evalkit.detection.batches import DetectionBatches
from evalkit.detection.coco import describe_found, describe_truth
from evalkit.detection.engine import Detection, Engine, engine_named
from evalkit.detection.examples import BoxedExamples
from evalkit.detection.precise_bn import precise_bn
from evalkit.detection.resizing import fit_sides, resize_image
from evalkit.detection.scoring import score_detections
from evalkit.records import RunRecord
from evalkit.seeds import seed_from
from evalkit.training.describing import describe_fits
from evalkit.training.devices import Hardware
from evalkit.training.loop import Fit
from evalkit.training.progress import Progress
from evalkit.training.rates import best_fit, fit_rates
from evalkit.training.selection import Score
from evalkit.training.session import Session
from evalkit.training.state import TrainingState


@dataclass(frozen=True)
class Finder:
    """A detector as it is used.

    Attributes
    ----------
    engine : Engine
    network : nn.Module
    short, longest : int
        Shorter side of an image, in pixels, unless the longer one would exceed `longest`.
    hardware : Hardware
    """

    engine: Engine
    network: nn.Module
    short: int
    longest: int
    hardware: Hardware

    def find(self, examples: BoxedExamples) -> list[dict[str, Any]]:
        """Find objects, in COCO's form. Images are looked at one by one, so that none is padded for another."""
        found: list[Detection] = []
        sizes = []
        for position in range(len(examples)):
            pixels = examples.pixels(position)
            sizes.append(fit_sides(pixels.shape[0], pixels.shape[1], short=self.short, longest=self.longest))
            image = resize_image(pixels, sizes[-1], self.hardware.device)
            with self.hardware.autocast():
                found += self.engine.detect(self.network, [image])
        return describe_found(examples, found, sizes)


@dataclass(frozen=True)
class Detector:
    """A trained detector and how it came about.

    Attributes
    ----------
    finder : Finder
        With the weights kept, where there are any.
    best : Fit
        The training that was kept.
    fits : list of Fit
        One for each learning rate tried.
    batch_size : int
        Images of a training step.
    """

    finder: Finder
    best: Fit
    fits: list[Fit]
    batch_size: int

    def describe(self) -> RunRecord:
        """How the training went, for a record."""
        return describe_fits(self.best, self.fits, batch_size=self.batch_size, hardware=self.finder.hardware)


def train_detector(
    spec: DetectorSpec,
    weights: Path | None,
    train: BoxedExamples,
    validation: BoxedExamples,
    entry: DetectionEntry,
    *,
    steps: int,
    seed: int,
    session: Session,
    states: list[TrainingState],
    progress: Progress,
) -> Detector:
    """Train a detector and keep what has the highest AP (COCO's mean over IoU) on validation.

    Parameters
    ----------
    spec : DetectorSpec
        What to build.
    weights : pathlib.Path or None
        Canonical weights of the trunk; None draws it from the seed.
    train, validation : BoxedExamples
    entry : Detection
        The evaluation: recipe, engine and longest side.
    steps : int
        Optimiser steps.
    seed : int
        Of head, order, sizes, mirroring, sampling and, for scratch, trunk.
    session : Session
    states : list of TrainingState
        One for each of the recipe's learning rates.
    progress : Progress
    """
    hardware, recipe, engine = session.hardware, entry.recipe, engine_named(entry.engine)
    hardware.forget_peak_memory()
    batches = DetectionBatches(train, engine, recipe, longest=entry.longest, seed=seed, device=hardware.device)
    truth = describe_truth(validation)

    def finder(network: nn.Module) -> Finder:
        return Finder(engine, network, recipe.short_side_test, entry.longest, hardware)

    def settle(network: nn.Module, step: int, micro_batch: int) -> None:
        hardware.seed(seed_from(purpose="precise normalisation", seed=seed, step=step))
        with hardware.autocast():
            precise_bn(engine, network, batches.measured(recipe.precise_bn, step=step, size=micro_batch))

    def validate(network: nn.Module, _: int) -> Score:
        return Score(score_detections(truth, finder(network).find(validation))["ap"], "AP")

    network, fits = fit_rates(
        lambda: engine.build(spec, weights, seed),
        batches,
        recipe,
        steps=steps,
        seed=seed,
        hardware=hardware,
        ranks=session.ranks,
        validate=validate,
        states=states,
        progress=progress,
        settle=settle,
    )
    return Detector(finder(network), best_fit(fits), fits, recipe.batch_size)
