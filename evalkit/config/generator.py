"""What a generator is: resolution, channels and widths. The defaults are those of the published configuration F."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, PositiveInt, model_validator

from evalkit.config.strict import Strict

#: Side of the learnt constant from which every image grows.
FIRST = 4


class GeneratorSpec(Strict):
    """A StyleGAN2 generator with skip connections, whole but for its weights. The discriminator's widths follow."""

    resolution: int = Field(default=64, ge=8, le=4096, description="Side of the images, a power of two.")
    img_channels: Literal[1, 3] = Field(default=1, description="Grey, or red, green and blue.")
    z_dim: PositiveInt = Field(default=512, description="Length of z, which is drawn from a normal distribution.")
    w_dim: PositiveInt = Field(default=512, description="Length of w, which the mapping network makes of z.")
    mapping_layers: PositiveInt = Field(default=8, description="Fully connected layers of the mapping network.")
    channel_base: PositiveInt = Field(
        default=32_768, description="Feature maps times resolution, where there are not more ..."
    )
    channel_max: PositiveInt = Field(default=512, description="... than this many.")
    conv_clamp: Annotated[float, Field(gt=0)] | None = Field(
        default=None,
        description="Largest absolute value after each convolution and activation; published networks often have 256.",
    )
    c_dim: Literal[0] = Field(
        default=0, description="Length of a class label: class-conditional networks are not supported."
    )

    @model_validator(mode="after")
    def _check(self) -> GeneratorSpec:
        if self.resolution & (self.resolution - 1):
            raise ValueError(f"resolution {self.resolution} is not a power of two")
        return self

    @property
    def resolutions(self) -> tuple[int, ...]:
        """Sides of the images from the learnt constant to the result: 4, 8, ..."""
        return tuple(2**power for power in range(FIRST.bit_length() - 1, self.resolution.bit_length()))

    def channels(self, resolution: int) -> int:
        """Feature maps at one resolution."""
        return max(1, min(self.channel_base // resolution, self.channel_max))

    @property
    def num_ws(self) -> int:
        """Vectors w of one image: one for each convolution and one for the last layer that makes an image."""
        return 2 * len(self.resolutions)

    @classmethod
    def demo(cls, **changes: Any) -> GeneratorSpec:
        """A tiny generator for 64 x 64 pixels that a CPU can train."""
        return cls.model_validate(DEMO | changes)


#: About 0.3 million parameters in the generator.
DEMO = {"resolution": 64, "z_dim": 64, "w_dim": 64, "mapping_layers": 4, "channel_base": 1024, "channel_max": 64}
