"""Pack a data set of a study: ``python -m evalkit.packing --study S --dataset D``."""

from __future__ import annotations

import argparse
import sys

from evalkit.commands import add_study_argument, run_command
from evalkit.config import load_study
from evalkit.datasets.manifest import load_manifest
from evalkit.packing.making import pack
from evalkit.packing.ragged import pack_ragged


def main() -> None:
    """Pack a data set into the study's results."""
    parser = argparse.ArgumentParser(prog="python -m evalkit.packing", description="Decode a data set's images once.")
    add_study_argument(parser)
    parser.add_argument("--dataset", required=True, help="a data set of the study, its manifest made before")
    sizes = parser.add_mutually_exclusive_group()
    sizes.add_argument("--size", type=int, help="side of the images in pixels; by default the study's image_size")
    sizes.add_argument(
        "--longest", type=_positive, help="for detection: keep the aspect ratio, no side longer than this, and boxes"
    )
    parser.add_argument("--workers", type=int, help="processes; by default as many as there are cores")
    arguments = parser.parse_args()
    study = load_study(arguments.study)
    entry = study.dataset(arguments.dataset)
    manifest, root = load_manifest(study.layout.manifest(arguments.dataset)), study.dataset_root(arguments.dataset)
    options = {"antialias": entry.antialias, "unreadable": entry.unreadable, "workers": arguments.workers}
    if arguments.longest:
        folder = study.layout.ragged(arguments.dataset, arguments.longest)
        report = pack_ragged(manifest, root, folder, longest=arguments.longest, **options).report
    else:
        size = arguments.size or study.file.image_size
        folder = study.layout.packed(arguments.dataset, size)
        report = pack(manifest, root, folder, size=size, **options).report
    print(
        f"{folder}: {report['images']:,} images, {len(report['excluded']):,} left out as unreadable; "
        f"{report['packed_now']:,} packed in {report['seconds']:.1f} s ({report['images_per_second']:,.0f} images/s), "
        f"{report['kept_from_before']:,} kept from before",
        file=sys.stderr,
    )


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number of pixels")
    return number


if __name__ == "__main__":
    run_command(main)
