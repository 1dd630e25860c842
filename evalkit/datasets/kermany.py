"""Paediatric pneumonia (Kermany et al., Cell 2018), in the layout of Kaggle's copy or of Mendeley's third version.

Both have ``{train,test}/{NORMAL,PNEUMONIA}/``; the class is in the file's name. Kaggle's copy has a folder ``val`` with
16 of the original training images besides. Kaggle's names are ``person12_bacteria_47.jpeg``,
``person12_virus_30.jpeg``, ``IM-0115-0001.jpeg`` and ``NORMAL2-IM-0115-0001.jpeg``; Mendeley's
``BACTERIA-1008087-0001.jpeg``, ``VIRUS-...`` and ``NORMAL-...``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import pandas as pd

from evalkit.config.datasets import KermanyEntry
from evalkit.datasets.building import build_manifest
from evalkit.datasets.classes import label_classes
from evalkit.datasets.labels import LabelPolicy
from evalkit.datasets.manifest import Manifest
from evalkit.datasets.scanning import leave_out, scan_folder, table_of
from evalkit.errors import InputError
from evalkit.listing import listing_state

CLASSES = ("normal", "bacterial", "viral")

_PARTS = {"train": "train", "val": "train", "test": "test"}
#: Where Kaggle's archive has everything a second time.
_COPY = "chest_xray"
_FOLDERS = {"normal": ("normal",), "pneumonia": ("bacterial", "viral")}
_KINDS = {"bacteria": "bacterial", "virus": "viral", "normal": "normal"}
# A few of Kaggle's names go on: IM-0011-0001-0002.jpeg.
_NAMES = {
    "Kaggle's copy": re.compile(r"(?:person(\d+)_(bacteria|virus)_\d+(?:_\d+)?|((?:normal2-)?im)-(\d+)-\d+(?:-\d+)?)"),
    "Mendeley's release": re.compile(r"(bacteria|virus|normal)-(\d+)-\d+"),
}


class _Name(NamedTuple):
    copy: str
    kind: str
    number: str


def read_kermany(entry: KermanyEntry, root: Path) -> Manifest:
    """Read a folder of the paediatric pneumonia set.

    Parameters
    ----------
    entry : KermanyEntry
        Which patients to keep, and what a file that is no image does.
    root : pathlib.Path
        The folder that holds train/ and test/, or one whose ``chest_xray`` does. A second copy in it, as Kaggle's
        archive has one, is passed over.

    Returns
    -------
    Manifest
        Labels normal, bacterial and viral. The public test images have the split 'test', all others 'train': who
        validates is drawn from these. A patient is a number within its class, its series of numbers (``IM`` and
        ``NORMAL2-IM`` count each for itself) and its public part.

    Raises
    ------
    InputError
        train or test is missing or empty, images are in a folder beside train, val and test, a folder or a file's
        name is not of this data set, a file is no image (unless `entry` excludes it), or names of both copies are
        mixed.

    Notes
    -----
    Numbers are not documented to count through both parts. One that is in both is taken for two patients; how many
    there are is in the report and in the footnote. That ``IM`` and ``NORMAL2-IM`` count apart is an inference from
    Kaggle's files: taken as one series, about 90 numbers are in both parts; told apart, ``IM`` ends at 111 in the test
    part and begins at 115 in the training part.
    """
    home, before = _find_home(root)
    scan = scan_folder(home)
    _refuse_other_parts(scan.images, home)
    images, others = ([path for path in files if _in_part(path)] for files in scan)
    names = [_parse(path, home) for path in images]
    copy = _one_copy(names, images, home)
    parts = [_PARTS[path.split("/")[0].lower()] for path in images]
    for part in ("train", "test"):
        if part not in parts:
            raise InputError(f"{home} has no images in {part}/", "images in train/ and test/", "unpack the whole set")
    patients = [f"{part}/{name.kind}/{name.number}" for part, name in zip(parts, names, strict=True)]
    shared = _count_shared(parts, names)
    held = sum(path.lower().startswith("val/") for path in images)
    test_set = "the public test folder"
    sentences = [
        f"Paediatric pneumonia ({copy}), classes from the files' names.",
        f"The folder val ({held:,} images) is part of the training images, as in the original." if held else "",
        "A patient is a number within a class and a public part.",
        f"Numbers that are in both parts ({sum(shared.values()):,}) are taken for different patients."
        if shared
        else "",
        f"Test set: {test_set}.",
    ]
    return build_manifest(
        table_of([before + path for path in images], patients=patients, splits=parts),
        label_classes(pd.Series([name.kind for name in names], dtype="str"), CLASSES),
        policy=LabelPolicy(),
        default_labels=CLASSES,
        unit="image",
        patients=entry.patients,
        report={
            "format": "kermany",
            "files": [],
            "listing": listing_state(home),
            "copy": copy,
            "left_out": leave_out(others, home, entry.unreadable),
            "images_in_val": held,
            "numbers_in_both_parts": shared,
            "test_set": test_set,
            "footnote": " ".join(filter(None, sentences)),
        },
        source=home,
    )


def _find_home(root: Path) -> tuple[Path, str]:
    """The folder that holds train/ and test/, and what stands before its paths seen from `root`."""
    for before in ("", f"{_COPY}/"):
        home = root / before
        if home.is_dir() and {"train", "test"} <= {each.name.lower() for each in home.iterdir() if each.is_dir()}:
            return home, before
    raise InputError(
        f"{root} has no folders train and test, nor has its folder {_COPY}",
        "the folder that holds train/ and test/, each with NORMAL/ and PNEUMONIA/",
        "correct the data set's root",
    )


def _in_part(path: str) -> bool:
    """Whether a file belongs to a public part, and not to a second copy or to what lies beside."""
    return path.partition("/")[0].lower() in _PARTS and "/" in path


def _refuse_other_parts(images: Sequence[str], home: Path) -> None:
    """Refuse images in folders that are no public part: which part they belong to is not for us to guess."""
    tops = [path.split("/")[0] for path in images if "/" in path]
    counts = {top: tops.count(top) for top in dict.fromkeys(tops) if top.lower() not in (*_PARTS, _COPY)}
    if counts:
        raise InputError(
            f"{home} holds images in {', '.join(f'{top}/ ({count:,})' for top, count in counts.items())}, beside "
            "train/ and test/",
            f"images in {', '.join(f'{part}/' for part in _PARTS)} only; a second copy in {_COPY}/ is passed over",
            "rename the folder to the part it is, or take it away",
        )


def _parse(path: str, home: Path) -> _Name:
    folder = path.split("/")[1].lower() if path.count("/") == 2 else ""
    stem = PurePosixPath(path).stem.lower()
    for copy, pattern in _NAMES.items():
        match = pattern.fullmatch(stem)
        if match and copy == "Kaggle's copy":
            person, kind, series, number = match.groups()
            name = _Name(copy, _KINDS[kind or "normal"], str(int(person)) if person else f"{series}-{int(number)}")
        elif match:
            name = _Name(copy, _KINDS[match[1]], str(int(match[2])))
        if match and name.kind in _FOLDERS.get(folder, ()):
            return name
    raise InputError(
        f"{home / path} is not named as an image of its folder is",
        "NORMAL/IM-0115-0001.jpeg, NORMAL/NORMAL2-IM-..., PNEUMONIA/person1_bacteria_2.jpeg and person1_virus_6.jpeg "
        "(Kaggle), or NORMAL/NORMAL-1-0001.jpeg, PNEUMONIA/BACTERIA-1-0001.jpeg and VIRUS-... (Mendeley)",
        "put the data set's own files there; own images go by format: folder or csv",
    )


def _one_copy(names: Sequence[_Name], images: Sequence[str], home: Path) -> str:
    first = {name.copy: path for name, path in zip(reversed(names), reversed(images), strict=True)}
    if len(first) > 1:
        raise InputError(
            f"{home} mixes the names of {' and '.join(f'{copy} ({path})' for copy, path in sorted(first.items()))}",
            "the files of one copy; both hold the same images",
            "take the files of one copy away",
        )
    return next(iter(first), "")


def _count_shared(parts: Sequence[str], names: Sequence[_Name]) -> dict[str, int]:
    """How many numbers of each class are in both public parts."""
    numbers = {
        part: {(name.kind, name.number) for each, name in zip(parts, names, strict=True) if each == part}
        for part in ("train", "test")
    }
    both = [kind for kind, _ in numbers["train"] & numbers["test"]]
    return {kind: both.count(kind) for kind in CLASSES if kind in both}
