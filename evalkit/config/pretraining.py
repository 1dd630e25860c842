"""Weights that the workflow makes itself: the method, the data, where it starts from, and how it is trained."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PositiveInt, model_validator

from evalkit.config.recipe import Recipe
from evalkit.config.strict import Name, Strict

Probability = Annotated[float, Field(ge=0, le=1)]


class Views(Strict):
    """Random changes that make two views of one radiograph; a probability of 0 switches a change off.

    The list is that of the IFA paper; its bounds and probabilities are our choice where the paper gives none.
    """

    shift: float = Field(0.0625, ge=0, lt=1, description="Largest shift, as a share of the side.")
    scale: float = Field(0.2, ge=0, lt=1, description="Largest relative change of size.")
    rotate: float = Field(10.0, ge=0, le=180, description="Largest rotation, in degrees.")
    shift_scale_rotate: Probability = Field(0.8, description="Probability of shift, change of size and rotation.")
    distortion: float = Field(
        0.15, ge=0, le=1 / 3, description="Largest relative shift of a corner by barrel or pincushion distortion."
    )
    optical_distortion: Probability = 0.3
    median_blur: Probability = 0.1
    motion_blur: Probability = 0.2
    blur: float = Field(
        0.03, ge=0, lt=1, description="Length of the motion blur, as a share of the side; never below 3 pixels."
    )
    sharpening: float = Field(0.5, ge=0, le=1, description="Largest share of the image with its Laplacian subtracted.")
    sharpen: Probability = 0.2
    hole: float = Field(0.25, ge=0, lt=1, description="Largest side of a hole, as a share of the side; half is least.")
    holes: int = Field(2, ge=0, le=16, description="How many holes.")
    cutout: Probability = 0.5
    brightness: float = Field(0.15, ge=0, lt=1, description="Largest change of brightness; 1 is the full grey range.")
    random_brightness: Probability = 0.8
    contrast: float = Field(0.3, ge=0, lt=1, description="Largest relative change of contrast about the mean.")
    random_contrast: Probability = 0.8
    noise: float = Field(0.03, ge=0, lt=1, description="Largest standard deviation of added noise; 1 is all greys.")
    gauss_noise: Probability = 0.3
    speckle: float = Field(0.1, ge=0, lt=1, description="Largest relative change of a pixel.")
    multiplicative_noise: Probability = 0.3


def _check_block(block: int) -> int:
    if not 1 <= block <= 4:
        raise ValueError("residual blocks are numbered 1 to 4")
    return block


class Approximation(Strict):
    """What IFA asks of one residual block's feature maps."""

    target: float = Field(1.0, ge=-1, le=1, description="The cosine that the two views' features should have.")
    weight: float = Field(1.0, gt=0)


class Ifa(Strict):
    """Intermediate feature approximation: which residual blocks (1 to 4) are drawn together, and how strongly."""

    preset: Literal["paper", "released-code"] | None = Field(
        None, description="paper: block 3, target 1. released-code: block 1 with target 0.3 and block 4 with target 1."
    )
    blocks: dict[Annotated[int, AfterValidator(_check_block)], Approximation] | None = Field(
        None, min_length=1, description="Residual blocks by number, 1 to 4, for example {3: {}}; {} takes the defaults."
    )

    @model_validator(mode="after")
    def _check(self) -> Ifa:
        if (self.preset is None) == (self.blocks is None):
            raise ValueError("give either 'preset' or 'blocks'")
        return self

    @property
    def terms(self) -> dict[int, Approximation]:
        """The blocks, those of the preset written out."""
        if self.blocks is not None:
            return self.blocks
        values: dict[int, dict[str, float]] = {3: {}} if self.preset == "paper" else {1: {"target": 0.3}, 4: {}}
        return {block: Approximation.model_validate(each) for block, each in values.items()}


class Supervised(Strict):
    """Training on the labels of a data set."""

    method: Literal["supervised"]
    data: Name = Field(description="The study's data set to train on. Its patients must not be in any evaluation.")
    labels: list[str] | None = Field(None, description="Labels to train with; by default the data set's own.")
    recipe: Recipe

    @model_validator(mode="after")
    def _check(self) -> Supervised:
        _require_one_budget(self.recipe)
        return self

    @property
    def init(self) -> None:
        """Supervised pretraining starts from random initialisation."""


class Contrastive(Strict):
    """What MoCo and SimCLR share: no label is looked at."""

    data: Name = Field(description="The study's data set to train on. Its patients must not be in any evaluation.")
    init: Name | None = Field(None, description="The backbone entry to start from; else random initialisation.")
    recipe: Recipe = Field(description="Without augmentation and validations, whose place views and records take.")
    views: Views = Views.model_validate({})
    projection: PositiveInt = Field(128, description="Length of the projected features.")
    ifa: Ifa | None = Field(None, description="Add intermediate feature approximation to the contrastive loss.")
    records: PositiveInt = Field(20, description="How often losses and signs of collapse are noted.")

    @model_validator(mode="before")
    @classmethod
    def _leave_out(cls, values: Any) -> Any:
        recipe = values.get("recipe") if isinstance(values, dict) else None
        found = [key for key in ("augmentation", "validations") if isinstance(recipe, dict) and key in recipe]
        if found:
            raise ValueError(f"recipe has {' and '.join(found)}, which contrastive pretraining does not use; see views")
        return values

    @model_validator(mode="after")
    def _check(self) -> Contrastive:
        _require_one_budget(self.recipe)
        if len(self.recipe.learning_rates) > 1:
            raise ValueError("recipe.lr is a list; without labels nothing chooses among rates, give one")
        if self.recipe.batch_size < 2:
            raise ValueError("recipe.batch_size is 1; contrast needs other images beside, give 2 or more")
        return self


class Moco(Contrastive):
    """MoCo v2: InfoNCE against a queue of keys from a momentum encoder (He et al. 2020, Chen et al. 2020)."""

    method: Literal["moco"]
    temperature: float = Field(0.2, gt=0)
    queue: PositiveInt = Field(65_536, description="Keys kept; a multiple of the batch size.")
    momentum: float = Field(0.999, ge=0, lt=1, description="Of the key encoder.")

    @model_validator(mode="after")
    def _check_queue(self) -> Moco:
        if self.queue % self.recipe.batch_size:
            size = self.recipe.batch_size
            raise ValueError(f"queue is {self.queue}; expected a multiple of recipe.batch_size, which is {size}")
        return self


class Simclr(Contrastive):
    """SimCLR: NT-Xent among the views of one batch (Chen et al. 2020)."""

    method: Literal["simclr"]
    temperature: float = Field(0.1, gt=0)


Pretraining = Annotated[Supervised | Moco | Simclr, Field(discriminator="method")]


def _require_one_budget(recipe: Recipe) -> None:
    if isinstance(recipe.steps, dict):
        raise ValueError("recipe.steps is given per fraction, but pretraining has none; give one number")
