"""Layers that both networks are made of.

All weights are drawn with variance one and scaled where they are used, so that the optimiser moves each layer at the
same relative rate ("equalised learning rate"; Karras et al., ICLR 2018).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from evalkit.stylegan2.resampling import LowPass

SLOPE = 0.2
#: Brings the variance after the leaky ReLU back to about one.
ACTIVATION_GAIN = math.sqrt(2)
#: Keeps a reciprocal square root finite.
EPSILON = 1e-8


def activate(values: Tensor, *, gain: float = ACTIVATION_GAIN, clamp: float | None = None) -> Tensor:
    """Leaky ReLU of slope 0.2, times `gain`, limited to [-clamp, clamp]."""
    values = functional.leaky_relu(values, SLOPE) * gain
    return values if clamp is None else values.clamp(-clamp, clamp)


def normalise(vectors: Tensor) -> Tensor:
    """Scale vectors (n, length) to a mean square of one."""
    return vectors * torch.rsqrt(vectors.square().mean(dim=1, keepdim=True) + EPSILON)


class Linear(nn.Module):
    """A fully connected layer with equalised learning rate.

    Parameters
    ----------
    inputs, outputs : int
    bias : float
        What the biases start with.
    rate : float
        Multiplies the learning rate, by making the stored weights larger and their scale smaller.
    """

    def __init__(self, inputs: int, outputs: int, *, bias: float = 0.0, rate: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.full((outputs,), bias))
        self._scale, self._rate = rate / math.sqrt(inputs), rate

    def forward(self, vectors: Tensor) -> Tensor:
        """Map vectors (n, inputs) to (n, outputs), without an activation."""
        return functional.linear(vectors, self.weight * self._scale, self.bias * self._rate)


class Convolution(nn.Module):
    """A convolution with equalised learning rate, of the discriminator.

    Parameters
    ----------
    inputs, outputs : int
        Channels.
    size : int
        Side of the kernel, odd.
    halves : bool
        Whether the result has half the side, after the low-pass filter.
    activates : bool
        Whether there are biases and leaky ReLU; otherwise it is linear and without biases.
    gain : float
        Multiplies the result, and the limit.
    clamp : float, optional
        Limit of the absolute value.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        size: int,
        *,
        halves: bool = False,
        activates: bool = True,
        gain: float = 1.0,
        clamp: float | None = None,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, size, size))
        self.bias = nn.Parameter(torch.zeros(outputs)) if activates else None
        self.low_pass = LowPass() if halves else None
        self._scale, self._padding, self._gain = 1 / math.sqrt(inputs * size**2), size // 2, gain
        self._clamp = None if clamp is None else clamp * gain

    def forward(self, maps: Tensor) -> Tensor:
        """Map (n, inputs, h, w) to (n, outputs, h, w), or half of it."""
        stride, padding = 1, self._padding
        if self.low_pass is not None and padding:
            # Room for the kernel at the border is made before the filter, which takes three pixels of it.
            maps, stride, padding = self.low_pass.smooth(maps, padding=padding + 1), 2, 0
        elif self.low_pass is not None:
            maps = self.low_pass.downsample(maps)
        # The gain goes into the weights: leaky ReLU lets positive factors through.
        gain = self._gain if self.bias is None else self._gain * ACTIVATION_GAIN
        weight = self.weight * (self._scale * gain)
        if self.bias is None:
            result = functional.conv2d(maps, weight, stride=stride, padding=padding)
        else:
            result = functional.conv2d(maps, weight, self.bias * gain, stride=stride, padding=padding)
            result = functional.leaky_relu(result, SLOPE)
        return result if self._clamp is None else result.clamp(-self._clamp, self._clamp)


class StyledConvolution(nn.Module):
    """A 3x3 convolution whose input channels a style scales, with demodulation, noise, bias and leaky ReLU.

    Scaling the weights per image, as the paper writes it, needs a convolution per image. Scaling the activations
    before and after one convolution of the whole batch is the same function, since the style is one number per input
    channel and the demodulation one number per output channel.

    Parameters
    ----------
    inputs, outputs : int
        Channels.
    w_dim : int
        Length of w.
    resolution : int
        Side of the result.
    doubles : bool
        Whether the result has twice the side of the input.
    clamp : float, optional
        Limit of the absolute value of the result.
    """

    noise: Tensor

    def __init__(
        self, inputs: int, outputs: int, *, w_dim: int, resolution: int, doubles: bool, clamp: float | None
    ) -> None:
        super().__init__()
        self.style = Linear(w_dim, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.noise_gain = nn.Parameter(torch.zeros(()))
        self.register_buffer("noise", torch.randn(resolution, resolution))
        self.low_pass = LowPass() if doubles else None
        self._clamp = clamp

    def forward(self, maps: Tensor, w: Tensor, noise: Tensor) -> Tensor:
        """Convolve.

        Parameters
        ----------
        maps : Tensor, shape (n, inputs, h, w)
        w : Tensor, shape (n, w_dim)
        noise : Tensor, shape (n or 1, 1, resolution, resolution)

        Returns
        -------
        Tensor, shape (n, outputs, resolution, resolution)
        """
        style = self.style(w)
        energy = functional.linear(style.square(), self.weight.square().sum(dim=(2, 3)))
        # The activation's gain is applied to what is small: demodulation, bias and noise.
        demodulation = torch.rsqrt(energy + EPSILON) * ACTIVATION_GAIN
        maps = maps * style[:, :, None, None]
        if self.low_pass is None:
            maps = functional.conv2d(maps, self.weight, padding=1)
        else:
            maps = functional.conv_transpose2d(maps, self.weight.transpose(0, 1), stride=2)
            maps = self.low_pass.smooth(maps, padding=1, gain=4)
        bias = (self.bias * ACTIVATION_GAIN)[None, :, None, None]
        maps = torch.addcmul(bias, maps.to(bias.dtype), demodulation[:, :, None, None])
        maps = functional.leaky_relu(maps + noise * (self.noise_gain * ACTIVATION_GAIN), SLOPE)
        return maps if self._clamp is None else maps.clamp(-self._clamp, self._clamp)


class ToImage(nn.Module):
    """A styled 1x1 convolution without demodulation that makes an image of feature maps.

    Parameters
    ----------
    inputs, outputs : int
        Feature maps, and channels of the image.
    w_dim : int
        Length of w.
    clamp : float, optional
        Limit of the absolute value of the result.
    """

    def __init__(self, inputs: int, outputs: int, *, w_dim: int, clamp: float | None) -> None:
        super().__init__()
        self.style = Linear(w_dim, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self._scale, self._clamp = 1 / math.sqrt(inputs), clamp

    def forward(self, maps: Tensor, w: Tensor) -> Tensor:
        """Map feature maps (n, inputs, h, w) to images (n, outputs, h, w)."""
        # Weights per image are cheap here: so few of them, and each pixel is a plain product.
        weights = self.weight * (self.style(w) * self._scale)[:, None, :]
        image = (weights @ maps.flatten(2)).unflatten(2, maps.shape[2:]) + self.bias[None, :, None, None]
        return image if self._clamp is None else image.clamp(-self._clamp, self._clamp)
