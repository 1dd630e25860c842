"""How a generator is trained. The defaults are the papers', but for sizes that a CPU can train."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from evalkit.config.strict import Strict

Probability = Annotated[float, Field(ge=0, le=1)]


class Changes(Strict):
    """How far the augmentations of real and generated images go; 0 leaves one out.

    Those of Karras et al. (NeurIPS 2020) that a radiograph allows. Left out are flips and quarter turns (a mirrored
    chest has its heart on the wrong side) and all colour; rotations are small, since films are nearly upright. Each
    is applied to an image with the same probability, independently, so that at a probability below about 0.8 the
    generator learns the images as they are and not the changes.
    """

    shift: NonNegativeFloat = Field(default=0.125, description="Largest shift, whole pixels, as a share of the side.")
    scale: NonNegativeFloat = Field(default=0.2, description="Standard deviation of the scale's base-2 logarithm.")
    stretch: NonNegativeFloat = Field(default=0.2, description="The same of width over height.")
    rotate: float = Field(default=15.0, ge=0, le=180, description="Largest rotation in degrees.")
    drift: NonNegativeFloat = Field(default=0.125, description="Standard deviation of a shift in parts of pixels.")
    brightness: NonNegativeFloat = Field(default=0.2, description="Standard deviation, where black to white is 2.")
    contrast: NonNegativeFloat = Field(default=0.5, description="Standard deviation of the gain's base-2 logarithm.")


class AdaptiveAugmentation(Strict):
    """Augmentation whose probability follows how far the discriminator has overfitted.

    r_t is the mean sign of the discriminator's verdict on real training images: 0 means that it cannot tell them from
    generated ones, 1 that it is always sure. The probability rises while r_t is above the target, else it falls.
    """

    changes: Changes = Changes()
    target: float = Field(default=0.6, ge=-1, le=1, description="Of r_t.")
    images: PositiveInt = Field(
        default=500_000, description="Training images in which the probability can go from 0 to 1."
    )
    every: PositiveInt = Field(default=4, description="Steps between two adjustments.")
    first: Probability = Field(default=0.0, description="The probability at the start.")


class GanRecipe(Strict):
    """A training of generator and discriminator."""

    steps: PositiveInt
    batch_size: PositiveInt = Field(default=8, description="Images of a step, over all processes.")
    lr: PositiveFloat = Field(default=0.0025, description="Of both networks, with Adam.")
    group: PositiveInt = Field(default=4, description="Images whose deviation the discriminator sees together.")
    r1_gamma: NonNegativeFloat = Field(default=0.1, description="Weight of the gradient penalty R1.")
    r1_every: PositiveInt = Field(default=16, description="Steps between two penalties; the weight makes up for it.")
    path_weight: NonNegativeFloat = Field(default=2.0, description="Weight of path-length regularisation.")
    path_every: PositiveInt = Field(default=4, description="Steps between two of them; the weight makes up for it.")
    path_share: float = Field(default=0.5, gt=0, le=1, description="Share of a batch that it uses.")
    path_decay: float = Field(default=0.01, gt=0, le=1, description="How fast the mean path length follows.")
    mixing: Probability = Field(default=0.9, description="Share of images made of two w, one for the finer layers.")
    average_images: PositiveInt = Field(default=10_000, description="Half-life of the averaged generator, in images.")
    average_rise: NonNegativeFloat = Field(
        default=0.05, description="The half-life is at most this share of the images so far."
    )
    augmentation: AdaptiveAugmentation | None = AdaptiveAugmentation()
    notes: PositiveInt = Field(default=10, description="How often losses and samples are noted, equally spaced.")
    samples: PositiveInt = Field(default=16, description="Images of a snapshot, made of the same z each time.")
    frechet_images: int = Field(default=500, ge=2, description="Images of each kind for the Frechet distance.")

    @model_validator(mode="after")
    def _check(self) -> GanRecipe:
        if self.batch_size % self.group:
            raise ValueError(f"batch_size {self.batch_size} is not a multiple of group {self.group}")
        return self
