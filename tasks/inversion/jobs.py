"""Jobs of inversion: some repeats of one cell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from evalkit.config.loading import Study
from evalkit.records import RunRecord
from evalkit.training.session import Session
from tasks.inversion.plans import load_material, plan_run
from tasks.inversion.runs import do_run
from tasks.jobs import do_repeats


def run_job(
    study: Study,
    evaluation: str,
    setting: str,
    backbone: str,
    repeats: Sequence[int],
    *,
    retry_failed: bool = False,
    record: Path | None = None,
    attempt: int = 0,
) -> list[RunRecord]:
    """Do some repeats of a cell in this process, those that are not done yet.

    With `retry_failed`, runs are done again that diverged or ran out of memory with the same key. The other
    parameters, results and errors are those of `tasks.jobs.do_repeats`.
    """

    def prepare(session: Session) -> Callable[[int], RunRecord]:
        material, session = load_material(study, evaluation, setting, backbone), search_session(study, session)
        return lambda repeat: do_run(plan_run(material, repeat, session), retry_failed=retry_failed)

    study.inversion(evaluation)  # names the right command where the task is another
    return do_repeats(study, evaluation, setting, backbone, repeats, prepare, record=record, attempt=attempt)


def search_session(study: Study, session: Session) -> Session:
    """A session for a search, which has 16 bits only where the study asks for them.

    A generator's styles lose digits there, and backbones differ by little.
    """
    if study.file.precision != "auto":
        return session
    return replace(session, hardware=replace(session.hardware, precision="fp32"))
