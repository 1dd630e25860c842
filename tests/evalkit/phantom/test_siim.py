"""Phantoms in SIIM's layout: DICOM files and tables as the original's, and boxes around what is really there."""

import ast
import csv
import dataclasses
import re

import numpy as np
import pandas as pd
import pytest
from pydicom import dcmread
from pydicom.uid import RLELossless

from evalkit.config.datasets import SiimEntry
from evalkit.datasets import read_dataset
from evalkit.errors import InputError
from evalkit.images import read_gray
from evalkit.packing.ragged import pack_ragged
from evalkit.phantom import draw_patient, generator_version, render, write_siim
from evalkit.phantom.__main__ import main
from evalkit.phantom.disease import SIDED
from evalkit.phantom.order import Order
from evalkit.phantom.siim import CLASSES, _outline_lungs, _plan

SIZE = 64
PATIENTS = 60


@pytest.fixture(scope="module")
def siim(tmp_path_factory):
    return write_siim(tmp_path_factory.mktemp("phantoms") / "siim", patients=PATIENTS, size=SIZE, workers=1)


@pytest.fixture(scope="module")
def manifest(siim):
    return read_dataset(SiimEntry(format="siim", root="unused"), siim)


def order_of(patients=PATIENTS, size=SIZE):
    from evalkit.phantom.disease import PREVALENCE

    return Order("siim", patients, 1, size, 0, 0.0, False, False, dict(PREVALENCE))


def test_tables_are_as_the_originals(siim):
    with (siim / "train_image_level.csv").open() as file:
        header, *images = csv.reader(file)
    assert header == ["id", "boxes", "label", "StudyInstanceUID"]
    boxed = [row for row in images if row[1]]
    for identifier, boxes, label, study in images:
        assert re.fullmatch(r"[0-9a-f]{12}_image", identifier)
        assert re.fullmatch(r"[0-9a-f]{12}", study)
        corners = ast.literal_eval(boxes) if boxes else []
        told = [f"opacity 1 {b['x']:g} {b['y']:g} {b['x'] + b['width']:g} {b['y'] + b['height']:g}" for b in corners]
        assert label == (" ".join(told) or "none 1 0 0 1 1")
    assert max(row[1].count("{") for row in boxed) == 2, "one box for each lung at most"
    with (siim / "train_study_level.csv").open() as file:
        header, *studies = csv.reader(file)
    assert header == ["id", *(each.name for each in CLASSES)]
    assert all(sorted(row[1:]) == ["0", "0", "0", "1"] for row in studies)
    assert {row[0].removesuffix("_study") for row in studies} == {row[3] for row in images}
    assert len(studies) < len(images), "some studies have two images"


def test_the_reader_takes_it_as_it_is(manifest):
    counts = manifest.report["counts"]
    assert counts["patients"] == PATIENTS
    assert PATIENTS < counts["studies"] < counts["images"]
    assert 0.25 < manifest.report["boxes"]["images_without_boxes"] / counts["images"] < 0.40
    assert (manifest.images["opacity"] == 1 - manifest.images["negative"]).all()
    for name in ("negative", "typical", "indeterminate", "atypical"):
        assert manifest.images[name].sum() > 0
    assert manifest.images["age"].between(18, 90).all()
    assert set(manifest.images["sex"]) == {"F", "M"}
    assert set(manifest.images["view"]) == {"AP", "PA"}
    per_study = manifest.images["path"].str.split("/").str[1:3].map(tuple).drop_duplicates()
    assert per_study.str[0].duplicated().any(), "some studies have two series"


def test_files_are_dicom_of_several_kinds(siim, manifest):
    kinds = set()
    for row in manifest.images.itertuples():
        dataset = dcmread(siim / row.path)
        assert dataset.PatientID == row.patient_id
        assert (dataset.Rows, dataset.Columns, dataset.BitsStored) == (SIZE, SIZE, 12)
        compressed = dataset.file_meta.TransferSyntaxUID == RLELossless
        kinds.add((dataset.PhotometricInterpretation, compressed))
    assert kinds >= {("MONOCHROME1", False), ("MONOCHROME2", False), ("MONOCHROME2", True)}
    assert len({dcmread(siim / path).SOPInstanceUID for path in manifest.images["path"]}) == len(manifest.images)


def test_pixels_are_the_radiographs_however_they_are_stored(siim):
    seen = set()
    for number in range(1, PATIENTS + 1):
        for shot, _ in _plan(order_of(), draw_patient(number)):
            kind = shot.header.inverted, shot.header.compressed
            if kind in seen:
                continue
            seen.add(kind)
            picture = render(draw_patient(number), shot.study, size=SIZE).image.astype(float)
            np.testing.assert_array_equal(
                read_gray(siim / shot.path) - read_gray(siim / shot.path).min(), 16 * (picture - picture.min())
            )
    assert len(seen) >= 3


