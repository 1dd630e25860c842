"""Data sets in which each image has exactly one class: a class becomes a label, 1 where it holds and 0 elsewhere."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import pandas as pd

from evalkit.datasets.building import ID_COLUMNS
from evalkit.errors import InputError


def choose_classes(found: Collection[str], classes: Sequence[str] | None, *, source: Path) -> list[str]:
    """Fix the order of a data set's classes, and check their names.

    Parameters
    ----------
    found : collection of str
        The classes that the images have.
    classes : sequence of str, optional
        The order wanted; by alphabet without it.
    source : pathlib.Path
        The file or folder to name in messages.

    Returns
    -------
    list of str

    Raises
    ------
    InputError
        A class of `classes` has no image, there are fewer than two classes, or a class has a name that a column of
        the manifest has or cannot have.
    """
    order = list(classes or sorted(found))
    without = [name for name in order if name not in found]
    if without:
        raise InputError(
            f"{source} has no image of the class {', '.join(map(repr, without))}; it has {_listed(found)}",
            "images of every class listed under 'classes'",
            "correct the list in the study file, or add the images",
        )
    if len(order) < 2:
        raise InputError(
            f"{source} has images of {_listed(found)}", "two or more classes", "add images of another class"
        )
    for name in order:
        if name in ID_COLUMNS or name != name.strip() or not name.isprintable() or name.startswith("raw:"):
            raise InputError(
                f"{source} has a class called {name!r}",
                f"another name than {', '.join(ID_COLUMNS)}, printable, without a space at an end, not beginning "
                "with 'raw:'",
                "rename the class",
            )
    return order


def label_classes(names: pd.Series, classes: Sequence[str]) -> pd.DataFrame:
    """One column per class, 1 where an image has it and 0 where it has another; on the index of `names`."""
    return pd.DataFrame({name: (names == name).astype("float64") for name in classes}, index=names.index)


def _listed(names: Collection[str]) -> str:
    return ", ".join(map(repr, sorted(names))) or "none"
