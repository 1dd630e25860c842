"""Make a table of counts: ``python -m evalkit.counting --study S --table T``."""

from __future__ import annotations

import argparse

from evalkit.commands import add_study_argument, run_command
from evalkit.config import load_study
from evalkit.counting.tables import write_count_table


def main() -> None:
    """Write the rows (csv) and the facts for their renderings (json) to the study's reports."""
    parser = argparse.ArgumentParser(prog="python -m evalkit.counting", description="Count images and patients.")
    add_study_argument(parser)
    parser.add_argument("--table", required=True, help="a table of counts of the study")
    arguments = parser.parse_args()
    print(write_count_table(load_study(arguments.study), arguments.table))


if __name__ == "__main__":
    run_command(main)
