from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import confusion_matrix, roc_auc_score

from evalkit.commands import run_command
from evalkit.comparisons.rows import read_rows
from evalkit.comparisons.tables import write_table
from evalkit.errors import InputError
from evalkit.figures.__main__ import main
from evalkit.figures.files import read_figure_data
from evalkit.figures.making import compute_figure, write_figure
from evalkit.plan import list_runs
from evalkit.records import read_record

LOW, ALL_LABELS = "regime=finetune,fraction=0.1", "regime=finetune,fraction=1"
FIGURES = {
    "figure_roc": {"kind": "roc", "evaluation": "main", "resamples": 100, "title": "Curves"},
    "figure_low": {"kind": "roc", "evaluation": "main", "resamples": 100, "setting": LOW, "backbones": ["good"]},
    "figure_calibration": {"kind": "calibration", "evaluation": "main", "bins": 5},
    "figure_fractions": {"kind": "fractions", "table": "table7"},
    "figure_cd": {"kind": "cd", "tables": ["table7"]},
}


def predictions(study, setting, backbone, repeat=0, name="predictions"):
    return pd.read_parquet(study.layout.run("main", setting, backbone, repeat) / f"{name}.parquet")


def test_curves_are_of_the_last_setting_and_all_backbones(results) -> None:
    study = results.write(changes={"figures": FIGURES})
    path = write_figure(study, "figure_roc")
    assert path == study.layout.report("figure_roc.csv")
    facts = read_figure_data(path).facts
    assert facts["setting"] == ALL_LABELS
    assert (facts["unit"], facts["cases"], facts["images"], facts["patients"]) == ("image", 90, 90, 90)
    assert facts["drawn"] is True
    assert facts["title"] == "Curves"
    assert facts["backbones"][1] == {"key": "good", "label": "Good_1 %", "place": 1}
    frame = predictions(study, ALL_LABELS, "good")
    for panel in facts["panels"]:
        curve = panel["curves"][1]
        expected = roc_auc_score(frame[f"target:{panel['target']}"], frame[f"score:{panel['target']}"])
        assert curve["auc"] == pytest.approx(expected)
        twin = panel["curves"][2]
        assert {**twin, "backbone": "good"} == curve, "the same scores on the same resamples"
    before = path.read_bytes(), path.with_suffix(".json").read_bytes()
    write_figure(study, "figure_roc")
    assert (path.read_bytes(), path.with_suffix(".json").read_bytes()) == before


def test_a_setting_and_backbones_can_be_chosen_and_runs_are_averaged(results) -> None:
    study = results.write(changes={"figures": FIGURES})
    facts = compute_figure(study, "figure_low").facts
    assert facts["setting"] == LOW
    assert facts["backbones"] == [{"key": "good", "label": "Good_1 %", "place": 1}], "its place is that in the study"
    (curve,) = facts["panels"][0]["curves"]
    areas = []
    for repeat in range(4):
        frame = predictions(study, LOW, "good", repeat)
        areas.append(roc_auc_score(frame["target:Edema"], frame["score:Edema"]))
    assert curve["runs"] == 4
    assert curve["auc"] == pytest.approx(np.mean(areas))


def test_fractions_are_the_tables_numbers_and_each_repeats(results) -> None:
    study = results.write(changes={"figures": FIGURES})
    write_table(study, "table7")
    data = compute_figure(study, "figure_fractions")
    rows = read_rows(study.layout.report("table7.csv"))
    rows = rows[(rows["role"] == "primary") & (rows["target"] == "mean")]
    estimates = data.frame[data.frame["repeat"] == "mean"]
    assert estimates["value"].tolist() == rows["estimate"].tolist()
    assert estimates["low"].tolist() == rows["ci_low"].tolist()
    repeats = data.frame[data.frame["repeat"] != "mean"]
    assert set(repeats["fraction"]) == {0.1}
    own = repeats["value"][repeats["backbone"] == "good"]
    assert len(own) == 4
    assert own.mean() == pytest.approx(estimates["value"][estimates["backbone"] == "good"].iloc[0])
    assert (data.facts["table"], data.facts["confidence_level"]) == ("table7", 0.95)


