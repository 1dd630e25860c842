"""The generator's noise inputs as variables: where they begin, and what keeps them noise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from evalkit.inversion.averaging import average
from evalkit.inversion.draws import draw_for_images

#: Side in pixels at which the pyramid of the regulariser ends.
_COARSEST = 8


def draw_noise(shapes: Sequence[tuple[int, int]], keys: Sequence[str], like: Tensor, *, seed: int) -> list[Tensor]:
    """Draw each image's noise inputs.

    Parameters
    ----------
    shapes : sequence of (height, width)
        Of the generator's noise inputs.
    keys : sequence of str
        Names of the images.
    like : Tensor
        Whose device and number format they have.
    seed : int
        Of the run.

    Returns
    -------
    list of Tensor, each of shape (len(keys), 1, height, width)
        With gradients.
    """
    return [
        draw_for_images((1, *shape), keys, like, seed=seed, purpose="inversion noise", index=layer).requires_grad_()
        for layer, shape in enumerate(shapes)
    ]


def noise_structure(noise: Sequence[Tensor]) -> Tensor:
    """How much the noise inputs have become an image: the regulariser of StyleGAN2's projection (appendix D).

    For every input and every level of its pyramid, which halves the side down to 8 pixels, the squared mean product
    of neighbours, down and across, with wrapping borders; summed.

    Parameters
    ----------
    noise : sequence of Tensor, each of shape (n, 1, height, width)

    Returns
    -------
    Tensor, shape (n,)
        About 0 for white noise; each image's own.
    """
    products = [
        (level * level.roll(1, dims=axis)).mean(dim=(1, 2, 3))
        for field in noise
        for level in _pyramid(field)
        for axis in (2, 3)
    ]
    return torch.stack(products).square().sum(dim=0)


@torch.no_grad()
def renormalise(noise: Sequence[Tensor]) -> None:
    """Give every image's noise inputs mean 0 and variance 1 again, in place."""
    for field in noise:
        field -= field.mean(dim=(1, 2, 3), keepdim=True)
        field *= field.square().mean(dim=(1, 2, 3), keepdim=True).rsqrt()


def _pyramid(field: Tensor) -> Iterator[Tensor]:
    """The field and its halvings by averaging, unscaled as in NVIDIA's projector."""
    yield field
    while field.shape[2] > _COARSEST:
        field = average(field, 2)
        yield field
