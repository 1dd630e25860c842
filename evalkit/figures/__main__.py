"""Compute what a figure shows: ``python -m evalkit.figures --study S --figure NAME``."""

from __future__ import annotations

import argparse

from evalkit.commands import add_study_argument, run_command
from evalkit.config.loading import load_study
from evalkit.figures.making import write_figure


def main() -> None:
    """Write a figure's rows (csv) and the facts for its drawing (json) to the study's reports."""
    parser = argparse.ArgumentParser(prog="python -m evalkit.figures", description="Compute what a figure shows.")
    add_study_argument(parser)
    parser.add_argument("--figure", required=True, help="a figure of the study")
    arguments = parser.parse_args()
    print(write_figure(load_study(arguments.study), arguments.figure))


if __name__ == "__main__":
    run_command(main)
