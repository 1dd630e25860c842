"""What the two-way bootstrap of a table costs beside a loop that resamples rows and calls scikit-learn.

    python benchmarks/two_way_bootstrap.py [--replicates 10000] [--plain 3]

Two models, 10 repeats, 20,000 test images, 5 classes: the time of `two_way_bootstrap("auc", ...)` on one core, of one
replicate, and of what every call does once (sorting), and the peak of the memory it allocates beside the scores. The
plain loop draws images and repeats and calls scikit-learn's `roc_auc_score` for every model, drawn repeat and class; it
is timed on a few replicates (after one that warms up) and scaled to all, since it would take hours. Its replicates are
the same resamples, and are compared number by number.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import tracemalloc
from time import perf_counter

import numpy as np

from stats import bootstrap_replicates, two_way_bootstrap
from stats.resampling import repeat_weights

N_REPEATS, N_IMAGES = 10, 20_000
PREVALENCES = (0.05, 0.1, 0.1, 0.2, 0.5)
FEW = 200  # replicates, of which the time of one and the memory are told


def study() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels (images, classes) and the scores of two models (repeats, images, classes)."""
    generator = np.random.default_rng(0)
    y = generator.random((N_IMAGES, len(PREVALENCES))) < PREVALENCES
    shape = (N_REPEATS, *y.shape)
    return y, y + generator.normal(size=shape), 0.95 * y + generator.normal(size=shape)


def plain_loop(y: np.ndarray, a: np.ndarray, b: np.ndarray, n_replicates: int) -> tuple[np.ndarray, np.ndarray]:
    """Differences and seconds of the first replicates, by scikit-learn on the resampled rows."""
    from sklearn.metrics import roc_auc_score

    draws = np.random.default_rng(np.random.SeedSequence(0).spawn(2)[0])  # as `stats` draws patients
    repeats = repeat_weights(N_REPEATS, n_replicates, seed=0)
    differences, seconds = np.empty(n_replicates), np.empty(n_replicates)
    for place, times in enumerate(repeats):
        start = perf_counter()
        rows = draws.integers(N_IMAGES, size=N_IMAGES)
        drawn = np.repeat(np.arange(N_REPEATS), times)
        of_models = [
            np.mean([roc_auc_score(y[rows, k], score[r, rows, k]) for r in drawn for k in range(y.shape[1])])
            for score in (a, b)
        ]
        differences[place] = of_models[0] - of_models[1]
        seconds[place] = perf_counter() - start
    return differences, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replicates", type=int, default=10_000)
    parser.add_argument("--plain", type=int, default=3, help="replicates that the plain loop is timed on")
    options = parser.parse_args()

    y, a, b = study()
    print(f"2 models x {N_REPEATS} repeats x {N_IMAGES} images x {y.shape[1]} classes")
    start = perf_counter()
    two_way_bootstrap("auc", y, a, b, n_resamples=2)
    once = perf_counter() - start
    start = perf_counter()
    result = two_way_bootstrap("auc", y, a, b, n_resamples=options.replicates)
    whole = perf_counter() - start
    of_one = (whole - once) / options.replicates
    print(
        f"  two_way_bootstrap: {whole:.1f} s for {options.replicates} replicates ({once:.1f} s once and "
        f"{1e3 * of_one:.2f} ms a replicate); difference {result.difference:.5f}, p {result.pvalue:.2g}"
    )
    tracemalloc.start()
    two_way_bootstrap("auc", y, a, b, n_resamples=FEW)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    scores = a.nbytes + b.nbytes
    print(f"  peak memory beside the scores ({scores / 2**20:.0f} MiB): {peak / 2**20:.0f} MiB ({FEW} replicates)")

    try:
        differences, seconds = plain_loop(y, a, b, 1 + options.plain)
    except ImportError as error:
        print(f"  the plain loop is skipped: {error}")
        return
    of_models = [bootstrap_replicates("auc", y, score, n_resamples=1 + options.plain) for score in (a, b)]
    np.testing.assert_allclose(of_models[0] - of_models[1], differences, rtol=0, atol=1e-12)
    plain = float(np.median(seconds[1:]))
    print(
        f"  plain loop: {plain:.2f} s a replicate (median of {options.plain}); scaled to {options.replicates}: "
        f"{plain * options.replicates / 3600:.2f} h, {plain * options.replicates / whole:.0f} times as long"
    )


if __name__ == "__main__":
    main()
