"""Ragged packing: aspect ratios, boxes that go along, what is refused, and what an earlier try left."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydicom import dcmread
from pydicom.encaps import encapsulate
from pydicom.pixels import get_decoder
from pydicom.uid import JPEGLosslessSV1

from evalkit.config.datasets import CocoEntry, CsvEntry, NihEntry
from evalkit.datasets import read_dataset, write_manifest
from evalkit.errors import InputError
from evalkit.images import pack_image, read_gray
from evalkit.packing import load_packed, pack
from evalkit.packing.ragged import load_ragged, pack_ragged
from evalkit.packing.ragged.file import RaggedFile, fit_shapes
from evalkit.phantom.dicom import DicomHeader, write_dicom

DATA = Path(os.environ.get("CXR_EVALKIT_DATA", Path(__file__).parents[3] / "shared" / "data"))

#: Height and width of the images: wide, tall, square, and one that is small already.
SIZES = [(40, 80), (90, 30), (64, 64), (10, 12)]


def write_coco(root: Path, count: int = 40) -> Path:
    """Images of several shapes; each has a bright rectangle and a box around it, but for every fifth."""
    (root / "images").mkdir(parents=True)
    images, boxes = [], []
    for number in range(count):
        height, width = SIZES[number % len(SIZES)]
        pixels = np.random.default_rng(number).integers(20, 60, (height, width), dtype=np.uint8)
        if number % 5:
            pixels[height // 2 :, width // 3 : 2 * width // 3] = 200
            corners = [width // 3, height // 2, 2 * width // 3 - width // 3, height - height // 2]
            boxes.append({"image_id": number, "category_id": 1, "bbox": corners})
        Image.fromarray(pixels).save(root / "images" / f"{number}.png")
        images.append({"id": number, "file_name": f"{number}.png", "width": width, "height": height})
    data = {"categories": [{"id": 1, "name": "spot"}], "images": images, "annotations": boxes}
    (root / "annotations.json").write_text(json.dumps(data))
    return root


@pytest.fixture
def coco(tmp_path) -> Path:
    return write_coco(tmp_path / "data")


def read(root: Path):
    return read_dataset(CocoEntry(format="coco", root="unused"), root)


def pack_here(root: Path, folder: Path, manifest=None, **options):
    settings = {"longest": 32, "antialias": True, "unreadable": "fail", "workers": 1}
    return pack_ragged(manifest or read(root), root, folder, **{**settings, **options})


@given(st.lists(st.tuples(st.integers(1, 5000), st.integers(1, 5000)), min_size=1), st.integers(1, 2000))
def test_shapes_keep_the_aspect_ratio_to_half_a_pixel(sizes, longest):
    sizes = np.array(sizes)
    shapes = fit_shapes(sizes, longest)
    small = sizes.max(axis=1) <= longest
    np.testing.assert_array_equal(shapes[small], sizes[small])
    assert (shapes[~small].max(axis=1) == longest).all()
    assert (shapes >= 1).all()
    exact = sizes * np.minimum(longest / sizes.max(axis=1), 1)[:, None]
    assert (np.abs(shapes - exact) <= 0.5 + 1e-9)[exact >= 0.5].all()


def test_every_image_is_its_own_at_its_own_shape(coco, tmp_path):
    ragged = pack_here(coco, tmp_path / "ragged")
    manifest = read(coco)
    assert ragged.index["image_id"].tolist() == manifest.images["image_id"].tolist()
    shapes = [ragged.image(row).shape for row in range(4)]
    assert shapes == [(16, 32), (32, 11), (32, 32), (10, 12)]
    for row, path in enumerate(manifest.images["path"]):
        image = ragged.image(row)
        expected = pack_image(read_gray(coco / path), image.shape)
        np.testing.assert_array_equal(image, expected.pixels)
        assert ragged.index.loc[row, ["low", "cap"]].tolist() == [expected.low, expected.cap]
    assert ragged.index.loc[1, ["height", "width", "file_height", "file_width"]].tolist() == [32, 11, 90, 30]
    assert ragged.packed.images.shape == (sum(ragged.index["height"] * ragged.index["width"]),)
    assert ragged.report["images"] == 40
    assert ragged.report["longest"] == 32
    assert ragged.report["manifest"] == manifest.fingerprint()


def test_boxes_go_along_and_stay_around_what_they_show(coco, tmp_path):
    ragged = pack_here(coco, tmp_path / "ragged")
    box = ragged.boxes_of(1)
    assert box.labels == ["spot"]
    np.testing.assert_allclose(box.corners, [[10 * 11 / 30, 16, 10 * 11 / 30, 16]])
    assert ragged.boxes_of(0).corners.shape == (0, 4)
    assert ragged.boxes_of(0).labels == []
    assert ragged.report["boxes"] == {
        "boxes": 32,
        "images_with_boxes": 32,
        "images_without_boxes": 8,
        "per_label": {"spot": 32},
        "cut_to_the_image": 0,
    }
    for row in ragged.boxes["row"]:
        image, (x, y, width, height) = ragged.image(row), ragged.boxes_of(row).corners[0]
        inside = np.zeros(image.shape, bool)
        inside[round(y) + 1 : round(y + height) - 1, round(x) + 1 : round(x + width) - 1] = True
        outside = np.ones(image.shape, bool)
        outside[max(round(y) - 1, 0) : round(y + height) + 1, max(round(x) - 1, 0) : round(x + width) + 1] = False
        if inside.any():
            assert image[inside].min() > image[outside].max()


def test_rows_are_found_by_image_and_pixels_cannot_be_written_to(coco, tmp_path):
    ragged = pack_here(coco, tmp_path / "ragged")
    assert ragged.rows(["7", "3", "7"]).tolist() == [7, 3, 7]
    with pytest.raises(InputError, match="the first is '99'"):
        ragged.rows(["99"])
    with pytest.raises(KeyError):
        ragged.image(99)
    with pytest.raises(ValueError, match="read-only"):
        ragged.image(0)[:] = 0


def test_packing_again_does_nothing_anew_and_a_changed_file_only_itself(coco, tmp_path):
    first = pack_here(coco, tmp_path / "ragged")
    (tmp_path / "ragged" / "packing.json").unlink()
    again = pack_here(coco, tmp_path / "ragged")
    assert again.report["packed_now"] == 0
    pd.testing.assert_frame_equal(again.index, first.index)
    Image.fromarray(np.eye(64, dtype=np.uint8) * 200).save(coco / "images" / "6.png")
    changed = pack_here(coco, tmp_path / "ragged")
    assert changed.report["packed_now"] == 1
    np.testing.assert_array_equal(changed.image(6), pack_image(np.eye(64) * 200, (32, 32)).pixels)


def test_another_size_of_the_images_or_of_one_file_starts_anew(coco, tmp_path):
    folder = tmp_path / "ragged"
    kept = np.array(pack_here(coco, folder).packed.images)
    assert pack_here(coco, folder, longest=16).report["kept_from_before"] == 0
    data = json.loads((coco / "annotations.json").read_text())
    data["images"][0].update(width=90, height=60)
    (coco / "annotations.json").write_text(json.dumps(data))
    Image.fromarray(np.full((60, 90), 7, np.uint8)).save(coco / "images" / "0.png")
    ragged = pack_here(coco, folder)
    assert ragged.report["kept_from_before"] == 0, "every image behind it lies elsewhere"
    assert ragged.image(0).shape == (21, 32)
    np.testing.assert_array_equal(ragged.packed.images[21 * 32 :], kept[16 * 32 :])
    assert ragged.report["without_contrast"] == ["0"]


def test_a_try_that_was_stopped_goes_on(coco, tmp_path):
    folder = tmp_path / "ragged"
    whole = np.array(pack_here(coco, folder).packed.images)
    journal = folder / "progress.jsonl"
    journal.write_text(journal.read_text()[:-200])
    (folder / "packing.json").unlink()
    with pytest.raises(InputError, match="holds no finished packed data set"):
        load_ragged(folder)
    ragged = pack_here(coco, folder)
    assert ragged.report["packed_now"] == 40 - 32, "the last chunk"
    np.testing.assert_array_equal(ragged.packed.images, whole)


def test_images_that_cannot_be_read_are_all_named_or_left_out(coco, tmp_path):
    manifest = read(coco)
    path = coco / "images" / "6.png"
    path.write_bytes(path.read_bytes()[:200])
    (coco / "images" / "11.png").unlink()
    (coco / "images" / "12.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"1 of 40 images cannot be read:\n  - images/11\.png: there is no such file"):
        pack_here(coco, tmp_path / "ragged", manifest)
    ragged = pack_here(coco, tmp_path / "ragged", manifest, unreadable="exclude")
    assert [each["image_id"] for each in ragged.report["excluded"]] == ["11", "6", "12"]
    assert ragged.report["images"] == 37
    assert not set(ragged.boxes["image_id"]) & {"6", "11", "12"}
    row = ragged.rows(["39"])[0]
    np.testing.assert_array_equal(ragged.image(row), pack_image(read_gray(coco / "images/39.png"), (10, 12)).pixels)
    with pytest.raises(KeyError):
        ragged.image(6)
    shutil.copy(coco / "images" / "3.png", coco / "images" / "11.png")
    with pytest.raises(InputError, match="2 of 40 images cannot be read") as refused:
        pack_here(coco, tmp_path / "ragged", manifest)
    assert "images/6.png" in str(refused.value)
    assert "images/12.png" in str(refused.value)


def test_boxes_outside_their_images_are_refused_before_anything_is_decoded(coco, tmp_path):
    manifest = read(coco)
    manifest.boxes.loc[0, "x"] = 500
    with pytest.raises(InputError, match="1 images have wrong boxes:\n  - 1: the box of 'spot' at x 500"):
        pack_here(coco, tmp_path / "ragged", manifest)
    assert not (tmp_path / "ragged" / "images.npy").exists()


def test_a_data_set_without_boxes_is_refused(tmp_path):
    (tmp_path / "labels.csv").write_text("path,patient_id,Edema\na.png,1,0\n")
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    manifest = read_dataset(CsvEntry(format="csv", root="unused"), tmp_path)
    with pytest.raises(InputError, match="has no boxes"):
        pack_here(tmp_path, tmp_path / "ragged", manifest)


def test_a_folder_of_squares_is_refused(coco, tmp_path):
    pack(read(coco), coco, tmp_path / "square", size=16, antialias=True, unreadable="fail", workers=1)
    with pytest.raises(InputError, match="holds images squashed to squares") as refused:
        load_ragged(tmp_path / "square")
    assert "--longest" in refused.value.remedy


@pytest.mark.parametrize("name", ["images.npy", "index.parquet", "boxes.parquet", "packing.json"])
def test_a_damaged_file_is_named_and_packing_again_mends_it(coco, tmp_path, name):
    folder = tmp_path / "ragged"
    whole = pack_here(coco, folder)
    pixels = np.array(whole.packed.images)
    path = folder / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=name) as refused:
        load_ragged(folder)
    assert "--longest" in refused.value.remedy
    mended = pack_here(coco, folder)
    np.testing.assert_array_equal(mended.packed.images, pixels)
    pd.testing.assert_frame_equal(mended.boxes, whole.boxes)


def test_room_is_reserved_and_described(tmp_path):
    file = RaggedFile(tmp_path / "images.npy", np.array([[2, 3], [0, 0], [4, 1]]), longest=4)
    file.create()
    with file.open_rows() as opened:
        file.write_rows(
            opened, 0, [np.full((2, 3), 1, np.uint8), np.empty((0, 0), np.uint8), np.full((4, 1), 2, np.uint8)]
        )
    assert np.load(file.path).tolist() == [1] * 6 + [2] * 4
    assert [image.shape for image in file.read_rows(0, 3)] == [(2, 3), (0, 0), (4, 1)]
    assert file.is_whole()
    large = RaggedFile(tmp_path / "large.npy", np.full((1_000_000, 2), 100_000), longest=100_000)
    with pytest.raises(OSError, match=r"1,000,000 images, their longest side 100000 px, need [\d,.]+ MB, and"):
        large.create()


def test_the_command_packs_in_processes_as_in_one(tmp_path):
    root = write_coco(tmp_path / "data", count=204)
    about = {
        "study": "trial",
        "title": "A trial",
        "image_size": 64,
        "backbones": ["scratch"],
        "datasets": {"mine": {"format": "coco", "root": str(root)}},
        "evaluations": {"e": {"task": "multilabel", "dataset": "mine", "recipe": {"lr": 0.1, "steps": 1}}},
    }
    (tmp_path / "backbones.yaml").write_text(yaml.safe_dump({"scratch": {"label": "Scratch", "arch": "resnet18"}}))
    (tmp_path / "trial.yaml").write_text(yaml.safe_dump(about))
    manifest = read(root)
    write_manifest(manifest, tmp_path / "results/trial/datasets/mine/manifest.parquet")
    arguments = ["--study", "trial.yaml", "--dataset", "mine", "--longest", "32", "--workers", "2"]
    command = [sys.executable, "-m", "evalkit.packing", *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "204 images, 0 left out" in done.stderr
    together = load_ragged(tmp_path / "results/trial/datasets/mine/ragged-32")
    alone = pack_here(root, tmp_path / "alone", manifest)
    np.testing.assert_array_equal(together.packed.images, alone.packed.images)
    pd.testing.assert_frame_equal(together.index, alone.index)
    pd.testing.assert_frame_equal(together.boxes, alone.boxes)


@pytest.fixture
def dicom_coco(tmp_path) -> Path:
    """One DICOM image with a box."""
    root = tmp_path / "dicom"
    (root / "images").mkdir(parents=True)
    picture = np.arange(40 * 60, dtype=np.uint8).reshape(40, 60)
    with (root / "images" / "a.dcm").open("wb") as file:
        write_dicom(file, picture, DicomHeader("p", "s", "t", "i", sex="M", age=3, projection="PA"))
    record = {"id": 1, "file_name": "a.dcm", "width": 60, "height": 40}
    boxes = [{"image_id": 1, "category_id": 1, "bbox": [6, 4, 12, 8]}]
    data = {"categories": [{"id": 1, "name": "spot"}], "images": [record], "annotations": boxes}
    (root / "annotations.json").write_text(json.dumps(data))
    return root


def test_dicom_is_read_and_scaled_alike(dicom_coco, tmp_path):
    ragged = pack_here(dicom_coco, tmp_path / "ragged", longest=30)
    assert ragged.image(0).shape == (20, 30)
    np.testing.assert_allclose(ragged.boxes_of(0).corners, [[3, 2, 6, 4]])


@pytest.mark.skipif(get_decoder(JPEGLosslessSV1).is_available, reason="the extra packages are installed")
def test_a_compression_that_cannot_be_decoded_is_named(dicom_coco, tmp_path):
    path = dicom_coco / "images" / "a.dcm"
    dataset = dcmread(path)
    dataset.file_meta.TransferSyntaxUID = JPEGLosslessSV1
    dataset.PixelData = encapsulate([b"\xff\xd8\xff\xd9"])
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(path)
    with pytest.raises(InputError, match=r"images/a\.dcm: .*a\.dcm is compressed as JPEG Lossless"):
        pack_here(dicom_coco, tmp_path / "ragged")


def test_a_file_whose_header_lies_about_its_size_is_named(dicom_coco, tmp_path, monkeypatch):
    monkeypatch.setattr("evalkit.packing.workers.read_gray", lambda path: np.zeros((8, 9)))
    with pytest.raises(InputError, match=r"a\.dcm has 9 x 8 pixels, and 60 x 40 by its header"):
        pack_here(dicom_coco, tmp_path / "ragged")


@pytest.mark.skipif(not (DATA / "lung_boxes").is_dir(), reason="the real radiographs with lung boxes are not at hand")
def test_real_lungs(tmp_path):
    root = DATA / "lung_boxes"
    manifest = read(root)
    ragged = pack_here(root, tmp_path / "ragged", manifest, longest=160)
    assert ragged.report["boxes"]["per_label"] == {"Right Lung": 238, "Left Lung": 238}
    sizes = ragged.index[["height", "width"]].to_numpy()
    assert set(sizes.max(axis=1)) == {160}
    table = ragged.boxes.merge(ragged.index[["image_id", "height", "width"]], on="image_id", suffixes=("", "_image"))
    assert (table["x"] + table["width"] <= table["width_image"] + 1e-9).all()
    assert (table["y"] + table["height"] <= table["height_image"] + 1e-9).all()
    before = manifest.boxes.set_index(["image_id", "label"])[["x", "y", "width", "height"]]
    after = ragged.boxes.set_index(["image_id", "label"])[["x", "y", "width", "height"]].loc[before.index]
    np.testing.assert_allclose(after, before / 2, rtol=0.01), "320 px became 160"


@pytest.mark.skipif(not (DATA / "nih_chestxray14_subset").is_dir(), reason="the real radiographs are not at hand")
def test_real_boxes_drawn_at_1024_px_are_scaled_to_the_packed_images(tmp_path):
    root = DATA / "nih_chestxray14_subset"
    manifest = read_dataset(NihEntry(format="nih", root="unused"), root)
    boxed = manifest.images["image_id"].isin(manifest.boxes["image_id"])
    few = replace(manifest, images=manifest.images[boxed].reset_index(drop=True))
    ragged = pack_here(root, tmp_path / "ragged", few, longest=128)
    assert len(ragged.boxes) == 49
    listed = pd.read_csv(
        root / "BBox_List_2017.csv", usecols=range(6), names=["image_id", "label", "x", "y", "w", "h"], skiprows=1
    )
    official = listed.sort_values(["image_id", "x"])[["x", "y", "w", "h"]].to_numpy(dtype=float)
    packed = ragged.boxes.sort_values(["image_id", "x"])[["x", "y", "width", "height"]].to_numpy()
    assert np.abs(packed - official * 128 / 1024).max() < 0.2, "but for boxes cut at the border"
    assert (packed[:, :2] + packed[:, 2:]).max() <= 128
    # The one large heart of the list reaches from the patient's left to the right.
    row = ragged.rows(["00008365_000.png"])[0]
    assert ragged.boxes_of(row).labels == ["Cardiomegaly"]
    np.testing.assert_allclose(ragged.boxes_of(row).corners, [[42.237, 63.695, 52.203, 50.441]], atol=1e-2)


def test_squares_still_load_as_squares(coco, tmp_path):
    packed = pack(read(coco), coco, tmp_path / "square", size=16, antialias=True, unreadable="fail", workers=1)
    assert load_packed(tmp_path / "square").images.shape == packed.images.shape == (40, 16, 16)
