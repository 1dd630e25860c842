"""Make a backbone's weights: ``python -m evalkit.pretraining --study S --backbone B``."""

from __future__ import annotations

import argparse
from pathlib import Path

from evalkit.atomic import write_json
from evalkit.commands import add_study_argument, run_command
from evalkit.config.loading import load_study
from evalkit.config.pretraining import Contrastive
from evalkit.training.environment import prepare_environment
from evalkit.workflow import pretraining_mark


def main() -> None:
    """Pretrain the backbone that the arguments name, unless it is done.

    Data that an evaluation has too are refused, as far as they are packed.
    """
    parser = argparse.ArgumentParser(prog="python -m evalkit.pretraining", description="Make a backbone's weights.")
    add_study_argument(parser)
    parser.add_argument("--backbone", required=True, help="a backbone of the study with 'pretrain'")
    parser.add_argument("--record", type=Path, help="write the job's record here when the weights are made")
    parser.add_argument("--attempt", type=int, default=0, help="a number for the job's record")
    parser.add_argument("--apart-from", nargs="*", default=[], help="data sets checked against, for the job's record")
    arguments = parser.parse_args()
    study = load_study(arguments.study)
    entry = study.backbone(arguments.backbone).pretrain
    prepare_environment(study.file.threads)
    # These import numpy and torch, which read the environment once.
    from evalkit.pretraining.sources import check_apart_from_packed

    if entry is not None:
        check_apart_from_packed(study, entry.data)
    if isinstance(entry, Contrastive):
        from evalkit.pretraining.contrastive import pretrain
    else:
        from evalkit.pretraining.supervised import pretrain

    made = pretrain(study, arguments.backbone)
    if arguments.record:
        job = {
            "study": study.name,
            "backbone": arguments.backbone,
            "attempt": arguments.attempt,
            "apart_from": arguments.apart_from,
            "decided_by": pretraining_mark(study, arguments.backbone),
            "key": made["key"],
            "outputs": made["outputs"],
        }
        write_json(arguments.record, job)


if __name__ == "__main__":
    run_command(main)