def test_boxes_lie_around_what_the_opacity_changed():
    """The same radiograph without the opacity differs inside the boxes, and hardly outside."""
    compared = 0
    for number in range(1, PATIENTS + 1):
        patient = draw_patient(number)
        (shot, row), *_ = _plan(order_of(), patient)
        if row["class"] != "Indeterminate Appearance":
            continue
        without = {label: strength for label, strength in shot.study.strengths.items() if label not in SIDED}
        ill = render(patient, shot.study, size=SIZE)
        well = render(patient, dataclasses.replace(shot.study, strengths=without), size=SIZE)
        change = ill.attenuation - well.attenuation
        inside = np.zeros(change.shape, bool)
        for _, _, (x, y, width, height) in _outline_lungs(ill):
            inside[y : y + height, x : x + width] = True
        assert change[inside].mean() > 5 * np.abs(change[~inside]).mean()
        compared += 1
    assert compared > 5


def test_boxes_are_brighter_than_what_lies_around_them(siim, manifest, tmp_path):
    packed = pack_ragged(manifest, siim, tmp_path / "r", longest=48, antialias=True, unreadable="fail", workers=1)
    focal = manifest.images.loc[manifest.images["indeterminate"] == 1, "image_id"]
    differences = []
    for row in packed.rows(focal):
        image = packed.image(row).astype(float)
        for x, y, width, height in packed.boxes_of(row).corners:
            rows, columns = slice(round(y), round(y + height)), slice(round(x), round(x + width))
            mirrored = image[:, ::-1]
            differences.append(image[rows, columns].mean() - mirrored[rows, columns].mean())
    assert len(differences) > 10
    assert np.mean(differences) > 10, "against the same place of the other lung"


def test_boxes_lie_in_their_lungs(manifest):
    right = manifest.boxes["x"] + manifest.boxes["width"]
    bottom = manifest.boxes["y"] + manifest.boxes["height"]
    assert (manifest.boxes[["x", "y"]] >= 0).all(axis=None)
    assert (right <= SIZE).all()
    assert (bottom <= SIZE).all()
    assert manifest.report["boxes"]["cut_to_the_image"] == 0
    pairs = manifest.boxes.groupby("image_id").filter(lambda boxes: len(boxes) == 2)
    first, second = pairs.iloc[::2].reset_index(), pairs.iloc[1::2].reset_index()
    assert (first["x"] + first["width"] / 2 < second["x"] + second["width"] / 2).all(), "first the image's left"


def test_the_same_order_gives_the_same_bytes_in_any_number_of_processes(tmp_path):
    roots = [write_siim(tmp_path / str(n), patients=6, size=32, workers=n) for n in (1, 2)]
    files = [sorted(path.relative_to(root) for path in root.rglob("*") if path.is_file()) for root in roots]
    assert files[0] == files[1]
    for path in files[0]:
        if path.suffix != ".parquet":
            assert (roots[0] / path).read_bytes() == (roots[1] / path).read_bytes()


def test_patients_of_other_numbers_are_others(siim, manifest, tmp_path):
    later = write_siim(tmp_path / "later", patients=5, first_patient=PATIENTS + 1, size=32, workers=1)
    others = read_dataset(SiimEntry(format="siim", root="unused"), later).images
    assert not set(others["patient_id"]) & set(manifest.images["patient_id"])
    assert not set(others["image_id"]) & set(manifest.images["image_id"])


def test_an_opacity_stays_where_it_was_in_a_second_image(manifest):
    twice = manifest.images.groupby("study_id").filter(
        lambda images: len(images) == 2 and images["indeterminate"].all()
    )
    assert len(twice)
    boxes = manifest.boxes.merge(twice[["image_id", "study_id"]], on="image_id")
    for _, places in boxes.groupby("study_id"):
        middle = places["x"] + places["width"] / 2
        assert places["image_id"].nunique() == 2
        assert middle.max() - middle.min() < SIZE / 5, "in the same lung, in another pose"


def test_the_command_writes_it_and_refuses_too_few(tmp_path, capsys):
    arguments = ["write", "--layout", "siim", "--root", str(tmp_path / "s"), "--size", "32", "--workers", "1"]
    assert main([*arguments, "--patients", "4"]) == 0
    assert pd.read_json(tmp_path / "s" / "phantom.json", typ="series")["generator"] == generator_version()
    with pytest.raises(InputError, match="3 patients are to be of 4 kinds"):
        write_siim(tmp_path / "few", patients=3, size=32)
    assert main([*arguments, "--patients", "4", "--held-out-share", "0.5"]) == 2
    assert "--held-out-share is given for the layout siim" in capsys.readouterr().err
