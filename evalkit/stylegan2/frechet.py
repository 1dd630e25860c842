"""Distance between the features of two sets of images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def frechet_distance(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
    """Frechet distance between normal distributions fitted to two sets of features.

    It is the "FID" only where the features are those of the Inception network that defines it, and comparable only
    between sets of the same features and sizes: with few images it is too large.

    Parameters
    ----------
    first, second : array of float, shape (n, d) and (m, d)
        At least two of each.

    Returns
    -------
    float
        |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) (Dowson and Landau, 1982), with covariances of ddof 1.

    Raises
    ------
    ValueError
        Fewer than two rows, another number of columns, or values that are not finite.
    """
    first, second = (np.asarray(each, dtype=np.float64) for each in (first, second))
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1] or min(len(first), len(second)) < 2:
        raise ValueError(f"features of shape {first.shape} and {second.shape}")
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise ValueError("features that are not finite")
    apart = np.square(first.mean(axis=0) - second.mean(axis=0)).sum()
    # C = X^T X for centred and scaled X, so tr (C1 C2)^(1/2) is the sum of the singular values of X1 X2^T: exact also
    # where there are fewer images than features, and nothing has to be taken the root of.
    one, two = ((each - each.mean(axis=0)) / np.sqrt(len(each) - 1) for each in (first, second))
    shared = np.linalg.svd(_reduced(one) @ _reduced(two).T, compute_uv=False).sum()
    return float(max(0.0, apart + np.square(one).sum() + np.square(two).sum() - 2 * shared))


def _reduced(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """A matrix with the same X^T X and no more rows than columns."""
    return np.asarray(np.linalg.qr(rows, mode="r")) if len(rows) > rows.shape[1] else rows
