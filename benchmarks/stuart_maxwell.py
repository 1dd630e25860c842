"""What Stuart and Maxwell's test costs from the labels of 20,000 images, beside coin and statsmodels.

    python benchmarks/stuart_maxwell.py [--rounds 7]

From two vectors of integer labels (5 classes, 30 % drawn anew) to the p-value: `stats`, `coin::mh_test` on R's `table`
of the labels (timed inside R, so that handing over the data does not count; two rounds, it takes the square of the
images), and statsmodels' `SquareTable(shift_zeros=False).homogeneity()` on `pandas.crosstab`. `stats` also gets the
same labels as a list, and as names in an array and in a list. All are run in each round, the first round warms up and
is dropped. Peers that are not installed are skipped.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np

from stats.marginal_homogeneity import stuart_maxwell

N_IMAGES, REDRAWN = 20_000, 0.3
NAMES = np.array(["atelectasis", "effusion", "mass", "no finding", "pneumonia"])
N_CLASSES = NAMES.size
KINDS: dict[str, Callable[[np.ndarray], Any]] = {
    "a list of integers": lambda labels: labels.tolist(),
    "an array of names": lambda labels: NAMES[labels],
    "a list of names": lambda labels: NAMES[labels].tolist(),
}
COIN_ROUNDS = 2
COIN = """function(a, b, k) {
  seconds <- system.time({
    test <- coin::mh_test(table(factor(a, seq_len(k)), factor(b, seq_len(k))))
    p <- as.numeric(coin::pvalue(test))
  })[["elapsed"]]
  list(seconds = seconds, pvalue = p)
}"""

Timed = Callable[[np.ndarray, np.ndarray], tuple[float, float]]  # seconds and p-value, from two vectors of labels


def of_kind(convert: Callable[[np.ndarray], Any]) -> Timed:
    """Time `stats` on the labels converted beforehand."""

    def timed(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
        first, second = convert(a), convert(b)
        start = perf_counter()
        pvalue = stuart_maxwell(first, second).pvalue
        return perf_counter() - start, pvalue

    return timed


def clocked(test: Callable[[np.ndarray, np.ndarray], float]) -> Timed:
    def timed(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
        start = perf_counter()
        pvalue = test(a, b)
        return perf_counter() - start, pvalue

    return timed


def installed_peers() -> dict[str, Timed]:
    peers: dict[str, Timed] = {}
    try:
        import pandas as pd
        from statsmodels.stats.contingency_tables import SquareTable
    except ImportError as error:
        print(f"statsmodels is skipped: {error}")
    else:
        peers["statsmodels"] = clocked(
            lambda a, b: SquareTable(pd.crosstab(a, b), shift_zeros=False).homogeneity().pvalue
        )
    try:
        from stats.r_reference.session import RFunction
    except ImportError as error:
        print(f"coin is skipped: {error}")
    else:
        coin = RFunction(COIN)

        def timed_in_r(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
            answer = coin(a + 1, b + 1, N_CLASSES)
            return answer["seconds"], answer["pvalue"]

        peers["coin"] = timed_in_r
    return peers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds

    generator = np.random.default_rng(0)
    a = generator.integers(0, N_CLASSES, N_IMAGES)
    b = np.where(generator.random(N_IMAGES) < REDRAWN, generator.integers(0, N_CLASSES, N_IMAGES), a)
    timed = {"stats": clocked(lambda a, b: stuart_maxwell(a, b).pvalue)}
    timed |= {f"stats, from {kind}": of_kind(convert) for kind, convert in KINDS.items()}
    timed |= installed_peers()
    seconds: dict[str, list[float]] = {name: [] for name in timed}
    pvalues = {}
    for place in range(rounds + 1):
        for name, run in timed.items():
            if name != "coin" or place <= COIN_ROUNDS:
                elapsed, pvalues[name] = run(a, b)
                seconds[name].append(elapsed)

    ours = float(np.median(seconds["stats"][1:]))
    print(f"{N_IMAGES} labels, {N_CLASSES} classes")
    for name, each in seconds.items():
        kept = np.array(each[1:])
        print(
            f"  {name}: {1e3 * np.median(kept):.2f} ms ({1e3 * kept.min():.2f} to {1e3 * kept.max():.2f}, "
            f"{kept.size} rounds), {np.median(kept) / ours:.1f} times stats; p {pvalues[name]:.10g}"
        )


if __name__ == "__main__":
    main()
