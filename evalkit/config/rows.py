"""Which backbones can be rows of which tables: inversions have rows that no other task has, and lack others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from evalkit.config.backbones import BackboneEntry
from evalkit.config.detection import Detection
from evalkit.config.detector import BOTTLENECKS, TRUNKS
from evalkit.config.inversion import Inversion
from evalkit.config.study import StudyFile
from evalkit.config.tables import GeneratorFigure
from evalkit.config.unlisted import list_identities


def suits(entry: BackboneEntry, task: str) -> bool:
    """Say whether an evaluation of a task can be run for a backbone.

    Inversions need weights, or an entry that says to be a control; other tasks have no controls. Detectors have a
    ResNet for their trunk.
    """
    if task == "inversion":
        return not entry.is_scratch or entry.control is not None
    return not entry.is_for_inversions and (task != "detection" or entry.arch in TRUNKS)


def find_asked(file: StudyFile, evaluation: str) -> set[str] | None:
    """Name the rows that tables and figures show of an evaluation; None where one of them shows all there are."""
    chosen = [rows for _, name, rows in _shown(file) if name == evaluation]
    return {row for rows in chosen for row in rows or ()} if chosen and all(chosen) else None


def find_misplaced(file: StudyFile, entries: Mapping[str, BackboneEntry]) -> Iterator[str]:
    """Say which tables and figures show backbones that their evaluation cannot be run for.

    Parameters
    ----------
    file : StudyFile
    entries : mapping of str to BackboneEntry
        Those of the study's backbones that exist.
    """
    for place, evaluation, chosen in _shown(file):
        task = file.evaluations[evaluation].task
        names = [name for name in chosen or file.backbones if name in entries]
        entry = file.evaluations[evaluation]
        if isinstance(entry, Detection):
            for name in names:
                yield from _check_detector(place, name, entries[name], entry)
            continue
        wrong = [name for name in names if not suits(entries[name], task)]
        if wrong and task == "inversion":
            yield (
                f"{place} shows {', '.join(wrong)} without weights, which an inversion cannot look through; leave out "
                "such a row, or give its entry 'control: random' to show what a random network gives"
            )
        elif wrong:
            yield (
                f"{place} shows {', '.join(wrong)}, which can only be in tables and figures of inversions; name others "
                f"under {place}.backbones"
            )
        blind = [name for name in names if entries[name].control == "pixel-only"]
        if blind and isinstance(entry, Inversion) and not entry.projection.pixel_weight:
            yield (
                f"{place} shows {blind[0]}, which looks at pixels only, and evaluations.{evaluation}.projection."
                "pixel_weight is 0"
            )


def find_involved(
    file: StudyFile, entries: Mapping[str, BackboneEntry], lineage: Callable[[str], Sequence[str]]
) -> Iterator[str]:
    """Say where identity would be measured by what cannot measure it, or by what had a part in a reconstruction.

    Parameters
    ----------
    file : StudyFile
    entries : mapping of str to BackboneEntry
        Those that the study lists or needs, and that exist.
    lineage : callable
        Names a backbone and those it was made from.
    """
    for name, key in list_identities(file):
        place = f"evaluations.{name}.identity"
        if entries[key].is_scratch or entries[key].is_for_inversions:
            yield f"{place} names {key!r}, {_describe_unfit(entries[key])}; name a backbone with weights"
            continue
        shown: dict[str, list[str]] = {}
        for where, evaluation, chosen in _shown(file):
            for row in chosen or file.backbones:
                if evaluation == name and row in entries and suits(entries[row], "inversion"):
                    shown.setdefault(row, []).append(where)
        for row, places in shown.items():
            part = _describe_part(key, row, entries, lineage)
            if part:
                listed = " and ".join(f"{where}.backbones" for where in places)
                yield (
                    f"{place} names {key!r}, {part}, a row of {' and '.join(places)}; expected a backbone that had no "
                    f"part in any reconstruction: name another, or list rows without {row!r} under {listed}"
                )


def _describe_unfit(entry: BackboneEntry) -> str:
    if entry.is_vgg16:
        return "which is VGG-16, of whose file only convolutions are read"
    return f"which is the control {entry.control!r}" if entry.control else "which has no weights"


def _describe_part(
    key: str, row: str, entries: Mapping[str, BackboneEntry], lineage: Callable[[str], Sequence[str]]
) -> str:
    """What a backbone has to do with a row; empty if nothing."""

    def mark(names: Sequence[str]) -> set[str]:
        return {each for name in names for each in _marks(name, entries[name])}

    if key == row:
        return "which is itself"
    if mark([key]) & mark([row]):
        return f"which has the weights of {row!r}"
    if mark([key]) & mark(lineage(row)):
        return f"from which {row!r} was made"
    return f"which was made from {row!r}" if mark(lineage(key)) & mark([row]) else ""


def _marks(name: str, entry: BackboneEntry) -> set[str]:
    """What tells that two entries have the same weights: the entry itself, its file, or its tag of timm."""
    tag = f"{entry.arch}.{entry.timm}" if entry.timm else None
    return {each for each in (name, entry.path, entry.url, entry.sha256, tag) if each}


def _check_detector(place: str, key: str, entry: BackboneEntry, evaluation: Detection) -> Iterator[str]:
    """A detector has a ResNet for its trunk; what is frozen must have been trained before."""
    instead = f"list the backbones to show under {place}.backbones"
    if not suits(entry, evaluation.task):
        yield (
            f"{place} shows the backbone {key!r}, a {entry.arch or 'control'}, which cannot carry a detector (valid: "
            f"{', '.join(TRUNKS)}); {instead}"
        )
    elif evaluation.engine == "detectron2" and entry.arch not in BOTTLENECKS:
        yield f"{place} shows the backbone {key!r}, a {entry.arch}, which engine detectron2 does not have; {instead}"
    elif evaluation.way == "detectron2" and entry.is_scratch:
        yield (
            f"{place} shows the backbone {key!r}, which has no weights, and protocol detectron2 freezes normalisation "
            f"and the first layers as they are; use protocol moco, or {instead}"
        )


def _shown(file: StudyFile) -> Iterator[tuple[str, str, Sequence[str] | None]]:
    """Every table and figure of runs: its place, its evaluation, and its rows where it names any."""
    for name, table in file.tables.items():
        yield f"tables.{name}", table.evaluation, table.backbones
    for name, figure in file.figures.items():
        evaluation = getattr(figure, "evaluation", None)
        if evaluation is not None and not isinstance(figure, GeneratorFigure):
            yield f"figures.{name}", evaluation, getattr(figure, "backbones", None)
