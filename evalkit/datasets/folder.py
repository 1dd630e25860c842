"""Bring your own classes: images in one folder per class, without a table."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path, PurePosixPath

import pandas as pd

from evalkit.config.datasets import FolderEntry
from evalkit.config.strict import nearest
from evalkit.datasets.building import build_manifest
from evalkit.datasets.classes import choose_classes, label_classes
from evalkit.datasets.labels import LabelPolicy
from evalkit.datasets.manifest import Manifest
from evalkit.datasets.scanning import leave_out, scan_folder, table_of
from evalkit.errors import InputError
from evalkit.listing import is_left_behind, listing_state

#: Folders that may stand above the classes, in either case, and the split that each is.
SPLIT_FOLDERS = {"train": "train", "valid": "valid", "val": "valid", "validation": "valid", "test": "test"}


def read_folder(entry: FolderEntry, root: Path) -> Manifest:
    """Read images whose class is the folder they lie in.

    Parameters
    ----------
    entry : FolderEntry
        The classes' order, how a file's name tells the patient, and what a file that is no image does.
    root : pathlib.Path
        The folder that holds ``<class>/**/<image>``, or ``train/<class>/**/<image>`` and so on.

    Returns
    -------
    Manifest
        One label per class. The path is the image's id; each image is its own study and, without `patient_pattern`,
        its own patient.

    Raises
    ------
    InputError
        An image lies in no class folder, folders of splits and of classes are mixed, a class is empty or not among
        `entry.classes`, a file's name does not tell the patient, a file is no image (unless `entry` excludes it), or a
        check of `build_manifest` fails.
    """
    scan = scan_folder(root)
    side = _side_folder(root)
    paths, others = ([path for path in files if not side or not path.startswith(side)] for files in scan)
    if not paths:
        raise InputError(
            f"{root} holds no images",
            "one folder per class with PNG, JPEG or DICOM files in it, below train, valid and test or not",
            "correct the data set's root",
        )
    depth = _depth_of_classes(paths, root)
    names = [_class_of(path, depth, root) for path in paths]
    _check_folders(root, depth, set(names), entry.classes, side)
    classes = choose_classes(set(names), entry.classes, source=root)
    splits = [SPLIT_FOLDERS[path.partition("/")[0].lower()] if depth else "" for path in paths]
    among = [path for path in others if path.count("/") > depth]
    test_set = "the folder 'test'" if "test" in splits else "patients drawn at random"
    pattern = entry.patient_pattern
    told = (
        "Patients are told apart by the files' names."
        if pattern
        else "Each image counts as a patient of its own, as the study gives no patient_pattern."
    )
    return build_manifest(
        table_of(paths, patients=[_patient_of(path, pattern, root) for path in paths], splits=splits),
        label_classes(pd.Series(names, dtype="str"), classes),
        policy=LabelPolicy(),
        default_labels=classes,
        unit="image",
        patients=entry.patients,
        report={
            "format": "folder",
            "files": [],
            "listing": listing_state(root),
            "left_out": leave_out(among, root, entry.unreadable),
            "patient_pattern": pattern,
            "test_set": test_set,
            "footnote": f"Images in one folder for each of {len(classes)} classes. {told} Test set: {test_set}.",
        },
        source=root,
    )


def _side_folder(root: Path) -> str | None:
    """What the chest phantom writes beside its images: no class."""
    return "phantom/" if (root / "phantom.json").is_file() else None


def _depth_of_classes(paths: Sequence[str], root: Path) -> int:
    """How many folders stand above those of the classes: one where there are splits."""
    tops = sorted({path.partition("/")[0] for path in paths if "/" in path})
    splits = [top for top in tops if top.lower() in SPLIT_FOLDERS]
    others = [top for top in tops if top not in splits]
    if splits and others:
        raise InputError(
            f"{root} holds images in {', '.join(map(repr, splits))} and beside them in {', '.join(map(repr, others))}",
            "the classes' folders below those of the splits, or no folder of a split",
            "move the classes' folders below train, valid or test, or take the other folders away",
        )
    return 1 if splits else 0


def _class_of(path: str, depth: int, root: Path) -> str:
    folders = path.split("/")[:-1]
    if len(folders) <= depth:
        raise InputError(
            f"the image {root / path} lies in no class's folder",
            f"{'train/' if depth else ''}<class>/<image>",
            "move it into the folder of its class",
        )
    return folders[depth]


def _check_folders(
    root: Path, depth: int, found: Collection[str], classes: Sequence[str] | None, side: str | None
) -> None:
    """Refuse folders that look like a class's and are none: not in the list, or without an image."""
    above = [root] if depth == 0 else [folder for folder in root.iterdir() if folder.name.lower() in SPLIT_FOLDERS]
    there = {
        folder.name
        for each in above
        for folder in each.iterdir()
        if folder.is_dir() and not is_left_behind(folder.name) and f"{folder.name}/" != side
    }
    strangers = sorted((there | set(found)) - set(classes)) if classes else []
    if classes and strangers:
        raise InputError(
            f"{root} has the class folder {strangers[0]!r}, which 'classes' does not name"
            + nearest(strangers[0], classes),
            "the folders of the classes listed, and no other",
            "add the class to the list in the study file, or take the folder away",
        )
    empty = sorted(there - set(found))
    if empty and not classes:
        raise InputError(
            f"{root} has no image of the class {', '.join(map(repr, empty))}, though a folder of it",
            "images in the folder of every class",
            "add the images, or take the folder away",
        )


def _patient_of(path: str, pattern: str | None, root: Path) -> str:
    if pattern is None:
        return path
    match = re.search(pattern, PurePosixPath(path).name)
    if not match or not match.group(1):
        raise InputError(
            f"patient_pattern {pattern!r} finds no patient in the name of {root / path}",
            "a pattern whose group is the patient's number in every file's name",
            "mend the pattern or the file's name; without a pattern, each image is a patient of its own",
        )
    return match.group(1)
