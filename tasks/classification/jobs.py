"""Jobs: some repeats of one cell, done one after the other in this process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evalkit.atomic import write_json
from evalkit.config.loading import Study
from evalkit.errors import InputError
from evalkit.plan import count_repeats
from evalkit.records import RunRecord
from evalkit.settings import read_setting
from evalkit.training.session import training_session
from tasks.classification.plans import Material, load_material, plan_run
from tasks.classification.runs import Learner, do_run


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

    Parameters
    ----------
    study : Study
    evaluation, setting, backbone : str
        The cell.
    repeats : sequence of int
        Which repeats.
    retry_failed : bool
        Do runs again that diverged or ran out of memory with the same key.
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
        material = load_material(study, evaluation, setting, backbone)
        learner = _choose_learner(material)
        records = [do_run(plan_run(material, each, session), learner, retry_failed=retry_failed) for each in repeats]
        if record is not None and session.ranks.is_first:
            write_json(record, _summarise(material, records, attempt))
    return records


def _choose_learner(material: Material) -> Learner:
    if read_setting(material.setting).regime == "probe":
        # Imported here: scikit-learn takes a second, which fine-tuning has no use for.
        from tasks.classification.probing import load_probing

        return load_probing(material)
    from tasks.classification.finetuning import Finetuning

    return Finetuning()


def _check_cell(study: Study, evaluation: str, setting: str, repeats: Sequence[int]) -> None:
    entry = study.classification(evaluation)
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


def _summarise(material: Material, records: list[RunRecord], attempt: int) -> dict[str, Any]:
    return {
        "evaluation": material.evaluation,
        "setting": material.setting,
        "backbone": material.backbone,
        "attempt": attempt,
        "runs": [
            {
                "repeat": record["run"]["repeat"],
                "key": record["key"],
                "outcome": record["outcome"],
                "outputs": record["outputs"],
            }
            for record in records
        ],
    }
