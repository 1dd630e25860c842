"""Invert images, or make the generator for it: ``python -m tasks.inversion run|generator --study S --evaluation E``."""

from __future__ import annotations

import argparse

from evalkit.commands import add_study_argument, run_command
from evalkit.config.loading import load_study
from evalkit.training.environment import prepare_environment
from tasks.arguments import add_record_arguments, add_run_arguments, read_job


def main() -> None:
    """Do what the arguments name, as far as it is not done yet."""
    parser = argparse.ArgumentParser(prog="python -m tasks.inversion", description="Invert images with a generator.")
    commands = parser.add_subparsers(required=True, dest="command", metavar="run|generator")
    add_run_arguments(commands.add_parser("run", help="do some repeats of one cell"))
    generator = commands.add_parser("generator", help="train or read an evaluation's generator")
    add_study_argument(generator)
    generator.add_argument("--evaluation", required=True, help="an evaluation of the study")
    add_record_arguments(generator)
    arguments = parser.parse_args()
    study = load_study(arguments.study)
    prepare_environment(study.file.threads)
    # These import torch, which reads the environment once.
    if arguments.command == "generator":
        from tasks.inversion.generators import make_generator

        make_generator(study, arguments.evaluation, record=arguments.record, attempt=arguments.attempt)
        return
    from tasks.inversion.jobs import run_job

    run_job(study, **read_job(arguments))


if __name__ == "__main__":
    run_command(main)
