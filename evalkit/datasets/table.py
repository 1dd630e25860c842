"""Bring your own: any images, with one CSV table that names their files, patients and labels."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from evalkit.config.datasets import CsvEntry
from evalkit.config.strict import nearest
from evalkit.datasets.building import build_manifest
from evalkit.datasets.classes import choose_classes, label_classes
from evalkit.datasets.labels import LabelPolicy
from evalkit.datasets.manifest import Manifest
from evalkit.datasets.reading import (
    describe_files,
    parse_ages,
    parse_labels,
    parse_sexes,
    read_columns,
    read_header,
    refuse_first,
)
from evalkit.errors import InputError

REQUIRED = ("path", "patient_id")
OPTIONAL = ("image_id", "study_id", "split", "age", "sex", "view")


def read_table(entry: CsvEntry, root: Path) -> Manifest:
    """Read images described by a table.

    Parameters
    ----------
    entry : CsvEntry
        Which table and which patients, which column holds classes, and what uncertain and blank labels become.
    root : pathlib.Path
        The folder that the table's paths start from.

    Returns
    -------
    Manifest
        The classes of `entry.class_column` are labels: 1 for the image's own, 0 for the others. Columns other than that
        one, `REQUIRED` and `OPTIONAL` are further labels, in the table's order; without any label, the images serve for
        contrastive pretraining only. Default labels are the classes, else all. Without image_id, the path is the id;
        without study_id, each image is its own study.

    Raises
    ------
    InputError
        The table or a column is missing, a column has no name or a name twice, a label is none of 1, 0, -1 and
        blank, a class is blank or not among `entry.classes`, or a check of `build_manifest` fails.
    """
    table = root / entry.table
    if not table.resolve().is_relative_to(root.resolve()):
        raise InputError(f"the table {entry.table!r} lies outside {root}", "a path below root", "move the table there")
    labels = _find_labels(table, entry.class_column)
    by_class = [entry.class_column] if entry.class_column else []
    rows = read_columns(table, (*REQUIRED, *by_class, *labels), optional=OPTIONAL)
    blank = pd.Series("", index=rows.index, dtype="str")
    columns = {name: rows[name].str.strip() if name in rows else blank for name in (*REQUIRED, *OPTIONAL)}
    images = pd.DataFrame(
        {
            **columns,
            "image_id": columns["image_id"] if "image_id" in rows else columns["path"],
            "age": parse_ages(columns["age"], table),
            "sex": parse_sexes(columns["sex"], table),
        }
    )
    images["study_id"] = columns["study_id"] if "study_id" in rows else images["image_id"]
    raw = parse_labels(rows, labels, table)
    classes = [_read_classes(rows[column], entry, table, labels) for column in by_class]
    policy = LabelPolicy(entry.uncertain, entry.blank)
    says = [f"classes from the column {column!r}" for column in by_class]
    says += [policy.describe()] if labels or not by_class else []
    test_set = "the table's split 'test'" if (images["split"] == "test").any() else "patients drawn at random"
    return build_manifest(
        images,
        pd.concat([*classes, raw], axis=1),
        policy=policy,
        default_labels=list(classes[0]) if classes else labels,
        unit="image",
        patients=entry.patients,
        report={
            "format": "csv",
            "files": describe_files([table], root),
            "test_set": test_set,
            "footnote": f"Images of {table.name}, {', '.join(says)}. Test set: {test_set}.",
        },
        source=table,
    )


def _find_labels(table: Path, class_column: str | None) -> list[str]:
    """The columns that are labels; all others are there, or the table is refused."""
    header = _check_header(table)
    own = (*REQUIRED, *OPTIONAL)
    if class_column in own:
        raise InputError(
            f"class_column is {class_column!r}, which has a meaning of its own in {table}",
            f"another column than {', '.join(own)}",
            "name the column that holds the classes",
        )
    required = (*REQUIRED, class_column) if class_column else REQUIRED
    missing = [column for column in required if column not in header]
    if missing:
        raise InputError(
            f"{table} has no column {' and none called '.join(map(repr, missing))}{nearest(missing[0], header)}",
            f"the columns {' and '.join(required)}, separated by commas",
            "name the columns so, or save the table with commas",
        )
    return [column for column in header if column not in (*own, class_column)]


def _read_classes(text: pd.Series, entry: CsvEntry, table: Path, labels: list[str]) -> pd.DataFrame:
    """Turn a column of class names into a column of 1 and 0 for each class."""
    names = text.str.strip()
    what = f"the class in {entry.class_column!r}"
    refuse_first(names == "", text, what, "the name of a class for every image", table)
    if entry.classes:
        refuse_first(~names.isin(entry.classes), text, what, f"one of {', '.join(entry.classes)}", table)
    classes = choose_classes(set(names), entry.classes, source=table)
    twice = [name for name in classes if name in labels]
    if twice:
        raise InputError(
            f"{table} has a column {twice[0]!r} and a class of that name",
            "different names",
            "rename the column or the class",
        )
    return label_classes(names, classes)


def _check_header(table: Path) -> list[str]:
    header = read_header(table)
    odd = [column for column in header if not column.strip() or column != column.strip() or column.startswith("raw:")]
    if odd or len(set(header)) < len(header):
        raise InputError(
            f"{table} has the columns {header}",
            "different names, none blank, none with a space at an end, none beginning with 'raw:'",
            "mend the header",
        )
    return header
