"""The training of a generator, on one page.

The same arguments give the same generator, bit for bit, also when the process is killed on the way and started again:
order, latents, noise and augmentation are functions of the seed and the step, and the rest is in the saved state. (The
number of threads and of processes and the kind of device are among the arguments: they change the order of sums.)
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evalkit.config.gan import GanRecipe
from evalkit.config.generator import GeneratorSpec
from evalkit.errors import InputError
from evalkit.stylegan2.adversaries import Adversaries
from evalkit.stylegan2.augmentation import adjust
from evalkit.stylegan2.generator import Generator
from evalkit.stylegan2.latents import mean_w
from evalkit.stylegan2.watching import Watch
from evalkit.training.batches import batch_positions
from evalkit.training.devices import Hardware, is_out_of_memory
from evalkit.training.distributed import Ranks
from evalkit.training.meter import Meter
from evalkit.training.pixels import Pixels, to_grey
from evalkit.training.progress import Progress
from evalkit.training.schedule import LOOK_EVERY, validation_steps
from evalkit.training.state import TrainingState

#: Sums that are kept between two notes, over the steps or over those that had the regularisation.
_SUMS = ("generator", "discriminator", "r_t", "path", "paths", "r1", "r1s")


@dataclass
class Course:
    """How a training went.

    Attributes
    ----------
    outcome : {"done", "diverged"}
    step : int
        Steps done.
    history : list of dict
        For each note: step; images; the losses generator and discriminator, and r_t (mean sign of the verdicts on real
        images), means over the steps since the note before; path (mean squared deviation of path lengths) and r1 (mean
        squared gradient), over those of these steps that had them; probability of augmentation; and, with two training
        images or more, frechet: the distance of samples to them, by `describe_cells`.
    seconds : float
        Time spent on steps, earlier processes' included, samples and saving left out.
    """

    outcome: Literal["done", "diverged"] = "done"
    step: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True)
class TrainedGenerator:
    """What a training gives.

    Attributes
    ----------
    generator : Generator
        The average, in evaluation mode, without gradients, with its mean w.
    course : Course
    images_per_second : float
        Training images, over `course.seconds`.
    snapshots : array of uint8, shape (notes, samples, side, side), with three channels (..., 3)
        Samples of the average at each note, made of the same z; empty in all but the first process.
    """

    generator: Generator
    course: Course
    images_per_second: float
    snapshots: NDArray[np.uint8]


def train_generator(
    spec: GeneratorSpec,
    images: NDArray[np.uint8],
    recipe: GanRecipe,
    *,
    seed: int,
    hardware: Hardware,
    ranks: Ranks,
    state: TrainingState,
    progress: Progress,
    rows: NDArray[np.int64] | None = None,
) -> TrainedGenerator:
    """Train a generator, or go on training it.

    Parameters
    ----------
    spec : GeneratorSpec
        With three channels, the grey images are repeated over them.
    images : array of uint8, shape (n, resolution, resolution)
        Usually a memory-mapped file.
    recipe : GanRecipe
    seed : int
    hardware : Hardware
    ranks : Ranks
        The processes that train together.
    state : TrainingState
        Where to go on from, and where to save. The caller discards it when the result is written.
    progress : Progress
    rows : array of int, optional
        The images to train on; by default all.

    Returns
    -------
    TrainedGenerator

    Raises
    ------
    InputError
        Images of another size, a batch that the processes cannot share or memory does not hold, or a damaged state.
    """
    rows = np.arange(len(images)) if rows is None else rows
    _check(spec, images, rows, recipe, ranks)
    pixels = Pixels(images, rows, hardware.device)
    pair = Adversaries(spec, recipe, seed=seed, hardware=hardware, ranks=ranks)
    course, meter = Course(), Meter(hardware)
    sums = torch.zeros(len(_SUMS), dtype=torch.float64, device=hardware.device)
    signs = torch.zeros((), dtype=torch.float64, device=hardware.device)  # since the probability was adjusted
    shown: list[Tensor] = []
    saved = state.load()
    if saved is not None:
        pair.restore(saved["pair"])
        course, shown = Course(**saved["course"]), saved["shown"]
        meter = Meter(hardware, seconds=course.seconds)
        sums.copy_(saved["sums"])
        signs.copy_(saved["signs"])
        progress.say(f"going on after step {course.step}")
    notes = validation_steps(recipe.steps, recipe.notes)
    watch = Watch(pair.average, images, rows, recipe, seed=seed) if ranks.is_first else None
    progress.start(step=course.step, steps=recipe.steps)

    while course.step < recipe.steps:
        step = course.step
        positions = batch_positions(step, images=len(rows), batch_size=recipe.batch_size, seed=seed)
        real = to_grey(pixels.take(positions[ranks.share(recipe.batch_size)])) * 2 - 1
        parts = ranks.add(_advance(pair, step, real.expand(-1, spec.img_channels, -1, -1), recipe, hardware, ranks))
        sums += parts
        signs += parts[_SUMS.index("r_t")]
        meter.note(parts.sum())
        course.step += 1

        adaptive = recipe.augmentation
        if adaptive and course.step % adaptive.every == 0:
            r_t = float(signs) / adaptive.every
            signs.zero_()
            pair.probability = adjust(pair.probability, r_t, adaptive, batch_size=recipe.batch_size)
        is_time_to_look = not hardware.on_gpu or course.step in notes or course.step % LOOK_EVERY == 0
        if is_time_to_look and not meter.is_finite():
            course.outcome = "diverged"
            break
        if course.step in notes:
            with meter.paused():
                note = _note(course, sums, pair.probability, recipe)
                if watch is not None:
                    shown.append(watch.look(note))
                course.history.append(note)
        if state.is_due() and meter.is_finite():
            course.seconds = meter.seconds
            with meter.paused():
                values = {"pair": pair.state(), "course": asdict(course), "sums": sums, "signs": signs, "shown": shown}
                state.save(values)
        progress.update(step=course.step, steps=recipe.steps, batch_size=recipe.batch_size, images=len(rows))

    if not all(bool(torch.isfinite(each).all()) for each in pair.average.parameters()):
        course.outcome = "diverged"
    course.seconds = meter.seconds
    pair.average.w_avg.copy_(mean_w(pair.average))
    snapshots = torch.stack(shown).numpy() if shown else np.empty((0, 0, spec.resolution, spec.resolution), np.uint8)
    rate = course.step * recipe.batch_size / max(course.seconds, 1e-9)
    return TrainedGenerator(pair.average, course, rate, snapshots)


def _advance(pair: Adversaries, step: int, real: Tensor, recipe: GanRecipe, hardware: Hardware, ranks: Ranks) -> Tensor:
    """Take a step of both networks; gives this process's parts of `_SUMS`."""
    found: dict[str, Tensor | float] = dict.fromkeys(_SUMS, 0.0)
    try:
        generated = pair.generate(step)
        found["generator"] = pair.improve_generator(step, generated)
        if recipe.path_weight and step % recipe.path_every == 0:
            found["path"], found["paths"] = pair.even_paths(step), 1 / ranks.size
        found["discriminator"], verdicts = pair.improve_discriminator(step, real, generated)
        found["r_t"] = verdicts.sign().sum() / recipe.batch_size
        if recipe.r1_gamma and step % recipe.r1_every == 0:
            found["r1"], found["r1s"] = pair.penalise_gradient(step, real), 1 / ranks.size
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise InputError(
            f"out of memory on {hardware.name} with batch_size {recipe.batch_size}",
            "a batch that fits whole",
            f"lower batch_size (to {max(recipe.group, recipe.batch_size // 2)}, say) or the widths of the generator, "
            "or share the batch among more cards with torchrun",
        ) from error
    pair.follow(step)
    return torch.stack([torch.as_tensor(each, dtype=torch.float64, device=hardware.device) for each in found.values()])


