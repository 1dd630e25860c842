"""Tests, metrics and ways of training in words, for footnotes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from evalkit.comparisons.cells import ALL, MEAN
from evalkit.config.evaluations import Classification
from evalkit.metrics import METRICS
from evalkit.settings import read_setting
from stats.probabilities import N_BINS

#: Tests in words, as the subject of a footnote's sentence.
TESTS = {
    "delong": "DeLong's test",
    "delong_clustered": "DeLong's test for clustered data (Obuchowski), patients as clusters",
    "mcnemar_exact": "McNemar's exact test of which cases are called rightly",
    "mcnemar_clustered": "McNemar's test of which cases are called rightly, swapping the backbones patient by patient",
    "stuart_maxwell": "Stuart-Maxwell test of how often each class is called",
    "stuart_maxwell_clustered": "Stuart-Maxwell test of how often each class is called, swapping the backbones patient "
    "by patient",
    "bootstrap": "bootstrap over test patients",
    "bootstrap_two_way": "two-way bootstrap over repeats and test patients",
    "map_bootstrap": "bootstrap over test images",
    "ttest_paired": "paired t-test over repeats",
    "ttest_corrected": "paired t-test over re-splits, corrected by Nadeau and Bengio",
    "wilcoxon": "Wilcoxon's signed-rank test",
}

#: Which overlaps of a detection and a box count.
_OVERLAPS = {
    "ap50": "threshold .50",
    "ap": "mean over thresholds from .50 to .95 by .05",
    "ap75": "threshold .75",
}

#: What a training set by class holds.
_TRAINSETS = {
    "full": "full, all training images",
    "undersampled": "undersampled, as many images of each class as the rarest has",
    "modified": "modified, numbers of images set for each class",
    "balanced": "balanced, all training images and copies of them that bring each class to the size of the largest",
}


def define_metrics(targets: Mapping[str, Collection[str]], *, multiclass: bool) -> list[str]:
    """Define a table's metrics, as far as their names leave something open.

    Parameters
    ----------
    targets : mapping of str to collection of str
        The targets shown of each metric.
    multiclass : bool
        Whether each case has exactly one class.

    Returns
    -------
    list of str
        Sentences, in the order of the metrics.
    """
    rates = _define_rates([name for name in targets if name in ("precision", "recall", "f1")], targets)
    overlaps = _define_overlaps([name for name in targets if name in _OVERLAPS], targets)
    found = {
        "auc": "AUC: each class against all others." if multiclass else "",
        "auprc": "AUPRC: average precision; by chance it is the share of positives.",
        "sensitivity95": "Sensitivity at 95 % specificity: at the lowest threshold that leaves at least 95 % of the "
        "validation set's negatives uncalled, chosen for each run and class.",
        "brier": _define_brier(targets.get("brier", ())),
        "ece": _define_ece(targets.get("ece", ())),
        "accuracy": "Accuracy: share of cases whose class is called, the one of the highest probability.",
        **dict.fromkeys(("precision", "recall", "f1"), rates),
        **dict.fromkeys(_OVERLAPS, overlaps),
    }
    return [sentence for sentence in dict.fromkeys(found[metric] for metric in targets) if sentence]


def _define_brier(targets: Collection[str]) -> str:
    summed = " (overall: summed over classes, so that 2 is worst)" if ALL in targets else ""
    return f"Brier score: mean squared difference of label and probability{summed}; lower is better."


def _define_ece(targets: Collection[str]) -> str:
    overall = " (overall: of the called class's)" if ALL in targets else ""
    return (
        f"ECE: expected calibration error of the probability{overall}, {N_BINS} bins of equal width; lower is better. "
        "It is biased upwards in small samples, and more so in resamples of them, so that intervals lie high."
    )


def _define_rates(names: Sequence[str], targets: Mapping[str, Collection[str]]) -> str:
    if not names:
        return ""
    words = [{"f1": "F1"}.get(name, name) for name in names]
    text = f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else words[0]
    mean = ", and as the unweighted mean over classes (macro)" if any(MEAN in targets[name] for name in names) else ""
    never = "; a class that is never called has a precision of 0" if {"precision", "f1"} & set(names) else ""
    return f"{text[0].upper()}{text[1:]}: of each class against all others{mean}{never}."


def _define_overlaps(names: Sequence[str], targets: Mapping[str, Collection[str]]) -> str:
    if not names:
        return ""
    rights = ", ".join(f"{METRICS[name].label}: {_OVERLAPS[name]}" for name in names)
    mean = " Mean over classes: unweighted." if any(MEAN in targets[name] for name in names) else ""
    return (
        "Average precision as COCO defines it: the mean over 101 recalls of the highest precision at each or beyond, "
        "of at most 100 detections per image and class, boxes of any area. A detection is right if it overlaps a box "
        "that no better one has found, by an intersection over union (IoU) of a threshold or more; "
        f"{rights}.{mean}"
    )


def describe_ways(evaluation: Classification, settings: Sequence[str]) -> list[str]:
    """Say what the settings of a table mean for training, as far as that is not a whole network on all images.

    Parameters
    ----------
    evaluation : Classification
    settings : sequence of str
        Those shown.
    """
    axes = [read_setting(setting) for setting in settings]
    trainsets = list(dict.fromkeys(each.trainset for each in axes))
    sentences = []
    if any(each.regime == "probe" for each in axes):
        sentences.append(
            "Linear probe: logistic regression on features of the frozen backbone, its penalty chosen on validation."
        )
    if trainsets != ["full"]:
        sentences.append(f"Training sets: {'; '.join(_TRAINSETS[name] for name in trainsets)}.")
    if "balanced" in trainsets:
        sentences.append(describe_copies(evaluation))
    if evaluation.class_weights == "balanced":
        sentences.append("In the loss rare classes weigh more, so that all classes weigh alike.")
    return sentences


def describe_copies(evaluation: Classification) -> str:
    """Say what the training set 'balanced' holds, and how its copies were made."""
    bounds = evaluation.balancing
    changes = [f"turned by up to {bounds.rotate:.12g} degrees to either side"] if bounds.rotate else []
    changes += [f"enlarged or reduced by up to {100 * bounds.zoom:.12g} %"] if bounds.zoom else []
    how = " and ".join(changes) or "as they are"
    return f"Balanced: all training images and copies of them, made after the split, {how}."
