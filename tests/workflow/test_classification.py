"""The classification family at a tiny size by the real Snakefile: classes, probes, external tests, counts, figures."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from sklearn.metrics import accuracy_score, precision_score, roc_auc_score

BACKBONES = {
    "scratch": {"label": "Scratch", "arch": "resnet10t", "in_channels": 1},
    "colour": {"label": "Three channels", "arch": "resnet10t", "in_channels": 3, "baseline": "scratch"},
}
RECIPE = {"lr": 0.001, "batch_size": 8, "steps": 3}
SIX = ["normal", "nodule", "consolidation", "interstitial_opacity", "pleural_effusion", "pneumothorax"]
STUDY = {
    "study": "family",
    "title": "The family",
    "image_size": 32,
    "device": "cpu",
    "backbones": ["scratch", "colour"],
    "datasets": {
        "classes": {
            "format": "folder",
            "classes": SIX,
            "patient_pattern": r"patient(\d+)",
            "phantom": {"patients": 90, "size": 48},
        },
        "children": {"format": "kermany", "phantom": {"patients": 40, "first_patient": 1001, "size": 48}},
        "phantoms": {"format": "chexpert", "phantom": {"patients": 50, "first_patient": 2001, "size": 48}},
        "elsewhere": {"format": "chexpert", "phantom": {"patients": 20, "first_patient": 3001, "size": 48}},
    },
    "evaluations": {
        "six": {
            "task": "multiclass",
            "dataset": "classes",
            "settings": {"trainset": ["full", "undersampled"]},
            "test_per_class": 3,
            "validation_per_class": 1,
            "recipe": RECIPE,
        },
        "children": {
            "task": "multiclass",
            "dataset": "children",
            "settings": {"trainset": ["balanced"]},
            "recipe": RECIPE,
        },
        "probe": {
            "task": "multilabel",
            "dataset": "phantoms",
            "test_on": ["elsewhere"],
            "labels": ["Edema"],
            "settings": {"regime": ["probe"], "fraction": [0.5, 1.0]},
            "repeats": 2,
            "validation_share": 0.2,
        },
    },
    "tables": {
        "table6": {
            "title": "Accuracy",
            "evaluation": "six",
            "metric": "accuracy",
            "primary": "mcnemar_exact",
            "paper": "stuart_maxwell",
            "policies": ["best"],
            "resamples": 300,
        },
        "table8": {
            "title": "Children",
            "evaluation": "children",
            "metric": ["accuracy", "precision"],
            "primary": "mcnemar_exact",
            "policies": ["baseline"],
            "columns": "metric",
            "resamples": 300,
        },
        "outside": {
            "title": "Another hospital",
            "evaluation": "probe",
            "test_on": "elsewhere",
            "primary": "bootstrap_two_way",
            "policies": ["baseline"],
            "resamples": 300,
        },
    },
    "counts": {
        "table1": {"title": "Counts", "evaluation": "six"},
        "table3": {"title": "Counts", "evaluation": "children"},
    },
    "figures": {
        "figure_confusion": {"kind": "confusion", "evaluation": "six", "setting": "trainset=full"},
        "figure_roc": {"kind": "roc", "evaluation": "probe", "resamples": 100},
        "figure_cd": {"kind": "cd", "tables": ["table6", "table8"]},
    },
}


def everything() -> list[str]:
    tables = [f"reports/{name}.csv" for name in (*STUDY["tables"], *STUDY["counts"])]
    return [*tables, *(f"reports/{name}.pdf" for name in STUDY["figures"])]


@pytest.fixture(scope="module")
def family(make_place):
    place = make_place("family")
    place.write(STUDY, BACKBONES)
    done = place.snakemake("all", study="family")
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-6000:]
    return place


def test_all_makes_every_table_count_and_figure(family) -> None:
    for name in everything():
        assert (family.folder / name).stat().st_size > 0, name
    assert family.planned("all", study="family") == {}


def test_class_metrics_recompute_from_the_prediction_files(family) -> None:
    runs = family.results("family") / "runs"
    correct = {}
    for backbone in BACKBONES:
        frame = pd.read_parquet(runs / "six/trainset=full" / backbone / "repeat-0/predictions.parquet")
        correct[backbone] = (frame["target"] == frame["predicted"]).to_numpy()
        assert frame["target"].value_counts().to_dict() == dict.fromkeys(SIX, 3)
        shown = pd.read_csv(family.folder / "reports/table6.csv").query(
            "backbone == @backbone and setting == 'trainset=full'"
        )
        assert set(shown["estimate"]) == {accuracy_score(frame["target"], frame["predicted"])}
        frame = pd.read_parquet(runs / "children/trainset=balanced" / backbone / "repeat-0/predictions.parquet")
        rows = pd.read_csv(family.folder / "reports/table8.csv").query(
            "backbone == @backbone and metric == 'precision'"
        )
        precision = precision_score(frame["target"], frame["predicted"], average="macro", zero_division=0)
        np.testing.assert_allclose(rows["estimate"], precision)
    only = [int((a & ~b).sum()) for a, b in (correct.values(), list(correct.values())[::-1])]
    rows = pd.read_csv(family.folder / "reports/table6.csv").query("setting == 'trainset=full'")
    found = rows[rows["test"].str.startswith("mcnemar")].iloc[0]
    if found["test"] == "mcnemar_exact":
        expected = binomtest(only[0], sum(only)).pvalue if sum(only) else 1.0
        assert found["p_value"] == pytest.approx(expected)
    else:
        assert 0 < found["p_value"] <= 1


def test_an_external_test_recomputes_and_has_the_other_data_sets_patients(family) -> None:
    place = family.results("family")
    rows = pd.read_csv(family.folder / "reports/outside.csv")
    assert set(rows["dataset"]) == {"elsewhere"}
    setting, values = "regime=probe,fraction=0.5", []
    for repeat in range(2):
        folder = place / "runs/probe" / setting / "scratch" / f"repeat-{repeat}"
        frame = pd.read_parquet(folder / "predictions-elsewhere.parquet")
        values.append(roc_auc_score(frame["target:Edema"], frame["score:Edema"]))
    shown = rows.query("backbone == 'scratch' and setting == @setting and target == 'Edema'")["estimate"]
    np.testing.assert_allclose(shown, np.mean(values))
    manifest = pd.read_parquet(place / "datasets/elsewhere/manifest.parquet")
    assert set(frame["patient_id"]) <= set(manifest["patient_id"])


def test_counts_are_those_of_a_hand_count(family) -> None:
    place = family.results("family")
    splits = pd.read_parquet(place / "splits/six.parquet")
    manifest = pd.read_parquet(place / "datasets/classes/manifest.parquet").set_index("image_id")
    training = manifest.loc[splits.loc[splits["role"] == "train", "image_id"], SIX].sum()
    counts = pd.read_csv(family.folder / "reports/table1.csv")
    full = counts.query("setting == 'trainset=full' and split == 'train'").set_index("class")["images"]
    assert {name: full[name] for name in SIX} == training.astype(int).to_dict()
    cut = counts.query("setting == 'trainset=undersampled' and split == 'train'").set_index("class")["images"]
    assert {cut[name] for name in SIX} == {training.min()}
    test = counts.query("split == 'test'").set_index("class")["images"]
    assert {test[name] for name in SIX} == {3}


def test_copies_are_of_training_images_and_classes_then_have_one_size(family) -> None:
    place = family.results("family")
    index = pd.read_parquet(place / "balanced/children/index.parquet")
    splits = pd.read_parquet(place / "splits/children.parquet").set_index("image_id")
    assert set(splits.loc[index["source"], "role"]) == {"train"}
    assert splits.loc[index["source"], "class"].value_counts().nunique() == 1
    record = json.loads((place / "runs/children/trainset=balanced/scratch/repeat-0/run.json").read_text())
    assert record["data"]["train"]["images"] == len(index)


def test_a_change_runs_what_depends_on_it_and_nothing_else(family, tmp_path: Path) -> None:
    place, study = family.copy(tmp_path / "copy"), copy.deepcopy(STUDY)
    study["evaluations"]["children"]["balancing"] = {"rotate": 5}
    study["evaluations"]["probe"]["probe"] = {"strengths": [0.1]}
    study["figures"]["figure_roc"]["resamples"] = 120
    place.write(study, BACKBONES)
    plan = place.planned("reports/table6.csv", "reports/figure_confusion.pdf", "reports/table1.csv", study="family")
    assert plan == {}
    plan = place.planned("reports/table8.csv", study="family")
    assert plan == {"balance": 1, "finetune": 2, "compare": 1, "render": 1, "publish": 1}
    plan = place.planned("reports/outside.csv", study="family")
    assert plan == {"probe": 4, "compare": 1, "render": 1, "publish": 1}
