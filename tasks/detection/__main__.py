"""Train a detector and predict: ``python -m tasks.detection run --study S --evaluation E --setting X ...``."""

from __future__ import annotations

import argparse

from evalkit.commands import run_command
from evalkit.config.loading import load_study
from evalkit.training.environment import prepare_environment
from tasks.arguments import add_run_arguments, read_job


def main() -> None:
    """Do what the arguments name, as far as it is not done yet."""
    parser = argparse.ArgumentParser(prog="python -m tasks.detection", description="Train a detector and predict.")
    commands = parser.add_subparsers(required=True, metavar="run")
    add_run_arguments(commands.add_parser("run", help="do some repeats of one cell"))
    arguments = parser.parse_args()
    study = load_study(arguments.study)
    prepare_environment(study.file.threads)
    # Imports torch, which reads the environment once.
    from tasks.detection.jobs import run_job

    run_job(study, **read_job(arguments))


if __name__ == "__main__":
    run_command(main)
