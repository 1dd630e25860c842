"""The two networks that train against each other, and one step of each."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Adam
from torch.optim.swa_utils import get_ema_multi_avg_fn

from evalkit.config.gan import GanRecipe
from evalkit.config.generator import GeneratorSpec
from evalkit.seeds import seed_from
from evalkit.stylegan2.augmentation import Draws, augment
from evalkit.stylegan2.discriminator import Discriminator
from evalkit.stylegan2.generator import Generator
from evalkit.stylegan2.latents import mixed_ws, noise_for, seeded
from evalkit.stylegan2.losses import discriminator_loss, generator_loss, gradient_penalty, path_lengths
from evalkit.training.devices import Hardware
from evalkit.training.distributed import Ranks

_BETA = 0.99


class Adversaries:
    """Generator, its moving average, discriminator, and their optimisers.

    Every draw is a function of the seed, the step and its purpose, and is made for the whole batch; a process then
    works on its share.

    Parameters
    ----------
    spec : GeneratorSpec
    recipe : GanRecipe
    seed : int
    hardware : Hardware
    ranks : Ranks

    Attributes
    ----------
    generator, average : Generator
        As trained, and the moving average of its weights, which is the result.
    discriminator : Discriminator
    probability : float
        Of each augmentation.
    """

    def __init__(self, spec: GeneratorSpec, recipe: GanRecipe, *, seed: int, hardware: Hardware, ranks: Ranks) -> None:
        self._recipe, self._seed, self._hardware, self._ranks = recipe, seed, hardware, ranks
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed_from(purpose="gan weights", seed=seed))
            networks = Generator(spec), Discriminator(spec, group=recipe.group)
        # Channels last is a quarter to a third faster, on a CPU too.
        for network in networks:
            network.to(hardware.device).to(memory_format=torch.channels_last)
        self.generator, self.discriminator = networks
        self.average = copy.deepcopy(self.generator).eval().requires_grad_(False)
        self._of_generator = _optimizer(self.generator, recipe.lr, recipe.path_every if recipe.path_weight else None)
        self._of_discriminator = _optimizer(self.discriminator, recipe.lr, recipe.r1_every if recipe.r1_gamma else None)
        self._path_mean = torch.zeros((), device=hardware.device)
        self.probability = recipe.augmentation.first if recipe.augmentation else 0.0
        self._share = ranks.share(recipe.batch_size)

    def generate(self, step: int) -> Tensor:
        """Make this process's share of a step's images, as the generator's loss needs them: with gradients."""
        random, batch = self._random("images", step), self._recipe.batch_size
        with self._hardware.autocast():
            ws = mixed_ws(self.generator, batch, self._share, random, mixing=self._recipe.mixing)
            return self.generator.synthesise(ws, noise_for(self.generator, batch, self._share, random))

    def improve_generator(self, step: int, images: Tensor) -> Tensor:
        """Take a step of the generator; gives this process's part of the loss."""
        with _frozen(self.discriminator):
            verdicts = self._judge(self._change(images, step, "for the generator"))
            loss = generator_loss(verdicts) / self._recipe.batch_size
            loss.backward()
        self._move(self.generator, self._of_generator)
        return loss.detach()

    def even_paths(self, step: int) -> Tensor:
        """Take a step of the generator for path-length regularisation; gives this process's part of the penalty."""
        recipe, device = self._recipe, self._hardware.device
        count = max(self._ranks.size, round(recipe.batch_size * recipe.path_share))
        share, random = self._ranks.share(count), self._random("paths", step)
        with self._hardware.autocast():
            ws = mixed_ws(self.generator, count, share, random, mixing=recipe.mixing)
            images = self.generator.synthesise(ws, noise_for(self.generator, count, share, random))
        directions = torch.randn(count, *images.shape[1:], generator=random, device=device)[share]
        lengths = path_lengths(images, ws, directions)
        mean = self._ranks.add(lengths.detach().sum()) / count
        self._path_mean.lerp_(mean, recipe.path_decay)
        penalty = (lengths - self._path_mean).square().sum() / count
        (penalty * (recipe.path_weight * recipe.path_every)).backward()
        self._move(self.generator, self._of_generator)
        return penalty.detach()

    def improve_discriminator(self, step: int, real: Tensor, generated: Tensor) -> tuple[Tensor, Tensor]:
        """Take a step of the discriminator; gives this process's part of the loss, and its verdicts on real images."""
        verdicts = self._judge(self._change(real, step, "real"))
        of_generated = self._judge(self._change(generated.detach(), step, "generated"))
        loss = discriminator_loss(verdicts, of_generated) / self._recipe.batch_size
        loss.backward()
        self._move(self.discriminator, self._of_discriminator)
        return loss.detach(), verdicts.detach()

    def penalise_gradient(self, step: int, real: Tensor) -> Tensor:
        """Take a step of the discriminator for R1; gives this process's part of the mean squared gradient."""
        recipe = self._recipe
        # At the images that the discriminator sees, which are those it is trained on.
        images = self._change(real, step, "penalty").detach().requires_grad_()
        penalty = gradient_penalty(images, self._judge(images)) / recipe.batch_size
        (penalty * (recipe.r1_gamma / 2 * recipe.r1_every)).backward()
        self._move(self.discriminator, self._of_discriminator)
        return penalty.detach()

    @torch.no_grad()
    def follow(self, step: int) -> None:
        """Move the average towards the generator, after a step."""
        recipe = self._recipe
        done = (step + 1) * recipe.batch_size
        half_life = min(recipe.average_images, done * recipe.average_rise)
        kept = 0.5 ** (recipe.batch_size / half_life) if half_life else 0.0
        get_ema_multi_avg_fn(kept)(list(self.average.parameters()), list(self.generator.parameters()), step)

    def state(self) -> dict[str, Any]:
        """What a resumed training needs."""
        return {
            "generator": self.generator.state_dict(),
            "average": self.average.state_dict(),
            "discriminator": self.discriminator.state_dict(),
            "of_generator": self._of_generator.state_dict(),
            "of_discriminator": self._of_discriminator.state_dict(),
            "path_mean": self._path_mean,
            "probability": self.probability,
        }

    def restore(self, saved: dict[str, Any]) -> None:
        """Go on from a saved state."""
        self.generator.load_state_dict(saved["generator"])
        self.average.load_state_dict(saved["average"])
        self.discriminator.load_state_dict(saved["discriminator"])
        self._of_generator.load_state_dict(saved["of_generator"])
        self._of_discriminator.load_state_dict(saved["of_discriminator"])
        self._path_mean.copy_(saved["path_mean"])
        self.probability = saved["probability"]

    def _judge(self, images: Tensor) -> Tensor:
        with self._hardware.autocast():
            return self.discriminator(images)

    def _change(self, images: Tensor, step: int, purpose: str) -> Tensor:
        if self._recipe.augmentation is None or self.probability == 0:
            return images
        draws = Draws(self._recipe.batch_size, self._random(f"augmentation {purpose}", step, "cpu"))
        return augment(images, draws, self._share, self._recipe.augmentation.changes, self.probability)

    def _random(self, purpose: str, step: int, device: str | None = None) -> torch.Generator:
        return seeded(device or self._hardware.device, purpose=f"gan {purpose}", seed=self._seed, step=step)

    def _move(self, network: nn.Module, optimizer: Adam) -> None:
        self._ranks.add_gradients(network.parameters())
        optimizer.step()
        optimizer.zero_grad()


def _optimizer(network: nn.Module, lr: float, every: int | None) -> Adam:
    """Adam without momentum, its rates adapted to one more step, that of the regularisation, in every `every`."""
    share = every / (every + 1) if every else 1.0
    return Adam(network.parameters(), lr=lr * share, betas=(0.0, _BETA**share), eps=1e-8, fused=True)


@contextmanager
def _frozen(network: nn.Module) -> Iterator[None]:
    """Spare the gradients of a network's weights that nobody will use."""
    network.requires_grad_(False)
    try:
        yield
    finally:
        network.requires_grad_(True)
