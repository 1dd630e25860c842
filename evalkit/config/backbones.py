"""The backbone file: what can be compared, one entry each."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, RootModel, model_validator

from evalkit.config.pretraining import Pretraining
from evalkit.config.strict import Name, Strict

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class BackboneEntry(Strict):
    """One backbone: an architecture and at most one source of weights; none means random initialisation."""

    label: str = Field(description="The name printed in tables.")
    arch: str = Field("", description="The architecture's name in timm, for example resnet50.")
    control: Literal["pixel-only", "mean-w", "random"] | None = Field(
        None,
        description="Of an inversion, no backbone to compare but a row to compare it with. pixel-only: no perceptual "
        "term; mean-w: the generator's mean image, nothing optimised; random: this architecture with random weights.",
    )
    path: str | None = Field(
        None, description="A local checkpoint. ${NAME} is replaced from the environment; ${RESULTS} is results/<study>."
    )
    url: str | None = Field(None, pattern=r"^https?://", description="Where to download it; needs sha256.")
    timm: str | None = Field(None, description="A pretrained tag of timm, for example a1_in1k.")
    pretrain: Pretraining | None = Field(None, description="Make the weights in this workflow.")
    sha256: Sha256 | None = Field(None, description="The checkpoint file's hash; a file with another one is refused.")
    format: str | None = Field(None, description="The checkpoint's key layout, if it should not be detected.")
    in_channels: Literal[1, 3] | None = Field(None, description="Channels of the first convolution; else as stored.")
    mean: list[float] | None = Field(None, description="Mean of the input, on a scale where 1 is white.")
    std: list[float] | None = Field(None, description="Standard deviation of the input, on the same scale.")
    baseline: Name | None = Field(None, description="The entry this one derives from (policy 'baseline').")
    pretrained_on: list[str] = Field(default_factory=list, description="Data sets seen in pretraining.")
    note: str | None = Field(None, description="Printed in a table's footnote, for example where to get the file.")

    @model_validator(mode="after")
    def _check(self) -> BackboneEntry:
        sources = [key for key in ("path", "url", "timm", "pretrain") if getattr(self, key) is not None]
        if len(sources) > 1:
            raise ValueError(f"has {len(sources)} weight sources ({', '.join(sources)}); give one, or none for scratch")
        if self.control and sources:
            raise ValueError(f"is the control {self.control!r} and has weights ({sources[0]}); leave one of them out")
        self._check_network()
        if self.url and not self.sha256:
            raise ValueError("has a url without sha256; a download is only accepted with the hash it must have")
        if self.sha256 and not (self.path or self.url):
            raise ValueError("has a sha256 but neither a path nor a url; there is no file whose hash could be checked")
        if self.format and not (self.path or self.url or self.pretrain):
            raise ValueError("has a format but neither a path nor a url; there is no file to read")
        if (self.mean is None) != (self.std is None):
            raise ValueError("give mean and std together, or neither")
        for key in ("mean", "std"):
            values = getattr(self, key)
            if values is not None and len(values) not in (1, 3):
                raise ValueError(f"{key} has {len(values)} values; give 1 or 3")
        if self.std and not all(0 < value <= 1 for value in self.std):
            raise ValueError(f"std is {self.std}; every value must be above 0 and at most 1, where 1 is white")
        if self.mean and not all(0 <= value <= 1 for value in self.mean):
            raise ValueError(f"mean is {self.mean}; every value must be from 0 to 1, where 1 is white (divide by 255)")
        return self

    def _check_network(self) -> None:
        """Two of the controls have no network, and VGG-16 is torchvision's, whose input is known."""
        shaped = [key for key in ("arch", "format", "in_channels", "mean", "std") if getattr(self, key)]
        if self.control in ("pixel-only", "mean-w"):
            if shaped:
                raise ValueError(f"is the control {self.control!r}, which has no network; leave out {shaped[0]}")
        elif not self.arch:
            raise ValueError("has no arch; name the architecture, for example resnet50")
        if self.is_vgg16:
            if self.url or not self.sha256:
                raise ValueError("is VGG-16, which is read from torchvision's file; give its path and sha256")
            if len(shaped) > 1:
                raise ValueError(f"is torchvision's VGG-16, whose input is known; leave out {shaped[1]}")

    @property
    def is_vgg16(self) -> bool:
        """Whether it is torchvision's VGG-16 from a file. Only its convolutions are used, to look at images."""
        return self.arch == "vgg16" and bool(self.path or self.url)

    @property
    def is_for_inversions(self) -> bool:
        """Whether it can be a row of inversions only: a control, or VGG-16."""
        return self.control is not None or self.is_vgg16

    @property
    def is_scratch(self) -> bool:
        """Whether the entry has no weights: it is initialised anew in every run."""
        return not (self.path or self.url or self.timm or self.pretrain)


class BackboneFile(RootModel[dict[Name, BackboneEntry]]):
    """config/backbones.yaml: every backbone a study can name."""
