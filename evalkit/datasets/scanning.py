"""Data sets without a table: what lies below a folder, and what each path says of its image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple

import pandas as pd

from evalkit.errors import InputError
from evalkit.images import IMAGE_ENDINGS, locate_image
from evalkit.listing import list_files

_SHOWN = 3


class Scan(NamedTuple):
    """The files below a folder, as sorted paths relative to it."""

    images: list[str]
    others: list[str]


def scan_folder(root: Path) -> Scan:
    """Find images, by their endings, and other files.

    Parameters
    ----------
    root : pathlib.Path
        The data set's folder. Hidden files and what operating systems leave (``.DS_Store``, ``__MACOSX``,
        ``Thumbs.db``) are passed over.

    Raises
    ------
    InputError
        A link leads out of the folder or to a folder, or a name holds what cannot be printed.
    """
    scan = Scan([], [])
    for path, entry in list_files(root):
        if not path.isprintable():
            raise InputError(
                f"{root} holds the file {path!r}", "names of printable characters (UTF-8)", "rename the file"
            )
        if entry.is_symlink() and locate_image(root, path).is_dir():
            raise InputError(f"{root / path} is a link to a folder", "files", "replace the link by the folder's files")
        kind = scan.images if PurePosixPath(path).suffix.lower() in IMAGE_ENDINGS else scan.others
        kind.append(path)
    return scan


def leave_out(others: Sequence[str], root: Path, unreadable: Literal["fail", "exclude"]) -> dict[str, int]:
    """Count the files among the images that are none, for a report's ``left_out``.

    Raises
    ------
    InputError
        There are such files, and `unreadable` is ``fail``.
    """
    if others and unreadable == "fail":
        raise InputError(
            f"{root} holds {len(others):,} files among the images that are none by their endings: "
            + ", ".join(others[:_SHOWN])
            + (", ..." if len(others) > _SHOWN else ""),
            f"files ending in {', '.join(sorted(IMAGE_ENDINGS))}",
            "convert these files or take them away, or set 'unreadable: exclude' to leave them out and count them",
        )
    return {"files of another type": len(others)}


def table_of(paths: Sequence[str], *, patients: Sequence[str], splits: Sequence[str]) -> pd.DataFrame:
    """The manifest's columns before the labels: the path is the id, and each image is a study of its own."""
    return pd.DataFrame(
        {
            "image_id": pd.Series(paths, dtype="str"),
            "patient_id": pd.Series(patients, dtype="str"),
            "study_id": pd.Series(paths, dtype="str"),
            "path": pd.Series(paths, dtype="str"),
            "split": pd.Series(splits, dtype="str"),
            "age": float("nan"),
            "sex": "",
            "view": "",
        }
    )
