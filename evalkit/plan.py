"""What a study has to run: the runs, and the jobs that do several of them in one process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from evalkit.config.design import Design
from evalkit.config.loading import Study
from evalkit.errors import InputError
from evalkit.settings import read_setting


class Run(NamedTuple):
    """One fine-tuned network."""

    evaluation: str
    setting: str
    backbone: str
    repeat: int


class Job(NamedTuple):
    """Consecutive repeats of one cell, done in one process."""

    evaluation: str
    setting: str
    backbone: str
    repeats: range

    @property
    def span(self) -> str:
        """The repeats as they are spelled in file names and arguments: ``0-9``."""
        return f"{self.repeats[0]}-{self.repeats[-1]}"


def parse_span(text: str) -> range:
    """Read ``0-9`` or ``3`` as a range of repeats.

    Raises
    ------
    InputError
        The text is neither a number nor two with a dash between, in order.
    """
    first, _, last = text.partition("-")
    if first.isdigit() and (last or first).isdigit() and int(first) <= int(last or first):
        return range(int(first), int(last or first) + 1)
    raise InputError(f"the repeats are {text!r}", "a number such as 0, or a span such as 0-9", "correct the argument")


def count_repeats(evaluation: Design, setting: str) -> int:
    """How many runs a cell has: draws of a fraction below 1, seeds where there is nothing to draw.

    A probe has nothing that a seed would change, so it is run once where nothing is drawn.
    """
    regime, fraction, _ = read_setting(setting)
    if fraction < 1:
        return evaluation.repeats
    return 1 if regime == "probe" else evaluation.seeds


def list_jobs(study: Study, evaluation: str, *, backbones: list[str] | None = None) -> Iterator[Job]:
    """Every job of an evaluation, for all backbones that it can be run for or the ones given."""
    entry = study.evaluation(evaluation)
    for setting in entry.list_settings():
        repeats = range(count_repeats(entry, setting))
        for backbone in backbones if backbones is not None else study.rows(evaluation):
            for first in range(0, len(repeats), entry.repeats_per_job):
                yield Job(evaluation, setting, backbone, repeats[first : first + entry.repeats_per_job])


def list_runs(study: Study, evaluation: str) -> Iterator[Run]:
    """Every run of an evaluation."""
    for job in list_jobs(study, evaluation):
        for repeat in job.repeats:
            yield Run(job.evaluation, job.setting, job.backbone, repeat)
