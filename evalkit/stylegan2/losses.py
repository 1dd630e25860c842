"""What generator and discriminator are trained for.

Karras et al., "Analyzing and improving the image quality of StyleGAN" (CVPR 2020), section 3.2 and appendix B; R1 is
Mescheder et al. (ICML 2018). Each function sums over the images given to it; the caller divides by the whole batch.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional


def generator_loss(verdicts: Tensor) -> Tensor:
    """Non-saturating logistic loss of the generator, for verdicts (n,) on its images."""
    return functional.softplus(-verdicts.float()).sum()


def discriminator_loss(real: Tensor, generated: Tensor) -> Tensor:
    """Logistic loss of the discriminator, for its verdicts (n,) on real and on generated images."""
    return functional.softplus(-real.float()).sum() + functional.softplus(generated.float()).sum()


def gradient_penalty(images: Tensor, verdicts: Tensor) -> Tensor:
    """R1: squared norm of the verdicts' gradient at real images, summed over the images.

    Parameters
    ----------
    images : Tensor, shape (n, channels, side, side)
        As the discriminator saw them, with ``requires_grad``.
    verdicts : Tensor, shape (n,)
    """
    (gradient,) = torch.autograd.grad(verdicts.float().sum(), images, create_graph=True)
    return gradient.square().sum()


def path_lengths(images: Tensor, ws: Tensor, directions: Tensor) -> Tensor:
    """How far images move per step of w: the norm of J^T y for random images y.

    Parameters
    ----------
    images : Tensor, shape (n, channels, side, side)
    ws : Tensor, shape (n, num_ws, w_dim)
        Of which the images were made, with ``requires_grad``.
    directions : Tensor, shape (n, channels, side, side)
        Normal random numbers.

    Returns
    -------
    Tensor, shape (n,)
        Root of the squared norms' mean over the layers; y is scaled to a norm that does not depend on the resolution.
    """
    scaled = (images * directions).sum() / math.sqrt(images.shape[2] * images.shape[3])
    (gradient,) = torch.autograd.grad(scaled, ws, create_graph=True)
    return gradient.square().sum(dim=2).mean(dim=1).sqrt()
