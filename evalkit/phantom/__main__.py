"""Write a folder of phantoms, or draw a contact sheet: ``python -m evalkit.phantom --help``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from evalkit.errors import InputError
from evalkit.phantom.chexpert import write_chexpert
from evalkit.phantom.folder import write_classes
from evalkit.phantom.kermany import write_kermany
from evalkit.phantom.nih import write_nih
from evalkit.phantom.siim import write_siim


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = _build_parser()
    options = parser.parse_args(arguments)
    try:
        if options.command == "write":
            _write(options)
        elif options.sheet is None:
            parser.error("give 'write' or --sheet FILE.png")
        else:
            _draw(options)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m evalkit.phantom", description="Parametric chest radiographs.")
    parser.add_argument("--sheet", type=Path, metavar="FILE.png", help="draw a contact sheet of all findings")
    parser.add_argument("--boxes", action="store_true", help="outline the findings on the sheet")
    commands = parser.add_subparsers(dest="command")
    write = commands.add_parser(
        "write", help="write a folder in a public data set's own layout, or in one folder per class"
    )
    write.add_argument("--layout", choices=("chexpert", "nih", "folder", "kermany", "siim"), required=True)
    write.add_argument(
        "--root",
        type=Path,
        required=True,
        help="the folder that will hold the tables, or train/ and test/, or those of the classes",
    )
    write.add_argument("--patients", type=int, required=True, help="how many patients, with one to three studies each")
    write.add_argument("--first-patient", type=int, default=1, help="number of the first patient (%(default)s)")
    write.add_argument("--size", type=int, default=128, help="pixels per side (%(default)s)")
    write.add_argument("--seed", type=int, default=0, help="world to which the patients belong (%(default)s)")
    write.add_argument(
        "--held-out-share", type=float, help="chexpert and nih: share of patients for valid or test (0.25)"
    )
    write.add_argument("--names", choices=("kaggle", "mendeley"), help="kermany: whose file names and folders (kaggle)")
    write.add_argument("--layers", action="store_true", help="also write bone and bone-free images")
    write.add_argument("--masks", action="store_true", help="also write a mask for each finding")
    write.add_argument("--workers", type=int, help="processes (one per processor)")
    return parser


def _write(options: argparse.Namespace) -> None:
    given = {
        name: getattr(options, name)
        for name in ("patients", "first_patient", "size", "seed", "layers", "masks", "workers")
    }
    share, names = options.held_out_share, options.names
    if share is not None and options.layout not in ("chexpert", "nih"):
        raise InputError(
            f"--held-out-share is given for the layout {options.layout}", "chexpert or nih", "leave it out"
        )
    if names is not None and options.layout != "kermany":
        raise InputError(f"--names is given for the layout {options.layout}", "kermany", "leave it out")
    if options.layout == "chexpert":
        write_chexpert(options.root, valid_share=0.25 if share is None else share, **given)
    elif options.layout == "nih":
        write_nih(options.root, test_share=0.25 if share is None else share, **given)
    elif options.layout == "folder":
        write_classes(options.root, **given)
    elif options.layout == "siim":
        write_siim(options.root, **given)
    else:
        write_kermany(options.root, names=names or "kaggle", **given)


def _draw(options: argparse.Namespace) -> None:
    from evalkit.phantom.sheet import draw_sheet  # Matplotlib takes half a second to load

    draw_sheet(options.sheet, boxes=options.boxes)


if __name__ == "__main__":
    sys.exit(main())
