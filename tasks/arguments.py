"""The arguments of every task's command. Nothing here imports torch, which reads the environment once."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from evalkit.commands import add_study_argument
from evalkit.plan import parse_span


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


def read_job(arguments: argparse.Namespace) -> dict[str, Any]:
    """What `add_run_arguments` found, as the arguments of a task's ``run_job`` after the study."""
    kept = ("evaluation", "setting", "backbone", "retry_failed", "record", "attempt")
    return {name: getattr(arguments, name) for name in kept} | {"repeats": parse_span(arguments.repeat)}
