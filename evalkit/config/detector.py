"""What a detector is: head, protocol, classes and numbers. Every default is detectron2's for R50-C4 and R50-DC5."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from evalkit.config.strict import Share, Strict, nearest, repeats

#: ``R50-C4``: the trunk's last stage is the head, applied to each region. ``R50-DC5``: it runs on the image, dilated.
#: The names are those of the literature; the trunk may have another depth.
HeadName = Literal["R50-C4", "R50-DC5"]
ProtocolName = Literal["moco", "detectron2"]

#: Both heads work on a feature map with one cell for 16 by 16 pixels.
STRIDE = 16

#: ResNets with the plain stem, whose tensors have a counterpart in detectron2; and small ones with a stem of three
#: convolutions, which have none.
PLAIN = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
#: Those of them whose last stage detectron2's heads can take.
BOTTLENECKS = ("resnet50", "resnet101", "resnet152")
TRUNKS = (*PLAIN, "resnet10t", "resnet14t")

Positive = Annotated[float, Field(gt=0)]


class AnchorSpec(Strict):
    """The boxes that proposals start from, the same at each cell of the feature map."""

    sizes: tuple[Positive, ...] = Field(
        (32, 64, 128, 256, 512), min_length=1, description="Square roots of their areas, in pixels."
    )
    ratios: tuple[Positive, ...] = Field((0.5, 1, 2), min_length=1, description="Height over width.")

    @property
    def per_cell(self) -> int:
        """Anchors at each cell."""
        return len(self.sizes) * len(self.ratios)

    @model_validator(mode="after")
    def _check(self) -> AnchorSpec:
        for name, values in self:
            if repeats(values):
                raise ValueError(f"{name} holds a value twice: {list(values)}")
        return self


class ProposalSpec(Strict):
    """How the region proposal network is trained, and how many proposals it makes."""

    sampled: PositiveInt = Field(256, description="Anchors per image in the loss, whose sum is divided by this number.")
    positive_share: Share = Field(0.5, description="Largest share of them that lie on an object.")
    foreground_iou: Share = Field(0.7, description="An anchor that overlaps a box this much lies on an object.")
    background_iou: Share = Field(0.3, description="One that overlaps every box less than this lies on none.")
    before_nms: PositiveInt = Field(12_000, description="Best-scored proposals per image that compete, in training.")
    after_nms: PositiveInt = Field(2_000, description="Proposals per image that remain, in training.")
    before_nms_test: PositiveInt = Field(6_000, description="The same in detection.")
    after_nms_test: PositiveInt = Field(1_000, description="The same in detection.")
    nms: Share = Field(0.7, description="Of two proposals that overlap more than this, the worse goes.")

    @model_validator(mode="after")
    def _check(self) -> ProposalSpec:
        if self.background_iou > self.foreground_iou:
            raise ValueError(f"background_iou {self.background_iou} is above foreground_iou {self.foreground_iou}")
        return self


class RegionSpec(Strict):
    """How the head on the proposed regions is trained, and which detections it reports."""

    sampled: PositiveInt = Field(512, description="Regions per image in the loss.")
    positive_share: Share = Field(0.25, description="Largest share of them that lie on an object.")
    foreground_iou: Share = Field(0.5, description="A region that overlaps a box this much lies on that object.")
    hidden: PositiveInt = Field(1024, description="Width of the two hidden layers of R50-DC5's head.")
    score: float = Field(0.05, ge=0, lt=1, description="Detections score more than this.")
    nms: Share = Field(0.5, description="Of two detections of one class that overlap more than this, the worse goes.")
    detections: PositiveInt = Field(100, description="Detections per image, at most.")


class DetectorSpec(Strict):
    """A Faster R-CNN, whole but for its weights.

    `protocol` is how pretrained weights are used. ``moco`` (He et al., CVPR 2020, appendix A.1): everything is trained,
    batch normalisation included; the head of R50-C4 ends with one more normalisation, and R50-DC5's feature map is
    reduced to 512 channels by a 3x3 convolution with normalisation. ``detectron2``: its stock configuration, in which
    all normalisation is frozen, and so are the weights of the stem and the first stage.
    """

    head: HeadName = "R50-C4"
    protocol: ProtocolName = "moco"
    arch: str = Field("resnet50", description="Timm's name of the trunk, a ResNet.")
    classes: PositiveInt = Field(1, description="Kinds of objects; their labels count from 0.")
    in_channels: Literal[1, 3] = Field(1, description="Of the trunk; grey images are repeated over three.")
    mean: tuple[float, ...] = Field((0.5,), description="Of the input, on a scale where 1 is white; per channel.")
    std: tuple[Positive, ...] = Field((0.25,), description="Likewise.")
    anchors: AnchorSpec = AnchorSpec.model_validate({})
    proposals: ProposalSpec = ProposalSpec.model_validate({})
    regions: RegionSpec = RegionSpec.model_validate({})

    @property
    def is_dilated(self) -> bool:
        """Whether the trunk's last stage runs on the whole image, dilated (R50-DC5)."""
        return self.head == "R50-DC5"

    @property
    def is_frozen(self) -> bool:
        """Whether normalisation and the first layers keep the values they were loaded with."""
        return self.protocol == "detectron2"

    @model_validator(mode="after")
    def _check(self) -> DetectorSpec:
        if self.arch not in TRUNKS:
            raise ValueError(f"arch {self.arch!r} cannot carry a detector{nearest(self.arch, TRUNKS)}")
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in {1, self.in_channels}:
                raise ValueError(f"{name} has {len(values)} values for {self.in_channels} input channels")
        return self
