"""Detection: boxes around what an image shows, found by a Faster R-CNN on each backbone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field, PositiveInt, model_validator

from evalkit.config.design import Aggregate, Divided, Trainset
from evalkit.config.detector import AnchorSpec, HeadName, ProposalSpec, RegionSpec
from evalkit.config.recipe import LearningRate, Schedule, Training
from evalkit.config.strict import Share, Strict, repeats
from evalkit.settings import all_settings

#: The batch that published learning rates of detectors are for; they are scaled with the batch (Goyal et al., 2017).
BATCH_OF_RATES = 16

#: A class whose name says on which side something is: "Left Lung", "lung_right", "LeftLung".
_SIDED = re.compile(r"(?<![a-z])(left|right)(?![a-z])", re.IGNORECASE)
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")


def find_sided(labels: Iterable[str]) -> list[str]:
    """The classes whose names tell left from right, which a mirror swaps."""
    return [label for label in labels if _SIDED.search(_HUMP.sub(" ", label))]


class DetectionAxes(Strict):
    """The axes of a detection evaluation."""

    head: list[HeadName] = Field(["R50-C4", "R50-DC5"], min_length=1, description="Where the detector takes over.")

    @model_validator(mode="after")
    def _check(self) -> DetectionAxes:
        if repeats(self.head):
            raise ValueError(f"head holds a value twice: {self.head}")
        return self


class DetectionRecipe(Training):
    """How a detector is trained; the defaults are those of MoCo's and detectron2's recipes for PASCAL VOC."""

    optimizer: Literal["sgd", "adamw"] = "sgd"
    lr: LearningRate | list[LearningRate] = Field(
        0.02,
        description="Learning rate; for sgd that of 16 images, scaled with batch_size. A list is tried with an equal "
        "budget per backbone and chosen on validation.",
    )
    schedule: Schedule = "steps"
    milestones: list[Share] = Field(
        [0.75, 0.92], description="Shares of the steps after which the rate falls to a tenth, for schedule steps."
    )
    warmup: float = Field(0.005, ge=0, lt=1, description="Share of the steps in which the rate rises from 0.")
    batch_size: PositiveInt = 16
    short_sides: list[PositiveInt] = Field(
        list(range(480, 801, 32)),
        min_length=1,
        description="Shorter sides, in pixels; each training image is resized to one of them, drawn at each step.",
    )
    short_side_test: PositiveInt = Field(800, description="Shorter side in validation and test, in pixels.")
    flip: bool = Field(True, description="Mirror every second training image.")
    precise_bn: PositiveInt = Field(
        200, description="Training batches on which normalisation is measured anew before validation (protocol moco)."
    )

    @model_validator(mode="after")
    def _check_schedule(self) -> DetectionRecipe:
        if "milestones" in self.model_fields_set and self.schedule != "steps":
            raise ValueError(f"milestones would change nothing: schedule is {self.schedule}; leave them out")
        if sorted(set(self.milestones)) != self.milestones:
            raise ValueError(f"milestones is {self.milestones}; expected shares in rising order")
        if repeats(self.short_sides):
            raise ValueError(f"short_sides holds one twice: {self.short_sides}")
        return self

    @property
    def learning_rates(self) -> list[float]:
        """The rates to try, for this batch. Scaling with the batch is a rule for SGD."""
        if self.optimizer != "sgd":
            return super().learning_rates
        return [rate * self.batch_size / BATCH_OF_RATES for rate in super().learning_rates]

    @property
    def drops(self) -> list[float]:
        """Shares of the steps at which the rate falls to a tenth."""
        return self.milestones if self.schedule == "steps" else []


class Detection(Divided):
    """Faster R-CNN on each backbone, with one head or several."""

    task: Literal["detection"]
    settings: DetectionAxes = DetectionAxes.model_validate({})
    protocol: Literal["paper", "moco", "detectron2"] = Field(
        "paper",
        description="moco (and paper, which is the same): everything is trained, normalisation included; detectron2: "
        "normalisation, stem and first stage keep their pretrained values.",
    )
    engine: Literal["torchvision", "detectron2"] = Field(
        "torchvision", description="What computes; detectron2 gives the same and must be installed by hand."
    )
    longest: int = Field(1333, ge=32, le=4096, description="Longest side of an image, in pixels, however resized.")
    empty_images: Literal["keep", "not_in_training", "exclude"] = Field(
        "keep",
        description="Images without a box. keep: nothing is to be found there, in training and test; not_in_training: "
        "as detectron2 does by default; exclude: from all parts, for data sets in which only some images have boxes.",
    )
    anchors: AnchorSpec = AnchorSpec.model_validate({})
    proposals: ProposalSpec = ProposalSpec.model_validate({})
    regions: RegionSpec = RegionSpec.model_validate({})
    recipe: DetectionRecipe

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
    def _check(self) -> Detection:
        mistakes = [f"labels holds a class twice: {self.labels}"] if self.labels and repeats(self.labels) else []
        too_large = [side for side in (*self.recipe.short_sides, self.recipe.short_side_test) if side > self.longest]
        if too_large:
            mistakes.append(
                f"recipe asks for shorter sides of {too_large} px; expected at most longest, {self.longest}"
            )
        sided = find_sided(self.labels or ())
        if self.recipe.flip and sided:
            mistakes.append(f"recipe.flip would swap sides, and the labels {sided} tell them apart; set flip: false")
        if self.way == "detectron2" and "precise_bn" in self.recipe.model_fields_set:
            mistakes.append("recipe.precise_bn would change nothing: protocol detectron2 freezes normalisation")
        if self.settings.head == ["R50-C4"] and "hidden" in self.regions.model_fields_set:
            mistakes.append("regions.hidden would change nothing: R50-C4 has no hidden layers; leave it out")
        if mistakes:
            raise ValueError(*mistakes)
        return self

    @property
    def training(self) -> DetectionRecipe:
        """The recipe."""
        return self.recipe

    @property
    def way(self) -> Literal["moco", "detectron2"]:
        """The protocol by its one name."""
        return "detectron2" if self.protocol == "detectron2" else "moco"

    def list_settings(self) -> list[str]:
        """Every setting's name, in the order of the study file."""
        axes: dict[str, Sequence[Any]] = self.settings.model_dump()
        return all_settings(axes)
