"""A statistic of labels and scores, evaluated on many resamples given as multiplicities of groups."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stats.called_classes import OF_EACH_CLASS, ClassMeasure, number_classes
from stats.inputs import group_index, number_array, refuse_nan, refuse_other_labels, require_both_classes
from stats.probabilities import OF_ALL_CLASSES, OF_ONE_CLASS, ProbabilityMeasure
from stats.resampling import WHOLE_IN_FLOAT32
from stats.weighted_ranks import WeightedAuc, WeightedAuprc, Weights

Statistic = str | Callable[..., float]
RANK_MEASURES: dict[str, type[WeightedAuc] | type[WeightedAuprc]] = {"auc": WeightedAuc, "auprc": WeightedAuprc}
OF_ROWS = ("accuracy", "mean")
OF_PROBABILITIES = (*OF_ONE_CLASS, *OF_ALL_CLASSES)
NAMES = (*RANK_MEASURES, *OF_PROBABILITIES, *OF_ROWS, *OF_EACH_CLASS)
OF_SCORES = "statistic(y, score) for either model; in paired_bootstrap also statistic(y, a, b), itself a difference"


class Measure(Protocol):
    """What the bootstrap evaluates: one value per replicate and class, NaN where it is not defined."""

    n_rows: int
    n_groups: int
    n_repeats: int

    def __call__(self, weights: Weights, repeats: NDArray[np.int64]) -> NDArray[np.float64]:
        """Evaluate on weights (groups, replicates) and repeats (replicates, repeats); (replicates, classes)."""
        ...


class RankMeasure:
    """AUC or average precision, exact and vectorised over replicates.

    Parameters
    ----------
    name : "auc" or "auprc"
    y : ndarray (n, classes)
        1, 0, or NaN where a row does not count for a class.
    score : ndarray (repeats, n, classes)
    group : ndarray (n,)
    n_groups : int
    """

    def __init__(
        self, name: str, y: NDArray[np.float64], score: NDArray[np.float64], group: NDArray[np.intp], n_groups: int
    ) -> None:
        self.n_rows, self.n_groups, self.n_repeats = y.shape[0], n_groups, score.shape[0]
        self._images = np.bincount(group, minlength=n_groups).astype(np.float32)
        sizes, self._ranked = [], []
        for column, labels in enumerate(y.T):
            labelled = ~np.isnan(labels)
            positive = labels[labelled] == 1
            of_class = f" of class {column}" if y.shape[1] > 1 else ""
            require_both_classes(int(positive.sum()), int((~positive).sum()), f"y{of_class}")
            member = group[labelled]
            sizes += [np.bincount(member[rows], minlength=n_groups) for rows in (positive, ~positive)]
            used = score[:, labelled, column]
            refuse_nan(used, f"score{of_class} (repeat, labelled row)")
            self._ranked.append([RANK_MEASURES[name](positive, one, member, n_groups) for one in used])
        self._sizes = np.array(sizes, np.float32)

    def __call__(self, weights: Weights, repeats: NDArray[np.int64]) -> NDArray[np.float64]:
        """Evaluate every class on every column of weights; NaN where a class has no positive or no negative."""
        if 2 * float((self._images @ weights).max()) >= WHOLE_IN_FLOAT32:
            weights = weights.astype(np.float64)
        sizes = (self._sizes @ weights).astype(np.float64).reshape(len(self._ranked), 2, -1)
        values = np.empty((weights.shape[1], len(self._ranked)))
        for column, (ranked, (n_positive, n_negative)) in enumerate(zip(self._ranked, sizes, strict=True)):
            defined = (n_positive > 0) & (n_negative > 0)
            of_repeats = [one(weights, np.maximum(n_positive, 1), np.maximum(n_negative, 1)) for one in ranked]
            mean = np.einsum("br,rb->b", repeats, np.array(of_repeats)) / self.n_repeats
            values[:, column] = np.where(defined, mean, np.nan)
        return values


class MeanMeasure:
    """Mean of one number for each row, vectorised over replicates.

    Parameters
    ----------
    values : ndarray (repeats, n)
    group : ndarray (n,)
    n_groups : int
    """

    def __init__(self, values: NDArray[np.float64], group: NDArray[np.intp], n_groups: int) -> None:
        self.n_rows, self.n_groups, self.n_repeats = group.size, n_groups, values.shape[0]
        self._sizes = np.bincount(group, minlength=n_groups)
        self._sums = np.array([np.bincount(group, weights=row, minlength=n_groups) for row in values])

    def __call__(self, weights: Weights, repeats: NDArray[np.int64]) -> NDArray[np.float64]:
        """Evaluate on every column of weights."""
        # In float64 sums of numbers of any size are as exact as a mean over rows.
        counts = weights.astype(np.float64)
        means = (self._sums @ counts) / (self._sizes @ counts)
        return (np.einsum("br,rb->b", repeats, means) / self.n_repeats)[:, None]


class RowMeasure:
    """A callable, evaluated on the resampled rows of one replicate after the other.

    Parameters
    ----------
    evaluate : callable
        (rows, repeats) to values (classes,), where rows are the resampled row numbers, each as often as drawn.
    group : ndarray (n,)
    n_groups, n_repeats : int
    """

    def __init__(
        self,
        evaluate: Callable[[NDArray[np.intp], NDArray[np.int64]], list[float]],
        group: NDArray[np.intp],
        n_groups: int,
        n_repeats: int,
    ) -> None:
        self.n_rows, self.n_groups, self.n_repeats = group.size, n_groups, n_repeats
        self._evaluate, self._group = evaluate, group

    def __call__(self, weights: Weights, repeats: NDArray[np.int64]) -> NDArray[np.float64]:
        """Evaluate on every column of weights."""
        rows = np.arange(self.n_rows)
        counts = weights.astype(np.int64)[self._group]
        return np.array(
            [self._evaluate(np.repeat(rows, n), times) for n, times in zip(counts.T, repeats, strict=True)], np.float64
        )


def measure_of_scores(
    statistic: Statistic,
    y: ArrayLike,
    score: ArrayLike,
    groups: ArrayLike | None,
    categories: Sequence[Any] | None = None,
) -> Measure:
    """Prepare statistic(y, score), averaged over classes and repeats, for resampling.

    Parameters
    ----------
    statistic : one of `NAMES` or callable (y, score) -> float
        "brier", "ece", "sensitivity", "multiclass_brier" and "called_ece" are defined in `stats.probabilities`. For
        "accuracy", "precision", "recall" and "f1" y holds true classes (n,) and score called ones, of any type that can
        be compared; "mean" is that of score, whatever y (n,) holds.
    y : array_like (n,) or (n, classes)
    score : array_like, the shape of y, or (repeats, *shape of y)
    groups : array_like (n,) or None
    categories : sequence or None
        For "precision", "recall" and "f1", the classes that can occur; without it, those of y.

    Raises
    ------
    ValueError
        Shapes that do not belong together; for "auc" and "auprc" a label other than 0, 1 and NaN, a NaN score of a
        labelled row, a class without a positive or a negative; a class outside `categories`.
    """
    if isinstance(statistic, str) and statistic not in NAMES:
        raise ValueError(f"statistic is {statistic!r}; expected {', '.join(NAMES)} or a callable")
    if categories is not None and not (isinstance(statistic, str) and statistic in OF_EACH_CLASS):
        raise ValueError(f"categories were given; they are for {', '.join(OF_EACH_CLASS)}")
    if isinstance(statistic, str) and statistic in OF_PROBABILITIES:
        return ProbabilityMeasure(statistic, y, score, groups)
    named = statistic in RANK_MEASURES
    labels: NDArray[Any] = number_array(y, "y") if named else np.asarray(y)
    scores: NDArray[Any] = number_array(score, "score") if named else np.asarray(score)
    if labels.ndim not in (1, 2) or not labels.size:
        raise ValueError(f"y has shape {labels.shape}; expected (n,) or (n, classes) with at least one row")
    if scores.ndim == labels.ndim:
        scores = scores[None]
    if scores.shape[1:] != labels.shape or not scores.shape[0]:
        raise ValueError(
            f"score has shape {np.shape(score)} beside y of shape {labels.shape}; "
            f"expected {labels.shape} or (repeats, {', '.join(map(str, labels.shape))})"
        )
    group, n_groups = group_index(groups, labels.shape[0])
    if isinstance(statistic, str) and not named:
        if labels.ndim != 1:
            raise ValueError(f"y has shape {labels.shape}; expected (n,) for {statistic!r}")
        if statistic in OF_EACH_CLASS:
            true, called, classes = number_classes(y, score, categories)
            return ClassMeasure((statistic,), true, called, len(classes), group, n_groups)
        values = number_array(scores if statistic == "mean" else scores == labels, "score")
        refuse_nan(values, "score (repeat, row)")
        return MeanMeasure(values, group, n_groups)
    if named:
        refuse_other_labels(labels)
    if labels.ndim == 1:
        labels, scores = labels[:, None], scores[:, :, None]
    if isinstance(statistic, str):
        return RankMeasure(statistic, labels, scores, group, n_groups)
    statistic = _called_with(statistic, 2, OF_SCORES)
    return RowMeasure(_of_classes(statistic, labels, scores), group, n_groups, scores.shape[0])


def takes(statistic: Callable[..., float], n: int) -> bool | None:
    """Whether a callable can be called with n arguments by place; None where its signature cannot be read."""
    try:
        signature = inspect.signature(statistic)
    except (TypeError, ValueError):
        return None
    try:
        signature.bind(*range(n))
    except TypeError:
        return False
    return True


def is_difference(statistic: Statistic) -> bool:
    """Whether a statistic of y, a and b is itself a difference: it takes three arguments by place, and not two."""
    return callable(statistic) and takes(statistic, 3) is True and takes(statistic, 2) is False


def _called_with(statistic: Callable[..., float], n: int, expected: str) -> Callable[..., float]:
    """Check that a callable takes n arguments; where its signature leaves that open, the first call decides."""
    if not callable(statistic):
        raise ValueError(f"statistic is a {type(statistic).__name__}; expected a name or a callable")
    name = getattr(statistic, "__name__", repr(statistic))
    arrays = "one array" if n == 1 else f"{n} arrays"
    if takes(statistic, n) is False:
        raise ValueError(f"statistic {name} cannot be called with {arrays}; expected {expected}")
    if takes(statistic, n) and not takes(statistic, n + 1):
        return statistic
    tried = False

    def call(*arguments: Any) -> float:
        nonlocal tried
        try:
            value = statistic(*arguments)
        except TypeError as error:
            if tried:
                raise
            raise ValueError(
                f"statistic {name} fails when called with {arrays}: {error}; expected {expected}"
            ) from error
        tried = True
        return value

    return call


def measure_of_rows(statistic: Statistic, data: list[NDArray[Any]], groups: ArrayLike | None) -> Measure:
    """Prepare statistic(*data) for resampling the rows of all arrays together."""
    if isinstance(statistic, str) and statistic != "mean":
        raise ValueError(
            f"statistic {statistic!r} needs the three arrays y, a, b; got {len(data)}. One array has its 'mean'"
        )
    if any(array.ndim == 0 or array.shape[0] != data[0].shape[0] for array in data):
        raise ValueError(f"data have shapes {[array.shape for array in data]}; expected one row per case in each")
    if not data[0].shape[0]:
        raise ValueError("data have no row; expected at least one")
    group, n_groups = group_index(groups, data[0].shape[0])
    if isinstance(statistic, str):
        if len(data) > 1 or data[0].ndim != 1:
            shapes = [array.shape for array in data]
            raise ValueError(f"data have shapes {shapes}; expected one array (n,) of differences for their 'mean'")
        values = number_array(data[0], "data")
        refuse_nan(values, "data")
        return MeanMeasure(values[None], group, n_groups)
    evaluate = _called_with(statistic, len(data), "statistic(*data), with as many arguments as there are data arrays")
    return RowMeasure(lambda rows, _: [float(evaluate(*(array[rows] for array in data)))], group, n_groups, 1)


def _of_classes(
    statistic: Callable[..., float], y: NDArray[Any], score: NDArray[Any]
) -> Callable[[NDArray[np.intp], NDArray[np.int64]], list[float]]:
    """Mean over repeats of statistic(y, score), class by class, a row without a label left out."""
    n_repeats = score.shape[0]
    labelled = ~np.isnan(y) if np.issubdtype(y.dtype, np.floating) else np.ones(y.shape, bool)

    def of_class(column: int, rows: NDArray[np.intp], times: NDArray[np.int64]) -> float:
        rows = rows[labelled[rows, column]]
        if not rows.size:
            return np.nan
        labels = y[rows, column]
        drawn = np.flatnonzero(times)
        return sum(int(times[r]) * float(statistic(labels, score[r, rows, column])) for r in drawn) / n_repeats

    return lambda rows, times: [of_class(column, rows, times) for column in range(y.shape[1])]
