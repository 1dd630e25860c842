"""SIIM-FISABIO-RSNA COVID-19 detection (Kaggle, 2021), as distributed: two tables beside train/<study>/<series>/*.dcm.

The labels of the competition's test set were never published; only ``train/`` is used, and patients are drawn from it
for testing.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePosixPath

import pandas as pd

from evalkit.config.datasets import SiimEntry
from evalkit.datasets.boxed import build_boxed_manifest, find_usable
from evalkit.datasets.building import select_patients
from evalkit.datasets.literals import parse_box_list
from evalkit.datasets.manifest import Manifest
from evalkit.datasets.reading import describe_files, parse_labels, read_columns, refuse_first
from evalkit.errors import InputError
from evalkit.listing import list_files

#: The one label of boxes: 1 for an image that has one.
OPACITY = "opacity"
#: Labels of a study, and the columns they come from; exactly one of them is 1.
STUDY_LABELS = {
    "negative": "Negative for Pneumonia",
    "typical": "Typical Appearance",
    "indeterminate": "Indeterminate Appearance",
    "atypical": "Atypical Appearance",
}

#: Images and studies of the copies that are about.
_COPIES = {
    (6334, 6054): "the public training set",
    (5696, 5448): "the re-split of the public training set in MLE-bench",
}
_FIELDS_OF_A_BOX = 6


def read_siim(entry: SiimEntry, root: Path) -> Manifest:
    """Read a folder in the layout of the SIIM-FISABIO-RSNA COVID-19 data set.

    Parameters
    ----------
    entry : SiimEntry
        Which patients to keep, and what images that cannot be used do.
    root : pathlib.Path
        The folder that holds train/, train_study_level.csv and train_image_level.csv.

    Returns
    -------
    Manifest
        One row per image; a study may have several, of which the tables may have boxes for one only. Labels: 'opacity',
        1 for an image with boxes, and those of its study (`STUDY_LABELS`). Boxes are in pixels of the DICOM file, all
        with the label 'opacity'. The patient is the DICOM header's PatientID or, where a study has none, the study.

    Raises
    ------
    InputError
        A table or a column is missing; an id, a label or the literal of a box list is not of this data set; tables and
        folders disagree; or images cannot be used and `entry` does not exclude them.
    """
    tables = {level: root / f"train_{level}_level.csv" for level in ("image", "study")}
    images, boxes = _read_images(tables["image"])
    studies = _read_studies(tables["study"])
    _check_studies(images["study_id"], studies, tables)
    images, unlisted = _locate(images, root, tables["image"])
    raw = pd.concat(
        [
            images["image_id"].isin(boxes["image_id"]).astype("float64").rename(OPACITY),
            studies.loc[images["study_id"]].set_axis(images.index),
        ],
        axis=1,
    )
    usable = find_usable(images.assign(split="", patient_id=""), boxes, root, entry, source=tables["image"])
    usable = replace(usable, images=_name_patients(usable.images))
    copy = _COPIES.get((len(images), images["study_id"].nunique()), "")
    used = usable.images[select_patients(usable.images["patient_id"], entry.patients)]
    unboxed = _count_unboxed(used["study_id"], raw.loc[used.index, OPACITY])
    sentences = [
        f"SIIM-FISABIO-RSNA COVID-19{f', {copy}' if copy else ''}.",
        "Test set: patients drawn at random, as the labels of the competition's test set are not public.",
        f"Images without a box in a study with boxes on another image: {unboxed:,}." if unboxed else "",
    ]
    return build_boxed_manifest(
        usable,
        raw,
        entry=entry,
        default_labels=[OPACITY],
        box_labels=[OPACITY],
        unit="image",
        report={
            "format": "siim",
            "files": describe_files(tables.values(), root),
            "copy": copy,
            "left_out": {"image files that no row lists": unlisted},
            "unboxed_images_of_boxed_studies": unboxed,
            "test_set": "patients drawn at random",
            "footnote": " ".join(filter(None, sentences)),
        },
        source=tables["image"],
    )


def _read_images(table: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Images with their studies, and their boxes."""
    rows = read_columns(table, ("id", "boxes", "label", "StudyInstanceUID"))
    image_ids = _strip(rows["id"], "_image", table)
    study_ids = rows["StudyInstanceUID"].str.strip()
    refuse_first(study_ids == "", rows["StudyInstanceUID"], "the study", "the study of every image", table)
    boxes = parse_box_list(rows["boxes"], image_ids, table).assign(label=OPACITY)
    _check_labels(rows["label"], image_ids.map(boxes["image_id"].value_counts()).fillna(0), table)
    return pd.DataFrame({"image_id": image_ids, "study_id": study_ids}), boxes


