"""Draw a figure: ``python -m reports.figures FILE.csv`` writes .pdf and .png beside it."""

from __future__ import annotations

import argparse
from pathlib import Path

from evalkit.commands import run_command
from reports.figures.drawing import draw_figure


def main() -> None:
    """Draw the file named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m reports.figures", description="Draw a figure.")
    parser.add_argument("rows", type=Path, help="the figure's rows (csv); its facts are in the .json beside it")
    for path in draw_figure(parser.parse_args().rows):
        print(path)


if __name__ == "__main__":
    run_command(main)
