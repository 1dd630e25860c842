"""Commands: what reaches the user, and with which exit status; and progress in a log."""

from __future__ import annotations

import argparse
import errno
import resource
import subprocess
import sys

import pytest

from evalkit import progress as progress_module
from evalkit.commands import add_study_argument, run_command
from evalkit.errors import InputError
from evalkit.progress import progress


def raising(error):
    def function():
        raise error

    return function


def status(function):
    with pytest.raises(SystemExit) as left:
        run_command(function)
    return left.value.code


def test_a_command_that_returns_succeeds():
    assert status(lambda: "anything") == 0


def test_an_input_error_is_printed_with_its_remedy(capsys):
    assert status(raising(InputError("the file a.csv is empty", "rows", "fill it"))) == 2
    assert capsys.readouterr().err == ("error: the file a.csv is empty\n  expected: rows\n  to do:    fill it\n")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_explained(capsys, number):
    assert status(raising(OSError(number, "no room", "results/images.npy"))) == 1
    printed = capsys.readouterr().err
    assert "the disk is full" in printed
    assert "no room (results/images.npy)" in printed
    assert "free some space" in printed


def test_an_interruption_says_how_to_go_on(capsys):
    assert status(raising(KeyboardInterrupt())) == 130
    assert "run the same command again" in capsys.readouterr().err


@pytest.mark.parametrize("error", [PermissionError(errno.EACCES, "denied"), ValueError("a mistake of ours")])
def test_other_errors_keep_their_traceback(error):
    with pytest.raises(type(error)):
        run_command(raising(error))


def test_the_study_is_a_required_argument():
    parser = argparse.ArgumentParser()
    add_study_argument(parser)
    assert parser.parse_args(["--study", "demo"]).study == "demo"
    with pytest.raises(SystemExit):
        parser.parse_args([])


WRITE = """
import pandas as pd
from pathlib import Path
from evalkit.atomic import write_parquet
from evalkit.commands import run_command
run_command(lambda: write_parquet(Path("table.parquet"), pd.DataFrame({"x": range(100_000)})))
"""


def test_a_table_that_cannot_be_written_whole_leaves_the_old_one(tmp_path):
    (tmp_path / "table.parquet").write_bytes(b"old")

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))

    failed = subprocess.run(
        [sys.executable, "-c", WRITE], cwd=tmp_path, capture_output=True, text=True, preexec_fn=limit
    )
    assert failed.returncode == 1
    assert "the disk is full" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["table.parquet"]
    assert (tmp_path / "table.parquet").read_bytes() == b"old"


def test_a_log_gets_a_line_now_and_then(capsys, monkeypatch):
    clock = iter(range(0, 1000, 4))
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: next(clock))
    with progress("packing x", 100, done=40) as advance:
        for _ in range(6):
            advance(10)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "packing x: 70 of 100 images, 2/s, 12 s left",
        "packing x: 100 of 100 images, 2/s, 0 s left",
    ]
