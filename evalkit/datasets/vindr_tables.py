"""The tables of VinDr-CXR, Kaggle's and PhysioNet's: what each reader said of each image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from evalkit.config.strict import nearest
from evalkit.datasets.reading import parse_labels, read_columns, read_header, refuse_first, refuse_first_of
from evalkit.errors import InputError

NO_FINDING = "No finding"
#: Findings with boxes, in Kaggle's copy (14) and in PhysioNet's (22).
KAGGLE_FINDINGS = (
    "Aortic enlargement",
    "Atelectasis",
    "Calcification",
    "Cardiomegaly",
    "Consolidation",
    "ILD",
    "Infiltration",
    "Lung Opacity",
    "Nodule/Mass",
    "Other lesion",
    "Pleural effusion",
    "Pleural thickening",
    "Pneumothorax",
    "Pulmonary fibrosis",
)
LOCAL_FINDINGS = (
    "Aortic enlargement",
    "Atelectasis",
    "Calcification",
    "Cardiomegaly",
    "Clavicle fracture",
    "Consolidation",
    "Edema",
    "Emphysema",
    "Enlarged PA",
    "ILD",
    "Infiltration",
    "Lung Opacity",
    "Lung cavity",
    "Lung cyst",
    "Mediastinal shift",
    "Nodule/Mass",
    "Pleural effusion",
    "Pleural thickening",
    "Pneumothorax",
    "Pulmonary fibrosis",
    "Rib fracture",
    "Other lesion",
)
#: Labels of PhysioNet's copy that belong to the whole image.
GLOBAL_LABELS = ("COPD", "Lung tumor", "Pneumonia", "Tuberculosis", "Other diseases")

#: Columns of a box.
CORNERS = ["x_min", "y_min", "x_max", "y_max"]
#: The test table has this column's name without the last letter.
_SPELLED = {"Other disease": "Other diseases"}


@dataclass(frozen=True)
class VindrPart:
    """What the tables of one part of a copy say, a reader's word for each row.

    Attributes
    ----------
    folder : str
        Where its images lie.
    split : str
    files : list of pathlib.Path
        Its tables; the first lists the images.
    votes : DataFrame
        image_id and a column per label: 1, 0 or NaN.
    boxes : DataFrame
        image_id, reader, label and `CORNERS`; of findings only.
    """

    folder: str
    split: str
    files: list[Path]
    votes: pd.DataFrame
    boxes: pd.DataFrame


def read_kaggle(root: Path) -> VindrPart:
    """Read train.csv; an `InputError` names what is wrong with it."""
    table = root / "train.csv"
    rows = read_columns(table, ("image_id", "class_name", "rad_id", *CORNERS))
    marks = _read_marks(rows, (*KAGGLE_FINDINGS, NO_FINDING), table)
    votes = pd.crosstab([marks["image_id"], marks["reader"]], marks["label"]).clip(upper=1).astype("float64")
    votes = votes.reindex(columns=[*KAGGLE_FINDINGS, NO_FINDING], fill_value=0.0).reset_index("image_id")
    boxes = marks[marks["label"] != NO_FINDING]
    return VindrPart("train", "", [table], votes.reset_index(drop=True), boxes)


def read_official(root: Path, split: str, labels: Sequence[str]) -> VindrPart:
    """Read the two tables of a part of PhysioNet's copy; an `InputError` names what is wrong with them."""
    tables = [root / "annotations" / f"{name}_{split}.csv" for name in ("image_labels", "annotations")]
    columns = {_SPELLED.get(name, name): name for name in read_header(tables[0])}
    rows = read_columns(tables[0], ["image_id", *(columns.get(label, label) for label in labels)], optional=["rad_id"])
    text = rows.rename(columns={name: label for label, name in columns.items()})
    votes = parse_labels(text, labels, tables[0]).assign(image_id=text["image_id"].str.strip())
    twice = text[[name for name in ("image_id", "rad_id") if name in text]].duplicated()
    refuse_first(twice, text["image_id"], "a reader's row of an image twice", "one row for each reader", tables[0])
    marked = read_columns(tables[1], ("image_id", "class_name", *CORNERS), optional=["rad_id"])
    boxes = _read_marks(marked, (*LOCAL_FINDINGS, NO_FINDING), tables[1])
    boxes = boxes[boxes["label"] != NO_FINDING]
    strangers = sorted(set(boxes["image_id"]) - set(votes["image_id"]))
    if strangers:
        raise InputError(
            f"{tables[1]} has boxes on {len(strangers):,} images that {tables[0].name} does not list, for example "
            f"{strangers[0]!r}",
            "the same images in both tables",
            "put the tables of one release there",
        )
    return VindrPart(split, split, tables, votes, boxes)


def _read_marks(rows: pd.DataFrame, classes: Sequence[str], table: Path) -> pd.DataFrame:
    """Every mark of a reader: a finding with its box, or that there is none, without."""
    label = rows["class_name"].str.strip()
    unknown = ~label.isin(classes)
    hint = nearest(label[unknown].iloc[0], classes) if unknown.any() else ""
    refuse_first(unknown, rows["class_name"], "the class", f"a class of the data set{hint}", table)
    corners = rows[CORNERS].apply(lambda column: pd.to_numeric(column, errors="coerce").astype("float64"))
    healthy = label == NO_FINDING
    lacking, needless = ~healthy & corners.isna().any(axis=1), healthy & corners.notna().any(axis=1)
    refuse_first_of(lacking, rows[CORNERS], "the box of a finding", "four numbers", table)
    refuse_first_of(needless, rows[CORNERS], f"the box of {NO_FINDING!r}", "blank fields", table)
    image_ids = rows["image_id"].str.strip()
    refuse_first(~image_ids.str.fullmatch(r"[\w-]+"), rows["image_id"], "the id", "letters and digits", table)
    reader = rows["rad_id"].str.strip() if "rad_id" in rows else "consensus"
    return corners.assign(image_id=image_ids, label=label, reader=reader)
