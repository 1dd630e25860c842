"""Jobs: some repeats of one cell, done one after the other in this process. Every task's command is made of this."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from evalkit.atomic import write_json
from evalkit.config.loading import Study
from evalkit.errors import InputError
from evalkit.plan import count_repeats
from evalkit.records import RunRecord
from evalkit.training.session import Session, training_session


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
