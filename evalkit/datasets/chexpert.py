"""CheXpert v1.0 and v1.0-small, as distributed: train.csv and valid.csv with the images below the same folder.

The released test set is used where it is in the folder, as ``test.csv`` or ``test_labels.csv`` (one row per image) or
as the older pair ``test_image_paths.csv`` and ``groundtruth.csv`` (labels per study). Then valid.csv serves
validation, and studies are scored as the competition scored them. Else valid.csv is the test set.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from evalkit.config.datasets import CheXpertEntry
from evalkit.datasets.building import build_manifest
from evalkit.datasets.labels import LabelPolicy
from evalkit.datasets.manifest import Manifest, Unit
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

LABELS = (
    "No Finding",
    "Enlarged Cardiomediastinum",
    "Cardiomegaly",
    "Lung Opacity",
    "Lung Lesion",
    "Edema",
    "Consolidation",
    "Pneumonia",
    "Atelectasis",
    "Pneumothorax",
    "Pleural Effusion",
    "Pleural Other",
    "Fracture",
    "Support Devices",
)
#: The five classes of the CheXpert competition.
COMPETITION = ("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion")

_ABOUT = ("Sex", "Age", "AP/PA")
# The first folder is the name of the distribution, which differs between copies; the rest identifies the image.
_PATH = r"^(?:[^/]+/)?(?P<path>(?:train|valid|test)/(?P<patient_id>patient\d+)/(?P<study>study\d+)/[^/]*)$"


def read_chexpert(entry: CheXpertEntry, root: Path) -> Manifest:
    """Read a folder in CheXpert's layout.

    Parameters
    ----------
    entry : CheXpertEntry
        Which views and patients to keep and what uncertain and blank labels become.
    root : pathlib.Path
        The folder that holds train.csv and valid.csv.

    Returns
    -------
    Manifest
        The image id is the path without the distribution's name and the ending, for example
        ``train/patient00001/study1/view1_frontal``. `default_labels` are the competition's five.

    Raises
    ------
    InputError
        A file or column is missing, a path is not CheXpert's, a label is none of 1, 0, -1 and blank, or the two
        files of the older test set do not fit together.
    """
    test_files = _find_test_files(root)
    parts = [_read_part(root / "train.csv", "train")]
    parts.append(_read_part(root / "valid.csv", "valid" if test_files else "test"))
    if len(test_files) == 1:
        parts.append(_read_part(test_files[0], "test", about_is_required=False))
    elif test_files:
        parts.append(_read_study_level_test(*test_files))
    rows = pd.concat(parts, ignore_index=True)
    frontal = rows["view"] != "lateral"
    kept = frontal if entry.views == "frontal" else pd.Series(True, index=rows.index)
    policy = LabelPolicy(entry.uncertain, entry.blank)
    name = " and ".join(file.name for file in test_files) or "valid.csv"
    unit: Unit = "study" if test_files else "image"
    test_set = (
        f"the released test set ({name}), scored by study" if test_files else "valid.csv, as the folder has no test set"
    )
    return build_manifest(
        rows[kept].drop(columns=list(LABELS)),
        rows.loc[kept, list(LABELS)],
        policy=policy,
        default_labels=COMPETITION,
        unit=unit,
        patients=entry.patients,
        report={
            "format": "chexpert",
            "files": describe_files([root / "train.csv", root / "valid.csv", *test_files], root),
            "left_out": {"lateral views": int((~kept).sum())},
            "test_set": test_set,
            "footnote": f"CheXpert, {'frontal' if entry.views == 'frontal' else 'all'} views, {policy.describe()}. "
            f"Test set: {test_set}.",
        },
        source=root / "train.csv",
    )


def _find_test_files(root: Path) -> list[Path]:
    for name in ("test.csv", "test_labels.csv"):
        path = root / name
        if path.exists() and COMPETITION[0] in read_header(path):
            return [path]
    pair = [root / "test_image_paths.csv", root / "groundtruth.csv"]
    present = [path for path in pair if path.exists()]
    if len(present) == 1:
        raise InputError(
            f"{root} holds {present[0].name} without {next(path.name for path in pair if path not in present)}",
            "both files of the test set, or neither",
            "add the other file, or take this one away to test on valid.csv",
        )
    return present


def _read_part(path: Path, split: str, *, about_is_required: bool = True) -> pd.DataFrame:
    required = ("Path", *(_ABOUT if about_is_required else ()), *LABELS)
    table = read_columns(path, required, optional=_ABOUT)
    images = _identify(table["Path"], path, split)
    if "Age" in table:
        # CheXpert writes 0 where the age is not known.
        images["age"] = parse_ages(table["Age"], path).replace(0.0, float("nan"))
    if "Sex" in table:
        images["sex"] = parse_sexes(table["Sex"], path)
    if "AP/PA" in table:
        projection = table["AP/PA"].str.strip()
        images["view"] = images["view"].mask((images["view"] == "frontal") & (projection != ""), projection)
    return pd.concat([images, parse_labels(table, LABELS, path)], axis=1)


def _read_study_level_test(paths: Path, truth: Path) -> pd.DataFrame:
    images = _identify(read_columns(paths, ["Path"])["Path"], paths, "test")
    table = read_columns(truth, ("Study", *LABELS))
    study = table["Study"].str.extract(r"(patient\d+/study\d+)/?$")[0]
    refuse_first(study.isna(), table["Study"], "the study", "a path ending in patientNNNNN/studyN", truth)
    refuse_first(study.duplicated(), table["Study"], "a study listed twice", "each study once", truth)
    labels = parse_labels(table, LABELS, truth).set_index(study)
    different = set(labels.index) ^ set(images["study_id"])
    if different:
        raise InputError(
            f"{truth} and {paths.name} differ in {len(different):,} studies, for example {min(different)}",
            "the same studies in both files",
            "put the two files of one release there",
        )
    joined = labels.loc[images["study_id"]].reset_index(drop=True)
    return pd.concat([images, joined], axis=1)


def _identify(text: pd.Series, source: Path, split: str) -> pd.DataFrame:
    parts = text.str.strip().str.extract(_PATH)
    view = parts["path"].str.extract(r"_(frontal|lateral)\.\w+$")[0]
    expected = "[name/]train|valid|test/patientNNNNN/studyN/viewN_frontal.jpg (or lateral)"
    refuse_first(view.isna(), text, "the path", expected, source)
    return pd.DataFrame(
        {
            "image_id": parts["path"].str.replace(r"\.\w+$", "", regex=True),
            "patient_id": parts["patient_id"],
            "study_id": parts["patient_id"] + "/" + parts["study"],
            "path": parts["path"],
            "split": pd.Series(split, index=text.index, dtype="str"),
            "age": float("nan"),
            "sex": pd.Series("", index=text.index, dtype="str"),
            "view": view,
        }
    )
