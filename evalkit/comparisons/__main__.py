"""Make a table's rows: ``python -m evalkit.comparisons --study S --table T [--partial]``."""

from __future__ import annotations

import argparse

from evalkit.commands import add_study_argument, run_command
from evalkit.comparisons.tables import write_table
from evalkit.config import load_study


def main() -> None:
    """Write the rows (csv) and the facts for their renderings (json) to the study's reports."""
    parser = argparse.ArgumentParser(prog="python -m evalkit.comparisons", description="Make a table's rows.")
    add_study_argument(parser)
    parser.add_argument("--table", required=True, help="a table of the study")
    parser.add_argument("--partial", action="store_true", help="use the runs there are and say what is missing")
    arguments = parser.parse_args()
    print(write_table(load_study(arguments.study), arguments.table, partial=arguments.partial))


if __name__ == "__main__":
    run_command(main)
