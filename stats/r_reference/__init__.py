"""The names of `stats`, computed by R: the reference that `stats` is checked against.

    import stats
    from stats import r_reference

    for engine in (stats, r_reference):
        print(engine.delong_test(y, a, b).log10_pvalue)

pROC, coin and base R answer, through rpy2. The import starts R, and raises RNotAvailable, an ImportError that says
what to install, where that cannot be. Arguments are checked as in `stats` and refused in the same words; what R has
not is refused with NotInR, and an error of R is raised as RError. At the edges that `stats` defines R often says
something else (NaN, an error): its answer is passed on as it is, and R's warnings are in `.warnings`.
"""

from stats.r_reference.absent import (
    compare_with_best,
    effect_size,
    map_bootstrap,
    noninferiority,
    paired_bootstrap,
    ttest_corrected,
    two_way_bootstrap,
)
from stats.r_reference.pvalues import adjust_pvalues
from stats.r_reference.roc import auc, auc_ci, delong_matrix, delong_test, delong_unpaired
from stats.r_reference.samples import friedman_nemenyi, ttest_paired, wilcoxon
from stats.r_reference.session import NotInR, RError, RNotAvailable
from stats.r_reference.tables import MAX_ROWS, bowker, mcnemar, stuart_maxwell

__all__ = [
    "MAX_ROWS",
    "NotInR",
    "RError",
    "RNotAvailable",
    "adjust_pvalues",
    "auc",
    "auc_ci",
    "bowker",
    "compare_with_best",
    "delong_matrix",
    "delong_test",
    "delong_unpaired",
    "effect_size",
    "friedman_nemenyi",
    "map_bootstrap",
    "mcnemar",
    "noninferiority",
    "paired_bootstrap",
    "stuart_maxwell",
    "ttest_corrected",
    "ttest_paired",
    "two_way_bootstrap",
    "wilcoxon",
]
