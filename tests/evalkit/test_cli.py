"""The command line as a user types it: what it prints, and with which status it ends."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def evalkit(tmp_path: Path):
    unset = ("CHEXPERT_ROOT", "NIH_ROOT", "MOCO_IMAGENET_CHECKPOINT", "CHESS_CHECKPOINT")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    environment |= {"HF_HUB_OFFLINE": "1", "COLUMNS": "160", "XDG_CACHE_HOME": str(tmp_path / "cache")}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "evalkit.cli", *arguments]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=300
        )

    return run


def write_predictions(folder: Path) -> None:
    random = np.random.default_rng(1)
    labels = random.integers(0, 2, 120)
    ids = [f"i{k}" for k in range(120)]
    patients = [f"p{k // 2}" for k in range(120)]
    pd.DataFrame({"image_id": ids, "patient_id": patients, "Edema": labels}).to_csv(folder / "labels.csv", index=False)
    for name, signal in (("strong", 2.0), ("weak", 0.3)):
        scores = signal * labels + random.normal(size=120)
        frame = pd.DataFrame({"image_id": ids, "score": scores}).sample(frac=1, random_state=3)
        frame.to_csv(folder / f"{name}.csv", index=False)


def test_check_of_the_demo_finds_it_ready(evalkit) -> None:
    done = evalkit("check", "demo")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAIL" not in done.stdout
    assert "560 phantom patients" in done.stdout


def test_check_names_every_missing_file_and_what_to_do(evalkit) -> None:
    done = evalkit("check", "paper")
    assert done.returncode == 2
    assert "variable CHEXPERT_ROOT is not set" in done.stdout
    assert "variable MOCO_IMAGENET_CHECKPOINT is not set" in done.stdout
    assert "to do:" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_config_only_needs_neither_data_nor_weights(evalkit) -> None:
    done = evalkit("check", "paper", "--config-only")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "chess-ifa" in done.stdout


def test_forecast_of_the_paper_counts_its_runs(evalkit) -> None:
    done = evalkit("forecast", "paper", "--images-per-second", "300", "--at-once", "4")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "191,229" in done.stdout
    # 10 draws at 2,000, 6,000 and 15,000 steps and one run of 30,000, two rates, 32 images a step.
    trained = 32 * 2 * (10 * (2_000 + 6_000 + 15_000) + 30_000)
    assert f"{trained:,}" in done.stdout
    assert "with 4 at once" in done.stdout


def test_forecast_counts_the_pretraining_that_the_workflow_does(evalkit) -> None:
    done = evalkit("forecast", "demo", "--images-per-second", "100")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line for line in done.stdout.splitlines() if re.match(r"│ *pretraining +│ *demo-", line)]
    assert len(rows) == 4
    # SimCLR: 200 steps of 64 images, both views of each; MoCo: 250 steps, one view learnt from.
    assert f"{200 * 64 * 2:,}" in next(row for row in rows if "demo-simclr " in row)
    assert f"{250 * 64:,}" in next(row for row in rows if "demo-moco " in row)


def test_compare_joins_by_id_and_writes_tidy_rows(evalkit, tmp_path: Path) -> None:
    write_predictions(tmp_path)
    done = evalkit(
        "compare", "--labels", "labels.csv", "strong.csv", "weak.csv", "--group", "patient_id", "--out", "rows.csv"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = pd.read_csv(tmp_path / "rows.csv").set_index("backbone")
    assert rows.loc["strong", "status"] == "reference"
    assert rows.loc["weak", "test"] == "delong_clustered"
    assert rows.loc["weak", "difference"] < 0
    assert rows.loc["weak", "n_clusters"] == 60
    labels = pd.read_csv(tmp_path / "labels.csv").set_index("image_id")["Edema"]
    scores = pd.read_csv(tmp_path / "weak.csv").set_index("image_id")["score"].loc[labels.index]
    positive, negative = scores[labels == 1].to_numpy(), scores[labels == 0].to_numpy()
    assert rows.loc["weak", "estimate"] == pytest.approx((positive[:, None] > negative).mean(), abs=1e-12)


def test_compare_refuses_other_images_with_their_names(evalkit, tmp_path: Path) -> None:
    write_predictions(tmp_path)
    frame = pd.read_csv(tmp_path / "weak.csv")
    frame[frame["image_id"] != "i7"].to_csv(tmp_path / "weak.csv", index=False)
    done = evalkit("compare", "--labels", "labels.csv", "strong.csv", "weak.csv")
    assert done.returncode == 2
    assert "i7" in done.stderr
    assert "to do:" in done.stderr


def test_a_file_that_is_no_checkpoint_is_refused(evalkit, tmp_path: Path) -> None:
    (tmp_path / "weights.pth").write_text("<!DOCTYPE html><html>404</html>")
    done = evalkit("checkpoint", "weights.pth")
    assert done.returncode == 2
    assert "web page" in done.stderr.lower() or "html" in done.stderr.lower()
    assert "Traceback" not in done.stderr


def test_help_is_quick_because_torch_is_not_imported() -> None:
    program = "import sys; import evalkit.cli; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
