"""Images to learn from and images to evaluate with: ``python -m evalkit.pretraining.sources --study S ...``.

No patient, and no image with the same pixels, may be among both.
"""

from __future__ import annotations

import argparse
from typing import Any

from evalkit.atomic import write_json
from evalkit.commands import add_study_argument, run_command
from evalkit.config.loading import Study, load_study
from evalkit.packing.packed import load_packed
from evalkit.splits.leakage import check_disjoint


def check_apart(study: Study, dataset: str, other: str) -> dict[str, Any]:
    """Refuse data sets that share a patient or an image: to pretrain on and to evaluate with, or to train and test on.

    Parameters
    ----------
    study : Study
    dataset : str
        The data set to learn from.
    other : str
        An evaluation's data set, or another one that it is tested on.

    Returns
    -------
    dict
        How many images and patients of each were compared.

    Raises
    ------
    InputError
        The data sets share patients or pixels, or one of them has not been packed.
    """
    size, layout = study.file.image_size, study.layout
    own, others = (load_packed(layout.packed(name, size)).index for name in (dataset, other))
    sources = {study.dataset(name).patients_of for name in (dataset, other)}
    check_disjoint(
        own,
        others,
        names=(f"the data {dataset!r} to learn from", f"the data {other!r} to evaluate with"),
        same_ids=None in sources or len(sources) == 1,
    )
    return {
        role: {"name": name, "images": len(index), "patients": int(index["patient_id"].nunique())}
        for role, name, index in (("learnt from", dataset, own), ("evaluated with", other, others))
    }


def check_apart_from_packed(study: Study, dataset: str) -> None:
    """Check a data set against those of the study's evaluations, as far as they are packed.

    The rest is for the workflow, which lets no run start from weights whose data it has not checked.

    Raises
    ------
    InputError
        As `check_apart`.
    """
    evaluations = study.file.evaluations.values()
    for other in dict.fromkeys(name for entry in evaluations for name in (entry.dataset, *entry.test_on)):
        if (study.layout.packed(other, study.file.image_size) / "packing.json").exists():
            check_apart(study, dataset, other)


def main() -> None:
    """Check the two data sets that the arguments name, and write what was compared."""
    parser = argparse.ArgumentParser(
        prog="python -m evalkit.pretraining.sources",
        description="Check that a data set to pretrain on shares no patient and no image with an evaluation's.",
    )
    add_study_argument(parser)
    parser.add_argument("--dataset", required=True, help="a data set of the study, to pretrain on")
    parser.add_argument("--other", required=True, help="a data set of the study, to evaluate with")
    arguments = parser.parse_args()
    study = load_study(arguments.study)
    compared = check_apart(study, arguments.dataset, arguments.other)
    write_json(study.layout.apart(arguments.dataset, arguments.other), compared)


if __name__ == "__main__":
    run_command(main)
