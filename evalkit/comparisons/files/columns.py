"""Which column is what: names say it where they are known, and values where they are not."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn, TypeVar

from evalkit.comparisons.files.matching import Label, Predictions
from evalkit.comparisons.files.names import (
    BOOKKEEPING,
    CALLED,
    SCORE,
    SCORED,
    TARGET,
    TRUTHS,
    Columns,
    in_order_of,
    is_known,
    split_affix,
)
from evalkit.comparisons.files.notes import Notes
from evalkit.comparisons.files.reading import Table
from evalkit.config.strict import nearest
from evalkit.errors import InputError

#: How alike a column's name and a label's are that were probably meant to be the same.
_ALIKE = 0.8

T = TypeVar("T")

#: One column; or one of scores for each class, of which the highest is called.
Source = str | dict[str, str]


@dataclass(frozen=True, eq=False)
class Recognised:
    """Where the labels and the predictions stand.

    Attributes
    ----------
    labels : dict
        The column of each label, by its name.
    sources : list of dict
        For each file of predictions the column, or columns, of each label.
    are_classes : bool
        Whether the predictions are called classes; else they are scores.
    notes : list of str
        What was decided, and what was left aside.
    """

    labels: dict[str, str]
    sources: list[dict[str, Source]]
    are_classes: bool
    notes: list[str]


def recognise(labels: Table, files: Sequence[Table], columns: Columns, wanted: str | None) -> Recognised:
    """Find labels and predictions in files whose rows are in the same order.

    Columns are matched by name: that of the label, perhaps with a word for predictions (``prob_Edema``). Where one
    label is compared, columns called predicted, score and the like count too, and at last a single column of any name.
    A column that has the label's name and its values is the truth, copied, where the file has another candidate.

    Parameters
    ----------
    labels : Table
    files : sequence of Table
        Of predictions, with the rows of `labels`.
    columns : Columns
    wanted : {"scores", "classes"} or None
        What the user asks for, where a file may be read as either.

    Raises
    ------
    InputError
        Columns are missing, misspelt, or cannot be told apart.
    """
    return _Recognition(labels, files, columns, wanted).run()


class _Recognition:
    """The search, and what there is to tell of it."""

    def __init__(self, labels: Table, files: Sequence[Table], columns: Columns, wanted: str | None) -> None:
        self._table, self._columns, self._wanted = labels, columns, wanted
        self._files = [Predictions(table, columns) for table in files]
        self._own = [table.path.resolve() == labels.path.resolve() for table in files]
        self._labels = {name: Label(name, column, labels) for name, column in _label_columns(labels, columns).items()}
        self._notes = Notes()

    def run(self) -> Recognised:
        for file in self._files:
            if not file.candidates:
                raise InputError(
                    f"{file.table.path} has the columns {file.table.list_columns()}",
                    f"a column of predictions beside {self._columns.id}",
                    "add it",
                )
        chosen, by_name = self._choose_labels()
        alone = len(chosen) == 1
        if alone and not chosen[0].vocabulary:
            raise InputError(
                f"{self._table.path}: {chosen[0].column} is empty in every row", "a label for the cases", "fill it in"
            )
        if by_name:
            for file in self._files:
                self._refuse_misspelt(file)
        sources = [self._find_all(number, chosen, alone=alone) for number in range(len(self._files))]
        are_classes = self._are_classes(chosen, sources)
        for number, found in enumerate(sources):
            self._describe(number, chosen, found)
        aside = self._labels_aside(chosen, sources)
        self._notes.add(self._table, self._table.notes)
        self._notes.add(self._table, [f"columns without predictions left aside: {', '.join(aside)}"] if aside else [])
        labelled = {label.name: label.column for label in chosen}
        return Recognised(labelled, sources, are_classes, self._notes.sentences())

    def _choose_labels(self) -> tuple[list[Label], bool]:
        """The labels to compare, and whether the files' columns bear their names."""
        labels = list(self._labels.values())
        if len(labels) == 1:
            return labels, any(file.has(labels[0].name) for file in self._files)
        named = [label for label in labels if any(file.has(label.name) for file in self._files)]
        predicted = [label for label in named if self._is_predicted(label)]
        truth = next((self._labels[name] for name in in_order_of(TRUTHS, list(self._labels))), None)
        if predicted and (truth is None or predicted != [truth]):
            return predicted, True
        if truth is not None:
            return [truth], False
        plain = _prefer(named, lambda label: label.name.lower() not in BOOKKEEPING)
        if len(plain) == 1 or (plain and not any(self._own) and not self._left_over(plain)):
            return plain, True
        if not named:
            plain = _prefer(labels, lambda label: label.name.lower() not in BOOKKEEPING)
            if len(plain) == 1:
                return plain, False
            self._refuse_misspelt(self._files[0])
        if any(self._own):
            self._refuse_both_roles()
        first = self._files[0]
        unknown = [name for name in first.candidates if name not in self._labels]
        found = (
            f"{first.table.path} has predictions of {', '.join(map(repr, unknown))}, for which {self._table.path} has "
            f"no labels{nearest(unknown[0], self._labels)}"
            if unknown and not named
            else f"{self._table.path} has the columns {', '.join(self._labels)}, and {first.table.path} "
            f"{', '.join(first.candidates)}: it cannot be told which are the labels"
        )
        raise InputError(
            found,
            "columns of the same names in both files, or one column of labels (called label, for example) and one of "
            "predictions",
            "rename the columns, or remove those that are neither",
        )

    def _is_predicted(self, label: Label) -> bool:
        """Whether some file has predictions of a label under its name, and not only a copy of its values."""
        if any(file.affixed(label.name, SCORED + CALLED) for file in self._files):
            return True
        for file in self._files:
            # Where one file has both roles, it is not known which of its columns are labels.
            if any(self._own) or label.name not in file.candidates or file.equals(label.name, label):
                continue
            if label.name.lower() not in BOOKKEEPING or not file.values(label.name) <= label.vocabulary:
                return True
        return False

    def _left_over(self, labels: Sequence[Label]) -> bool:
        """Whether a file has columns that may be predictions of some of the labels it has copies of."""
        names = {label.name for label in labels}
        return any(
            name not in names and name.lower() not in BOOKKEEPING for file in self._files for name in file.numeric
        )

    def _refuse_misspelt(self, file: Predictions) -> None:
        """Refuse a column whose name is nearly that of a label for which the file has none."""
        missing = [name.lower() for name in self._labels if not file.has(name)]
        for column in file.candidates:
            name = split_affix(column)[1] or column
            if name in self._labels or is_known(column):
                continue
            if difflib.get_close_matches(name.lower(), missing, n=1, cutoff=_ALIKE):
                raise InputError(
                    f"{file.table.path} has predictions of {column!r}, for which {self._table.path} has no labels"
                    + nearest(column, self._labels),
                    "columns of the same names in both files, or one column in each",
                    "rename the column, or remove it",
                )

    def _find_all(self, number: int, chosen: Sequence[Label], *, alone: bool) -> dict[str, Source]:
        """The columns of all labels in one file."""
        file = self._files[number]
        found = {label.name: self._find(file, label, alone=alone) for label in chosen}
        sources = {name: source for name, source in found.items() if source is not None}
        if len(sources) < len(chosen):
            raise InputError(
                f"{file.table.path} has predictions of {', '.join(sources) or 'no label'}",
                f"predictions of {', '.join(found)}, as in the other files",
                "give every file the same columns",
            )
        for label in chosen:
            if self._own[number] and sources[label.name] == label.column:
                self._refuse_both_roles()
        return sources

    def _refuse_both_roles(self) -> NoReturn:
        columns = [name for name in self._columns.others(self._table.frame) if not name.startswith((TARGET, SCORE))]
        raise InputError(
            f"{self._table.path} is given with --labels and as a model, and its columns ({', '.join(columns)}) do not "
            "say which holds the labels and which the predictions",
            "two columns told apart by their names, for example target and predicted",
            "rename them, or write the labels to a file of their own",
        )

    def _find(self, file: Predictions, label: Label, *, alone: bool) -> Source | None:
        """The column of a label's predictions in one file."""
        own = label.name if label.name in file.candidates else None
        copied = own is not None and file.equals(own, label)
        if own and not copied and not file.values(own) <= label.vocabulary:
            return own
        scores_first = label.binary and self._wanted != "classes"
        affixed = file.affixed(label.name, SCORED + CALLED if scores_first else CALLED + SCORED)
        called, scored = (file.named(each for each in names if each != own) for names in (CALLED, SCORED))
        by_class = self._by_class(file, label, own)
        # What is known by its name is a prediction even where a column with the label's name is not quite the truth.
        first: list[Source | None] = [affixed]
        then: list[Source | None] = []
        if alone and scores_first:
            first = [scored, affixed, by_class.get("1"), called]
        elif alone and label.binary:
            first = [called, affixed, by_class, scored]
        elif alone:
            first, then = [called, affixed], [by_class]
        if own and not copied:
            then = [own]
        for source in (*first, *then):
            if source:
                return source
        return (self._only_other(file, label, own) if alone else None) or own

    def _by_class(self, file: Predictions, label: Label, own: str | None) -> dict[str, str]:
        """A column of scores for each class; empty where some class has none."""
        wanted = {"0", "1"} if label.binary else label.vocabulary
        found = {each: each if each in file.candidates else file.affixed(each, SCORED + CALLED) for each in wanted}
        if len(wanted) < 2 or not all(found.values()):
            return {}
        complete = {each: str(column) for each, column in found.items()}
        if label.binary:
            return {each: complete[each] for each in "01"}
        # Classes that no case has were scored too.
        bare = any(each == column for each, column in complete.items())
        for column in file.numeric:
            of = split_affix(column)[1]
            if column not in (own, *complete.values()) and not is_known(column) and bare != bool(of):
                complete[of or column] = column
        return {each: complete[each] for each in sorted(complete)}

    def _only_other(self, file: Predictions, label: Label, own: str | None) -> str | None:
        """The one column that may hold predictions and is known by nothing else."""
        others = [name for name in file.candidates if name != own]
        may_be = [name for name in others if (name in file.numeric if label.binary else file.has_few(name, label))]
        differ = [name for name in may_be if name.lower() not in BOOKKEEPING and not file.equals(name, label)]
        others = (
            [name for name in differ if name.lower() not in TRUTHS]
            # Beside a copy of the labels only what is likely counts: a perfect model may have a column of notes.
            or (differ if own is None else [])
            or [name for name in others if name.lower() in SCORED][:1]
            or (_prefer(may_be or others, lambda name: name.lower() not in BOOKKEEPING) if own is None else [])
        )
        if not label.binary:
            others = _prefer(others, lambda name: bool(file.values(name) & label.vocabulary))
        if len(others) > 1:
            raise InputError(
                f"{file.table.path} has the columns {', '.join(others)}, and any of them may hold the predictions of "
                f"{label.name}",
                f"one of them called {label.name!r}, predicted (classes) or score",
                "rename the column of predictions, or remove the others",
            )
        return others[0] if others else None

    def _are_classes(self, chosen: Sequence[Label], sources: Sequence[dict[str, Source]]) -> bool:
        """Whether predictions are called classes, or scores."""
        hard = [
            all(isinstance(each, dict) or file.is_hard(each, self._labels[name]) for name, each in found.items())
            for file, found in zip(self._files, sources, strict=True)
        ]
        if len(chosen) == 1 and not chosen[0].binary:
            return any(hard)
        if len(chosen) == 1 and all(hard) and self._wanted != "scores":
            return True
        for file, each in zip(self._files, hard, strict=True):
            if each:
                self._notes.add(file.table, ["predictions that are 1 and 0 only were taken as scores"])
        return False

    def _describe(self, number: int, chosen: Sequence[Label], found: dict[str, Source]) -> None:
        """Note what was decided for one file."""
        file = self._files[number]
        used = [column for source in found.values() for column in _columns_of(source)]
        rest = [column for column in file.candidates if column not in used]
        copies = [label.name for label in chosen if label.name in rest and file.equals(label.name, label)]
        aside = [column for column in rest if column not in copies]
        taken = f"predictions are {', '.join(map(repr, used))}"
        notes = [*file.table.notes]
        if copies:
            notes.append(f"{', '.join(map(repr, copies))} {_holds(copies)} the labels themselves; {taken}")
        if aside:
            notes.append(f"columns left aside: {', '.join(aside)}; {taken}")
        for source in found.values():
            if isinstance(source, dict):
                notes.append(f"the class with the highest score (of {', '.join(source)}) was taken as the one called")
        perfect = [
            label.name
            for label, source in zip(chosen, found.values(), strict=True)
            if isinstance(source, str) and file.equals(source, label)
        ]
        if perfect:
            notes.append(f"every prediction of {', '.join(perfect)} equals its label")
        self._notes.add(file.table, notes)

    def _labels_aside(self, chosen: Sequence[Label], sources: Sequence[dict[str, Source]]) -> list[str]:
        used = {label.column for label in chosen}
        for own, found in zip(self._own, sources, strict=True):
            used |= {column for source in found.values() if own for column in _columns_of(source)}
        others = [name for name in self._columns.others(self._table.frame) if not name.startswith(SCORE)]
        return [name for name in others if name not in used]


def _label_columns(labels: Table, columns: Columns) -> dict[str, str]:
    """Labels that a table may hold and their columns; those named as predictions only where there are no others."""
    frame = labels.frame
    prefixed = {name.removeprefix(TARGET): name for name in frame.columns if name.startswith(TARGET)}
    others = [name for name in columns.others(frame) if not name.startswith(SCORE)]
    plain = _prefer(
        others, lambda name: name.lower() not in (*CALLED, *SCORED) and split_affix(name)[1] not in {*others}
    )
    if not prefixed and not plain:
        raise InputError(
            f"{labels.path} has the columns {labels.list_columns()}",
            f"a column of labels beside {columns.id}",
            "add it",
        )
    return prefixed or {name: name for name in plain}


def _prefer(items: Sequence[T], fits: Callable[[T], bool]) -> list[T]:
    """Those that fit, or all where none does."""
    return [each for each in items if fits(each)] or list(items)


def _columns_of(source: Source) -> list[str]:
    return [source] if isinstance(source, str) else list(source.values())


def _holds(names: Sequence[str]) -> str:
    return "holds" if len(names) == 1 else "hold"
