"""Jobs of classification: fine-tuning or probing some repeats of one cell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from evalkit.config.loading import Study
from evalkit.records import RunRecord
from evalkit.settings import read_setting
from evalkit.training.session import Session
from tasks.classification.plans import Material, load_material, plan_run
from tasks.classification.runs import Learner, do_run
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
        material = load_material(study, evaluation, setting, backbone)
        learner = _choose_learner(material)
        return lambda repeat: do_run(plan_run(material, repeat, session), learner, retry_failed=retry_failed)

    study.classification(evaluation)  # names the right command where the task is another
    return do_repeats(study, evaluation, setting, backbone, repeats, prepare, record=record, attempt=attempt)


def _choose_learner(material: Material) -> Learner:
    if read_setting(material.setting).regime == "probe":
        # Imported here: scikit-learn takes a second, which fine-tuning has no use for.
        from tasks.classification.probing import load_probing

        return load_probing(material)
    from tasks.classification.finetuning import Finetuning

    return Finetuning()
