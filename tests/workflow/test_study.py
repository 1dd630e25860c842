"""From nothing to the tables, by the real Snakefile, and what happens when something changes afterwards."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats
from sklearn.metrics import roc_auc_score

ENDINGS = (".csv", ".md", ".tex", ".html")


def published(place) -> dict[str, bytes]:
    folder = place.folder / "reports"
    return {
        name + ending: (folder / (name + ending)).read_bytes() for name in ("table5", "table7") for ending in ENDINGS
    }


def run_times(place) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in place.results().glob("runs/*/*/*/*/run.json")}


def test_both_tables_are_there_in_every_form(finished_once) -> None:
    for name, content in published(finished_once).items():
        assert content, name


def test_there_is_exactly_one_primary_row_for_each_backbone_fraction_and_target(finished_once) -> None:
    rows = pd.read_csv(finished_once.folder / "reports/table7.csv")
    primary = rows[rows["role"] == "primary"]
    assert set(primary.groupby(["backbone", "setting", "target"]).size()) == {1}
    targets = ["mean", "Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion"]
    assert len(primary) == 3 * 2 * len(targets)
    assert set(primary["target"]) == set(targets)


def test_estimates_and_the_t_test_recompute_from_the_prediction_files(finished_once) -> None:
    rows = pd.read_csv(finished_once.folder / "reports/table7.csv")
    setting = "regime=finetune,fraction=0.5"
    means = {}
    for backbone in ("scratch", "made"):
        values = []
        for repeat in range(3):
            folder = finished_once.results() / "runs/main" / setting / backbone / f"repeat-{repeat}"
            frame = pd.read_parquet(folder / "predictions.parquet")
            classes = [name.removeprefix("score:") for name in frame if name.startswith("score:")]
            values.append(np.mean([roc_auc_score(frame[f"target:{c}"], frame[f"score:{c}"]) for c in classes]))
        means[backbone] = np.array(values)
        shown = rows.query("backbone == @backbone and setting == @setting and target == 'mean'")["estimate"]
        assert shown.to_numpy() == pytest.approx(np.mean(values), abs=1e-12)
    paper = rows.query(
        "backbone == 'made' and setting == @setting and target == 'mean' and policy == 'baseline'"
        " and test == 'ttest_paired'"
    ).iloc[0]
    expected = scipy_stats.ttest_rel(means["made"], means["scratch"])
    assert paper["statistic"] == pytest.approx(expected.statistic, rel=1e-9)
    assert paper["p_value"] == pytest.approx(expected.pvalue, rel=1e-9)
    assert paper["difference"] == pytest.approx(np.mean(means["made"] - means["scratch"]), abs=1e-12)


def test_the_same_weights_from_another_layout_give_the_same_predictions(finished_once) -> None:
    runs = finished_once.results() / "runs/main/regime=finetune,fraction=1"
    a, b = (pd.read_parquet(runs / name / "repeat-0/predictions.parquet") for name in ("made", "read-back"))
    pd.testing.assert_frame_equal(a, b)


def test_every_backbone_sees_the_same_patients(finished_once) -> None:
    records = [json.loads(path.read_text()) for path in finished_once.results().glob("runs/*/*/*/repeat-1/run.json")]
    assert len(records) == 3
    assert len({json.dumps(record["data"], sort_keys=True) for record in records}) == 1


def test_nothing_is_left_to_do(finished_once) -> None:
    assert finished_once.planned("reports/table7.csv", "reports/table5.csv") == {}


def test_the_demo_is_watermarked_and_labels_are_escaped(finished_once) -> None:
    page = (finished_once.folder / "reports/table7.html").read_text()
    assert "Read back &lt;from a file&gt;" in page
    assert "<from a file>" not in page
    assert "phantom" in page.lower()


def test_a_new_backbone_runs_only_its_own_jobs_and_the_tables(finished, study, backbones) -> None:
    backbones["wide"] = {"label": "Another", "arch": "resnet10t", "in_channels": 3}
    study["backbones"].append("wide")
    finished.write(study, backbones)
    before = run_times(finished)
    plan = finished.planned("reports/table7.csv")
    assert plan == {"finetune": 3, "compare": 1, "render": 1, "publish": 1}
    done = finished.snakemake("reports/table7.csv")
    assert done.returncode == 0, done.stdout + done.stderr
    assert {path: when for path, when in run_times(finished).items() if path in before} == before
    assert "wide" in set(pd.read_csv(finished.folder / "reports/table7.csv")["backbone"])


def test_a_change_of_label_or_caption_retrains_nothing(finished, study, backbones) -> None:
    backbones["scratch"]["label"] = "From nothing"
    study["tables"]["table7"]["title"] = "Another title"
    finished.write(study, backbones)
    assert finished.planned("reports/table7.csv") == {"compare": 1, "render": 1, "publish": 1}


def test_a_change_of_recipe_retrains_every_run(finished, study) -> None:
    study["evaluations"]["main"]["recipe"]["lr"] = 0.002
    finished.write(study)
    assert finished.planned("reports/table7.csv")["finetune"] == 9


def test_another_study_and_back_gives_the_first_bytes_again_and_retrains_nothing(finished, study) -> None:
    first, trained = published(finished), run_times(finished)
    study.update(study="second", backbones=["scratch", "made"])
    study["tables"]["table5"]["resamples"] = 300
    finished.write(study)
    # The second study's runs are taken over, to save their time; its tables are its own.
    shutil.copytree(finished.results(), finished.results("second"), ignore=shutil.ignore_patterns("reports"))
    done = finished.snakemake("reports/table7.csv", "reports/table5.csv", study="second")
    assert done.returncode == 0, done.stdout + done.stderr
    assert published(finished)["table7.csv"] != first["table7.csv"]
    plan = finished.planned("reports/table7.csv", "reports/table5.csv")
    assert plan == {"publish": 2}
    done = finished.snakemake("reports/table7.csv", "reports/table5.csv")
    assert done.returncode == 0, done.stdout + done.stderr
    assert published(finished) == first
    assert run_times(finished) == trained


def test_a_run_folder_removed_by_hand_is_made_again(finished) -> None:
    gone = finished.results() / "runs/main/regime=finetune,fraction=0.5/made/repeat-1"
    before = (gone / "predictions.parquet").read_bytes()
    others = {path: when for path, when in run_times(finished).items() if str(gone) not in path}
    shutil.rmtree(gone)
    assert finished.planned("reports/table7.csv")["finetune"] == 1
    done = finished.snakemake("reports/table7.csv")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (gone / "predictions.parquet").read_bytes() == before
    assert {path: when for path, when in run_times(finished).items() if str(gone) not in path} == others
    assert finished.planned("reports/table7.csv") == {}


def test_a_killed_study_goes_on_where_it_was(finished, study) -> None:
    study["evaluations"]["main"]["repeats"] = 6
    study["evaluations"]["main"]["repeats_per_job"] = 6
    study["evaluations"]["main"]["recipe"]["steps"] = 20
    finished.write(study)
    shutil.rmtree(finished.results() / "runs")
    shutil.rmtree(finished.results() / "jobs")
    pattern = "runs/main/regime=finetune,fraction=0.5/*/*/run.json"
    process = subprocess.Popen(
        finished.command("reports/table7.csv"),
        cwd=finished.folder,
        env=finished.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 240
    while len(list(finished.results().glob(pattern))) < 2:
        assert process.poll() is None, "the workflow ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    kept = run_times(finished)
    assert 2 <= len(kept) < 3 * (6 + 1), "killed in the middle"
    shutil.rmtree(finished.folder / ".snakemake/locks", ignore_errors=True)
    done = finished.snakemake("reports/table7.csv")
    assert done.returncode == 0, done.stdout + done.stderr
    now = run_times(finished)
    assert {path: now[path] for path in kept} == kept
    assert len(now) == 3 * (6 + 1)


def test_a_table_the_study_does_not_have_is_refused_with_the_nearest_name(finished_once) -> None:
    done = finished_once.snakemake("reports/table77.csv", flags=("--dry-run",))
    assert done.returncode != 0
    assert "nearest: 'table7'" in done.stdout + done.stderr


def test_a_mistake_in_the_study_ends_without_a_traceback(finished, study) -> None:
    study["image_sise"] = 3
    finished.write(study)
    done = finished.snakemake("reports/table7.csv", flags=("--dry-run",))
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert "nearest: 'image_size'" in output
    assert "Traceback" not in output


def test_a_missing_data_folder_is_said_where_it_matters(finished, study, tmp_path: Path) -> None:
    study.update(study="real", backbones=["scratch"])
    study["datasets"] = {"phantoms": {"format": "nih", "root": "${NIH_ROOT}"}}
    del study["tables"]["table5"]
    finished.write(study)
    assert finished.planned("reports/table7.csv", study="real")["read_dataset"] == 1
    done = finished.snakemake("reports/table7.csv", study="real", config=(f"NIH_ROOT={tmp_path / 'nowhere'}",))
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert "nowhere" in output
    assert "to do:" in output
    assert "Traceback" not in output


@pytest.mark.skipif(shutil.which("R") is None, reason="R is not installed: its p-values cannot be compared")
def test_p_values_agree_with_r_and_a_wrong_one_fails(finished) -> None:
    done = finished.snakemake("reports/crosscheck.csv")
    assert done.returncode == 0, done.stdout + done.stderr
    check = pd.read_csv(finished.folder / "reports/crosscheck.csv")
    assert set(check["table"]) == {"table5", "table7"}
    assert (check["status"] == "agrees").sum() > 20
    rows = finished.results() / "reports/table7.csv"
    frame = pd.read_csv(rows, dtype=str, keep_default_na=False)
    frame.loc[frame["p_adjusted"] != "", "p_adjusted"] = "0.0123"
    frame.to_csv(rows, index=False)
    done = finished.snakemake("reports/crosscheck.csv")
    assert done.returncode != 0
    assert "are others in R" in (finished.results() / "logs/crosscheck.log").read_text()


def test_max_t_allows_for_the_choice_of_the_best(finished, study) -> None:
    study["tables"]["table7"]["adjustment"] = "max_t"
    finished.write(study)
    done = finished.snakemake("reports/table7.csv")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = pd.read_csv(finished.folder / "reports/table7.csv")
    against_best = rows.query("policy == 'best' and role == 'primary' and p_value == p_value")
    assert set(against_best["adjustment"]) == {"max_t"}
    assert set(against_best["family_size"]) == {3}
    assert set(rows.query("role == 'paper' and p_value == p_value")["adjustment"]) == {"holm"}
    assert "so allow for the choice" in (finished.folder / "reports/table7.md").read_text().replace("\n", " ")


def test_snakemake_makes_its_report(finished) -> None:
    done = finished.snakemake("reports/table7.csv", flags=("--report", "report.html"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert (finished.folder / "report.html").stat().st_size > 10_000


def test_failed_runs_are_tried_again_only_when_asked(finished) -> None:
    cell = "main/regime=finetune,fraction=1/made"
    folder = finished.results() / "runs" / cell / "repeat-0"
    predicted = (folder / "predictions.parquet").read_bytes()
    for path in (folder / "run.json", finished.results() / "jobs" / cell / "repeats-0-0.json"):
        state = path.stat()
        record = json.loads(path.read_text())
        for run in record.get("runs", [record]):
            run.update(outcome="diverged", outputs={})
        path.write_text(json.dumps(record))
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    (folder / "predictions.parquet").unlink()
    assert finished.planned("reports/table7.csv") == {}
    retry = ("retry_failed=true",)
    assert finished.planned("reports/table7.csv", config=retry)["finetune"] == 1
    done = finished.snakemake("reports/table7.csv", config=retry)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (folder / "predictions.parquet").read_bytes() == predicted
    assert finished.planned("reports/table7.csv") == {}
    assert finished.planned("reports/table7.csv", config=retry) == {}
