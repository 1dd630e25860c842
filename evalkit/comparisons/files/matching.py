"""A column of labels and a table of predictions, and which columns of the one may be predictions of the other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from evalkit.comparisons.files.names import CALLED, SCORE, SCORED, TARGET, Columns, in_order_of, split_affix
from evalkit.comparisons.files.reading import Table
from evalkit.comparisons.files.spelling import as_text, has_fraction, to_numbers


class Label:
    """One column of labels."""

    def __init__(self, name: str, column: str, table: Table) -> None:
        self.name, self.column = name, column
        self.text: NDArray[np.object_] = as_text(table.frame[column]).to_numpy(object)
        self.labelled = self.text != ""
        self.vocabulary = set(self.text[self.labelled])
        self.binary = self.vocabulary <= {"0", "1"}


class Predictions:
    """One table of predictions."""

    def __init__(self, table: Table, columns: Columns) -> None:
        self.table = table
        plain = [name for name in columns.others(table.frame) if not name.startswith(TARGET)]
        self.candidates = [name for name in plain if name.startswith(SCORE)] or plain
        self._texts: dict[str, NDArray[np.object_]] = {}

    def text(self, column: str) -> NDArray[np.object_]:
        """A column's values in one spelling, row by row."""
        if column not in self._texts:
            self._texts[column] = as_text(self.table.frame[column]).to_numpy(object)
        return self._texts[column]

    def values(self, column: str) -> set[str]:
        """The different values of a column."""
        return set(self.text(column)) - {""}

    def equals(self, column: str, label: Label) -> bool:
        """Whether a column is the label in every row that has one."""
        labelled = label.labelled
        return bool(labelled.any() and (self.text(column)[labelled] == label.text[labelled]).all())

    def is_hard(self, column: str, label: Label) -> bool:
        """Whether a column holds decisions and not scores."""
        values = self.values(column)
        if label.binary:
            return values <= {"0", "1"} or (column not in self.numeric and self.has_few(column, label))
        return not any(map(has_fraction, values))

    def has_few(self, column: str, label: Label) -> bool:
        """Whether a column has hardly more different values than the label, as called classes have."""
        return len(self.values(column)) <= 2 * len(label.vocabulary)

    def named(self, names: Iterable[str]) -> str | None:
        """The first column of one of these names."""
        return next(iter(in_order_of(names, self.candidates)), None)

    def affixed(self, name: str, words: Sequence[str]) -> str | None:
        """The column of a name with a word for predictions before or behind it; earlier words are preferred."""
        found: dict[int, str] = {}
        for column in self.candidates:
            word, of = split_affix(column)
            if of == name:
                found.setdefault(words.index(word), column)
        return found[min(found)] if found else None

    def has(self, name: str) -> bool:
        """Whether a column bears a label's name."""
        return name in self.candidates or self.affixed(name, SCORED + CALLED) is not None

    @cached_property
    def numeric(self) -> list[str]:
        """The columns in which some number stands."""
        return [name for name in self.candidates if to_numbers(self.table.frame[name]).notna().any()]
