"""The tasks' commands: what they import, and what they do with their arguments."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.arguments import add_run_arguments, read_job


@pytest.mark.parametrize("task", ["classification", "detection", "inversion"])
def test_torch_is_imported_after_its_environment_is_prepared(task: str) -> None:
    program = f"import sys, tasks.{task}.__main__; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_job_is_what_the_arguments_name() -> None:
    parser = argparse.ArgumentParser()
    add_run_arguments(parser)
    cell = ["--study", "S", "--evaluation", "E", "--setting", "space=w", "--backbone", "B"]
    job = {"evaluation": "E", "setting": "space=w", "backbone": "B"}
    assert read_job(parser.parse_args([*cell, "--repeat", "2-4"])) == job | {
        "repeats": range(2, 5),
        "retry_failed": False,
        "record": None,
        "attempt": 0,
    }
    more = ["--repeat", "0", "--retry-failed", "--record", "r.json", "--attempt", "3"]
    assert read_job(parser.parse_args([*cell, *more])) == job | {
        "repeats": range(1),
        "retry_failed": True,
        "record": Path("r.json"),
        "attempt": 3,
    }
