"""Balance the classes of an evaluation: ``python -m evalkit.balancing --study S --evaluation E``."""

from __future__ import annotations

import argparse
import sys
import time

from evalkit.balancing.making import balance
from evalkit.commands import add_study_argument, run_command
from evalkit.config import load_study


def main() -> None:
    """Write an evaluation's training images with the copies that balance its classes to the study's results."""
    parser = argparse.ArgumentParser(
        prog="python -m evalkit.balancing", description="Copy training images, turned and zoomed, to balance classes."
    )
    add_study_argument(parser)
    parser.add_argument("--evaluation", required=True, help="an evaluation with trainset 'balanced', its splits made")
    parser.add_argument("--workers", type=int, help="processes; by default as many as there are cores")
    arguments = parser.parse_args()
    study = load_study(arguments.study)
    started = time.monotonic()
    packed = balance(study, arguments.evaluation, workers=arguments.workers)
    copies = int((packed.index["source"] != packed.index["image_id"]).sum())
    seconds = time.monotonic() - started
    print(
        f"{study.layout.balanced(arguments.evaluation)}: {len(packed.index):,} images, {copies:,} of them copies, "
        f"in {seconds:.1f} s",
        file=sys.stderr,
    )


if __name__ == "__main__":
    run_command(main)
