"""Read a data set of a study and write its manifest: ``python -m evalkit.datasets --study S --dataset D``."""

from __future__ import annotations

import argparse

from evalkit.commands import add_study_argument, run_command
from evalkit.config import load_study
from evalkit.datasets.manifest import write_manifest
from evalkit.datasets.registry import read_dataset


def main() -> None:
    """Write the manifest, its report and its boxes to the study's results."""
    parser = argparse.ArgumentParser(prog="python -m evalkit.datasets", description="Write a data set's manifest.")
    add_study_argument(parser)
    parser.add_argument("--dataset", required=True, help="a data set of the study")
    arguments = parser.parse_args()
    study = load_study(arguments.study)
    manifest = read_dataset(study.dataset(arguments.dataset), study.dataset_root(arguments.dataset))
    path = study.layout.manifest(arguments.dataset)
    write_manifest(manifest, path)
    counts = manifest.report["counts"]
    left_out = "".join(f"; left out: {count:,} {reason}" for reason, count in manifest.report["left_out"].items())
    print(f"{path}: {counts['images']:,} images of {counts['patients']:,} patients{left_out}")


if __name__ == "__main__":
    run_command(main)
