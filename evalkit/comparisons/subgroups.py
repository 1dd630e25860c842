"""Cases divided by sex, age band or view, as the manifest of their data set has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evalkit.comparisons.cells import count_cases
from evalkit.errors import InputError

#: The subgroup that is every case.
EVERYONE = "all"


@dataclass(frozen=True, eq=False)
class Subgroup:
    """Some of the cases.

    Attributes
    ----------
    name : str
        ``all``, or a grouping and its value: ``sex=F``.
    cases : ndarray of bool (n,)
    """

    name: str
    cases: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Grouping:
    """The cases divided by one grouping.

    Attributes
    ----------
    subgroups : list of Subgroup
        In order; those that have a case.
    note : str
        What a reader must know: how many cases are in none, and why, and which bands have no case.
    """

    subgroups: list[Subgroup]
    note: str


def divide_cases(
    groupings: Sequence[str], images: pd.Series, manifest: pd.DataFrame, *, age_bands: Sequence[float], unit: str
) -> list[Grouping]:
    """Divide cases by each grouping.

    Parameters
    ----------
    groupings : sequence of str
        Of sex, age and view.
    images : Series
        Number of each image's case, by image id.
    manifest : DataFrame
        Rows of the data set's manifest, with the columns image_id, sex, age and view.
    age_bands : sequence of float
        Ages in years at which a new band begins.
    unit : str
        What a case is. A case of several images is in a subgroup if all of them are.

    Raises
    ------
    InputError
        The manifest lacks an image.
    """
    known = manifest.set_index("image_id")
    missing = images.index.difference(known.index)
    if len(missing):
        raise InputError(
            f"{len(missing):,} tested images are not in the manifest, among them {missing[0]!r}",
            "the data set that the runs were tested on",
            "make the manifest again, or run the study again",
        )
    rows = known.loc[images.index]
    return [_divide(grouping, rows[grouping], images, list(age_bands), unit) for grouping in groupings]


def name_bands(starts: Sequence[float]) -> list[str]:
    """Name the age bands that begin at these ages: ``<18``, ``18-39``, ``>=40``."""
    between = [f"{low:g}-{high - 1:g}" if high == int(high) else f"{low:g}-<{high:g}" for low, high in pairwise(starts)]
    return [f"<{starts[0]:g}", *between, f">={starts[-1]:g}"]


def _divide(grouping: str, values: pd.Series, images: pd.Series, starts: list[float], unit: str) -> Grouping:
    names: list[str] = []
    if grouping == "age":
        names = name_bands(starts)
        ages = values.to_numpy(np.float64)
        known = ~np.isnan(ages)
        bands = np.searchsorted(starts, ages[known], side="right")
        named = np.full(len(ages), "", object)
        named[known] = np.array(names, object)[bands]
    else:
        named = values.fillna("").astype(str).to_numpy(object)
        names = sorted({name for name in named.tolist() if name})
    of_case = pd.Series(named).groupby(images.to_numpy())
    first, alike = of_case.first().to_numpy(), of_case.nunique().to_numpy() == 1
    groups = np.where(alike, first, "")
    subgroups = [Subgroup(f"{grouping}={name}", groups == name) for name in names]
    return Grouping(
        [subgroup for subgroup in subgroups if subgroup.cases.any()],
        _describe(grouping, unit, unknown=int((alike & (first == "")).sum()), mixed=int((~alike).sum()), of=subgroups),
    )


def _describe(grouping: str, unit: str, *, unknown: int, mixed: int, of: Sequence[Subgroup]) -> str:
    left_out = [f"{count_cases(unknown, unit)} of unknown {grouping}"] if unknown else []
    left_out += [f"{count_cases(mixed, unit)} whose images differ in {grouping}"] if mixed else []
    empty = [subgroup.name for subgroup in of if not subgroup.cases.any()]
    sentences = [f"In no subgroup by {grouping}: {', '.join(left_out)}."] if left_out else []
    sentences += [f"No {unit} is in {', '.join(empty)}."] if empty else []
    return " ".join(sentences)
