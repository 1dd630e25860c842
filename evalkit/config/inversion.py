"""Inversion: each backbone as the eye through which latents of a generator are fitted to real images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field, PositiveInt, model_validator

from evalkit.config.backbones import Sha256
from evalkit.config.design import Aggregate, Divided, Trainset
from evalkit.config.gan import GanRecipe
from evalkit.config.generator import GeneratorSpec
from evalkit.config.projection import PerceptualRecipe, ProjectionRecipe
from evalkit.config.published import PUBLISHED, TrunkName
from evalkit.config.strict import Name, Strict, repeats
from evalkit.settings import all_settings

Space = Literal["w", "w+"]


class InversionAxes(Strict):
    """The axes of an inversion."""

    space: list[Space] = Field(["w"], min_length=1, description="w: one vector for all layers; w+: one for each.")

    @model_validator(mode="after")
    def _check(self) -> InversionAxes:
        if repeats(self.space):
            raise ValueError(f"space holds a value twice: {self.space}")
        return self


class TrainedHere(Strict):
    """A generator that the workflow trains on the evaluation's training images."""

    spec: GeneratorSpec = Field(GeneratorSpec.model_validate({}), description="Its resolution must be image_size.")
    recipe: GanRecipe


class GeneratorSource(Strict):
    """Where the generator comes from: a file, or the workflow."""

    path: str | None = Field(
        None, description="A file of StyleGAN2: NVIDIA's .pkl, rosinality's .pt or this project's .safetensors."
    )
    sha256: Sha256 | None = Field(None, description="The file's hash; a file with another one is refused.")
    train: TrainedHere | None = Field(None, description="Train one on the evaluation's training images.")

    @model_validator(mode="after")
    def _check(self) -> GeneratorSource:
        if (self.path is None) == (self.train is None):
            raise ValueError("give either 'path' (a file) or 'train' (made by the workflow)")
        if self.sha256 and not self.path:
            raise ValueError("has a sha256 but no path; there is no file whose hash could be checked")
        return self


class LpipsSource(Strict):
    """The trunk of LPIPS, which is a download; its linear heads come with the package."""

    trunk: TrunkName = Field("alexnet", description="vgg16 would favour VGG-16 as a backbone.")
    path: str = Field(description="torchvision's file of the trunk. ${NAME} is replaced from the environment.")
    sha256: Sha256 | None = Field(None, description="The file's hash; that of torchvision's own file by default.")

    @property
    def digest(self) -> str:
        """The hash that the file must have."""
        return self.sha256 or PUBLISHED[self.trunk]


class Inversion(Divided):
    """Images projected into a generator's latent space, and what of them comes back.

    Patients are divided as for any evaluation: training images are for the generator, where the workflow trains it,
    validation images calibrate the terms of the perceptual loss, and test images are inverted.
    """

    task: Literal["inversion"]
    settings: InversionAxes = InversionAxes.model_validate({})
    only: list[str] | None = Field(
        None, min_length=1, description="Labels one of which an image must have, such as 'No Finding'; else all images."
    )
    images: PositiveInt | None = Field(None, description="Test images to invert, drawn at random; all by default.")
    calibration_images: PositiveInt = Field(
        64, description="Validation images to calibrate on, one of each patient, at most."
    )
    generator: GeneratorSource
    projection: ProjectionRecipe = ProjectionRecipe.model_validate({})
    perceptual: PerceptualRecipe = PerceptualRecipe.model_validate({})
    batch_size: PositiveInt = Field(8, description="Images optimised side by side, each as if alone.")
    lpips: LpipsSource | None = Field(None, description="Without it, LPIPS is unavailable.")
    identity: Name | None = Field(
        None,
        description="The backbone, with weights, whose features the metric identity compares. No row may be it, be "
        "made from it, or be what it was made from.",
    )

    # What evaluations of other kinds can choose.
    aggregate: ClassVar[Aggregate | None] = "image"
    test_on: ClassVar[Sequence[str]] = ()
    fractions: ClassVar[Sequence[float]] = (1.0,)
    trainsets: ClassVar[Sequence[Trainset]] = ("full",)
    modified: ClassVar[dict[str, int] | None] = None
    repeats: ClassVar[int] = 1
    validation: ClassVar[Literal["fixed", "fraction"]] = "fixed"
    validation_per_class: ClassVar[int | None] = None
    test_per_class: ClassVar[int | None] = None
    split_by: ClassVar[Literal["patient", "image"]] = "patient"
    missing_class: ClassVar[Literal["redraw", "keep"]] = "keep"

    @model_validator(mode="after")
    def _check(self) -> Inversion:
        mistakes = []
        if "space" in self.projection.model_fields_set:
            mistakes.append("projection.space is an axis here: name it under settings.space")
        if not self.projection.perceptual_weight:
            mistakes.append("projection.perceptual_weight is 0, so that all backbones would give the same")
        if self.labels is not None:
            mistakes.append("labels would change nothing: images are inverted whatever they show; see 'only'")
        if mistakes:
            raise ValueError(*mistakes)
        return self

    def list_settings(self) -> list[str]:
        """Every setting's name, in the order of the study file."""
        axes: dict[str, Sequence[Any]] = self.settings.model_dump()
        return all_settings(axes)
