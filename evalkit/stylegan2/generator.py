"""The generator: z -> w by the mapping network, w and noise -> image by the synthesis network."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from evalkit.config.generator import FIRST, GeneratorSpec
from evalkit.stylegan2.layers import Linear, StyledConvolution, ToImage, activate, normalise
from evalkit.stylegan2.resampling import LowPass

#: The mapping network learns a hundred times more slowly than the rest.
MAPPING_RATE = 0.01

Noise = Sequence[Tensor] | Literal["constant", "random"]


class Mapping(nn.Module):
    """Fully connected layers that make w of z."""

    def __init__(self, spec: GeneratorSpec) -> None:
        super().__init__()
        widths = [spec.z_dim] + [spec.w_dim] * spec.mapping_layers
        self.layers = nn.ModuleList(
            Linear(inputs, outputs, rate=MAPPING_RATE) for inputs, outputs in itertools.pairwise(widths)
        )

    def forward(self, z: Tensor) -> Tensor:
        """Map z (n, z_dim) to w (n, w_dim), always in the weights' number format: all else hangs on w."""
        with torch.autocast(z.device.type, enabled=False):
            w = normalise(z.to(next(self.parameters()).dtype))
            for layer in self.layers:
                w = activate(layer(w))
            return w


class Block(nn.Module):
    """One resolution: two styled convolutions (the first block has one) and the layer that makes an image."""

    def __init__(self, spec: GeneratorSpec, resolution: int) -> None:
        super().__init__()
        channels = spec.channels(resolution)
        w_dim, clamp = spec.w_dim, spec.conv_clamp
        if resolution > FIRST:
            self.grow: StyledConvolution | None = StyledConvolution(
                spec.channels(resolution // 2), channels, resolution=resolution, doubles=True, w_dim=w_dim, clamp=clamp
            )
        else:
            self.grow = None
        self.refine = StyledConvolution(
            channels, channels, resolution=resolution, doubles=False, w_dim=w_dim, clamp=clamp
        )
        self.to_image = ToImage(channels, spec.img_channels, w_dim=w_dim, clamp=clamp)

    @property
    def convolutions(self) -> list[StyledConvolution]:
        """Those there are, in order."""
        return [self.refine] if self.grow is None else [self.grow, self.refine]


class Synthesis(nn.Module):
    """The network that makes images of w; each block adds to the doubled image of the one before."""

    def __init__(self, spec: GeneratorSpec) -> None:
        super().__init__()
        self.constant = nn.Parameter(torch.randn(spec.channels(FIRST), FIRST, FIRST))
        self.blocks = nn.ModuleDict({str(side): Block(spec, side) for side in spec.resolutions})
        self.low_pass = LowPass()

    @property
    def convolutions(self) -> list[StyledConvolution]:
        """All styled convolutions, in the order of their w and noise."""
        return [each for block in self.blocks.values() for each in block.convolutions]  # type: ignore[union-attr]

    def forward(self, ws: Tensor, noise: Sequence[Tensor]) -> Tensor:
        """Make images (n, img_channels, R, R) of ws (n, num_ws, w_dim) and one noise input per convolution."""
        maps = self.constant.expand(len(ws), -1, -1, -1)
        image: Tensor | None = None
        used, exact = 0, self.constant.dtype
        for block in self.blocks.values():
            assert isinstance(block, Block)
            for convolution in block.convolutions:
                maps = convolution(maps, ws[:, used], noise[used])
                used += 1
            # The image itself keeps the weights' number format: bfloat16 has fewer grey values than a radiograph. This
            # layer's w is also that of the next block's first convolution.
            with torch.autocast(ws.device.type, enabled=False):
                added = block.to_image(maps.to(exact), ws[:, used].to(exact))
                image = added if image is None else self.low_pass.upsample(image) + added
        assert image is not None
        return image


class Generator(nn.Module):
    """A StyleGAN2 generator.

    Parameters
    ----------
    spec : GeneratorSpec

    Attributes
    ----------
    spec : GeneratorSpec
    num_ws : int
        Vectors w that one image takes: 2 log2(resolution) - 2.
    noise_shapes : list of tuple of int
        Height and width of each noise input, in order.
    mapping, synthesis : torch.nn.Module
    w_avg : Tensor, shape (w_dim,)
        Mean of w over z (see `evalkit.stylegan2.latents.mean_w`); zero until somebody sets it.
    """

    w_avg: Tensor

    def __init__(self, spec: GeneratorSpec) -> None:
        super().__init__()
        self.spec = spec
        self.num_ws = spec.num_ws
        self.mapping = Mapping(spec)
        self.synthesis = Synthesis(spec)
        self.register_buffer("w_avg", torch.zeros(spec.w_dim))
        self.noise_shapes = [(each.noise.shape[0], each.noise.shape[1]) for each in self.synthesis.convolutions]

    def map(self, z: Tensor) -> Tensor:
        """Map z (n, z_dim) to w (n, w_dim), without truncation."""
        return self.mapping(z)

    def synthesise(self, ws: Tensor, noise: Noise) -> Tensor:
        """Make images.

        Parameters
        ----------
        ws : Tensor, shape (n, num_ws, w_dim)
            One w for each layer; the same w everywhere is ``w[:, None].expand(-1, num_ws, -1)``.
        noise : sequence of Tensor, or {"constant", "random"}
            For each noise input a tensor of shape (n or 1, 1, height, width); or the stored noise; or noise drawn
            afresh from torch's generator of the device.

        Returns
        -------
        Tensor, shape (n, img_channels, resolution, resolution)
            Nominally in [-1, 1], not clipped.

        Raises
        ------
        ValueError
            Another shape of `ws`, or another number of noise inputs.
        """
        if ws.shape[1:] != (self.num_ws, self.spec.w_dim):
            raise ValueError(f"ws has the shape {tuple(ws.shape)}, not (n, {self.num_ws}, {self.spec.w_dim})")
        inputs = self._noise(noise, ws)
        if [each.shape[-2:] for each in inputs] != self.noise_shapes:
            raise ValueError(f"noise has the shapes {[tuple(each.shape) for each in inputs]}, not {self.noise_shapes}")
        return self.synthesis(ws, inputs)

    def _noise(self, noise: Noise, ws: Tensor) -> Sequence[Tensor]:
        if noise == "constant":
            return [each.noise[None, None] for each in self.synthesis.convolutions]
        if noise == "random":
            return [torch.randn(len(ws), 1, *shape, device=ws.device) for shape in self.noise_shapes]
        assert not isinstance(noise, str)
        return noise

    def forward(self, z: Tensor, noise: Noise = "random") -> Tensor:
        """Make images (n, img_channels, R, R) of z (n, z_dim), with one w for all layers."""
        return self.synthesise(self.map(z)[:, None].expand(-1, self.num_ws, -1), noise)
