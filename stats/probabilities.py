"""How good predicted probabilities are: Brier score, expected calibration error, sensitivity of calls.

Each is a sum over bins of absolute sums over cases, divided by a number of cases; so many resamples at once are one
matrix product.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stats.inputs import group_index, number_array, refuse_nan, refuse_other_labels
from stats.weighted_ranks import Weights

Floats = NDArray[np.float64]

#: Bins of the expected calibration error, where no other number is asked for.
N_BINS = 10

#: Statistics of one class's labels and probabilities (or calls), and of all classes of a one-hot task together.
OF_ONE_CLASS = ("brier", "ece", "sensitivity")
OF_ALL_CLASSES = ("multiclass_brier", "called_ece")


class _Terms(NamedTuple):
    """What is summed over cases: a value for each (n,), its bin (n,), and which cases (n,) are counted."""

    values: Floats
    bins: NDArray[np.intp]
    counted: NDArray[np.bool_]


def bins_of(score: ArrayLike, n_bins: int = N_BINS) -> NDArray[np.intp]:
    """The bin of each probability among `n_bins` of equal width: bin k holds k / n_bins < score <= (k + 1) / n_bins.

    The first bin holds 0 as well (Guo et al. 2017).
    """
    return np.searchsorted(np.arange(1, n_bins) / n_bins, np.asarray(score, np.float64), side="left")


def brier_score(y: ArrayLike, score: ArrayLike) -> float:
    """Mean squared difference between a class's label and its probability; 0 is best, 1 worst.

    Parameters
    ----------
    y : array_like (n,)
        1 or 0.
    score : array_like (n,)
        Probabilities of 1.

    Raises
    ------
    ValueError
        Other labels, no case, or a score that is no probability.

    References
    ----------
    Brier (1950), Monthly Weather Review 78:1, in the form for two classes that counts one of them.
    """
    return _value("brier", y, score)


def multiclass_brier_score(y: ArrayLike, score: ArrayLike) -> float:
    """Squared difference between labels and probabilities, summed over classes: 0 is best, 2 worst (Brier 1950).

    Parameters
    ----------
    y : array_like (n, classes)
        1 for a case's class, 0 for the others.
    score : array_like (n, classes)
        Probabilities.

    Raises
    ------
    ValueError
        As `brier_score`; a case that has not exactly one class.
    """
    return _value("multiclass_brier", y, score)


def expected_calibration_error(y: ArrayLike, score: ArrayLike) -> float:
    """Mean over cases of how far the share of positives in their bin lies from the bin's mean probability.

    The `N_BINS` bins have equal widths (`bins_of`). The error of a perfectly calibrated model is above 0 in any finite
    sample, the more so the fewer cases a bin has: values of test sets of different sizes cannot be compared, and
    bootstrap replicates lie higher than the estimate.

    Parameters
    ----------
    y, score
        As in `brier_score`.

    Raises
    ------
    ValueError
        As `brier_score`.

    References
    ----------
    Naeini, Cooper and Hauskrecht (2015), AAAI 29:2901; Guo, Pleiss, Sun and Weinberger (2017), ICML 70:1321.
    """
    return _value("ece", y, score)


def called_calibration_error(y: ArrayLike, score: ArrayLike) -> float:
    """The expected calibration error of the called class: its probability against whether it is right.

    The called class is the one of the highest probability, the first of equals.

    Parameters
    ----------
    y, score
        As in `multiclass_brier_score`.

    Raises
    ------
    ValueError
        As `multiclass_brier_score`.

    References
    ----------
    Guo, Pleiss, Sun and Weinberger (2017), ICML 70:1321.
    """
    return _value("called_ece", y, score)


def sensitivity(y: ArrayLike, called: ArrayLike) -> float:
    """Share of the positive cases that are called positive.

    Parameters
    ----------
    y : array_like (n,)
        1 or 0.
    called : array_like (n,)
        1 or 0.

    Raises
    ------
    ValueError
        Other values, or no positive case.
    """
    return _value("sensitivity", y, called)


class ProbabilityMeasure:
    """One of the statistics of this module, exact and vectorised over resamples; see `stats.measures.Measure`.

    Parameters
    ----------
    name : str
        One of `OF_ONE_CLASS`, evaluated class by class, or of `OF_ALL_CLASSES`, which have one value.
    y : array_like (n,) or (n, classes)
        1, 0, or, for a statistic of one class, NaN where a case does not count for a class.
    score : array_like, the shape of y, or (repeats, *shape of y)
        Probabilities; for "sensitivity" calls of 1 and 0.
    groups : array_like (n,) or None
        Patient of each case.

    Raises
    ------
    ValueError
        Shapes that do not belong together, other labels, scores that are no probabilities, a class without a case (for
        "sensitivity": without a positive one).
    """

    def __init__(self, name: str, y: ArrayLike, score: ArrayLike, groups: ArrayLike | None = None) -> None:
        labels, scores = _arrays(name, y, score)
        group, self.n_groups = group_index(groups, labels.shape[0])
        self.n_rows, self.n_repeats = labels.shape[0], scores.shape[0]
        columns = [slice(None)] if name in OF_ALL_CLASSES else [slice(k, k + 1) for k in range(labels.shape[1])]
        self._n_classes = len(columns)
        counts: list[NDArray[np.intp]] = []
        sums: list[NDArray[Any]] = []
        starts: list[int] = []
        for column in columns:
            for of_repeat in scores[:, :, column]:
                values, bins, counted = _TERMS[name](labels[:, column], of_repeat)
                starts.append(len(sums))
                for each in np.unique(bins[counted]):
                    rows = counted & (bins == each)
                    sums.append(np.bincount(group[rows], weights=values[rows], minlength=self.n_groups))
            # Which cases count does not depend on the repeat.
            if not counted.any():
                where = f" of class {column.start}" if self._n_classes > 1 else ""
                what = "a positive case" if name == "sensitivity" else "a case with a label"
                raise ValueError(f"y{where} has none of them; expected {what}")
            counts.append(np.bincount(group[counted], minlength=self.n_groups))
        self._counts, self._sums, self._starts = np.array(counts, np.float64), np.array(sums), starts

    def __call__(self, weights: Weights, repeats: NDArray[np.int64]) -> Floats:
        """Evaluate every class on every column of weights; NaN where no case counts."""
        doubles = weights.astype(np.float64)
        totals = np.add.reduceat(np.abs(self._sums @ doubles), self._starts, axis=0)
        mean = np.einsum("br,crb->bc", repeats, totals.reshape(self._n_classes, self.n_repeats, -1)) / self.n_repeats
        cases = (self._counts @ doubles).T
        return np.where(cases > 0, mean / np.maximum(cases, 1), np.nan)


def _value(name: str, y: ArrayLike, score: ArrayLike) -> float:
    """A statistic on the data as they are."""
    one_class = name in OF_ONE_CLASS
    labels, scores = np.asarray(y), np.asarray(score)
    if labels.ndim != (1 if one_class else 2) or scores.shape != labels.shape:
        shape = "(n,)" if one_class else "(n, classes)"
        raise ValueError(f"y has shape {labels.shape} and score {scores.shape}; expected {shape} of both")
    measure = ProbabilityMeasure(name, labels, scores)
    return float(measure(np.ones((measure.n_groups, 1)), np.ones((1, 1), np.int64))[0, 0])


def _arrays(name: str, y: ArrayLike, score: ArrayLike) -> tuple[Floats, Floats]:
    """Labels (n, classes) and scores (repeats, n, classes), checked."""
    labels, scores = number_array(y, "y"), number_array(score, "score")
    if labels.ndim not in (1, 2) or not labels.size:
        raise ValueError(f"y has shape {labels.shape}; expected (n,) or (n, classes) with at least one row")
    if scores.ndim == labels.ndim:
        scores = scores[None]
    if scores.shape[1:] != labels.shape or not scores.shape[0]:
        raise ValueError(
            f"score has shape {np.shape(score)} beside y of shape {labels.shape}; expected the same, or repeats of it"
        )
    refuse_other_labels(labels)
    if name in OF_ALL_CLASSES:
        refuse_nan(labels, "y")
        if labels.ndim != 2 or (labels.sum(axis=1) != 1).any():
            raise ValueError("y is not one-hot; expected (n, classes) with exactly one 1 in each row")
    if labels.ndim == 1:
        labels, scores = labels[:, None], scores[:, :, None]
    used = scores[:, ~np.isnan(labels)]
    refuse_nan(used, "score (repeat, labelled row)")
    fine = (used == 0) | (used == 1) if name == "sensitivity" else (used >= 0) & (used <= 1)
    if not fine.all():
        expected = "calls of 1 and 0" if name == "sensitivity" else "probabilities from 0 to 1"
        raise ValueError(f"score holds {used[~fine][0]:g}; expected {expected}")
    return labels, scores


def _brier(y: Floats, score: Floats) -> _Terms:
    missing: NDArray[np.bool_] = np.isnan(y)
    return _Terms(((score - y) ** 2).sum(axis=1), np.zeros(len(y), np.intp), ~np.any(missing, axis=1))


def _ece(y: Floats, score: Floats) -> _Terms:
    return _Terms((y - score)[:, 0], bins_of(score[:, 0]), ~np.isnan(y[:, 0]))


def _called_ece(y: Floats, score: Floats) -> _Terms:
    called, rows = score.argmax(axis=1), np.arange(len(y))
    confidence = score[rows, called]
    return _Terms(y[rows, called] - confidence, bins_of(confidence), np.ones(len(y), bool))


def _sensitivity(y: Floats, called: Floats) -> _Terms:
    return _Terms(called[:, 0], np.zeros(len(y), np.intp), y[:, 0] == 1)


_TERMS = {
    "brier": _brier,
    "multiclass_brier": _brier,
    "ece": _ece,
    "called_ece": _called_ece,
    "sensitivity": _sensitivity,
}
