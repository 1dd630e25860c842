"""What DeLong's tests read, and what they say about data that leave something undefined."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stats.inputs import group_index, number_array, positive_rows, score_rows, vector
from stats.placements import Components, components

OMIT = "; nan_policy='omit' leaves such rows out"


def read_components(
    y: ArrayLike, scores: Mapping[str, ArrayLike], groups: ArrayLike | None, nan_policy: str, y_name: str = "y"
) -> tuple[Components, list[str]]:
    """Read labels and scores and reduce them to components.

    Parameters
    ----------
    y : array_like (n,)
    scores : mapping of name to array_like (n,)
    groups : array_like (n,) or None
    nan_policy : {"raise", "omit"}
        "omit" leaves out the rows in which the label or any score is NaN.
    y_name : str
        What messages call y.

    Returns
    -------
    parts : Components
    notes : list of str
        How many rows were left out, and what is too scarce for a variance.
    """
    if nan_policy not in ("raise", "omit"):
        raise ValueError(f"nan_policy is {nan_policy!r}; expected 'raise' or 'omit'")
    labels = vector(y, y_name)
    names = list(scores)
    rows = [vector(score, name, labels.size) for name, score in scores.items()]
    notes = []
    if nan_policy == "omit":
        kept = ~np.isnan(np.vstack([labels, *rows])).any(axis=0)
        if not kept.all():
            where = f"{', '.join([y_name, *names[:-1]])} or {names[-1]}"
            notes.append(f"{int((~kept).sum())} of {labels.size} rows left out: NaN in {where}")
            labels, rows = labels[kept], [row[kept] for row in rows]
            groups = None if groups is None else group_index(groups, kept.size)[0][kept]
    positive = positive_rows(labels, y_name)
    parts = components(positive, score_rows(rows, names, positive.size, OMIT), groups)
    return parts, notes + scarcity_notes(parts, y_name)


def named_scores(scores: Mapping[Any, ArrayLike] | ArrayLike, n: int) -> tuple[list[Any], list[NDArray[np.float64]]]:
    """Names and scores (n,) of several models.

    Parameters
    ----------
    scores : mapping of name to (n,), or array (k, n)
        Anything with `.items()` is a mapping, a data frame of its columns for one.
    n : int

    Raises
    ------
    ValueError
        No model, another shape, a NaN.
    """
    given: Any = scores
    if hasattr(given, "items"):
        items = list(given.items())
        names, rows = [name for name, _ in items], [row for _, row in items]
    else:
        array = np.atleast_2d(number_array(given, "scores"))
        if array.shape[1:] != (n,):
            raise ValueError(f"scores has shape {np.shape(given)}; expected (k, {n}), one row for each of k models")
        names, rows = list(range(len(array))), list(array)
    if not rows:
        raise ValueError("scores holds no model; expected at least one")
    return names, score_rows(rows, [f"scores[{name!r}]" for name in names], n)


def scarcity_notes(parts: Components, y_name: str = "y") -> list[str]:
    """Say which class has one image (patient) only."""
    unit = "patient" if parts.n_clusters < parts.n_positive + parts.n_negative else "image"
    where = "" if y_name == "y" else f" in {y_name}"
    return [
        f"one {unit} with a {name} label{where}: the variance of an AUC needs at least two"
        for name, present in (("positive", parts.positive.shape[1]), ("negative", parts.negative.shape[1]))
        if present == 1
    ]


def zero_variance_notes(difference: float, se: float, pair: str) -> list[str]:
    """Say where a difference has no variance."""
    if se == 0 and difference != 0:
        return [f"the difference between {pair} ({difference:.6g}) has a variance of 0: the statistic is infinite"]
    return []
