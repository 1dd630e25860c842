"""Signs that pretraining collapses: that all images come to the same place."""

from __future__ import annotations

import torch
from torch import Tensor


def feature_spread(features: Tensor) -> Tensor:
    """Standard deviation of normalised features over the images, mean over their dimensions, times sqrt(d).

    1 when the features are spread over the whole sphere, 0 when all are equal (Chen & He 2021, section 4.1, who plot it
    without the factor).

    Parameters
    ----------
    features : Tensor, shape (n, d)
        Of length 1.
    """
    return features.float().std(dim=0, correction=0).mean() * features.shape[1] ** 0.5


def alignment(first: Tensor, second: Tensor) -> Tensor:
    """Mean squared distance of the two views of an image: 0 at best, 2 without any relation.

    Wang & Isola 2020, with their alpha of 2.

    Parameters
    ----------
    first, second : Tensor, shape (n, d)
        Of length 1; row i of both comes from the same image.
    """
    return (first.float() - second.float()).square().sum(dim=1).mean()


def uniformity(features: Tensor) -> Tensor:
    """Logarithm of the mean over pairs of images of exp(-2 |x - y|^2): 0 when all are equal, about -4 at best.

    Wang & Isola 2020, with their t of 2.

    Parameters
    ----------
    features : Tensor, shape (n, d)
        Of length 1, of two images at least.
    """
    return torch.pdist(features.float()).square().mul(-2).exp().mean().log()


@torch.no_grad()
def describe_collapse(first: Tensor, second: Tensor) -> dict[str, float]:
    """The three signs for the views of one step.

    Parameters
    ----------
    first, second : Tensor, shape (n, d)
        Normalised projections of the two views; row i of both comes from the same image.

    Returns
    -------
    dict of str to float
        ``feature_std`` and ``uniformity``, each the mean of both views', and ``alignment``.
    """
    views = (first, second)
    return {
        "feature_std": float(torch.stack([feature_spread(each) for each in views]).mean()),
        "alignment": float(alignment(first, second)),
        "uniformity": float(torch.stack([uniformity(each) for each in views]).mean()),
    }
