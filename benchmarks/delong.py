"""What DeLong's test costs beside sorting the same scores.

    python benchmarks/delong.py

For 2 and 8 models on 100,000 images: the time of `delong_matrix` (all AUCs, covariance, every pair, the omnibus test)
divided by that of `numpy.sort` on each row of the same array. Seven interleaved pairs, median and spread.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from time import perf_counter

import numpy as np

from stats import delong_matrix

N_IMAGES, PREVALENCE, PAIRS = 100_000, 0.1, 7


def main() -> None:
    generator = np.random.default_rng(0)
    y = generator.random(N_IMAGES) < PREVALENCE
    for n_models in (2, 8):
        scores = 1.0 * y + generator.normal(size=(n_models, N_IMAGES))
        for ties, given in (("no ties", scores), ("1000 distinct values", np.round(scores, 2))):
            ratios, sorting, testing = [], [], []
            for _ in range(PAIRS + 1):  # the first pair warms up and is dropped
                start = perf_counter()
                for row in given:
                    np.sort(row)
                middle = perf_counter()
                delong_matrix(y, given)
                end = perf_counter()
                sorting.append(middle - start)
                testing.append(end - middle)
                ratios.append((end - middle) / (middle - start))
            kept = np.array(ratios[1:])
            print(
                f"{n_models} models x {N_IMAGES} images, {ties}: delong_matrix / sort = {np.median(kept):.2f} "
                f"(from {kept.min():.2f} to {kept.max():.2f}, {PAIRS} pairs); "
                f"{1e3 * np.median(testing[1:]):.1f} ms and {1e3 * np.median(sorting[1:]):.1f} ms"
            )


if __name__ == "__main__":
    main()
