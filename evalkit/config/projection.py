"""How images are inverted. Every default that NVIDIA's projector (stylegan2-ada-pytorch) has too is its value."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from evalkit.config.strict import Strict, repeats

TapName = Literal["stem", "block1", "block2", "block3", "block4"]

#: Where a backbone can be tapped: after the stem's activation, before its pooling, and after each of four blocks.
TAPS: tuple[TapName, ...] = ("stem", "block1", "block2", "block3", "block4")

#: Weights of CheSS's perceptual loss, which are those of pix2pixHD and SPADE: doubling with depth, the last 1.
CHESS_WEIGHTS = dict(zip(TAPS, (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0), strict=True))

Fraction = Annotated[float, Field(ge=0, le=1)]


class PerceptualRecipe(Strict):
    """How two images are compared through an encoder."""

    taps: tuple[TapName, ...] = Field(TAPS, min_length=1, description="Layers that are compared, from stem to block4.")
    weights: Literal["equal", "chess"] | tuple[NonNegativeFloat, ...] = Field(
        "equal",
        description="Weight of each tap's term: equal (they sum to 1), chess (1/32, 1/16, 1/8, 1/4, 1), or one number "
        "per tap.",
    )
    distance: Literal["l1", "l2"] = Field("l1", description="Mean absolute, or mean squared, difference of features.")
    calibration: Literal["pairs", "raw"] = Field(
        "pairs", description="pairs: a tap's term is 1 on average between two calibration images; raw: as it is."
    )
    limit: PositiveInt | None = Field(
        None, description="Larger images are averaged down to this side before the encoder; NVIDIA's projector has 256."
    )

    @model_validator(mode="after")
    def _check(self) -> PerceptualRecipe:
        if repeats(self.taps):
            raise ValueError(f"taps holds a layer twice: {', '.join(self.taps)}")
        if isinstance(self.weights, tuple) and len(self.weights) != len(self.taps):
            raise ValueError(f"weights has {len(self.weights)} values for {len(self.taps)} taps")
        if isinstance(self.weights, tuple) and not any(self.weights):
            raise ValueError("every weight is 0; leave taps out instead, or set the perceptual weight to 0")
        return self

    @property
    def tap_weights(self) -> tuple[float, ...]:
        """One weight per tap, in the order of `taps`."""
        if self.weights == "equal":
            return (1 / len(self.taps),) * len(self.taps)
        if self.weights == "chess":
            return tuple(CHESS_WEIGHTS[tap] for tap in self.taps)
        return tuple(float(weight) for weight in self.weights)


class ProjectionRecipe(Strict):
    """How the latent and the noise of one image are optimised."""

    space: Literal["w", "w+"] = Field("w", description="w: one vector for all layers; w+: one for each layer.")
    steps: PositiveInt = 1000
    lr: PositiveFloat = Field(0.1, description="Adam's rate between the two ramps.")
    ramp_up: Fraction = Field(0.05, description="Share of the steps in which the rate rises from 0, linearly.")
    ramp_down: Fraction = Field(0.25, description="Share of the steps in which it falls to 0, as a cosine.")
    latent_noise: NonNegativeFloat = Field(
        0.05, description="Noise on the latent at the first step, in standard deviations of w; it falls quadratically."
    )
    latent_noise_until: Annotated[float, Field(gt=0, le=1)] = Field(
        0.75, description="Share of the steps after which there is none."
    )
    noise: Literal["optimised", "constant"] = Field(
        "optimised", description="Whether the generator's noise inputs are optimised too, or stay as it stores them."
    )
    noise_weight: NonNegativeFloat = Field(1e5, description="Weight of the term that keeps them free of structure.")
    pixel_weight: NonNegativeFloat = Field(
        1.0, description="Weight of the mean squared difference of grey values, on a scale from -1 to 1."
    )
    perceptual_weight: NonNegativeFloat = Field(1.0, description="Weight of the difference seen by the encoder.")
    latent_samples: PositiveInt = Field(
        10_000, description="Latents whose mean is where the search begins and whose spread scales its noise."
    )
    record_every: PositiveInt = Field(10, description="Steps between two points of the convergence curve.")

    @model_validator(mode="after")
    def _check(self) -> ProjectionRecipe:
        if not (self.pixel_weight or self.perceptual_weight):
            raise ValueError("pixel_weight and perceptual_weight are both 0; nothing would hold on to the image")
        if self.ramp_up + self.ramp_down > 1:
            raise ValueError(f"ramp_up {self.ramp_up} and ramp_down {self.ramp_down} are together more than 1")
        return self
