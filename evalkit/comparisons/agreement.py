"""Whether the runs of a table belong together: made by the study as it stands, and alike but for the backbone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

from evalkit.comparisons.kinds import KINDS
from evalkit.comparisons.runs import FoundRun, Selection
from evalkit.config.loading import Study
from evalkit.errors import InputError

#: What all runs of a setting must have in common, by its name in a record; with the cases they were tested on.
_COMMON = ("labels", "recipe", "code", "device", "precision", "threads", "processes")

#: What runs of one repeat must have in common besides: all backbones learn from the same images.
_LEARNT_FROM = [("data", role, "sha256") for role in ("train", "validation")]


def require_agreement(
    study: Study, selection: Selection, found: Sequence[FoundRun], labels: Sequence[str], *, partial: bool
) -> list[FoundRun]:
    """Refuse runs that do not belong together; their differences would be taken for those of the backbones.

    Parameters
    ----------
    study : Study
    selection : Selection
    found : sequence of FoundRun
        Its runs, by setting.
    labels : sequence of str
        The classes that the evaluation predicts now.
    partial : bool
        Take runs whose labels, recipe or steps are no longer the study's for missing, instead of refusing them.

    Returns
    -------
    list of FoundRun
        The same runs; with `partial`, those that are out of date without their record.

    Raises
    ------
    InputError
        Runs are out of date (unless `partial`), or two runs of a setting were not made alike.
    """
    remedy = (
        f"run the study again: snakemake --cores 8 --config study={study.source} -- reports/{selection.report}; "
        "where the runs come from different machines, make all of them on one"
    )
    kind = KINDS[study.evaluation(selection.evaluation).task]
    checked = []
    for each in found:
        asked = kind.ask_of(study, each, labels) if each.record else ()
        told = (_tell(place[-1], _at(each.record, *place), value) for place, value in asked)
        difference = next(filter(None, told), "")
        if difference and not partial:
            raise InputError(
                f"{study.layout.run(*each.run)} was not made by the study as it is now: {difference} (run, study)",
                "runs made with the study's labels, recipe and steps",
                f"{remedy}; evalkit tables {study.source} --partial shows the others",
            )
        checked.append(replace(each, record={}, out_of_date=True) if difference else each)
    tested = ("test",) if selection.test_on is None else ("test_on", selection.test_on)
    places: list[tuple[str, ...]] = [*((name,) for name in _COMMON), *kind.alike, ("data", *tested, "sha256")]
    made = [each for each in checked if each.record]
    for _, of_setting in groupby(made, key=lambda each: each.run.setting):
        runs = list(of_setting)
        _require_alike(study, runs, places, remedy)
        for repeat in {each.run.repeat for each in runs}:
            _require_alike(study, [each for each in runs if each.run.repeat == repeat], _LEARNT_FROM, remedy)
    return checked


def _require_alike(study: Study, runs: Sequence[FoundRun], places: Sequence[tuple[str, ...]], remedy: str) -> None:
    """Refuse runs whose records differ at some place."""
    first, *others = runs
    for other in others:
        for place in places:
            difference = _tell(".".join(place), _at(first.record, *place), _at(other.record, *place))
            if difference:
                raise InputError(
                    f"{study.layout.run(*first.run)} and {study.layout.run(*other.run)} were not made alike: "
                    f"{difference}",
                    "runs that differ in nothing but backbone and repeat",
                    remedy,
                )


def _at(record: Mapping[str, Any], *place: str) -> Any:
    value: Any = record
    for key in place:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _tell(place: str, first: Any, second: Any) -> str:
    """Say how two values differ, down to the key; empty where they are equal."""
    if first == second:
        return ""
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        key = next(
            key for key in (*first, *second) if key not in first or key not in second or first[key] != second[key]
        )
        return _tell(f"{place}.{key}", first.get(key), second.get(key))
    return f"{place} {first!r} and {second!r}"
