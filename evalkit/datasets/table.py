"""Bring your own: any images, with one CSV table that names their files, patients and labels."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from evalkit.config.datasets import CsvEntry
from evalkit.config.strict import nearest
from evalkit.datasets.building import build_manifest
from evalkit.datasets.labels import LabelPolicy
from evalkit.datasets.manifest import Manifest
from evalkit.datasets.reading import describe_files, parse_ages, parse_labels, parse_sexes, read_columns, read_header
from evalkit.errors import InputError

REQUIRED = ("path", "patient_id")
OPTIONAL = ("image_id", "study_id", "split", "age", "sex", "view")


def read_table(entry: CsvEntry, root: Path) -> Manifest:
    """Read images described by a table.

    Parameters
    ----------
    entry : CsvEntry
        Which table and which patients, and what uncertain and blank labels become.
    root : pathlib.Path
        The folder that the table's paths start from.

    Returns
    -------
    Manifest
        Columns other than `REQUIRED` and `OPTIONAL` are labels, in the table's order; without any, the images serve
        for contrastive pretraining only. Without image_id, the path is
        the id; without study_id, each image is its own study.

    Raises
    ------
    InputError
        The table or a column is missing, a column has no name or a name twice, a label is none of 1, 0, -1 and
        blank, or a check of `build_manifest` fails.
    """
    table = root / entry.table
    if not table.resolve().is_relative_to(root.resolve()):
        raise InputError(f"the table {entry.table!r} lies outside {root}", "a path below root", "move the table there")
    header = _check_header(table)
    labels = [column for column in header if column not in (*REQUIRED, *OPTIONAL)]
    missing = [column for column in REQUIRED if column not in header]
    if missing:
        raise InputError(
            f"{table} has no column {' and none called '.join(map(repr, missing))}{nearest(missing[0], header)}",
            f"the columns {' and '.join(REQUIRED)}, separated by commas",
            "name the columns so, or save the table with commas",
        )
    rows = read_columns(table, (*REQUIRED, *labels), optional=OPTIONAL)
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
    policy = LabelPolicy(entry.uncertain, entry.blank)
    test_set = "the table's split 'test'" if (images["split"] == "test").any() else "patients drawn at random"
    return build_manifest(
        images,
        parse_labels(rows, labels, table),
        policy=policy,
        default_labels=labels,
        unit="image",
        patients=entry.patients,
        report={
            "format": "csv",
            "files": describe_files([table], root),
            "test_set": test_set,
            "footnote": f"Images of {table.name}, {policy.describe()}. Test set: {test_set}.",
        },
        source=table,
    )


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
