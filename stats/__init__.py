"""Statistics of comparisons between models: pure functions, arrays in, result objects out."""

from stats.bootstrap import bootstrap_replicates, difference_from_replicates, paired_bootstrap, two_way_bootstrap
from stats.delong import auc, auc_ci, delong_matrix, delong_test
from stats.multiplicity import adjust_pvalues
from stats.paired import ttest_corrected, ttest_paired

__all__ = [
    "adjust_pvalues",
    "auc",
    "auc_ci",
    "bootstrap_replicates",
    "delong_matrix",
    "delong_test",
    "difference_from_replicates",
    "paired_bootstrap",
    "ttest_corrected",
    "ttest_paired",
    "two_way_bootstrap",
]
