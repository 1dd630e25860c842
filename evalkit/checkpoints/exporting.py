"""A study's backbone in the layout of FAIR MoCo: ``python -m evalkit.checkpoints.exporting --study S --backbone B``."""

from __future__ import annotations

import argparse

from evalkit.checkpoints.writing import load_canonical, write_moco_layout
from evalkit.commands import add_study_argument, run_command
from evalkit.config import load_study


def main() -> None:
    """Read the canonical weights of a backbone and write them to the study's exports."""
    parser = argparse.ArgumentParser(prog="python -m evalkit.checkpoints.exporting", description=__doc__)
    add_study_argument(parser)
    parser.add_argument("--backbone", required=True, help="an entry of the study, with canonical weights")
    arguments = parser.parse_args()
    study = load_study(arguments.study)
    tensors, _ = load_canonical(study.layout.weights(arguments.backbone))
    path = study.layout.export(arguments.backbone)
    write_moco_layout(path, tensors, arch=study.backbone(arguments.backbone).arch)
    print(path)


if __name__ == "__main__":
    run_command(main)
