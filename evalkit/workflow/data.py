"""Data sets, splits and copies: their files, and what makes their jobs run again."""

from __future__ import annotations

from pathlib import Path

from evalkit.config.datasets import CocoEntry, CsvEntry, FolderEntry, KermanyEntry
from evalkit.config.detection import Detection
from evalkit.config.inversion import Inversion
from evalkit.config.loading import Study
from evalkit.errors import InputError
from evalkit.fingerprints import file_state, value_hash
from evalkit.listing import listing_state
from evalkit.settings import read_setting
from evalkit.workflow.machine import values_of

#: The files of a balanced training set; packing.json is written last.
BALANCED_FILES = ("packing.json", "balancing.json", "index.parquet", "images.npy")


#: What the index files of a public data set are called; a change of one of them is a change of the data set.
_INDEX_FILES = {
    "chexpert": ("*.csv",),
    "nih": ("*.csv", "*_list.txt"),
    "siim": ("train_*_level.csv",),
    "rsna": ("stage_2_*.csv", "*mappings_2018.json"),
    "vindr": ("train.csv", "annotations/*.csv"),
}


def phantom_arguments(study: Study, dataset: str) -> str:
    """The arguments that draw a phantom data set."""
    entry = study.dataset(dataset)
    assert entry.phantom is not None
    return (
        f"--layout {entry.format} --patients {entry.phantom.patients} --first-patient {entry.phantom.first_patient}"
        f" --size {entry.phantom.size} --seed {entry.phantom.seed}"
        + (f" --names {entry.phantom.names}" if isinstance(entry, KermanyEntry) and entry.phantom else "")
    )


def phantom_mark(study: Study, dataset: str) -> list[Path]:
    """The file that says a phantom data set is complete, or nothing for a real one."""
    entry = study.dataset(dataset)
    return [] if entry.phantom is None else [study.layout.phantom(dataset, entry.format) / "phantom.json"]


def dataset_hash(study: Study, dataset: str) -> str:
    """Changes when a data set is to be read in another way."""
    return value_hash(values_of(study.dataset(dataset), leave_out={"note", "patients_of"}))


def patient_sources(study: Study, dataset: str, other: str) -> list[str]:
    """Whose patients two data sets have, which decides whether their ids are compared."""
    return [study.dataset(name).patients_of or "unknown" for name in (dataset, other)]


def dataset_state(study: Study, dataset: str) -> list[str]:
    """What says that a real data set changed; ``absent`` where the folder or its variable is missing.

    That is the size and time of its index files or, where it has none, the names and sizes of all files.
    """
    entry = study.dataset(dataset)
    if entry.phantom is not None:
        return ["phantom"]
    try:
        root = study.dataset_root(dataset)
    except InputError:
        return ["absent"]
    if isinstance(entry, FolderEntry | KermanyEntry):
        return [listing_state(root)]
    if isinstance(entry, CocoEntry):
        return [f"{entry.annotations}: {file_state(root / entry.annotations)}"]
    patterns = (entry.table,) if isinstance(entry, CsvEntry) else _INDEX_FILES[entry.format]
    files = sorted(path for pattern in patterns for path in root.glob(pattern))
    return [f"{path.name}: {file_state(path)}" for path in files] or ["absent"]


def dataset_files(study: Study, dataset: str) -> list[Path]:
    """What a job that reads a packed data set depends on."""
    return [study.layout.manifest(dataset), study.layout.packed(dataset, study.file.image_size) / "packing.json"]


def divided_files(study: Study, evaluation: str) -> list[Path]:
    """What an evaluation's splits are made from: its data set, packed as its task asks for."""
    entry = study.evaluation(evaluation)
    if isinstance(entry, Detection):
        return [
            study.layout.manifest(entry.dataset),
            study.layout.ragged(entry.dataset, entry.longest) / "packing.json",
        ]
    return dataset_files(study, entry.dataset)


def evaluated_files(study: Study, evaluation: str) -> list[Path]:
    """What an evaluation's runs read of data sets: its own, and those it is tested on as well."""
    elsewhere = [path for name in study.evaluation(evaluation).test_on for path in dataset_files(study, name)]
    return divided_files(study, evaluation) + elsewhere


def copies_files(study: Study, evaluation: str, setting: str) -> list[Path]:
    """The copies that balance an evaluation's classes, where a setting trains on them."""
    chosen = read_setting(setting).trainset == "balanced"
    return [study.layout.balanced(evaluation) / name for name in BALANCED_FILES] if chosen else []


def balancing_hash(study: Study, evaluation: str) -> str:
    """Changes when copies are to be made in another way. What they are copies of comes with splits and pixels."""
    return value_hash({**values_of(study.classification(evaluation).balancing), "seed": study.file.seed})


def split_hash(study: Study, evaluation: str) -> str:
    """Changes when patients are to be divided in another way."""
    entry = study.evaluation(evaluation)
    if isinstance(entry, Detection | Inversion):
        divided = {"task", "dataset", "labels", "validation_share", "test_share"}
        values = entry.model_dump(mode="json", include=divided)
    else:
        how = {"recipe", "probe", "class_weights", "repeats_per_job", "seeds", "aggregate", "balancing", "test_on"}
        values = values_of(entry, leave_out=how)
        values["settings"].pop("regime")
    return value_hash({**values, "seed": study.file.seed})


def compared_files(study: Study, dataset: str, other: str) -> list[Path]:
    """Two packed data sets, or one where it is to be compared with itself."""
    return [path for name in dict.fromkeys((dataset, other)) for path in dataset_files(study, name)]
