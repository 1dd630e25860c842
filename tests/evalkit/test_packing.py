"""Packing: what comes out, what is refused, and what a kill or a full disk leaves behind."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
import yaml
from PIL import Image

from evalkit.config.datasets import CsvEntry
from evalkit.datasets import read_dataset, write_manifest
from evalkit.errors import InputError
from evalkit.images import pack_image, read_gray
from evalkit.packing import load_packed, pack
from evalkit.packing.pixel_file import PixelFile


def write_images(root: Path, count: int, side: int = 40) -> Path:
    """A data set of the format csv: every image another one, two to a patient."""
    (root / "images").mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    lines = ["path,patient_id,Edema"]
    for number in range(count):
        pixels = rng.integers(0, 256, (side, side), dtype=np.uint8)
        Image.fromarray(pixels).save(root / "images" / f"{number:04d}.png", compress_level=1)
        lines.append(f"images/{number:04d}.png,p{number // 2},{number % 2}")
    (root / "labels.csv").write_text("\n".join(lines) + "\n")
    return root


def read_manifest(root: Path):
    return read_dataset(CsvEntry(format="csv", root="unused"), root)


def pack_here(root: Path, folder: Path, **options):
    settings = {"size": 16, "antialias": True, "unreadable": "fail", "workers": 1}
    return pack(read_manifest(root), root, folder, **{**settings, **options})


@pytest.fixture
def images(tmp_path) -> Path:
    return write_images(tmp_path / "data", 70)


@pytest.fixture(scope="module")
def many_images(tmp_path_factory) -> Path:
    """Enough images for worker processes."""
    return write_images(tmp_path_factory.mktemp("many"), 240, side=200)


@pytest.fixture
def study(tmp_path, many_images) -> Path:
    """A study of many images, with its manifest made."""
    about = {
        "study": "trial",
        "title": "A trial",
        "image_size": 64,
        "backbones": ["scratch"],
        "datasets": {"mine": {"format": "csv", "root": str(many_images)}},
        "evaluations": {"e": {"task": "multilabel", "dataset": "mine", "recipe": {"lr": 0.1, "steps": 1}}},
    }
    (tmp_path / "backbones.yaml").write_text(yaml.safe_dump({"scratch": {"label": "Scratch", "arch": "resnet18"}}))
    path = tmp_path / "trial.yaml"
    path.write_text(yaml.safe_dump(about))
    write_manifest(read_manifest(many_images), tmp_path / "results/trial/datasets/mine/manifest.parquet")
    return path


def command(study: Path, what: str, *more: str) -> list[str]:
    return [sys.executable, "-m", f"evalkit.{what}", "--study", str(study), "--dataset", "mine", *more]


def test_every_row_is_its_image(images, tmp_path):
    packed = pack_here(images, tmp_path / "packed-16")
    manifest = read_manifest(images)
    assert packed.images.shape == (70, 16, 16)
    assert packed.images.dtype == np.uint8
    assert packed.index["image_id"].tolist() == manifest.images["image_id"].tolist()
    assert packed.index["patient_id"].tolist() == manifest.images["patient_id"].tolist()
    for row, path in zip(packed.index["row"], manifest.images["path"], strict=True):
        expected = pack_image(read_gray(images / path), 16)
        np.testing.assert_array_equal(packed.images[row], expected.pixels)
        assert packed.index.loc[row, ["low", "cap"]].tolist() == [expected.low, expected.cap]
    assert packed.index["sha256"].nunique() == 70
    assert packed.report["images"] == packed.report["packed_now"] == 70
    assert packed.report["excluded"] == packed.report["without_contrast"] == []
    assert packed.report["manifest"] == manifest.fingerprint()


def test_the_array_cannot_be_written_to(images, tmp_path):
    packed = pack_here(images, tmp_path / "packed-16")
    assert isinstance(packed.images, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        packed.images[0] = 0


def test_rows_are_found_by_image_in_the_order_asked_for(images, tmp_path):
    packed = pack_here(images, tmp_path / "packed-16")
    names = ["images/0003.png", "images/0069.png", "images/0003.png"]
    assert packed.rows(names).tolist() == [3, 69, 3]
    with pytest.raises(InputError, match=r"the first is 'images/9999\.png'"):
        packed.rows(["images/0003.png", "images/9999.png"])


def test_processes_give_the_same_as_one(study, many_images, tmp_path):
    done = subprocess.run(command(study, "packing", "--workers", "2"), cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "240 images, 0 left out" in done.stderr
    together = load_packed(tmp_path / "results/trial/datasets/mine/packed-64")
    alone = pack_here(many_images, tmp_path / "alone", size=64)
    np.testing.assert_array_equal(together.images, alone.images)
    pd.testing.assert_frame_equal(together.index, alone.index)


def test_unreadable_images_are_all_named_and_the_others_stay_packed(images, tmp_path):
    folder = tmp_path / "packed-16"
    for number in (5, 40):
        path = images / "images" / f"{number:04d}.png"
        path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(InputError, match="2 of 70 images cannot be read") as refused:
        pack_here(images, folder)
    assert "images/0005.png" in str(refused.value)
    assert "images/0040.png" in str(refused.value)
    assert "truncated" in str(refused.value)
    assert [each["image_id"] for each in json.loads((folder / "unreadable.json").read_text())] == [
        "images/0005.png",
        "images/0040.png",
    ]
    with pytest.raises(InputError, match="holds no finished packed data set"):
        load_packed(folder)
    shutil.copy(images / "images" / "0000.png", images / "images" / "0005.png")
    shutil.copy(images / "images" / "0001.png", images / "images" / "0040.png")
    packed = pack_here(images, folder)
    assert packed.report["kept_from_before"] == 68
    assert packed.index["sha256"][5] == packed.index["sha256"][0]
    assert not (folder / "unreadable.json").exists()


def test_unreadable_and_missing_images_can_be_left_out_and_are_counted(images, tmp_path):
    (images / "images" / "0005.png").write_bytes(b"")
    (images / "images" / "0040.png").unlink()
    packed = pack_here(images, tmp_path / "packed-16", unreadable="exclude")
    assert len(packed.index) == packed.report["images"] == 68
    reasons = {each["image_id"]: each["reason"] for each in packed.report["excluded"]}
    assert reasons.keys() == {"images/0005.png", "images/0040.png"}
    assert reasons["images/0040.png"] == "there is no such file"
    # An image behind the two gaps is still found.
    expected = pack_image(read_gray(images / "images" / "0069.png"), 16).pixels
    np.testing.assert_array_equal(packed.images[packed.rows(["images/0069.png"])[0]], expected)


def test_missing_files_fail_before_anything_is_decoded(images, tmp_path):
    for number in range(30):
        (images / "images" / f"{number:04d}.png").unlink()
    with pytest.raises(InputError, match=r"30 of 70 images cannot be read") as refused:
        pack_here(images, tmp_path / "packed-16")
    assert "and 10 more" in str(refused.value)
    assert not (tmp_path / "packed-16" / "images.npy").exists()


def test_nothing_readable_is_an_error_even_when_excluding(images, tmp_path):
    for path in (images / "images").iterdir():
        path.write_bytes(b"")
    with pytest.raises(InputError, match="70 of 70"):
        pack_here(images, tmp_path / "packed-16", unreadable="exclude")


def test_a_link_out_of_the_folder_is_refused_even_when_excluding(images, tmp_path):
    secret = tmp_path / "secret.png"
    (images / "images" / "0007.png").rename(secret)
    (images / "images" / "0007.png").symlink_to(secret)
    with pytest.raises(InputError, match=r"'images/0007\.png' lies outside"):
        pack_here(images, tmp_path / "packed-16", unreadable="exclude")


def test_images_without_contrast_are_reported(images, tmp_path):
    Image.new("L", (30, 30), 80).save(images / "images" / "0002.png")
    packed = pack_here(images, tmp_path / "packed-16")
    assert packed.report["without_contrast"] == ["images/0002.png"]
    assert not packed.images[2].any()


def test_packing_again_does_nothing_anew(images, tmp_path):
    folder = tmp_path / "packed-16"
    first = pack_here(images, folder)
    before = (folder / "images.npy").stat()
    # A workflow removes the report, its declared output, before it runs the job again.
    (folder / "packing.json").unlink()
    again = pack_here(images, folder)
    assert again.report["packed_now"] == 0
    assert (folder / "images.npy").stat().st_mtime_ns == before.st_mtime_ns
    pd.testing.assert_frame_equal(again.index, first.index)


def test_a_changed_file_is_packed_again_and_only_it(images, tmp_path):
    folder = tmp_path / "packed-16"
    pack_here(images, folder)
    Image.fromarray(np.eye(40, dtype=np.uint8) * 200).save(images / "images" / "0033.png")
    packed = pack_here(images, folder)
    assert packed.report["packed_now"] == 1
    np.testing.assert_array_equal(packed.images[33], pack_image(read_gray(images / "images/0033.png"), 16).pixels)


def test_pixels_that_were_damaged_are_packed_again(images, tmp_path):
    folder = tmp_path / "packed-16"
    whole = np.array(pack_here(images, folder).images)
    damaged = np.load(folder / "images.npy", mmap_mode="r+")
    damaged[12] = 0
    damaged.flush()
    packed = pack_here(images, folder)
    assert packed.report["packed_now"] == 1
    np.testing.assert_array_equal(packed.images, whole)


@pytest.mark.parametrize("name", ["images.npy", "index.parquet", "packing.json"])
@pytest.mark.parametrize("damage", ["cut off", "emptied", "removed"])
def test_a_damaged_file_is_named_and_the_command_named_with_it_mends_it(images, tmp_path, name, damage):
    folder = tmp_path / "packed-16"
    whole = np.array(pack_here(images, folder).images)
    path = folder / name
    if damage == "removed":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2 if damage == "cut off" else 0])
    with pytest.raises(InputError, match=name) as refused:
        load_packed(folder)
    assert "run again: python -m evalkit.packing" in refused.value.remedy
    pack_here(images, folder)
    np.testing.assert_array_equal(load_packed(folder).images, whole)


def test_other_options_start_anew(images, tmp_path):
    folder = tmp_path / "packed-16"
    smooth = pack_here(images, folder)
    kept = np.array(smooth.images)
    sharp = pack_here(images, folder, antialias=False)
    assert sharp.report["kept_from_before"] == 0
    assert not np.array_equal(sharp.images, kept)
    np.testing.assert_array_equal(smooth.images, kept), "who has the old file open keeps it"


def test_a_line_cut_off_in_the_journal_is_passed_over(images, tmp_path):
    folder = tmp_path / "packed-16"
    whole = np.array(pack_here(images, folder).images)
    journal = folder / "progress.jsonl"
    journal.write_text(journal.read_text()[:-200])
    packed = pack_here(images, folder)
    assert packed.report["packed_now"] == 70 - 64, "the last chunk of 32, 32 and 6"
    np.testing.assert_array_equal(packed.images, whole)
    assert pack_here(images, folder).report["packed_now"] == 0


def test_a_killed_packing_goes_on_where_it_was(study, many_images, tmp_path):
    folder = tmp_path / "results/trial/datasets/mine/packed-256"
    journal = folder / "progress.jsonl"
    running = subprocess.Popen(
        command(study, "packing", "--workers", "2", "--size", "256"), cwd=tmp_path, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while not journal.exists() or journal.read_text().count('"start"') < 1:
        assert running.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    workers = psutil.Process(running.pid).children(recursive=True)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    gone, left = psutil.wait_procs(workers, timeout=20)
    assert not left, "workers outlived their parent"
    assert gone
    assert not (folder / "packing.json").exists()

    done = subprocess.run(command(study, "packing", "--size", "256"), cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    packed = load_packed(folder)
    assert 32 <= packed.report["kept_from_before"] < 240
    alone = pack_here(many_images, tmp_path / "alone", size=256)
    np.testing.assert_array_equal(packed.images, alone.images)
    pd.testing.assert_frame_equal(packed.index, alone.index)


def test_an_array_that_may_not_be_written_whole_fails_at_the_start(study, tmp_path):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))

    failed = subprocess.run(command(study, "packing"), cwd=tmp_path, capture_output=True, text=True, preexec_fn=limit)
    assert failed.returncode == 1, failed.stderr
    assert "240 images at 64 px need 1.0 MB" in failed.stderr
    assert "Traceback" not in failed.stderr
    folder = tmp_path / "results/trial/datasets/mine/packed-64"
    assert not (folder / "images.npy").exists(), "the room is given back"
    assert subprocess.run(command(study, "packing"), cwd=tmp_path, capture_output=True).returncode == 0


SMALL_DISK = """
mount -t tmpfs -o size=3m tmpfs {packed} || exit 77
{packing}; echo "status $?"
ls -A {packed}
"""


@pytest.mark.skipif(shutil.which("unshare") is None, reason="unshare is not installed, so no disk can be mounted")
def test_a_real_full_disk_is_explained_and_leaves_nothing(study, tmp_path):
    packed = tmp_path / "results/trial/datasets/mine/packed-128"
    packed.mkdir()
    script = SMALL_DISK.format(packed=packed, packing=" ".join(command(study, "packing", "--size", "128")))
    done = subprocess.run(["unshare", "-rm", "sh", "-c", script], cwd=tmp_path, capture_output=True, text=True)
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip(f"no small file system can be mounted here: {done.stderr.strip()}")
    assert done.stdout.split() == ["status", "1"], done.stderr
    assert "240 images at 128 px need 3.9 MB, and 3.1 MB are free" in done.stderr
    assert "Traceback" not in done.stderr


def test_room_is_checked_against_what_is_free(tmp_path):
    with pytest.raises(OSError, match=r"1,000,000 images at 100000 px need [\d,]+\.\d MB, and [\d,]+\.\d MB are free"):
        PixelFile(tmp_path / "images.npy", 1_000_000, 100_000).create()
    assert list(tmp_path.iterdir()) == []


def test_the_file_is_an_ordinary_numpy_array(tmp_path):
    file = PixelFile(tmp_path / "images.npy", 5, 3)
    file.create()
    assert file.is_whole()
    block = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
    with file.open_rows() as opened:
        file.write_rows(opened, 2, block)
    array = np.load(tmp_path / "images.npy")
    assert array.shape == (5, 3, 3)
    np.testing.assert_array_equal(array[2:4], block)
    np.testing.assert_array_equal(file.read_rows(3, 4), block[1:])
    assert not array[[0, 1, 4]].any()
    assert not PixelFile(tmp_path / "images.npy", 6, 3).is_whole()


def test_a_folder_that_was_not_packed_is_named_with_its_command(tmp_path):
    with pytest.raises(InputError, match=r"python -m evalkit\.packing"):
        load_packed(tmp_path)
