"""The discriminator: a residual network with the standard deviation over small groups of images as one more channel."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from evalkit.config.generator import FIRST, GeneratorSpec
from evalkit.stylegan2.layers import EPSILON, Convolution, Linear, activate


class ResidualBlock(nn.Module):
    """From one resolution to half of it. The sum of both ways keeps the variance."""

    def __init__(self, inputs: int, outputs: int, clamp: float | None) -> None:
        super().__init__()
        gain = math.sqrt(0.5)
        self.refine = Convolution(inputs, inputs, 3, clamp=clamp)
        self.halve = Convolution(inputs, outputs, 3, halves=True, gain=gain, clamp=clamp)
        self.skip = Convolution(inputs, outputs, 1, halves=True, activates=False, gain=gain)

    def forward(self, maps: Tensor) -> Tensor:
        """Map (n, inputs, h, w) to (n, outputs, h / 2, w / 2)."""
        return self.skip(maps) + self.halve(self.refine(maps))


class Discriminator(nn.Module):
    """Says how real images look.

    Parameters
    ----------
    spec : GeneratorSpec
        Of the generator it is trained against; the widths are the same.
    group : int
        Images whose standard deviation is one group's: consecutive ones of the batch. Real and generated images are
        never in one group.
    """

    def __init__(self, spec: GeneratorSpec, *, group: int = 4) -> None:
        super().__init__()
        sides = spec.resolutions[:0:-1]
        channels = spec.channels(FIRST)
        self.group = group
        self.from_image = Convolution(spec.img_channels, spec.channels(spec.resolution), 1, clamp=spec.conv_clamp)
        self.blocks = nn.ModuleDict(
            {str(side): ResidualBlock(spec.channels(side), spec.channels(side // 2), spec.conv_clamp) for side in sides}
        )
        self.final = Convolution(channels + 1, channels, 3, clamp=spec.conv_clamp)
        self.hidden = Linear(channels * FIRST**2, channels)
        self.verdict = Linear(channels, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Judge images.

        Parameters
        ----------
        images : Tensor, shape (n, img_channels, R, R)
            Nominally in [-1, 1]; n is a multiple of `group`, or less than it.

        Returns
        -------
        Tensor, shape (n,)
            Logits; positive means real.
        """
        maps = self.from_image(images)
        for block in self.blocks.values():
            maps = block(maps)
        maps = self.final(append_deviation(maps, self.group))
        return self.verdict(activate(self.hidden(maps.flatten(1))))[:, 0]


def append_deviation(maps: Tensor, group: int) -> Tensor:
    """Append one channel: the standard deviation over a group's images, averaged over channels and pixels.

    Parameters
    ----------
    maps : Tensor, shape (n, c, h, w)
    group : int
        Consecutive images that form a group; all of them, where there are fewer.

    Returns
    -------
    Tensor, shape (n, c + 1, h, w)
        So that the discriminator notices when the generator's images resemble each other (Karras et al., ICLR 2018).
    """
    images, _, height, width = maps.shape
    group = min(group, images)
    grouped = maps.float().unflatten(0, (images // group, group))
    deviation = (grouped.var(dim=1, correction=0) + EPSILON).sqrt().mean(dim=(1, 2, 3))
    channel = deviation[:, None].expand(-1, group).reshape(-1, 1, 1, 1).expand(-1, 1, height, width)
    return torch.cat([maps, channel.to(maps.dtype)], dim=1)
