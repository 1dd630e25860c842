"""NIH ChestX-ray14, as distributed: Data_Entry_2017.csv or its revision of 2020, and the images in folders.

Images lie in ``images/`` or in ``images_001/images/`` to ``images_012/images/``. The official lists
``train_val_list.txt`` and ``test_list.txt`` give the splits where they are present.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from evalkit.config.datasets import NihEntry
from evalkit.datasets.building import build_manifest
from evalkit.datasets.labels import LabelPolicy
from evalkit.datasets.manifest import Manifest
from evalkit.datasets.reading import describe_files, parse_ages, parse_sexes, read_columns, read_header, refuse_first
from evalkit.errors import InputError
from evalkit.images import locate_image

#: The fourteen findings, in the order of Wang et al. (CVPR 2017).
FINDINGS = (
    "Atelectasis",
    "Cardiomegaly",
    "Effusion",
    "Infiltration",
    "Mass",
    "Nodule",
    "Pneumonia",
    "Pneumothorax",
    "Consolidation",
    "Edema",
    "Emphysema",
    "Fibrosis",
    "Pleural_Thickening",
    "Hernia",
)
NO_FINDING = "No Finding"

_TABLES = ("Data_Entry_2017_v2020.csv", "Data_Entry_2017.csv")
_LISTS = {"train": "train_val_list.txt", "test": "test_list.txt"}
#: Side, in pixels, of the images on which the boxes were drawn.
_BOX_SPACE = 1024
_BOX_LABELS = {"Infiltrate": "Infiltration"}
_OLDEST = 120


def read_nih(entry: NihEntry, root: Path) -> Manifest:
    """Read a folder in ChestX-ray14's layout.

    Parameters
    ----------
    entry : NihEntry
        Which patients to keep, and what a missing image file does.
    root : pathlib.Path
        The folder that holds the table and the images.

    Returns
    -------
    Manifest
        The image id is the file's name. The data set has no study numbers, so each image is its own study. Boxes are
        in pixels of the file, which may be smaller than the original 1024. Ages above 120 are missing.

    Raises
    ------
    InputError
        A table, a column or the image folder is missing; a finding is unknown; images listed in the table are not
        there (unless `entry` excludes them); only one of the official lists is present, or they leave out an image.
    """
    table = next((root / name for name in _TABLES if (root / name).exists()), root / _TABLES[1])
    rows = read_columns(
        table, ("Image Index", "Finding Labels", "Patient ID", "Patient Age", "Patient Gender", "View Position")
    )
    files = _index_images(root)
    age = parse_ages(rows["Patient Age"], table)
    images = pd.DataFrame(
        {
            "image_id": rows["Image Index"],
            # One vintage pads patient numbers with zeros and another does not.
            "patient_id": rows["Patient ID"].str.strip().str.replace(r"^0+(?=\d)", "", regex=True),
            "study_id": rows["Image Index"],
            "path": rows["Image Index"].map(files),
            "split": pd.Series("", index=rows.index, dtype="str"),
            "age": age.mask(age > _OLDEST),
            "sex": parse_sexes(rows["Patient Gender"], table),
            "view": rows["View Position"],
        }
    )
    raw = _parse_findings(rows["Finding Labels"], table)
    missing = _check_missing(images, entry, table, total=len(files))
    images, raw = images[~missing].copy(), raw[~missing]
    lists = _official_lists(root)
    if lists:
        images["split"] = _assign_splits(images["image_id"], lists)
    box_list = root / "BBox_List_2017.csv"
    boxes = _read_boxes(box_list, images, root) if box_list.exists() else None
    test_set = (
        f"the official {_LISTS['test']}"
        if lists
        else "patients drawn at random, as the folder has no official split lists"
    )
    return build_manifest(
        images,
        raw,
        policy=LabelPolicy(),
        default_labels=FINDINGS,
        unit="image",
        patients=entry.patients,
        boxes=boxes,
        report={
            "format": "nih",
            "files": describe_files([table, *lists.values(), *([box_list] if box_list.exists() else [])], root),
            "left_out": {"missing image files": int(missing.sum())},
            "missing_files": rows.loc[missing, "Image Index"].head(20).tolist(),
            "test_set": test_set,
            "footnote": f"NIH ChestX-ray14 ({table.name}). Test set: {test_set}.",
        },
        source=table,
    )


def _index_images(root: Path) -> dict[str, str]:
    """Map each file name to its path below `root`, looking into each image folder once."""
    parts = sorted(root.glob("images_[0-9]*"))
    folders = [folder for folder in (root / "images", *parts, *(part / "images" for part in parts)) if folder.is_dir()]
    files: dict[str, str] = {}
    for folder in folders:
        place = folder.relative_to(root).as_posix()
        with os.scandir(folder) as entries:
            for each in entries:
                if each.is_dir():
                    continue
                if each.name in files:
                    raise InputError(
                        f"{root} holds {each.name} twice: {files[each.name]} and {place}/{each.name}",
                        "each image in one folder",
                        "remove one of the copies",
                    )
                files[each.name] = f"{place}/{each.name}"
    if not files:
        raise InputError(
            f"{root} holds no images",
            "images/*.png, or images_001/images/*.png and so on",
            "unpack the image archives there, or correct the data set's root",
        )
    return files


def _check_missing(images: pd.DataFrame, entry: NihEntry, table: Path, *, total: int) -> pd.Series:
    missing = images["path"].isna()
    if missing.any() and entry.unreadable == "fail":
        names = images.loc[missing, "image_id"]
        raise InputError(
            f"{table} lists {len(images):,} images, of which {len(names):,} are not in the image folders (which hold "
            f"{total:,} files): {', '.join(names.head(3))}{', ...' if len(names) > 3 else ''}",
            "a file for every image listed",
            "complete the folder, or set 'unreadable: exclude' to leave these images out and count them",
        )
    if missing.all():
        raise InputError(
            f"none of the {len(images):,} images that {table} lists is in the image folders",
            "files named as in the column 'Image Index'",
            "check that table and images belong together",
        )
    return missing


def _parse_findings(text: pd.Series, source: Path) -> pd.DataFrame:
    # A few hundred different combinations stand for 100,000 rows: parse each combination once.
    codes, combinations = pd.factorize(text)
    names = (*FINDINGS, NO_FINDING)
    column = {name: position for position, name in enumerate(names)}
    known = np.zeros((len(combinations), len(names)))
    unknown = np.zeros(len(combinations), dtype=bool)
    for row, combination in enumerate(combinations):
        for finding in combination.split("|"):
            if finding.strip() in column:
                known[row, column[finding.strip()]] = 1
            else:
                unknown[row] = True
    wrong = pd.Series(unknown[codes], index=text.index)
    refuse_first(wrong, text, "the finding", f"names joined by '|', of {', '.join(names)}", source)
    return pd.DataFrame(known[codes], columns=list(names), index=text.index)


def _official_lists(root: Path) -> dict[str, Path]:
    lists = {split: root / name for split, name in _LISTS.items() if (root / name).exists()}
    if len(lists) == 1:
        raise InputError(
            f"{root} holds {next(iter(lists.values())).name} and not the other official list",
            f"both {' and '.join(_LISTS.values())}, or neither",
            "add the other list, or take this one away to have patients divided at random",
        )
    return lists


def _assign_splits(image_ids: pd.Series, lists: dict[str, Path]) -> pd.Series:
    names = {split: path.read_text(encoding="utf-8").split() for split, path in lists.items()}
    both = set(names["train"]) & set(names["test"])
    if both:
        raise InputError(
            f"{lists['train']} and {lists['test']} both name {min(both)} (and {len(both) - 1:,} images more)",
            "each image in one list",
            "put the official lists there",
        )
    splits = image_ids.map({name: split for split, listed in names.items() for name in listed})
    if splits.isna().any():
        raise InputError(
            f"{int(splits.isna().sum()):,} images are in neither official list, for example "
            f"{image_ids[splits.isna()].iloc[0]}",
            "each image in one list",
            "put the official lists there, or take both away to have patients divided at random",
        )
    return splits


def _read_boxes(path: Path, images: pd.DataFrame, root: Path) -> pd.DataFrame:
    """Read the boxes and scale them from the space they were drawn in to each file's own size."""
    header = read_header(path)
    # The header's "Bbox [x,y,w,h]" is four fields, spelled differently in copies of the file, so they go by position.
    if header[:2] != ["Image Index", "Finding Label"] or len(header) < 6:
        raise InputError(
            f"{path} has the columns {header}",
            "Image Index, Finding Label and four fields of 'Bbox [x,y,w,h]'",
            "put the data set's own file there",
        )
    text = read_columns(path, header[:6])
    text.columns = pd.Index(["image_id", "label", "x", "y", "width", "height"])
    boxes = text[["image_id", "label"]].copy()
    boxes["label"] = boxes["label"].replace(_BOX_LABELS)
    refuse_first(~boxes["label"].isin(FINDINGS), text["label"], "the finding", "one of the fourteen", path)
    for column in ("x", "y", "width", "height"):
        boxes[column] = pd.to_numeric(text[column], errors="coerce").astype("float64")
        refuse_first(boxes[column].isna(), text[column], f"the box's {column}", "a number", path)
    boxes = boxes[boxes["image_id"].isin(images["image_id"])].reset_index(drop=True)
    places = dict(zip(images["image_id"], images["path"], strict=True))
    sizes = {image_id: _size(root, places[image_id]) for image_id in boxes["image_id"].unique()}
    for position, columns in enumerate((("x", "width"), ("y", "height"))):
        scale = boxes["image_id"].map({image_id: size[position] / _BOX_SPACE for image_id, size in sizes.items()})
        for column in columns:
            boxes[column] *= scale
    return boxes


def _size(root: Path, path: str) -> tuple[int, int]:
    """Width and height, from the file's header."""
    try:
        with Image.open(locate_image(root, path)) as image:
            return image.size
    except OSError as error:
        raise InputError(f"{root / path} cannot be read: {error}", "an image with boxes", "replace the file") from None
