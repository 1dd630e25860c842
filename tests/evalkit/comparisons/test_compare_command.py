"""``evalkit compare`` as a command: what it prints where, and what it refuses before it computes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evalkit.comparisons import waiting as waiting_module
from evalkit.comparisons.rows import read_rows
from evalkit.comparisons.waiting import waiting

ROOT = Path(__file__).parents[3]


@pytest.fixture
def command(tmp_path):
    """The command, in a folder with labels and two models."""
    rng = np.random.default_rng(2)
    ids = pd.DataFrame({"image_id": [str(k) for k in range(80)]})
    y = rng.integers(0, 2, 80)
    ids.assign(patient_id=ids.index // 2, Edema=y).to_csv(tmp_path / "labels.csv", index=False)
    for name in ("a", "b"):
        ids.assign(Edema=y + rng.normal(size=80)).to_csv(tmp_path / f"{name}.csv", index=False)

    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "evalkit.cli", "compare", "--labels", "labels.csv", "a.csv", "b.csv", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "COLUMNS": "200"},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_a_bootstrap_is_announced_and_a_closed_form_is_not(command):
    done = command("--metric", "AUPRC", "--test", "Bootstrap", "--resamples", "200")
    assert done.returncode == 0, done.stderr
    assert done.stderr == "bootstrap of auprc: 200 resamples of 80 images, 2 models\n"
    assert command().stderr == ""


def test_every_ending_is_written_in_any_case(command, tmp_path):
    done = command("--out", "c.csv", "--out", "c.JSON", "--out", "c.tex", "--out", "c.md")
    assert done.returncode == 0, done.stderr
    assert len(json.loads((tmp_path / "c.JSON").read_text())["rows"]) == len(read_rows(tmp_path / "c.csv")) == 2
    assert "toprule" in (tmp_path / "c.tex").read_text()


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("c.xlsx", "c.xlsx"),
        (".", "a folder"),
        ("none/such/c.csv", "no folder none/such"),
        ("labels.csv", "also read"),
        ("./a.csv", "also read"),
    ],
)
def test_places_are_checked_before_anything_is_computed(command, tmp_path, out, message):
    before = (tmp_path / "labels.csv").read_bytes()
    done = command("--test", "bootstrap", "--out", out)
    assert done.returncode == 2
    assert message in done.stderr
    assert "expected:" in done.stderr
    assert "bootstrap of" not in done.stderr
    assert not (tmp_path / "none").exists()
    assert (tmp_path / "labels.csv").read_bytes() == before


def test_r_checks_adjustments_where_it_has_no_test(command):
    pytest.importorskip("stats.r_reference", reason="R cannot be used", exc_type=ImportError)
    done = command("--group", "patient_id", "--engine", "r")
    assert done.returncode == 0, done.stderr
    assert (
        "0 tests and 1 adjustment agree with R to 1e-06 in log10; 1 test is not in R: delong_clustered" in done.stdout
    )
    assert "1 test and 1 adjustment agree with R to 1e-06 in log10\n" in command("--engine", "r").stdout


class Terminal:
    """Enough of one for rich to draw on."""

    encoding = "utf-8"

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text
        return len(text)

    def flush(self):
        pass

    def isatty(self):
        return True


def test_on_a_terminal_the_items_are_counted(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(waiting_module.sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    assert list(waiting(["a", "b"], "bootstrap of [auc]", 2)) == ["a", "b"]
    assert "bootstrap of [auc]" in terminal.text
    assert "2/2" in terminal.text
