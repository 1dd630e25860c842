"""Fine-tune or probe, and predict: ``python -m tasks.classification run --study S --evaluation E --setting X ...``.

Probes read features, which ``python -m tasks.classification features --study S --dataset D --backbone B`` makes.
"""

from __future__ import annotations

import argparse

from evalkit.atomic import write_json
from evalkit.commands import add_study_argument, run_command
from evalkit.config.loading import Study, load_study
from evalkit.training.environment import prepare_environment
from tasks.arguments import add_record_arguments, add_run_arguments, read_job


def main() -> None:
    """Do what the arguments name, as far as it is not done yet."""
    parser = argparse.ArgumentParser(prog="python -m tasks.classification", description="Train and predict.")
    commands = parser.add_subparsers(required=True, metavar="run|features")
    run = commands.add_parser("run", help="do some repeats of one cell")
    add_run_arguments(run)
    run.set_defaults(do=_run)
    features = commands.add_parser("features", help="compute a frozen backbone's features of a data set")
    add_study_argument(features)
    features.add_argument("--dataset", required=True, help="a data set of the study")
    features.add_argument("--backbone", required=True, help="a backbone of the study")
    add_record_arguments(features)
    features.set_defaults(do=_make_features)
    arguments = parser.parse_args()
    study = load_study(arguments.study)
    prepare_environment(study.file.threads)
    arguments.do(study, arguments)


def _run(study: Study, arguments: argparse.Namespace) -> None:
    # Imports torch, which reads the environment once.
    from tasks.classification.jobs import run_job

    run_job(study, **read_job(arguments))


def _make_features(study: Study, arguments: argparse.Namespace) -> None:
    from evalkit.training.features import make_features

    study.dataset(arguments.dataset)
    path = make_features(study, arguments.dataset, arguments.backbone)
    if arguments.record is not None:
        write_json(arguments.record, {"attempt": arguments.attempt, "features": path.name})


if __name__ == "__main__":
    run_command(main)
