"""What a table's numbers are of: single classes, the mean over them, or all cases together."""

from __future__ import annotations

from collections.abc import Sequence

from evalkit.comparisons.cells import ALL, MEAN
from evalkit.config.strict import nearest
from evalkit.errors import InputError
from evalkit.metrics import CLASS_METRICS, IMAGE_METRICS, OVERALL_METRICS

#: Metrics that know no classes.
_OF_ALL = ("accuracy", *IMAGE_METRICS)


def has_target(metric: str, target: str, *, multiclass: bool) -> bool:
    """Whether a metric has a number for a target: a class or the mean over classes, or all classes together."""
    if target == ALL:
        return metric in _OF_ALL or (multiclass and metric in OVERALL_METRICS)
    return metric not in _OF_ALL


def list_targets(metric: str, classes: Sequence[str], *, multiclass: bool) -> list[str]:
    """Every target a metric has, the one that sums the others up first.

    Parameters
    ----------
    metric : str
    classes : sequence of str
        In the study's order. One class has no mean beside it, which would be the same number again.
    multiclass : bool
        Whether each case has exactly one class, so that there are numbers of all cases together.
    """
    every = [ALL, *([] if len(classes) == 1 else [MEAN]), *classes]
    return [target for target in every if has_target(metric, target, multiclass=multiclass)]


def default_targets(metric: str, classes: Sequence[str], *, multiclass: bool) -> list[str]:
    """The targets that a table shows where it names none: only the first where calls or all classes are measured."""
    every = list_targets(metric, classes, multiclass=multiclass)
    return every[:1] if metric in CLASS_METRICS or every[0] == ALL else every


def choose_targets(
    chosen: Sequence[str] | None, metrics: Sequence[str], classes: Sequence[str], *, multiclass: bool, place: str
) -> dict[str, list[str]]:
    """The targets of each of a table's metrics, in order.

    Parameters
    ----------
    chosen : sequence of str or None
        What the table names; each metric shows those of them that it has.
    metrics, multiclass
        As in `list_targets`.
    classes : sequence of str
        Empty where nothing is known of them yet, so that any name may be that of a class.
    place : str
        The table in the study, for messages.

    Raises
    ------
    InputError
        No metric has one of the chosen targets, or a metric has none of them.
    """
    if chosen is None:
        return {metric: default_targets(metric, classes, multiclass=multiclass) for metric in metrics}
    valid = {
        metric: list_targets(metric, classes, multiclass=multiclass)
        if classes
        else [target for target in chosen if has_target(metric, target, multiclass=multiclass)]
        for metric in metrics
    }
    every = list(dict.fromkeys(target for targets in valid.values() for target in targets))
    for target in chosen:
        if target not in every:
            raise InputError(
                f"{place}.targets names {target!r}, which {' and '.join(metrics)} do not have here",
                f"one of {', '.join(every)}{nearest(target, every)}",
                "correct the name",
            )
    targets = {metric: [target for target in chosen if target in valid[metric]] for metric in metrics}
    for metric, found in targets.items():
        if not found:
            raise InputError(
                f"{place}.targets has none that the metric {metric} has",
                f"one of {', '.join(valid[metric])}",
                "add it, or leave the metric out",
            )
    return targets
