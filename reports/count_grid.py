"""Counts laid out as a paper lays them out: classes down, splits and their settings across. No file format yet."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from evalkit.counting.rows import ALL, UNUSED, WITH_BOX, WITHOUT_BOX
from reports.labels import label_setting

_SPLITS = {"train": "Training", "validation": "Validation", "test": "Test"}
_VALUES = {"positive": "Positive", "negative": "Negative", "missing": "Label missing"}

#: Target, value and heading of a line.
_Line = tuple[str, str, str]


@dataclass(frozen=True)
class CountCell:
    """One class in one column, in words; what does not exist is empty.

    Attributes
    ----------
    images : str
        Images, with their standard deviation where they are a mean over draws.
    patients : str
        Patients with at least one of them.
    status : str
        That there are none, or what is missing.
    boxes : str
        Boxes on them, where boxes are counted.
    """

    images: str = ""
    patients: str = ""
    status: str = ""
    boxes: str = ""


@dataclass(frozen=True)
class Group:
    """A split's columns, which stand side by side.

    Attributes
    ----------
    title : str
    first, last : int
        Their numbers; 1 is the column of the classes.
    """

    title: str
    first: int
    last: int

    @property
    def size(self) -> int:
        """How many they are."""
        return self.last - self.first + 1


@dataclass(frozen=True)
class CountGrid:
    """One grid.

    Attributes
    ----------
    title : str
        What the labels say of the images counted; empty where there is but one grid.
    groups : tuple of Group
        Splits.
    columns : tuple of str
        Settings; empty for a split that is the same in every one.
    lines : tuple of (str, tuple of CountCell)
        Classes and, in the first grid, all images.
    """

    title: str
    groups: tuple[Group, ...]
    columns: tuple[str, ...]
    lines: tuple[tuple[str, tuple[CountCell, ...]], ...]

    @property
    def headings(self) -> tuple[str, ...]:
        """Split and setting of each column in one line, for formats whose cells cannot span columns."""
        titles = [group.title for group in self.groups for _ in range(group.size)]
        return tuple(": ".join(filter(None, pair)) for pair in zip(titles, self.columns, strict=True))


def arrange_counts(rows: pd.DataFrame, context: Mapping[str, Any]) -> list[CountGrid]:
    """Lay counts out.

    Parameters
    ----------
    rows : DataFrame
        Rows of one table of counts, as `evalkit.counting` writes them.
    context : mapping
        The facts beside them: ``dataset`` is the evaluation's own.

    Returns
    -------
    list of CountGrid
        One for each thing that labels say; labels that are never missing have no grid for that. One where boxes are
        counted.
    """
    # What is set aside stands in the footnotes; `class` is no name that itertuples could give.
    shown = rows[rows["split"] != UNUSED].rename(columns={"class": "target"})
    found = list(shown.itertuples(index=False))
    places = list(dict.fromkeys((row.dataset, row.split, row.setting) for row in found))
    cells = {(row.dataset, row.split, row.setting, row.target, row.value): _write_cell(row) for row in found}
    settings = [setting for _, _, setting in places if setting]
    targets = [target for target in dict.fromkeys(row.target for row in found) if target != ALL]
    if WITH_BOX in set(shown["value"]):
        listed = {"": _list_boxed(targets)}
    else:
        values = [value for value in _VALUES if _is_used(shown, value)]
        listed = {
            _VALUES[value] if len(values) > 1 else "": _list_labels(targets, value, first=value == values[0])
            for value in values
        }
    return [
        CountGrid(
            title=title,
            groups=_group(places, context["dataset"]),
            columns=tuple(label_setting(setting, settings) for _, _, setting in places),
            lines=tuple((label, tuple(cells[(*place, target, of)] for place in places)) for target, of, label in lines),
        )
        for title, lines in listed.items()
    ]


def _list_labels(targets: Sequence[str], value: str, *, first: bool) -> list[_Line]:
    return [(target, value, target) for target in targets] + [(ALL, "", "All images")] * first


def _list_boxed(targets: Sequence[str]) -> list[_Line]:
    """With one class, images with any box are those of the class."""
    any_class = [(ALL, WITH_BOX, "Any class")] if len(targets) > 1 else []
    of_classes = [(target, WITH_BOX, target) for target in targets]
    return [*of_classes, *any_class, (ALL, WITHOUT_BOX, "Without a box"), (ALL, "", "All images")]


def _group(places: Sequence[tuple[str, str, str]], own: str) -> tuple[Group, ...]:
    titles = [_SPLITS[split] + ("" if dataset == own else f", {dataset}") for dataset, split, _ in places]
    starts = [number for number, title in enumerate(titles) if number == 0 or title != titles[number - 1]]
    ends = [*starts[1:], len(titles)]
    return tuple(Group(titles[start], start + 2, end + 1) for start, end in zip(starts, ends, strict=True))


def _is_used(rows: pd.DataFrame, value: str) -> bool:
    counts = rows["images"][rows["value"] == value]
    return value == "positive" or bool((counts > 0).any())


def _write_cell(row: Any) -> CountCell:
    if math.isnan(row.images):
        return CountCell(status=row.status)
    drawn = row.n_draws > 1
    images = _write_number(row.images, drawn)
    spread = f" ± {_write_number(row.images_sd, drawn)}" if drawn else ""
    status, boxes = "" if row.status == "ok" else row.status, getattr(row, "boxes", math.nan)
    return CountCell(images + spread, _write_number(row.patients, drawn), status, _write_boxes(boxes))


def _write_boxes(boxes: float) -> str:
    """A number of boxes in words; nothing where there are none."""
    return "" if math.isnan(boxes) or not boxes else f"{boxes:,.0f} box{'' if boxes == 1 else 'es'}"


def _write_number(value: float, drawn: bool) -> str:
    return f"{value:,.1f}" if drawn else f"{value:,.0f}"
