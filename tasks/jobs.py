"""Jobs: some repeats of one cell, done one after the other in this process. Every task's command is made of this."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from evalkit.atomic import write_json
from evalkit.commands import add_study_argument
from evalkit.config.loading import Study
from evalkit.errors import InputError
from evalkit.plan import count_repeats
from evalkit.records import RunRecord
from evalkit.training.session import Session, training_session


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that name a job."""
    add_study_argument(parser)
    parser.add_argument("--evaluation", required=True, help="an evaluation of the study")
    parser.add_argument("--setting", required=True, help="a setting of it, such as regime=finetune,fraction=0.1")
    parser.add_argument("--backbone", required=True, help="a backbone of the study")
    parser.add_argument("--repeat", required=True, help="a repeat, such as 0, or a span, such as 0-9")
    parser.add_argument("--retry-failed", action="store_true", help="do runs again that diverged or ran out of memory")
    add_record_arguments(parser)


def add_record_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that say where a job's record goes."""
    parser.add_argument("--record", type=Path, help="write the job's record here when all is done")
    parser.add_argument("--attempt", type=int, default=0, help="a number for the job's record")


def do_repeats(
    study: Study,
    evaluation: str,
    setting: str,
    backbone: str,
    repeats: Sequence[int],
    prepare: Callable[[Session], Callable[[int], RunRecord]],
    *,
    record: Path | None = None,
    attempt: int = 0,
) -> list[RunRecord]:
    """Do some repeats of a cell in this process.

    Parameters
    ----------
    study : Study
    evaluation, setting, backbone : str
        The cell.
    repeats : sequence of int
        Which repeats.
    prepare : callable
        Given the session, loads what the repeats share and returns what does one of them, unless it is done already.
    record : pathlib.Path, optional
        Where to write the job's record when all repeats are done.
    attempt : int
        Written into the job's record.

    Returns
    -------
    list of RunRecord
        One for each repeat.

    Raises
    ------
    InputError
        The cell is not in the study, or something that the runs need has not been made.
    """
    _check_cell(study, evaluation, setting, repeats)
    with training_session(study) as session:
        do = prepare(session)
        records = [do(each) for each in repeats]
        if record is not None and session.ranks.is_first:
            runs = [
                {"repeat": each["run"]["repeat"], **{key: each[key] for key in ("key", "outcome", "outputs")}}
                for each in records
            ]
            cell = {"evaluation": evaluation, "setting": setting, "backbone": backbone}
            write_json(record, {**cell, "attempt": attempt, "runs": runs})
    return records


def _check_cell(study: Study, evaluation: str, setting: str, repeats: Sequence[int]) -> None:
    entry = study.evaluation(evaluation)
    settings = entry.list_settings()
    if setting not in settings:
        raise InputError(
            f"the evaluation {evaluation!r} has no setting {setting!r}", f"one of {', '.join(settings)}", "correct it"
        )
    count = count_repeats(entry, setting)
    if max(repeats) >= count:
        raise InputError(
            f"repeat {max(repeats)} of {evaluation}, {setting}",
            f"repeats from 0 to {count - 1}",
            "correct the argument, or raise 'repeats' (or, where nothing is drawn, 'seeds') in the study",
        )
