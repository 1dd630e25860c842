"""The search for all images of a run, batch by batch; finished batches survive the death of the process.

Each batch leaves its result in a state file under the search's key, and what a run is made of is read from these files
alone. So a run that was killed goes on with the next batch, several processes share the batches among them, and either
way the result is the same to the last bit. A batch that memory does not hold is halved.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from evalkit.errors import InputError
from evalkit.inversion.latents import LatentStatistics, latent_statistics
from evalkit.inversion.perceptual import PerceptualDistance, calibrate
from evalkit.inversion.projections import Projection
from evalkit.inversion.projector import project, project_to_mean
from evalkit.training.devices import is_out_of_memory, release_memory
from evalkit.training.examples import Examples
from evalkit.training.parts import part_of
from evalkit.training.progress import Progress
from evalkit.training.state import TrainingState
from tasks.inversion.plans import Plan


@dataclass(frozen=True)
class Found:
    """What a search gave, for all images in order of their ids.

    Attributes
    ----------
    outcome : {"done", "diverged", "out of memory"}
        The rest is empty unless it is ``done``.
    perceptual : dict
        The encoder and its calibration; empty where there is none.
    ws : Tensor of float32, shape (n, num_ws, w_dim)
    reconstructions : Tensor of float32, shape (n, side, side)
        Grey values from 0 to 255: of three channels, their mean.
    curves : list of dict
        Of each image: steps, and the values of each term by name.
    seconds : float
        Time spent on searches, earlier processes' included.
    halvings : int
        How often a part of a batch was halved because memory did not hold it.
    """

    outcome: str
    perceptual: dict[str, Any]
    ws: Tensor
    reconstructions: Tensor
    curves: list[dict[str, Any]]
    seconds: float
    halvings: int


def list_states(plan: Plan) -> list[TrainingState]:
    """Where the result of each batch lies until the run is recorded."""
    layout, key = plan.session.layout, plan.search_key
    return [TrainingState(layout.training_state(f"{key}-batch-{number}")) for number in range(len(plan.batches))]


def search(plan: Plan, progress: Progress) -> Found:
    """Search for all images that are not done yet. Every process must call it; the first one gets the whole result.

    Raises
    ------
    InputError
        The encoder cannot be built, or its calibration says nothing.
    """
    ranks, states = plan.session.ranks, list_states(plan)
    own = [number for number in range(len(states)) if number % ranks.size == ranks.rank]
    waiting = [number for number in own if not states[number].path.exists()]
    total, done = len(own) * plan.steps, (len(own) - len(waiting)) * plan.steps
    if len(waiting) < len(own):
        progress.say(f"going on after {sum(len(plan.batches[each]) for each in own if each not in waiting)} images")
    progress.start(step=done, steps=total)
    described: dict[str, Any] = {}
    exhausted = False
    try:
        searcher = _Searcher(plan)
        described = searcher.describe()
        for number in waiting:
            before = sum(len(plan.batches[each]) for each in own[: own.index(number)])

            def tell(step: int, done: int = done, before: int = before) -> None:
                progress.show(step=done + step, steps=total, describe=lambda _: f"after {before} images")

            states[number].save(searcher.search(plan.batches[number], tell))
            done += plan.steps
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        exhausted = True
    # It also waits for the other processes' files.
    if ranks.any(exhausted, plan.session.hardware.device):
        return _nothing("out of memory", described)
    return _collect(list(_load(states)), described) if ranks.is_first else _nothing("", {})


class _Searcher:
    """What all batches share."""

    def __init__(self, plan: Plan) -> None:
        material, hardware = plan.material, plan.session.hardware
        self._plan, self._hardware = plan, hardware
        self._generator = material.generator.to(hardware.device)
        self._statistics: LatentStatistics = latent_statistics(self._generator, material.recipe.latent_samples)
        self._distance = self._build_distance()

    def describe(self) -> dict[str, Any]:
        """The encoder and its calibration; how features are compared is known before."""
        described = {} if self._distance is None else self._distance.describe()
        return {name: value for name, value in described.items() if name != "recipe"}

    def search(self, places: range, tell: Any) -> dict[str, Any]:
        """The result of a batch, as its state file holds it."""
        started = time.perf_counter()
        parts = self._project(places, tell)
        found = [each for part in parts for each in part]
        return _pack(found, time.perf_counter() - started, halvings=len(parts) - 1)

    def _project(self, places: range, tell: Any) -> list[list[Projection]]:
        """Project some images side by side or, where memory does not hold them, one half after the other.

        No image's projection depends on those beside it, but for the order in which sums are rounded.
        """
        plan, recipe = self._plan, self._plan.material.recipe
        images = part_of(plan.material.parts.inverted, places)
        keys = images.images["image_id"].tolist()
        if plan.material.eye.control == "mean-w":
            return [project_to_mean(self._generator, keys, recipe, statistics=self._statistics)]
        try:
            found = project(
                self._generator,
                _as_targets(images, self._generator.spec.img_channels, self._hardware.device),
                keys,
                self._distance,
                recipe,
                hardware=self._hardware,
                seed=plan.seed,
                statistics=self._statistics,
                tell=tell,
            )
        except (RuntimeError, MemoryError) as error:
            if len(places) == 1 or not is_out_of_memory(error):
                raise
        else:
            return [found]
        # Outside the handler, whose traceback holds the failed attempt's tensors.
        release_memory(self._hardware)
        middle = len(places) // 2
        return self._project(places[:middle], tell) + self._project(places[middle:], tell)

    def _build_distance(self) -> PerceptualDistance | None:
        plan, material = self._plan, self._plan.material
        if material.eye.build is None:
            return None
        recipe, calibration = material.entry.perceptual, material.parts.calibration
        encoder = material.eye.build(recipe.taps, plan.seed, self._hardware)
        if recipe.calibration == "raw":
            return calibrate(encoder, recipe, None, self._hardware)
        if len(calibration) < 2:
            raise InputError(
                f"{len(calibration)} validation images to calibrate the perceptual loss on",
                "two or more, of different patients",
                "raise 'validation_share' or 'calibration_images', or set perceptual.calibration to raw",
            )
        images = _as_targets(calibration, self._generator.spec.img_channels, self._hardware.device)
        return calibrate(encoder, recipe, images, self._hardware)


def _as_targets(examples: Examples, channels: int, device: torch.device) -> Tensor:
    """The images as a generator of so many channels would show them, shape (n, channels, side, side), from 0 to 255."""
    grey = examples.pixels(device).take(np.arange(len(examples)))
    return grey[:, None].to(torch.float32).expand(-1, channels, -1, -1)


def _pack(found: list[Projection], seconds: float, *, halvings: int) -> dict[str, Any]:
    curves = [
        {"steps": list(each.curve.steps), "terms": {name: list(term) for name, term in each.curve.terms.items()}}
        for each in found
    ]
    return {
        "ws": torch.stack([each.ws for each in found]).float(),
        "reconstructions": torch.stack([each.reconstruction.mean(dim=0) for each in found]),
        "curves": curves,
        "diverged": sum(each.diverged for each in found),
        "seconds": seconds,
        "halvings": halvings,
    }


def _load(states: list[TrainingState]) -> Iterator[dict[str, Any]]:
    for state in states:
        found = state.load()
        assert found is not None, state.path  # this process or another one has just written it
        yield found


def _collect(batches: list[dict[str, Any]], perceptual: dict[str, Any]) -> Found:
    if any(batch["diverged"] for batch in batches):
        return _nothing("diverged", perceptual)
    return Found(
        "done",
        perceptual,
        torch.cat([batch["ws"] for batch in batches]),
        torch.cat([batch["reconstructions"] for batch in batches]),
        [curve for batch in batches for curve in batch["curves"]],
        sum(batch["seconds"] for batch in batches),
        sum(batch["halvings"] for batch in batches),
    )


def _nothing(outcome: str, perceptual: dict[str, Any]) -> Found:
    return Found(outcome, perceptual, torch.empty(0), torch.empty(0), [], 0.0, 0)
