"""Make the splits of an evaluation: ``python -m evalkit.splits --study S --evaluation E``."""

from __future__ import annotations

import argparse

from evalkit.commands import add_study_argument, run_command
from evalkit.config import load_study
from evalkit.config.detection import Detection
from evalkit.datasets.manifest import load_manifest
from evalkit.errors import InputError
from evalkit.packing.packed import load_packed
from evalkit.packing.ragged import load_ragged
from evalkit.splits.making import make_splits
from evalkit.splits.stored import write_splits


def main() -> None:
    """Write the splits and their report to the study's results."""
    parser = argparse.ArgumentParser(prog="python -m evalkit.splits", description="Divide patients and draw fractions.")
    add_study_argument(parser)
    parser.add_argument("--evaluation", required=True, help="an evaluation of the study, its data set packed before")
    arguments = parser.parse_args()
    study = load_study(arguments.study)
    evaluation = study.evaluation(arguments.evaluation)
    manifest = load_manifest(study.layout.manifest(evaluation.dataset))
    size = ""
    if isinstance(evaluation, Detection):
        folder, size = study.layout.ragged(evaluation.dataset, evaluation.longest), f" --longest {evaluation.longest}"
        packed = load_ragged(folder).packed
    else:
        folder = study.layout.packed(evaluation.dataset, study.file.image_size)
        packed = load_packed(folder)
    if packed.report["manifest"] != manifest.fingerprint():
        raise InputError(
            f"{folder} was packed from another manifest",
            "a packed data set made from the manifest as it is now",
            f"pack it again: python -m evalkit.packing --study {study.source} --dataset {evaluation.dataset}{size}",
        )
    splits = make_splits(manifest, packed.index, evaluation, name=arguments.evaluation, seed=study.file.seed)
    path = study.layout.splits(arguments.evaluation)
    write_splits(splits, path)
    counts = ", ".join(
        f"{role} {count['patients']:,} patients ({count['images']:,} images)"
        for role, count in splits.report["roles"].items()
    )
    trainsets = "".join(f"; {name} {count['images']:,} images" for name, count in splits.report["trainsets"].items())
    aside = sum(count["images"] for count in splits.report["set_aside"].values())
    redraws = sum(map(sum, splits.report["redraws"].values()))
    print(f"{path}: {counts}{trainsets}; {aside:,} images set aside; {redraws} redraws")


if __name__ == "__main__":
    run_command(main)
