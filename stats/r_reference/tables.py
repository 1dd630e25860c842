"""Marginal homogeneity and McNemar's test: coin for Stuart and Maxwell's, base R for the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stats.contingency import CORRECTNESS, LABELS, label_codes, square_table, table_or_vectors
from stats.inputs import group_index
from stats.mcnemar import correct_images
from stats.r_reference.pvalues import LOG10_CHISQ
from stats.r_reference.results import RMcnemar, RTest
from stats.r_reference.session import NotInR, RFunction

# coin::mh_test works through one block per row and looks each up among all: its time grows with the square of the
# disagreeing rows, .6 s for 6,000 and 1.6 s for 10,000 of them, whatever the number of categories.
MAX_ROWS = 10_000

_stuart_maxwell = RFunction(f"""function(counts) {{
  {LOG10_CHISQ}
  dimnames(counts) <- list(seq_len(nrow(counts)), seq_len(ncol(counts)))
  test <- coin::mh_test(as.table(counts), distribution = "asymptotic")
  statistic <- as.numeric(coin::statistic(test))
  df <- test@statistic@df
  list(statistic = statistic, df = df, pvalue = as.numeric(coin::pvalue(test)),
       log10_pvalue = log10_chisq(statistic, df))
}}""")

_mcnemar_test = RFunction(f"""function(counts, correct) {{
  {LOG10_CHISQ}
  test <- mcnemar.test(counts, correct = correct)
  list(statistic = test$statistic, df = test$parameter, pvalue = test$p.value,
       log10_pvalue = log10_chisq(test$statistic, test$parameter))
}}""")

_mcnemar_exact = RFunction("""function(counts) {
  b <- counts[1, 2]
  n <- b + counts[2, 1]
  test <- binom.test(b, n, 0.5)
  log_p <- log(2) + pbinom(min(b, n - b), n, 0.5, log.p = TRUE)
  list(statistic = min(b, n - b), df = NA, pvalue = test$p.value, log10_pvalue = min(log_p, 0) / log(10))
}""")

_table = RFunction("function(a, b, k) list(counts = unclass(table(factor(a, seq_len(k)), factor(b, seq_len(k)))))")


def stuart_maxwell(
    table: ArrayLike | None = None,
    labels_b: ArrayLike | None = None,
    *,
    labels_a: ArrayLike | None = None,
    categories: Sequence[Any] | None = None,
    method: str = "stuart",
    groups: ArrayLike | None = None,
    n_resamples: int = 10000,
    rng: int | np.random.Generator = 0,
) -> RTest:
    """Test marginal homogeneity by `coin::mh_test`, asymptotically.

    coin gets the categories that occur, and of the rows on which both models agree one for each category: the others
    change neither statistic nor df, but its time grows with the square of the rows. More than MAX_ROWS disagreeing
    rows are NotInR, and so are Bhapkar's statistic and groups with repeats, to which `n_resamples` and `rng` belong.
    A single category: R's error (RError).
    """
    if method != "stuart":
        raise NotInR(f"coin::mh_test is Stuart and Maxwell's; it has no method {method!r}")
    counts = _counts(*table_or_vectors(table, labels_a, labels_b, LABELS), categories, groups)
    np.fill_diagonal(counts, np.minimum(counts.diagonal(), 1))
    disagreeing = int(counts.sum() - counts.trace())
    if disagreeing > MAX_ROWS:
        raise NotInR(
            f"{disagreeing} disagreeing rows: coin::mh_test takes the square of them in time; at most {MAX_ROWS}"
        )
    answer = _stuart_maxwell(_used(counts))
    return RTest(**answer.numbers(), warnings=answer.warnings)


def bowker(
    table: ArrayLike | None = None,
    labels_b: ArrayLike | None = None,
    *,
    labels_a: ArrayLike | None = None,
    categories: Sequence[Any] | None = None,
) -> RTest:
    """Test symmetry by `mcnemar.test(correct = FALSE)` on the categories that occur.

    A pair of categories that are never confused with each other is NotInR: mcnemar.test then divides 0 by 0.
    """
    counts = _used(_counts(*table_or_vectors(table, labels_a, labels_b, LABELS), categories))
    confused = counts + counts.T
    np.fill_diagonal(confused, 1)
    if not confused.all():
        raise NotInR("mcnemar.test answers NaN where two categories are never confused with each other")
    answer = _mcnemar_test(counts, False)
    return RTest(**answer.numbers(), warnings=answer.warnings)


def mcnemar(
    table: ArrayLike | None = None,
    correct_b: ArrayLike | None = None,
    *,
    correct_a: ArrayLike | None = None,
    method: str = "exact",
    groups: ArrayLike | None = None,
) -> RMcnemar:
    """McNemar's test: `binom.test` ("exact"), `mcnemar.test` with or without correction ("chi2_cc", "chi2").

    No discordant pair: R's chi-square is NaN, and binom.test stops with an error (RError). "midp" and groups with
    repeats are NotInR. `difference`, `odds_ratio` and the statistic of "exact", min(n12, n21), are counted here.
    """
    if method not in ("exact", "chi2", "chi2_cc"):
        raise NotInR(f"base R has no McNemar test by the method {method!r}")
    given, second = table_or_vectors(table, correct_a, correct_b, CORRECTNESS)
    if second is not None:
        counts = _counts(*correct_images(given, second), (True, False), groups)
    elif groups is None:
        counts = square_table(given, 2).astype(np.float64)
    else:
        raise ValueError("groups were given with a table; they need the two models' vectors, one value per image")
    answer = _mcnemar_exact(counts) if method == "exact" else _mcnemar_test(counts, method == "chi2_cc")
    only_a, only_b = counts[0, 1], counts[1, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        odds_ratio = float(only_a / only_b)
    return RMcnemar(
        **answer.numbers(),
        difference=float((only_a - only_b) / counts.sum()),
        odds_ratio=odds_ratio,
        warnings=answer.warnings,
    )


def _counts(
    given: ArrayLike,
    labels_b: ArrayLike | None,
    categories: Sequence[Any] | None,
    groups: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """Return a square table of counts, counted by R's `table` where labels are given."""
    if labels_b is None:
        if groups is not None or categories is not None:
            raise ValueError("groups or categories were given with a table; they need the two models' labels")
        return square_table(given).astype(np.float64)
    codes_a, codes_b, size = label_codes(given, labels_b, categories)
    if group_index(groups, codes_a.size)[1] < codes_a.size:
        raise NotInR("no test of coin or base R swaps two models patient by patient; groups must not repeat")
    return _table(codes_a + 1, codes_b + 1, size).array("counts")


def _used(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    kept = np.flatnonzero(counts.sum(axis=0) + counts.sum(axis=1))
    return counts[np.ix_(kept, kept)]
