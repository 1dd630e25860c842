"""Fine-tune and predict: ``python -m tasks.classification run --study S --evaluation E --setting X --backbone B``."""

from __future__ import annotations

import argparse
from pathlib import Path

from evalkit.commands import add_study_argument, run_command
from evalkit.config.loading import load_study
from evalkit.plan import parse_span
from evalkit.training.environment import prepare_environment


def main() -> None:
    """Do the runs that the arguments name, those that are not done yet."""
    parser = argparse.ArgumentParser(prog="python -m tasks.classification", description="Fine-tune and predict.")
    run = parser.add_subparsers(required=True, metavar="run").add_parser("run", help="do some repeats of one cell")
    add_study_argument(run)
    run.add_argument("--evaluation", required=True, help="an evaluation of the study")
    run.add_argument("--setting", required=True, help="a setting of it, such as regime=finetune,fraction=0.1")
    run.add_argument("--backbone", required=True, help="a backbone of the study")
    run.add_argument("--repeat", required=True, help="a repeat, such as 0, or a span, such as 0-9")
    run.add_argument("--retry-failed", action="store_true", help="do runs again that diverged or ran out of memory")
    run.add_argument("--record", type=Path, help="write the job's record here when all repeats are done")
    run.add_argument("--attempt", type=int, default=0, help="a number for the job's record")
    arguments = parser.parse_args()
    study = load_study(arguments.study)
    repeats = parse_span(arguments.repeat)
    prepare_environment(study.file.threads)
    # Imports torch, which reads the environment once.
    from tasks.classification.multilabel import run_job

    run_job(
        study,
        arguments.evaluation,
        arguments.setting,
        arguments.backbone,
        repeats,
        retry_failed=arguments.retry_failed,
        record=arguments.record,
        attempt=arguments.attempt,
    )


if __name__ == "__main__":
    run_command(main)
