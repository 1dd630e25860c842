"""Make a backbone's weights: ``python -m evalkit.pretraining --study S --backbone B``."""

from __future__ import annotations

import argparse

from evalkit.commands import add_study_argument, run_command
from evalkit.config.loading import load_study
from evalkit.config.pretraining import Contrastive
from evalkit.training.environment import prepare_environment


def main() -> None:
    """Pretrain the backbone that the arguments name, unless it is done."""
    parser = argparse.ArgumentParser(prog="python -m evalkit.pretraining", description="Make a backbone's weights.")
    add_study_argument(parser)
    parser.add_argument("--backbone", required=True, help="a backbone of the study with 'pretrain'")
    arguments = parser.parse_args()
    study = load_study(arguments.study)
    prepare_environment(study.file.threads)
    # These import torch, which reads the environment once.
    if isinstance(study.backbone(arguments.backbone).pretrain, Contrastive):
        from evalkit.pretraining.contrastive import pretrain
    else:
        from evalkit.pretraining.supervised import pretrain

    pretrain(study, arguments.backbone)


if __name__ == "__main__":
    run_command(main)
