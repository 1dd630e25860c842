from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path

import pytest

from evalkit.errors import InputError
from evalkit.fingerprints import file_sha256
from evalkit.records import Stopwatch, read_record, recorded_run, replacing_run, write_record

ROOT = Path(__file__).resolve().parents[2]
ORPHAN = """
import sys
from pathlib import Path
from evalkit.fingerprints import file_sha256
from evalkit.records import replacing_run, write_record
with replacing_run(Path(sys.argv[1])) as staging:
    (staging / "predictions.parquet").write_text("orphan")
    print("writing", flush=True)
    sys.stdin.readline()
    outputs = {"predictions.parquet": file_sha256(staging / "predictions.parquet")}
    write_record(staging, {"key": "orphan", "outcome": "done", "outputs": outputs})
"""


def finish(folder, text: str = "x", key: str = "k") -> None:
    with replacing_run(folder) as staging:
        (staging / "predictions.parquet").write_text(text)
        outputs = {"predictions.parquet": file_sha256(staging / "predictions.parquet")}
        write_record(staging, {"key": key, "outcome": "done", "outputs": outputs})


def test_a_run_is_found_by_its_key_as_long_as_its_files_are_there(tmp_path) -> None:
    folder = tmp_path / "repeat-0"
    assert read_record(folder) == recorded_run(folder, "k") == {}
    finish(folder)
    assert recorded_run(folder, "k")["outcome"] == "done"
    assert recorded_run(folder, "other") == {}
    (folder / "predictions.parquet").write_text("changed")
    assert recorded_run(folder, "k") == {}
    (folder / "predictions.parquet").unlink()
    assert recorded_run(folder, "k") == {}
    assert [path.name for path in tmp_path.iterdir()] == ["repeat-0"]


def test_a_run_replaces_all_of_an_earlier_one(tmp_path) -> None:
    finish(tmp_path / "run")
    (tmp_path / "run" / "validation.parquet").write_text("of the earlier run")
    with replacing_run(tmp_path / "run") as staging:
        write_record(staging, {"key": "new", "outcome": "diverged"})
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["run.json"]


def test_a_run_that_is_not_finished_leaves_the_earlier_one(tmp_path) -> None:
    finish(tmp_path / "run")

    def fill_the_disk() -> None:
        with replacing_run(tmp_path / "run") as staging:
            (staging / "predictions.parquet").write_text("y")
            raise OSError(28, "full")

    with pytest.raises(OSError, match="full"):
        fill_the_disk()
    assert (tmp_path / "run" / "predictions.parquet").read_text() == "x"
    assert recorded_run(tmp_path / "run", "k")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize("text", ["{", "[]", '{"outcome": "done"}'])
def test_what_is_no_record_is_named(tmp_path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(InputError, match="delete the folder"):
        read_record(tmp_path)


def test_a_record_says_when_and_with_what(tmp_path) -> None:
    record = Stopwatch().stop(device="cpu")
    assert record["versions"]["numpy"]
    assert record["versions"]["kornia"] == importlib.metadata.version("kornia"), "it blurs the views of pretraining"
    assert record["machine"]["device"] == "cpu"
    assert record["machine"]["memory_bytes"] > 1e8
    assert record["started"].endswith("+00:00")
    assert record["wall_seconds"] >= 0
    assert json.loads(json.dumps(record)) == record


def test_two_processes_that_do_the_same_run_keep_out_of_each_others_way(tmp_path) -> None:
    folder = tmp_path / "run"
    command = [sys.executable, "-c", ORPHAN, str(folder)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, cwd=ROOT, **pipes) as orphan:
        assert orphan.stdout is not None
        assert orphan.stdout.readline().strip() == "writing"
        finish(folder)
        assert recorded_run(folder, "k")
        assert len(list(tmp_path.iterdir())) == 2
        orphan.communicate("go on\n")
    assert orphan.returncode == 0
    assert recorded_run(folder, "orphan")["outcome"] == "done"
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_what_a_killed_process_left_is_removed(tmp_path) -> None:
    folder = tmp_path / "run"
    with subprocess.Popen([sys.executable, "-c", ORPHAN, str(folder)], stdout=subprocess.PIPE, cwd=ROOT) as killed:
        assert killed.stdout is not None
        killed.stdout.readline()
        killed.kill()
    assert len(list(tmp_path.iterdir())) == 1
    finish(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
