"""Tiny data sets in the layouts of the public ones, and the real subset where it is at hand."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from evalkit.datasets.chexpert import LABELS
from evalkit.phantom import dicom


@pytest.fixture(scope="session")
def real_nih() -> Path:
    default = Path(__file__).resolve().parents[4] / "shared" / "data"
    folder = Path(os.environ.get("CXR_EVALKIT_DATA", default)) / "nih_chestxray14_subset"
    if not folder.is_dir():
        pytest.skip(f"no real radiographs: {folder} does not exist (set CXR_EVALKIT_DATA)")
    return folder


@pytest.fixture
def write_image() -> Callable[..., Path]:
    """Write a small image, each number another one."""

    def write(path: Path, number: int = 0, size: tuple[int, int] = (16, 12)) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, size, dtype=np.uint8)
        Image.fromarray(pixels).save(path)
        return path

    return write


@pytest.fixture
def chexpert_rows() -> Callable[..., pd.DataFrame]:
    """Rows of a CheXpert table: each is (path after the distribution's name, labels by class)."""

    def rows(*images: tuple[str, dict[str, float]], name: str = "CheXpert-v1.0-small") -> pd.DataFrame:
        table = []
        for path, labels in images:
            frontal = "frontal" in path
            about = {
                "Path": f"{name}/{path}" if name else path,
                "Sex": "Female",
                "Age": 60,
                "Frontal/Lateral": "Frontal" if frontal else "Lateral",
                "AP/PA": "AP" if frontal else "",
            }
            table.append({**about, **dict.fromkeys(LABELS), **labels})
        return pd.DataFrame(table)

    return rows


@pytest.fixture
def chexpert(tmp_path: Path, chexpert_rows: Callable[..., pd.DataFrame]) -> Path:
    """Two training patients with a lateral view, an uncertain and blank labels; one validation patient."""
    train = chexpert_rows(
        ("train/patient00001/study1/view1_frontal.jpg", {"Edema": 1.0, "Atelectasis": -1.0}),
        ("train/patient00001/study1/view2_lateral.jpg", {"Edema": 1.0, "Atelectasis": -1.0}),
        ("train/patient00001/study2/view1_frontal.jpg", {"Edema": -1.0, "No Finding": 1.0}),
        ("train/patient00002/study1/view1_frontal.jpg", {"Edema": 0.0, "Cardiomegaly": -1.0}),
    )
    train.loc[3, ["Sex", "Age", "AP/PA"]] = ["Unknown", 0, "PA"]
    train.to_csv(tmp_path / "train.csv", index=False)
    valid = chexpert_rows(("valid/patient64541/study1/view1_frontal.jpg", dict.fromkeys(LABELS, 0.0)))
    valid.to_csv(tmp_path / "valid.csv", index=False)
    return tmp_path


_HEADERS = {
    "2017": "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],",
    "2020": "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImageWidth,OriginalImageHeight,OriginalImagePixelSpacing_x,OriginalImagePixelSpacing_y",
}


@pytest.fixture
def write_nih(tmp_path: Path, write_image: Callable[..., Path]) -> Callable[..., Path]:
    """Write a folder in ChestX-ray14's layout, in the vintage of 2017 or of 2020."""

    def write(vintage: str = "2017", *, in_parts: bool = False, size: tuple[int, int] = (64, 64)) -> Path:
        name = {"2017": "Data_Entry_2017.csv", "2020": "Data_Entry_2017_v2020.csv"}[vintage]
        age = {"2017": "{:03d}Y", "2020": "{}"}[vintage]
        end = {"2017": ",", "2020": ""}[vintage]
        rows = [
            ("00000001_000.png", "Cardiomegaly|Effusion", 0, 1, 58, "M", "PA"),
            ("00000001_001.png", "No Finding", 1, 1, 58, "M", "AP"),
            ("00000002_000.png", "Infiltration", 0, 2, 411, "F", "PA"),
            ("00000013_000.png", "Pleural_Thickening|Hernia|Edema", 0, 13, 7, "F", "AP"),
        ]
        lines = [_HEADERS[vintage]]
        for position, (image, findings, follow_up, patient, years, sex, view) in enumerate(rows):
            about = f"{image},{findings},{follow_up},{patient},{age.format(years)},{sex},{view}"
            lines.append(f"{about},2682,2749,0.143,0.143{end}")
            folder = f"images_{position + 1:03d}/images" if in_parts else "images"
            write_image(tmp_path / folder / image, position, size)
        (tmp_path / name).write_text("\n".join(lines) + "\n")
        return tmp_path

    return write


@pytest.fixture
def own_table(tmp_path: Path) -> Callable[..., Path]:
    """Write labels.csv from text and give its folder."""

    def write(text: str) -> Path:
        (tmp_path / "labels.csv").write_text(text)
        return tmp_path

    return write


@pytest.fixture(scope="session")
def real_lungs() -> Path:
    default = Path(__file__).resolve().parents[4] / "shared" / "data"
    folder = Path(os.environ.get("CXR_EVALKIT_DATA", default)) / "lung_boxes"
    if not folder.is_dir():
        pytest.skip(f"no real radiographs with lung boxes: {folder} does not exist (set CXR_EVALKIT_DATA)")
    return folder


@pytest.fixture
def write_dicom() -> Callable[..., Path]:
    """Write a small radiograph as DICOM; what its header says by keyword."""

    def write(path: Path, size: tuple[int, int] = (40, 50), **says) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        header = {"patient_id": "", "study": "s", "series": "t", "image": path.stem, "sex": "F", "age": 41, **says}
        pixels = np.random.default_rng(len(path.stem)).integers(0, 256, size, dtype=np.uint8)
        with path.open("wb") as file:
            dicom.write_dicom(file, pixels, dicom.DicomHeader(**{"projection": "PA", **header}))
        return path

    return write