def _check_labels(text: pd.Series, counts: pd.Series, table: Path) -> None:
    """Refuse a row whose label, the boxes once more in the format of a submission, tells of another number of them."""
    fields = text.str.split()
    kinds = fields.map(lambda row: row[::_FIELDS_OF_A_BOX])
    whole = fields.map(len).mod(_FIELDS_OF_A_BOX) == 0
    known = whole & kinds.map(lambda row: row == ["none"] or set(row) == {OPACITY})
    refuse_first(~known, text, "the label", "'none 1 0 0 1 1', or 'opacity' and five numbers for each box", table)
    told = kinds.map(lambda row: row.count(OPACITY))
    what = "the label, which disagrees with the column 'boxes' about their number,"
    refuse_first(told != counts, text, what, "as many opacities as boxes", table)


def _read_studies(table: Path) -> pd.DataFrame:
    """The labels of each study, indexed by its id."""
    rows = read_columns(table, ("id", *STUDY_LABELS.values()))
    labels = parse_labels(rows, list(STUDY_LABELS.values()), table)
    refuse_first(
        ~(labels.isin([0, 1]).all(axis=1) & (labels.sum(axis=1) == 1)),
        rows["id"],
        "a study without exactly one class",
        f"a 1 in one of {', '.join(STUDY_LABELS.values())} and 0 in the others",
        table,
    )
    return labels.set_axis(list(STUDY_LABELS), axis=1).set_axis(_strip(rows["id"], "_study", table), axis=0)


def _strip(text: pd.Series, ending: str, table: Path) -> pd.Series:
    ids = text.str.strip()
    named = ids.str.endswith(ending) & (ids.str.len() > len(ending)) & ~ids.str.contains(r"[/\\]", regex=True)
    refuse_first(~named, text, "the id", f"an id that ends in {ending!r}", table)
    refuse_first(ids.duplicated(), text, "an id listed twice", "each id once", table)
    return ids.str.removesuffix(ending)


def _check_studies(study_ids: pd.Series, studies: pd.DataFrame, tables: dict[str, Path]) -> None:
    without = sorted(set(study_ids) - set(studies.index))
    if without:
        raise InputError(
            f"{tables['image']} has images of {len(without):,} studies that {tables['study'].name} does not list, for "
            f"example {without[0]!r}",
            "a row for each study in the one table, and for each of its images in the other",
            "put the two tables of one release there",
        )


def _locate(images: pd.DataFrame, root: Path, table: Path) -> tuple[pd.DataFrame, int]:
    """Give each image the path of its file, and count files that no row lists."""
    home = root / "train"
    files: dict[str, str] = {}
    for path, _ in list_files(home):
        place = PurePosixPath(path)
        if place.suffix.lower() not in (".dcm", ".dicom"):
            continue
        if place.stem in files:
            raise InputError(
                f"{root} holds the image {place.stem!r} twice: {files[place.stem]} and train/{path}",
                "each image in one folder",
                "remove one of the copies",
            )
        files[place.stem] = f"train/{path}"
    located = images.assign(path=images["image_id"].map(files).astype("object"))
    found = located["path"].notna()
    if not found.any():
        raise InputError(
            f"{home} holds none of the {len(images):,} images that {table.name} lists, and {len(files):,} DICOM files",
            "train/<study>/<series>/<image>.dcm",
            "unpack the images there, or correct the data set's root",
        )
    folder = located.loc[found, "path"].str.split("/").str[1]
    elsewhere = folder != located.loc[found, "study_id"]
    if elsewhere.any():
        place = elsewhere.idxmax()
        raise InputError(
            f"{int(elsewhere.sum()):,} images lie in the folder of another study than {table.name} says; the first is "
            f"{located['path'][place]}, of the study {located['study_id'][place]!r}",
            "train/<study>/<series>/<image>.dcm",
            "put table and images of one release there",
        )
    return located, len(files) - int(found.sum())


def _name_patients(images: pd.DataFrame) -> pd.DataFrame:
    """The patient of each image: the header's or, where none of a study's headers names one, the study itself."""
    named = images["header_patient"].mask(images["header_patient"] == "")
    of_study = named.groupby(images["study_id"]).transform("first")
    patients = named.fillna(of_study).fillna(images["study_id"])
    return images.drop(columns="header_patient").assign(patient_id=patients.astype("str"))


def _count_unboxed(study_ids: pd.Series, boxed: pd.Series) -> int:
    """Images without a box whose study has one on another image."""
    return int((boxed.groupby(study_ids).transform("max") - boxed).sum())
