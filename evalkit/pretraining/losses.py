"""What contrastive pretraining makes small: InfoNCE, NT-Xent and intermediate feature approximation.

With several processes each gives its share of the batch. What a function returns is that share's part of the mean over
the whole batch, so the sum over the processes is the loss of one process with the whole batch, and the sum of their
gradients is its gradient. Everything is worked out in 32 bits, also under automatic mixed precision.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from evalkit.config.pretraining import Approximation

#: Smallest norm of a position's features that a cosine divides by, as in the released code of the IFA paper.
_EPSILON = 1e-6


def info_nce(queries: Tensor, positives: Tensor, queue: Tensor, *, temperature: float, images: int) -> Tensor:
    """InfoNCE: tell each query's own key from the keys in the queue (He et al. 2020, equation 1).

    The mean over images of -log(exp(q.k / T) / (exp(q.k / T) + sum_j exp(q.n_j / T))), where k is the query's key and
    n_j are the queue's.

    Parameters
    ----------
    queries, positives : Tensor, shape (n, d)
        Of length 1; row i of both comes from the same image.
    queue : Tensor, shape (keys, d)
        Keys of other images, of length 1.
    temperature : float
    images : int
        Images of the whole batch, over all processes.

    Returns
    -------
    Tensor, scalar
    """
    with torch.autocast(queries.device.type, enabled=False):
        queries, positives, queue = queries.float(), positives.float(), queue.float()
        own = (queries * positives).sum(dim=1, keepdim=True)
        logits = torch.cat([own, queries @ queue.T], dim=1) / temperature
        target = torch.zeros(len(logits), dtype=torch.int64, device=logits.device)
        return functional.cross_entropy(logits, target, reduction="sum") / images


def nt_xent(
    first: Tensor,
    second: Tensor,
    *,
    temperature: float,
    whole: tuple[Tensor, Tensor] | None = None,
    start: int = 0,
) -> Tensor:
    """NT-Xent: tell the other view of an image from all other views of the batch (Chen et al. 2020, equation 1).

    The mean over the 2N views of -log(exp(s_ij / T) / sum_{k != i} exp(s_ik / T)), where s is the dot product, and i
    and j are the two views of one image.

    Parameters
    ----------
    first, second : Tensor, shape (n, d)
        Of length 1; row i of both comes from the same image.
    temperature : float
    whole : tuple of two Tensor, shape (N, d) each, optional
        The first and second views of the whole batch, gathered from all processes in such a way that gradients find
        their way back (`evalkit.pretraining.exchange.gather`). Without them, the batch is `first` and `second`.
    start : int
        Where this share begins in the whole batch.

    Returns
    -------
    Tensor, scalar
    """
    with torch.autocast(first.device.type, enabled=False):
        rows = torch.cat([first, second]).float()
        columns = rows if whole is None else torch.cat(whole).float()
        images = len(columns) // 2
        firsts = torch.arange(start, start + len(first), device=rows.device)
        itself, partner = torch.cat([firsts, firsts + images]), torch.cat([firsts + images, firsts])
        logits = rows @ columns.T / temperature
        is_itself = itself[:, None] == torch.arange(2 * images, device=rows.device)
        logits = logits.masked_fill(is_itself, -torch.inf)
        return functional.cross_entropy(logits, partner, reduction="sum") / (2 * images)


def ifa_loss(
    queries: Mapping[int, Tensor], positives: Mapping[int, Tensor], terms: Mapping[int, Approximation], *, images: int
) -> Tensor:
    """Intermediate feature approximation: draw the feature maps of two views of an image together.

    For each block, the mean over images and positions of |target - cos(Q, P)|, where the cosine is taken over the
    channels at each position; then the sum over blocks, each times its weight. With target 1 that is the paper's
    ||1 - cos(Q, P)||; other targets and the smallest norm of 1e-6 are those of its released code.

    Parameters
    ----------
    queries, positives : mapping of int to Tensor, shape (n, channels, height, width)
        Outputs of the residual blocks; row i of both comes from the same image.
    terms : mapping of int to Approximation
        Target and weight of each block that counts; one at least.
    images : int
        Images of the whole batch, over all processes.

    Returns
    -------
    Tensor, scalar
    """
    distances = []
    for block, term in terms.items():
        query, positive = queries[block], positives[block]
        with torch.autocast(query.device.type, enabled=False):
            cosine = functional.cosine_similarity(query.float(), positive.float(), dim=1, eps=_EPSILON)
            distances.append(term.weight * (term.target - cosine).abs().mean(dim=(1, 2)).sum() / images)
    return torch.stack(distances).sum()