def test_ranks_are_of_the_tables_column_with_all_labels(results) -> None:
    study = results.write(changes={"figures": FIGURES})
    write_table(study, "table7")
    data = compute_figure(study, "figure_cd")
    rows = read_rows(study.layout.report("table7.csv"))
    rows = rows[(rows["role"] == "primary") & (rows["target"] == "mean") & (rows["setting"] == ALL_LABELS)]
    assert data.frame["estimate"].tolist() == rows["estimate"].tolist()
    assert data.frame["rank"].tolist() == [3, 1.5, 1.5], "scratch is the worst, and the twins are alike"
    assert ((data.frame["low"] <= data.frame["rank"]) & (data.frame["rank"] <= data.frame["high"])).all()
    (block,) = data.facts["blocks"]
    assert (block["setting"], block["target"], block["metric"]) == (ALL_LABELS, "mean", "auc")


def test_exclusive_classes_are_drawn_in_every_way_and_on_other_data(class_results) -> None:
    figures = {
        "figure_confusion": {"kind": "confusion", "evaluation": "main", "setting": "regime=finetune,trainset=full"},
        "figure_calibration": {"kind": "calibration", "evaluation": "main", "test_on": "elsewhere"},
        "figure_roc": {"kind": "roc", "evaluation": "main", "resamples": 100},
        "figure_cd": {"kind": "cd", "tables": ["table8"]},
    }
    study = class_results.write(changes={"figures": figures})
    class_results.test_elsewhere("elsewhere", class_results.make_cases(patients=40, seed=5))
    confusion = compute_figure(study, "figure_confusion")
    frame = predictions(study, "regime=finetune,trainset=full", "good")
    own = confusion.frame[confusion.frame["backbone"] == "good"]
    classes = [each["target"] for each in confusion.facts["classes"]]
    expected = confusion_matrix(frame["target"], frame["predicted"], labels=classes)
    assert own["count"].tolist() == expected.ravel().tolist()

    calibration = compute_figure(study, "figure_calibration").facts
    assert (calibration["dataset"], calibration["cases"], calibration["patients"]) == ("elsewhere", 80, 40)
    assert calibration["setting"] == "regime=probe,trainset=undersampled"
    assert calibration["external"].startswith("External test")
    assert [panel["target"] for panel in calibration["panels"]] == ["all"]
    assert len(compute_figure(study, "figure_roc").facts["panels"]) == 3

    write_table(study, "table8")
    ranks = compute_figure(study, "figure_cd")
    (block,) = ranks.facts["blocks"]
    assert (block["metric"], block["target"], block["dataset"]) == ("accuracy", "all", "children")
    assert ranks.frame["low"].notna().all()


def test_blocks_of_phantoms_that_share_patients_are_told(class_results) -> None:
    tables = {
        name: {
            "title": name,
            "evaluation": "main",
            "settings": ["regime=finetune,trainset=full"],
            "metric": "accuracy",
            "test_on": test_on,
            "primary": "mcnemar_exact",
            "policies": ["best"],
            "resamples": 100,
        }
        for name, test_on in (("here", None), ("there", "elsewhere"))
    }
    changes = {
        "tables": tables,
        "figures": {"figure_cd": {"kind": "cd", "tables": ["here", "there"]}},
        "datasets.elsewhere.phantom": {"patients": 60, "first_patient": 81},
    }
    study = class_results.write(changes=changes)
    class_results.test_elsewhere("elsewhere", class_results.make_cases(patients=40, seed=5))
    for name in tables:
        write_table(study, name)
    data = compute_figure(study, "figure_cd")
    assert len(data.frame) == 6
    notes = " ".join(data.facts["notes"])
    assert "here and there test the same trained networks" in notes
    assert "children and elsewhere, for both have the phantom patients 81 to 90" in notes


def test_a_missing_run_is_named_with_the_figure_that_needs_it(results) -> None:
    study = results.write(changes={"figures": FIGURES})
    (study.layout.run("main", ALL_LABELS, "good", 0) / "run.json").unlink()
    with pytest.raises(InputError, match=r"(?s)1 of 3 runs of figure_roc.pdf.*reports/figure_roc.pdf"):
        compute_figure(study, "figure_roc")


