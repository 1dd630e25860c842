"""How often the tests of Table 7 tell two equal learners apart, at 5 %.

    python benchmarks/table7_error_rates.py --studies 4000

Simulated patients, trained learners. A patient has one label and two views of NUM_FEATURES features each; given the
label, the views are exchangeable. Learner A sees the first view and learner B the second; both are linear discriminant
analysis. So their AUCs are equal in expectation over patients and training draws, and yet each has its own luck with
the patients of a test set, as two backbones have. Every study draws new patients, and asks in two designs:

one test set    N_TEST patients, and a pool from which 1, 10 or 50 % are drawn N_REPEATS times for training (by
                patient, nested, the same draws for both learners): the design of Table 7
re-splits       (N_TRAIN + N_TEST) patients are split N_REPEATS times, nine to one: test sets are drawn anew

The two-way bootstrap needs repeats that share a test set, so it has no place in the second design. Prints the rates
with their Monte Carlo standard error, and draws them to docs/images/table7_error_rates.png (and .pdf).
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import itertools
import math
import multiprocessing
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from stats import auc, ttest_corrected, ttest_paired, two_way_bootstrap

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

Floats = NDArray[np.floating]

ALPHA = 0.05
PREVALENCE, NUM_FEATURES = 0.3, 20
SEPARATION = 1.2  # distance of the class means in one view, in SDs: the best possible AUC is .80
SHARED = 0.5  # share of a feature's variance that is the patient's, and the same in both views
N_TEST, N_POOL, N_REPEATS = 234, 20_000, 10
FRACTIONS = (0.01, 0.1, 0.5)
N_TRAIN = 9 * N_TEST  # of a re-split

DESIGNS = (*(f"{fraction:.0%}" for fraction in FRACTIONS), "re-splits")
TESTS = ("paired t", "Nadeau-Bengio", "two-way bootstrap")

FIGURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "table7_error_rates.png"
# Of TESTS: label, colour (Okabe and Ito), marker.
DRAWN_AS = (
    ("Paired $t$", "#D55E00", "s"),
    ("Nadeau–Bengio", "#0072B2", "^"),
    ("Two-way bootstrap", "#009E73", "o"),
)
FIGURE_STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["Arial", "Helvetica", "Liberation Sans", "DejaVu Sans"],
    "font.size": 7.5,
    "axes.titlesize": 7.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.handletextpad": 0.1,
    "legend.columnspacing": 1.0,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "pdf.fonttype": 42,
}


# The simulation


def draw_patients(n: int, generator: np.random.Generator) -> tuple[NDArray[np.bool_], Floats]:
    """Labels (n,) and views (2, n, NUM_FEATURES)."""
    y = generator.random(n) < PREVALENCE
    of_patient = generator.standard_normal((n, NUM_FEATURES), dtype=np.float32)
    of_view = generator.standard_normal((2, n, NUM_FEATURES), dtype=np.float32)
    views = np.float32(math.sqrt(SHARED)) * of_patient + np.float32(math.sqrt(1 - SHARED)) * of_view
    views[:, y] += np.float32(SEPARATION / math.sqrt(NUM_FEATURES))
    return y, views


def discriminant(x: Floats, y: NDArray[np.bool_]) -> Floats:
    """Direction of linear discriminant analysis: the inverse pooled covariance times the difference of the means."""
    positive, negative = x[y].mean(axis=0), x[~y].mean(axis=0)
    centred = x - np.where(y[:, None], positive, negative)
    return np.linalg.solve(centred.T @ centred / (len(y) - 2), positive - negative)


def scores_of_draws(
    y: NDArray[np.bool_], views: Floats, draws: Iterable[NDArray[np.intp]], tested: Iterable[Floats]
) -> Floats:
    """Scores (2, draws, patients tested) of both learners, trained on each draw and applied to its test set."""
    scores = [
        [test_view @ discriminant(view[draw], y[draw]) for view, test_view in zip(views, test_views, strict=True)]
        for draw, test_views in zip(draws, tested, strict=True)
    ]
    return np.swapaxes(np.array(scores), 0, 1)


def one_test_set(generator: np.random.Generator, n_resamples: int) -> Iterator[list[float]]:
    """p-values of TESTS at each fraction."""
    y, views = draw_patients(N_POOL, generator)
    y_test, test_views = draw_patients(N_TEST, generator)
    orders = [generator.permutation(N_POOL) for _ in range(N_REPEATS)]
    for fraction in FRACTIONS:
        n_train = round(fraction * N_POOL)
        draws = [order[:n_train] for order in orders]
        a, b = scores_of_draws(y, views, draws, itertools.repeat(test_views, N_REPEATS))
        of_a, of_b = ([auc(y_test, score) for score in scores] for scores in (a, b))
        seed = int(generator.integers(2**32))
        yield [
            ttest_paired(of_a, of_b).pvalue,
            ttest_corrected(of_a, of_b, n_train=n_train, n_test=N_TEST).pvalue,
            two_way_bootstrap("auc", y_test, a, b, n_resamples=n_resamples, rng=seed).pvalue,
        ]


def re_splits(generator: np.random.Generator) -> list[float]:
    """p-values of TESTS."""
    y, views = draw_patients(N_TRAIN + N_TEST, generator)
    orders = [generator.permutation(y.size) for _ in range(N_REPEATS)]
    test_sets = [order[N_TRAIN:] for order in orders]
    a, b = scores_of_draws(y, views, [order[:N_TRAIN] for order in orders], [views[:, rows] for rows in test_sets])
    of_a, of_b = ([auc(y[rows], score) for rows, score in zip(test_sets, scores, strict=True)] for scores in (a, b))
    corrected = ttest_corrected(of_a, of_b, n_train=N_TRAIN, n_test=N_TEST)
    return [ttest_paired(of_a, of_b).pvalue, corrected.pvalue, math.nan]


def simulate_study(study: int, n_resamples: int = 1000) -> Floats:
    """p-values (DESIGNS, TESTS) of one study, whose number is its seed; NaN where a test does not apply."""
    generator = np.random.default_rng(study)
    return np.array([*one_test_set(generator, n_resamples), re_splits(generator)])


def rejection_rates(pvalues: Floats) -> Floats:
    """Share of studies (first axis) in which p is below ALPHA; NaN where a test does not apply."""
    return np.where(np.isnan(pvalues).any(axis=0), np.nan, (pvalues < ALPHA).mean(axis=0))


# What is shown of it


def simulate_all(n_studies: int, jobs: int, console: Console) -> Floats:
    """p-values (studies, DESIGNS, TESTS), with a progress bar."""
    columns = (TextColumn("studies"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    workers = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"))  # the progress bar is a thread: no fork
    with Progress(*columns, console=console) as progress, workers as pool:
        results = pool.map(simulate_study, range(n_studies), chunksize=4)
        return np.array(list(progress.track(results, total=n_studies)))


def print_rates(rates: Floats, n_studies: int, console: Console) -> None:
    console.print(f"True nulls rejected at {ALPHA:.0%}, {n_studies} studies (± Monte Carlo SE)")
    table = Table()
    for name, justify in (("design", "left"), *((test, "right") for test in TESTS)):
        table.add_column(name, justify=justify)
    error = np.sqrt(rates * (1 - rates) / n_studies)
    for design, of_tests, errors in zip(DESIGNS, rates, error, strict=True):
        cells = ["" if math.isnan(r) else f"{r:.1%} ± {e:.1%}" for r, e in zip(of_tests, errors, strict=True)]
        table.add_row(design, *cells)
    console.print(table)


def wilson_interval(rates: Floats, n_studies: int) -> tuple[Floats, Floats]:
    """Bounds of the 95 % interval of each rate."""
    z2 = 1.96**2 / n_studies
    middle, reach = rates + z2 / 2, np.sqrt(z2 * (rates * (1 - rates) + z2 / 4))
    return (middle - reach) / (1 + z2), (middle + reach) / (1 + z2)


def draw_rates(rates: Floats, n_studies: int, path: Path) -> None:
    """Draw the rates with their 95 % intervals, one journal column wide: a PNG, and a PDF beside it."""
    n_fractions = len(FRACTIONS)
    low, high = wilson_interval(rates, n_studies)
    with plt.rc_context(FIGURE_STYLE):
        figure, (left, right) = plt.subplots(
            1, 2, figsize=(3.5, 2.7), width_ratios=(n_fractions, 1), sharey=True, layout="constrained"
        )
        for axes, designs in ((left, slice(0, n_fractions)), (right, slice(n_fractions, None))):
            draw_designs(axes, rates[designs], low[designs], high[designs])
        left.set_title("One test set")
        left.set_xticks(range(n_fractions), [f"{100 * fraction:.0f}" for fraction in FRACTIONS])
        left.set_ylabel("True null hypotheses rejected (%)")
        right.set_title("Re-splits")
        right.set_xticks([0], ["90"])
        figure.supxlabel("Patients used for training (%)", fontsize=FIGURE_STYLE["font.size"])
        left.set_yscale("log")
        left.set_ylim(0.01, 1.4)
        ticks = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1]
        left.set_yticks(ticks, [f"{100 * tick:.0f}" for tick in ticks])
        left.minorticks_off()
        right.tick_params(axis="y", length=0)
        figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=len(TESTS), frameon=False)
        figure.savefig(path, dpi=300)
        figure.savefig(path.with_suffix(".pdf"), metadata={"CreationDate": None})
        plt.close(figure)


def draw_designs(axes: Axes, rates: Floats, low: Floats, high: Floats) -> None:
    """Draw the rates of some designs side by side, those of one design close together."""
    axes.axhline(ALPHA, color="0.35", linewidth=0.8, linestyle=(0, (4, 2)), zorder=1)
    for column, (label, color, marker) in enumerate(DRAWN_AS):
        x = np.arange(len(rates)) + 0.27 * (column - 1)
        rate, below, above = rates[:, column], low[:, column], high[:, column]
        axes.errorbar(x, rate, (rate - below, above - rate), color=color, fmt="none", elinewidth=0.9, capsize=2)
        axes.plot(x, rate, color=color, marker=marker, markersize=4.5, linestyle="none", label=label)
        for at, value, bottom, top in zip(x, rate, below, above, strict=True):
            if math.isnan(value):
                continue
            # The number keeps clear of the line at ALPHA.
            height, offset, side = (bottom, -3, "top") if value < ALPHA else (top, 3, "bottom")
            axes.annotate(
                f"{100 * value:.2g}", (at, height), (0, offset), textcoords="offset points",
                ha="center", va=side, color=color,
            )  # fmt: skip
    axes.set_xlim(-0.6, len(rates) - 0.4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=1000, help="0.1 s each and core (default 1000)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default 1)")
    parser.add_argument("--figure", type=Path, default=FIGURE, help="the PNG to write, a PDF beside it")
    arguments = parser.parse_args()
    console = Console()
    rates = rejection_rates(simulate_all(arguments.studies, arguments.jobs, console))
    print_rates(rates, arguments.studies, console)
    draw_rates(rates, arguments.studies, arguments.figure)


if __name__ == "__main__":
    main()
