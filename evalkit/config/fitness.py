"""Whether the backbones that a table or figure shows can do its evaluation's task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from evalkit.config.backbones import BackboneEntry
from evalkit.config.detection import Detection
from evalkit.config.detector import BOTTLENECKS, TRUNKS
from evalkit.config.study import StudyFile


def find_unfit(file: StudyFile, entries: Mapping[str, BackboneEntry]) -> list[str]:
    """Say which backbones cannot do what they are shown in.

    Parameters
    ----------
    file : StudyFile
    entries : mapping of str to BackboneEntry
        Those of the study's backbones that exist.

    Returns
    -------
    list of str
        Mistakes, each once.
    """
    mistakes: list[str] = []
    for section in ("tables", "figures"):
        for name, item in getattr(file, section).items():
            evaluation = file.evaluations.get(getattr(item, "evaluation", ""))
            shown = getattr(item, "backbones", None) or file.backbones
            if isinstance(evaluation, Detection):
                for key in shown:
                    if key in entries:
                        mistakes += _check_detector(f"{section}.{name}", key, entries[key], evaluation)
    return list(dict.fromkeys(mistakes))


def _check_detector(place: str, key: str, entry: BackboneEntry, evaluation: Detection) -> Iterator[str]:
    """A detector has a ResNet for its trunk; what is frozen must have been trained before."""
    instead = f"list the backbones to show under {place}.backbones"
    if entry.arch not in TRUNKS:
        yield (
            f"{place} shows the backbone {key!r}, a {entry.arch}, which cannot carry a detector (valid: "
            f"{', '.join(TRUNKS)}); {instead}"
        )
    elif evaluation.engine == "detectron2" and entry.arch not in BOTTLENECKS:
        yield f"{place} shows the backbone {key!r}, a {entry.arch}, which engine detectron2 does not have; {instead}"
    if evaluation.way == "detectron2" and entry.is_scratch:
        yield (
            f"{place} shows the backbone {key!r}, which has no weights, and protocol detectron2 freezes normalisation "
            f"and the first layers as they are; use protocol moco, or {instead}"
        )
