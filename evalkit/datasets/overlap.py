"""Patients that two data sets share, as far as the study file alone tells."""

from __future__ import annotations

import os

from evalkit.config.datasets import CsvEntry, Dataset
from evalkit.datasets.building import patient_position

#: A phantom patient's id, in the layouts in which its number alone makes it.
_ID_OF_NUMBER = {"chexpert": "patient{:05d}", "nih": "{}", "siim": "phantom{:05d}"}


def describe_overlap(one: Dataset, other: Dataset) -> str:
    """Say which patients two data sets share, as far as their entries tell.

    Phantoms share the patients whose numbers both draw, if their seeds or their layouts (and so the patients' ids) are
    the same. In the layouts 'folder' and 'kermany' the id is more than the number, so whom a range of `patients` leaves
    out is not known before: all numbers count. Two entries that read one folder share patients if their ranges overlap.

    Returns
    -------
    str
        As the beginning of a sentence, ``"the phantom patients 1 to 40"``; nothing where the entries tell of none.
    """
    if one.phantom is not None and other.phantom is not None:
        shared = sorted(_numbers(one) & _numbers(other))
        if not shared or (one.phantom.seed != other.phantom.seed and one.format != other.format):
            return ""
        if len(shared) == shared[-1] - shared[0] + 1:
            return f"the phantom patients {shared[0]} to {shared[-1]}"
        return f"{len(shared):,} phantom patients from {shared[0]} to {shared[-1]}"
    first, second = max(one.patients[0], other.patients[0]), min(one.patients[1], other.patients[1])
    if _source(one) is not None and _source(one) == _source(other) and first < second:
        return f"the patients of {one.root} in the range [{first:g}, {second:g})"
    return ""


def _numbers(entry: Dataset) -> set[int]:
    """The numbers of the phantom patients that an entry draws and keeps."""
    assert entry.phantom is not None
    numbers = range(entry.phantom.first_patient, entry.phantom.first_patient + entry.phantom.patients)
    first, second = entry.patients
    id_of = _ID_OF_NUMBER.get(entry.format)
    if (first, second) == (0, 1) or id_of is None:
        return set(numbers)
    return {number for number in numbers if first <= patient_position(id_of.format(number)) < second}


def _source(entry: Dataset) -> tuple[str, ...] | None:
    """What a data set's patients are read from."""
    if entry.root is None:
        return None
    return entry.format, os.path.normpath(entry.root), entry.table if isinstance(entry, CsvEntry) else ""
