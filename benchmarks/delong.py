"""What DeLong's test costs beside sorting the same scores, and beside pROC and MLstatkit.

    python benchmarks/delong.py [--rounds 7] [--seconds 60]

For 2 models on 10,000, 100,000 and 1,000,000 images and 8 models on 100,000: the time of `delong_matrix` (all AUCs,
covariance, every pair, the omnibus test) divided by that of `numpy.sort` on each row of the same array, and the times
of the peers divided by that of `delong_matrix`. Each is run once in a round, the first round warms up and is dropped,
and the medians are over rounds; a peer that has used up its seconds is left out of further rounds, and its line says
how many it was timed in (a warm-up counts where there is no more). The ratio to sorting has rounds of its own, three
times as many, so that no peer empties the processor's caches between the two. pROC is timed inside R, so that handing
over the data does not count: `roc` on every model and `roc.test(method = "delong", paired = TRUE)` on every pair.
MLstatkit: `Delong_test` on every pair. Peers that are not installed are skipped.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import tracemalloc
from collections.abc import Callable
from itertools import combinations
from time import perf_counter

import numpy as np

from stats import delong_matrix

PREVALENCE = 0.1
CASES = ((2, 10_000), (2, 100_000), (2, 1_000_000), (8, 100_000))
PROC = """function(y, scores) list(seconds = system.time({
  curves <- lapply(seq_len(nrow(scores)), function(i) {
    pROC::roc(y, scores[i, ], levels = c(0, 1), direction = "<", quiet = TRUE)
  })
  for (pair in combn(length(curves), 2, simplify = FALSE)) {
    pROC::roc.test(curves[[pair[1]]], curves[[pair[2]]], method = "delong", paired = TRUE)
  }
})[["elapsed"]])"""

Timed = Callable[[np.ndarray, np.ndarray], float]  # seconds, from labels and scores (k, n)


def clocked(function: Callable[[np.ndarray, np.ndarray], object]) -> Timed:
    def seconds(y: np.ndarray, scores: np.ndarray) -> float:
        start = perf_counter()
        function(y, scores)
        return perf_counter() - start

    return seconds


def sort_rows(y: np.ndarray, scores: np.ndarray) -> None:
    for row in scores:
        np.sort(row)


def installed_peers() -> dict[str, Timed]:
    peers: dict[str, Timed] = {}
    try:
        from stats.r_reference.session import RFunction
    except ImportError as error:
        print(f"pROC is skipped: {error}")
    else:
        proc = RFunction(PROC)
        peers["pROC"] = lambda y, scores: proc(y.astype(float), scores)["seconds"]
    try:
        from MLstatkit import Delong_test
    except ImportError as error:
        print(f"MLstatkit is skipped: {error}")
    else:
        peers["MLstatkit"] = clocked(lambda y, scores: [Delong_test(y, a, b) for a, b in combinations(scores, 2)])
    return peers


def time_rounds(
    timed: dict[str, Timed], y: np.ndarray, scores: np.ndarray, rounds: int, limit: float
) -> dict[str, np.ndarray]:
    """Return the seconds of each round, the warm-up first, NaN where one was left out."""
    seconds = {name: np.full(rounds + 1, np.nan) for name in timed}
    for place in range(rounds + 1):
        for name, run in timed.items():
            if np.nansum(seconds[name]) < limit:
                seconds[name][place] = run(y, scores)
    return seconds


def counted(values: np.ndarray) -> np.ndarray:
    """Return what was measured after the warm-up, or the warm-up where nothing was."""
    return values[:1] if np.isnan(values[1:]).all() else values[1:][~np.isnan(values[1:])]


def ratio(seconds: dict[str, np.ndarray], one: str, other: str) -> str:
    ratios = counted(seconds[one] / seconds[other])
    return f"{one} / {other} = {np.median(ratios):.2f} ({ratios.min():.2f} to {ratios.max():.2f}, n {ratios.size})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=60, help="that a peer may take in one case")
    options = parser.parse_args()

    timed = {"sort": clocked(sort_rows), "delong_matrix": clocked(delong_matrix), **installed_peers()}
    targets = {"pROC": "at least 5", "MLstatkit": "at least 20 for 8 models"}
    for n_models, n_images in CASES:
        generator = np.random.default_rng(0)
        y = generator.random(n_images) < PREVALENCE
        scores = 1.0 * y + generator.normal(size=(n_models, n_images))
        print(f"{n_models} models x {n_images} images")
        seconds = time_rounds(timed, y, scores, options.rounds, options.seconds)
        times = [f"{name} {1e3 * np.median(counted(each)):.1f} ms" for name, each in seconds.items()]
        print(f"  {', '.join(times)}")
        pair = {name: timed[name] for name in ("sort", "delong_matrix")}
        alone = time_rounds(pair, y, scores, 3 * options.rounds, options.seconds)
        print(f"  {ratio(alone, 'delong_matrix', 'sort')}; target: at most 2.5")
        for name, target in targets.items():
            if name in timed:
                print(f"  {ratio(seconds, name, 'delong_matrix')}; target: {target}")
        tied = time_rounds(pair, y, np.round(scores, 2), 3 * options.rounds, options.seconds)
        print(f"  with 1000 distinct values: {ratio(tied, 'delong_matrix', 'sort')}")

    for n_models, n_images in ((8, 100_000), (8, 1_000_000)):
        y = np.random.default_rng(0).random(n_images) < PREVALENCE
        scores = np.random.default_rng(1).normal(size=(n_models, n_images))
        tracemalloc.start()
        delong_matrix(y, scores)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        print(f"{n_models} models x {n_images} images: peak memory {peak / scores.size:.1f} bytes per score")


if __name__ == "__main__":
    main()
