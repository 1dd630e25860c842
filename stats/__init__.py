"""Statistics of comparisons between models: pure functions, arrays in, result objects out."""

from stats.bootstrap import bootstrap_replicates, difference_from_replicates, paired_bootstrap, two_way_bootstrap
from stats.class_scores import ClassScores, class_replicates, class_scores
from stats.coco.froc import FrocBand, froc_bands
from stats.coco.map_bootstrap import AveragePrecision, average_precision, map_bootstrap, map_replicates
from stats.coco.operating_point import BoxMatches, OperatingPoint, best_operating_point, match_boxes
from stats.coco.precision_recall import PrecisionRecallBand, precision_recall_bands
from stats.delong import auc, auc_ci, delong_matrix, delong_test
from stats.delong_unpaired import delong_unpaired
from stats.effects import effect_size
from stats.friedman import friedman_nemenyi
from stats.marginal_homogeneity import bowker, stuart_maxwell
from stats.mcnemar import mcnemar
from stats.multiplicity import adjust_pvalues
from stats.noninferiority import noninferiority
from stats.paired import ttest_corrected, ttest_paired
from stats.probabilities import (
    brier_score,
    called_calibration_error,
    expected_calibration_error,
    multiclass_brier_score,
    sensitivity,
)
from stats.reliability import Reliability, reliability
from stats.roc import RocBand, roc_band
from stats.simultaneous import compare_with_best
from stats.wilcoxon import wilcoxon

__all__ = [
    "AveragePrecision",
    "BoxMatches",
    "ClassScores",
    "FrocBand",
    "OperatingPoint",
    "PrecisionRecallBand",
    "Reliability",
    "RocBand",
    "adjust_pvalues",
    "auc",
    "auc_ci",
    "average_precision",
    "best_operating_point",
    "bootstrap_replicates",
    "bowker",
    "brier_score",
    "called_calibration_error",
    "class_replicates",
    "class_scores",
    "compare_with_best",
    "delong_matrix",
    "delong_test",
    "delong_unpaired",
    "difference_from_replicates",
    "effect_size",
    "expected_calibration_error",
    "friedman_nemenyi",
    "froc_bands",
    "map_bootstrap",
    "map_replicates",
    "match_boxes",
    "mcnemar",
    "multiclass_brier_score",
    "noninferiority",
    "paired_bootstrap",
    "precision_recall_bands",
    "reliability",
    "roc_band",
    "sensitivity",
    "stuart_maxwell",
    "ttest_corrected",
    "ttest_paired",
    "two_way_bootstrap",
    "wilcoxon",
]
