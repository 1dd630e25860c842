"""Resamples as multiplicities: how often each group, and each repeat, is drawn."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

# Elements of one batch of weights: 4 MiB in float32, which stays in a processor's last cache beside what it is
# multiplied with (half as many replicates at once are no faster, twice as many take a quarter longer).
BATCH_ELEMENTS = 2**20
# float32 holds every whole number up to here; images of a resample are counted in it where they are fewer.
WHOLE_IN_FLOAT32 = 2**24


def seed_from(rng: int | np.random.Generator) -> int:
    """Return the seed of a resampling: an integer as it is, a Generator's next draw (which advances it)."""
    if isinstance(rng, np.random.Generator):
        return int(rng.integers(2**63))
    if isinstance(rng, bool) or not isinstance(rng, int | np.integer) or rng < 0:
        raise ValueError(f"rng is {rng!r}; expected a seed (a whole number from 0) or a numpy Generator")
    return int(rng)


def batch_size(n_rows: int) -> int:
    """Replicates to treat at once; it depends on the data's length only, so that all models share the batches."""
    return max(16, BATCH_ELEMENTS // max(1, n_rows))


def group_weights(
    n_groups: int, n_resamples: int, seed: int, batch: int
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Draw groups with replacement, as many as there are.

    Yields
    ------
    replicates : slice
    weights : ndarray (n_groups, length of the slice)
        Multiplicity of each group in each replicate. The draws do not depend on `batch`.
    """
    generator = np.random.default_rng(np.random.SeedSequence(seed).spawn(2)[0])
    at_once = max(1, BATCH_ELEMENTS // 8 // n_groups)
    for start in range(0, n_resamples, batch):
        stop = min(start + batch, n_resamples)
        weights = np.empty((n_groups, stop - start), np.float32)
        for first in range(0, stop - start, at_once):
            size = min(at_once, stop - start - first)
            draws = generator.integers(n_groups, size=(size, n_groups))
            draws += n_groups * np.arange(size)[:, None]
            counts = np.bincount(draws.ravel(), minlength=size * n_groups)
            weights[:, first : first + size] = counts.reshape(size, n_groups).T
        yield slice(start, stop), weights


def repeat_weights(n_repeats: int, n_resamples: int, seed: int) -> NDArray[np.int64]:
    """Draw repeats with replacement, as many as there are, from a stream of their own.

    Returns
    -------
    ndarray (n_resamples, n_repeats)
        Multiplicity of each repeat in each replicate.
    """
    generator = np.random.default_rng(np.random.SeedSequence(seed).spawn(2)[1])
    return generator.multinomial(n_repeats, np.full(n_repeats, 1 / n_repeats), size=n_resamples)


def left_out_weights(n_groups: int, batch: int) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Leave out one group at a time (the jackknife): as `group_weights`, with one replicate per group."""
    for start in range(0, n_groups, batch):
        stop = min(start + batch, n_groups)
        weights = np.ones((n_groups, stop - start), np.float32)
        weights[np.arange(start, stop), np.arange(stop - start)] = 0
        yield slice(start, stop), weights
