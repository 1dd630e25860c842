"""``python -m evalkit.checkpoints --study S --backbone B``: a study's backbone into canonical weights."""

from __future__ import annotations

import argparse

from evalkit.checkpoints.report import render
from evalkit.checkpoints.sources import make_canonical
from evalkit.checkpoints.writing import save_canonical
from evalkit.commands import add_study_argument, run_command
from evalkit.config import load_study


def main() -> None:
    """Read the arguments, write ``<backbone>.safetensors`` and its load report, and print the report."""
    parser = argparse.ArgumentParser(prog="python -m evalkit.checkpoints", description=__doc__)
    add_study_argument(parser)
    parser.add_argument("--backbone", required=True, help="an entry of the study")
    arguments = parser.parse_args()
    study = load_study(arguments.study)
    tensors, report = make_canonical(study.backbone(arguments.backbone), path=study.checkpoint_path(arguments.backbone))
    save_canonical(study.layout.weights(arguments.backbone), tensors, report)
    print(render(report))


if __name__ == "__main__":
    run_command(main)