def test_a_backbone_that_failed_is_noted_and_all_failed_is_refused(results) -> None:
    study = results.write(changes={"figures": FIGURES})
    cases = results.make_cases()
    results.write_run("main", ALL_LABELS, "good", 0, cases=cases, outcome="diverged")
    facts = compute_figure(study, "figure_roc").facts
    assert facts["notes"] == ["Good_1 %: failed: diverged."]
    assert [each["key"] for each in facts["backbones"]] == ["scratch", "twin"], "the legend has what is drawn"
    for backbone in study.backbones:
        results.write_run("main", ALL_LABELS, backbone, 0, cases=cases, outcome="diverged")
    assert read_record(study.layout.run("main", ALL_LABELS, "twin", 0))["outcome"] == "diverged"
    with pytest.raises(InputError, match=r"gave predictions.*Twin: failed: diverged"):
        compute_figure(study, "figure_roc")


def test_a_table_in_which_every_run_failed_has_no_fractions(results) -> None:
    study = results.write(changes={"figures": FIGURES})
    for run in list_runs(study, "main"):
        results.write_run(*run, cases=results.make_cases(), outcome="diverged")
    write_table(study, "table7")
    with pytest.raises(InputError, match=r"no backbone has a number in table table7: .*Twin, 10 %: failed: diverged"):
        compute_figure(study, "figure_fractions")


@pytest.mark.parametrize("figure", ["figure_roc", "figure_fractions", "figure_cd"])
def test_a_backbone_that_may_have_seen_the_images_is_named(results, figure) -> None:
    changes = {"figures": FIGURES, "datasets.drawn": {"format": "chexpert", "root": "elsewhere"}}
    study = results.write(changes=changes, good={"pretrained_on": ["chexpert"]})
    write_table(study, "table7")
    facts = compute_figure(study, figure).facts
    assert facts["drawn"] is False
    (note,) = facts["notes"]
    assert note.startswith("Good_1 % was pretrained on chexpert")


@pytest.mark.parametrize("figure", ["figure_fractions", "figure_cd"])
def test_a_missing_table_is_named_with_the_command(results, figure) -> None:
    study = results.write(changes={"figures": FIGURES})
    with pytest.raises(InputError, match=r"(?s)table7.csv does not exist.*--table table7"):
        compute_figure(study, figure)


def test_the_command_writes_the_rows(results, monkeypatch, capsys) -> None:
    study = results.write(changes={"figures": FIGURES})
    monkeypatch.setattr(sys, "argv", ["figures", "--study", str(results.file), "--figure", "figure_calibration"])
    with pytest.raises(SystemExit, match="0"):
        run_command(main)
    assert capsys.readouterr().out.strip() == str(study.layout.report("figure_calibration.csv"))


def test_an_unknown_figure_is_told_the_nearest(results) -> None:
    study = results.write(changes={"figures": FIGURES})
    with pytest.raises(InputError, match="nearest: 'figure_roc'"):
        compute_figure(study, "figure_rok")


@pytest.mark.parametrize(
    ("figure", "message"),
    [
        ({"kind": "fractions", "table": "table5"}, "one share of the labels"),
        ({"kind": "cd", "tables": ["table5", "table7"]}, "no independent blocks"),
        ({"kind": "cd", "tables": ["table6"]}, "table6"),
        ({"kind": "confusion", "evaluation": "main"}, "not multiclass"),
        ({"kind": "roc", "evaluation": "main", "setting": "fraction=3"}, "fraction=3"),
    ],
)
def test_figures_that_mean_nothing_are_refused_before_anything_is_run(results, figure, message) -> None:
    with pytest.raises(InputError, match=message):
        results.write(changes={"figures": {"figure_x": figure}})


def test_rows_need_neither_torch_nor_matplotlib() -> None:
    program = (
        "import sys, evalkit.figures.making; "
        "print([name for name in ('torch', 'timm', 'kornia', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
