"""The images of an inversion, from a data set's own files: VinDr-CXR's normals as Kaggle has them."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from evalkit.config.loading import Study, load_study
from evalkit.datasets import __main__ as reading
from evalkit.errors import InputError
from evalkit.images import pack_image, read_gray
from evalkit.packing import __main__ as packing
from evalkit.phantom.dicom import DicomHeader, write_dicom
from evalkit.splits import __main__ as splitting
from evalkit.splits.stored import ROLES, load_splits
from evalkit.training.parts import load_parts

SIDE = 32
HEADER = ["image_id", "class_name", "class_id", "rad_id", "x_min", "y_min", "x_max", "y_max"]
READERS = ("R1", "R2", "R3")
NORMALS = [f"n{number:02d}" for number in range(12)]
#: Somebody found something in each of these; in `DOUBTED`, two of three readers found nothing.
OTHERS = [f"p{number:02d}" for number in range(11)]
DOUBTED = "q00"


@pytest.fixture
def vindr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Kaggle's layout of the data set, in the working folder."""
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "vindr"
    (root / "train").mkdir(parents=True)
    rows: list[tuple[str | int, ...]] = []
    for number, image in enumerate([*NORMALS, *OTHERS, DOUBTED]):
        pixels = np.random.default_rng(number).integers(0, 256, (40, 36), dtype=np.uint8)
        header = DicomHeader(patient_id="", study=image, series="1", image=image, sex="F", age=50, projection="PA")
        with (root / "train" / f"{image}.dicom").open("wb") as file:
            write_dicom(file, pixels, header)
        sick = {"n": 0, "p": 2, "q": 1}[image[0]]
        rows += [(image, "ILD", 5, reader, 2, 2, 9, 9) for reader in READERS[:sick]]
        rows += [(image, "No finding", 14, reader, "", "", "", "") for reader in READERS[sick:]]
    with (root / "train.csv").open("w", newline="") as table:
        csv.writer(table).writerows([HEADER, *rows])
    return root


@pytest.fixture
def make_inversion(vindr: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Study]:
    """Write a study of an inversion and run the commands of the jobs that come before its images."""

    def run(command: Callable[[], object], *arguments: str) -> None:
        monkeypatch.setattr(sys, "argv", ["command", "--study", "tiny.yaml", *arguments])
        command()

    def make(only: str, *, fusion: str = "majority") -> Study:
        evaluation = {
            "task": "inversion",
            "dataset": "vindr",
            "only": [only],
            "validation_share": 0.5,
            "test_share": 0.3,
            "generator": {"path": "none.pkl"},
        }
        study = {
            "study": "tiny",
            "title": "Tiny",
            "image_size": SIDE,
            "device": "cpu",
            "backbones": ["pixels"],
            "datasets": {"vindr": {"format": "vindr", "root": str(vindr), "fusion": fusion}},
            "evaluations": {"normals": evaluation},
        }
        Path("backbones.yaml").write_text(yaml.safe_dump({"pixels": {"label": "Pixels", "control": "pixel-only"}}))
        Path("tiny.yaml").write_text(yaml.safe_dump(study))
        run(reading.main, "--dataset", "vindr")
        run(packing.main, "--dataset", "vindr", "--size", str(SIDE), "--workers", "1")
        run(splitting.main, "--evaluation", "normals")
        return load_study("tiny.yaml")

    return make


def test_an_inversion_takes_vindrs_normals(make_inversion: Callable[..., Study], vindr: Path) -> None:
    study = make_inversion("No finding")
    parts = load_parts(study, "normals")
    splits = load_splits(study.layout.splits("normals"))
    normals = {*NORMALS, DOUBTED}
    divided = {role: set(splits.image_ids(role)) for role in ROLES}
    assert all(images & normals and images - normals for images in divided.values()), "each role has both kinds"

    chosen = dict(zip(ROLES, (parts.training, parts.calibration, parts.inverted), strict=True))
    for role, part in chosen.items():
        assert set(part.images["image_id"]) == divided[role] & normals
    assert parts.calibration.images["patient_id"].is_unique
    patients = [set(part.images["patient_id"]) for part in chosen.values()]
    assert len(set.union(*patients)) == sum(map(len, patients)), "nobody is on two sides"
    assert parts.count_shared_patients() == 0
    for part in chosen.values():
        for image, row in zip(part.images["image_id"], part.images["row"], strict=True):
            expected = pack_image(read_gray(vindr / "train" / f"{image}.dicom"), SIDE)
            np.testing.assert_array_equal(part.packed[row], expected.pixels)


def test_a_doubted_normal_is_none_where_every_reader_counts(make_inversion: Callable[..., Study]) -> None:
    parts = load_parts(make_inversion("No finding", fusion="any"), "normals")
    taken = [
        *parts.training.images["image_id"],
        *parts.calibration.images["image_id"],
        *parts.inverted.images["image_id"],
    ]
    assert sorted(taken) == NORMALS


def test_the_label_of_another_data_set_is_refused_with_the_nearest(make_inversion: Callable[..., Study]) -> None:
    study = make_inversion("No Finding")
    with pytest.raises(InputError, match=r"'only' names 'No Finding', which 'vindr' does not .*nearest: 'No finding'"):
        load_parts(study, "normals")