def _note(course: Course, sums: Tensor, probability: float, recipe: GanRecipe) -> dict[str, float]:
    since = course.history[-1]["step"] if course.history else 0
    total = dict(zip(_SUMS, sums.tolist(), strict=True))
    sums.zero_()
    note: dict[str, float] = {"step": course.step, "images": course.step * recipe.batch_size}
    note |= {name: total[name] / (course.step - since) for name in ("generator", "discriminator", "r_t")}
    note |= {name: total[name] / total[count] for name, count in (("path", "paths"), ("r1", "r1s")) if total[count]}
    return note | {"probability": probability}


def _check(
    spec: GeneratorSpec, images: NDArray[np.uint8], rows: NDArray[np.int64], recipe: GanRecipe, ranks: Ranks
) -> None:
    wanted = (spec.resolution, spec.resolution)
    if images.ndim != 3 or images.shape[1:] != wanted or images.dtype != np.uint8 or not len(rows):
        raise InputError(
            f"training images of shape {images.shape}, {images.dtype}, of which {len(rows)} are chosen",
            f"at least one image of shape {wanted}, uint8",
            f"pack the images at {spec.resolution} pixels, or change the generator's resolution",
        )
    if recipe.batch_size % (ranks.size * recipe.group):
        raise InputError(
            f"{ranks.size} processes are to share batches of {recipe.batch_size} in groups of {recipe.group}",
            "whole groups for each process",
            f"make batch_size a multiple of {ranks.size * recipe.group}",
        )
