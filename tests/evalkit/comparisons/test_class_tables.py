"""Tables of a multi-class evaluation: several metrics, each with its own test, recomputed with scikit-learn."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sklearn_metrics

from evalkit.comparisons import write_table
from evalkit.comparisons.rows import read_rows
from evalkit.errors import InputError
from evalkit.seeds import seed_from
from stats import bootstrap_replicates, class_replicates, mcnemar, stuart_maxwell

KINDS = ["normal", "bacterial", "viral"]
FULL = "regime=finetune,trainset=full"
CALLED = {
    "accuracy": sklearn_metrics.accuracy_score,
    "precision": lambda y, called: sklearn_metrics.precision_score(y, called, average="macro"),
    "recall": lambda y, called: sklearn_metrics.recall_score(y, called, average="macro"),
    "f1": lambda y, called: sklearn_metrics.f1_score(y, called, average="macro"),
}


def make(study, table="table8", **options):
    return read_rows(write_table(study, table, **options))


def facts_of(study, table="table8"):
    return json.loads(write_table(study, table).with_suffix(".json").read_text(encoding="utf-8"))


def predicted(study, backbone, setting=FULL, repeat=0, name="predictions"):
    frame = pd.read_parquet(study.layout.run("main", setting, backbone, repeat) / f"{name}.parquet")
    return frame, frame[[f"score:{kind}" for kind in KINDS]].to_numpy()


def pick(rows, **values):
    for column, value in values.items():
        rows = rows[rows[column] == value]
    assert len(rows) == 1, f"{len(rows)} rows for {values}"
    return rows.iloc[0]


def test_metrics_come_one_after_the_other_at_their_overall_targets(class_results):
    study = class_results.write()
    rows = make(study)
    shown = list(dict.fromkeys(zip(rows["metric"], rows["target"], strict=True)))
    assert shown == [("accuracy", "all"), ("precision", "mean"), ("recall", "mean"), ("f1", "mean")]
    assert (rows[rows["role"] == "primary"].groupby(["backbone", "metric", "target"]).size() == 1).all()
    for backbone in ("scratch", "good"):
        frame, _ = predicted(study, backbone)
        for metric, expected in CALLED.items():
            row = pick(rows, backbone=backbone, metric=metric, role="primary")
            assert row["estimate"] == pytest.approx(expected(frame["target"], frame["predicted"]), abs=1e-12)
            assert (row["unit"], row["n"], row["n_clusters"]) == ("image", 180, 90)


def test_each_metric_has_its_own_test_and_family(class_results):
    rows = make(class_results.write())
    tests = rows[rows["test"] != ""].groupby("metric")["test"].unique().map(set).to_dict()
    of_rates = {metric: {"bootstrap"} for metric in ("precision", "recall", "f1")}
    assert tests == {"accuracy": {"mcnemar_clustered", "stuart_maxwell"}, **of_rates}
    tested = rows[rows["p_value"].notna()]
    assert (tested.groupby("family")["metric"].nunique() == 1).all()
    assert set(tested["family_size"]) == {2}
    assert set(rows[rows["role"] == "paper"]["test"]) == {"stuart_maxwell"}, "as published, images for independent"


def test_the_tests_are_those_of_stats(class_results):
    study = class_results.write(class_results.make_cases(images_per_patient=1))
    rows = make(study)
    first, second = (predicted(study, name)[0] for name in ("scratch", "good"))
    right = [frame["predicted"] == frame["target"] for frame in (first, second)]
    row = pick(rows, metric="accuracy", backbone="scratch", policy="best", role="primary")
    assert (row["test"], row["ci_method"]) == ("mcnemar_exact", "wilson")
    assert row["p_value"] == mcnemar(*right, method="exact").pvalue
    paper = pick(rows, metric="accuracy", backbone="scratch", policy="best", role="paper")
    expected = stuart_maxwell(first["predicted"], second["predicted"], categories=KINDS)
    assert (paper["test"], paper["statistic"], paper["df"]) == ("stuart_maxwell", expected.statistic, expected.df)
    seed = seed_from(purpose="bootstrap", table="table8", evaluation="main")
    replicates = [
        class_replicates(
            frame["target"],
            frame["predicted"],
            categories=KINDS,
            groups=frame["patient_id"],
            n_resamples=400,
            rng=seed,
        )["f1"].mean(axis=1)
        for frame in (first, second)
    ]
    row = pick(rows, metric="f1", backbone="scratch", policy="best")
    assert row["difference_ci_low"] == pytest.approx(np.quantile(replicates[0] - replicates[1], 0.025), abs=1e-12)


def test_scores_are_measured_one_class_against_the_others(class_results):
    table = {"metric": ["auc", "auprc"], "primary": "delong", "paper": None}
    study = class_results.write(changes={f"tables.table8.{key}": value for key, value in table.items()})
    rows = make(study)
    frame, scores = predicted(study, "good")
    assert list(dict.fromkeys(rows["target"])) == ["mean", *KINDS]
    row = pick(rows, metric="auc", target="mean", backbone="good", role="primary")
    expected = sklearn_metrics.roc_auc_score(frame["target"], scores[:, [1, 0, 2]], multi_class="ovr")
    assert row["estimate"] == pytest.approx(expected, abs=1e-12)
    of_class = pick(rows, metric="auc", target="viral", backbone="scratch", role="primary", policy="best")
    assert of_class["test"] == "delong_clustered"
    assert pick(rows, metric="auprc", target="viral", backbone="scratch", policy="best")["test"] == "bootstrap"


def test_calibration_is_that_of_all_classes_and_lower_is_better(class_results):
    table = {"metric": ["brier", "ece"], "primary": "bootstrap", "paper": None}
    study = class_results.write(changes={f"tables.table8.{key}": value for key, value in table.items()})
    rows = make(study)
    assert set(rows["target"]) == {"all"}
    assert not rows["higher_is_better"].any()
    frame, scores = predicted(study, "good")
    one_hot = (frame["target"].to_numpy()[:, None] == np.array(KINDS)).astype(float)
    row = pick(rows, metric="brier", backbone="good", role="primary")
    assert row["estimate"] == pytest.approx(((one_hot - scores) ** 2).sum(axis=1).mean(), abs=1e-12)
    assert row["status"] == "reference", "the lowest is the best"
    seed = seed_from(purpose="bootstrap", table="table8", evaluation="main")
    replicates = bootstrap_replicates(
        "called_ece", one_hot, scores, groups=frame["patient_id"], n_resamples=400, rng=seed
    )
    row = pick(rows, metric="ece", backbone="good", role="primary")
    assert (row["ci_low"], row["ci_high"]) == pytest.approx(np.quantile(replicates, [0.025, 0.975]).tolist())


def test_targets_are_shown_by_the_metrics_that_have_them(class_results):
    table = {"metric": ["accuracy", "recall", "brier"], "targets": ["viral", "all"]}
    study = class_results.write(changes={f"tables.table8.{key}": value for key, value in table.items()})
    rows = make(study)
    shown = rows.groupby("metric", sort=False)["target"].unique().map(list).to_dict()
    assert shown == {"accuracy": ["all"], "recall": ["viral"], "brier": ["viral", "all"]}
    frame, _ = predicted(study, "good")
    row = pick(rows, metric="recall", backbone="good", role="primary")
    viral = frame["target"] == "viral"
    assert row["estimate"] == pytest.approx((frame["predicted"] == "viral")[viral].mean(), abs=1e-12)


def test_patients_are_called_by_the_mean_of_their_images(class_results):
    study = class_results.write(changes={"evaluations.main.aggregate": "patient"})
    row = pick(make(study), metric="accuracy", backbone="good", role="primary")
    frame, scores = predicted(study, "good")
    called = pd.DataFrame(scores, columns=KINDS).groupby(frame["patient_id"]).mean().idxmax(axis=1)
    assert row["estimate"] == pytest.approx((called == frame.groupby("patient_id")["target"].first()).mean())
    assert (row["unit"], row["n"], row["ci_method"]) == ("patient", 90, "wilson")


def test_a_patient_of_two_classes_cannot_be_scored(class_results):
    cases = class_results.make_cases()
    cases.loc[0, KINDS] = [0.0, 0.0, 1.0]
    cases.loc[1, KINDS] = [1.0, 0.0, 0.0]
    study = class_results.write(cases, changes={"evaluations.main.aggregate": "patient"})
    with pytest.raises(InputError, match="the patient of 'image0000' has normal, viral"):
        make(study)


def test_several_seeds_are_averaged_and_resampled(class_results):
    table = {"primary": "bootstrap_two_way", "paper": None}
    changes = {f"tables.table8.{key}": value for key, value in table.items()}
    study = class_results.write(changes={"evaluations.main.seeds": 3, **changes})
    rows = make(study)
    frames = [predicted(study, "good", repeat=repeat)[0] for repeat in range(3)]
    values = [CALLED["f1"](frame["target"], frame["predicted"]) for frame in frames]
    row = pick(rows, metric="f1", backbone="good", role="primary")
    assert row["estimate"] == pytest.approx(np.mean(values), abs=1e-12)
    assert row["sd"] == pytest.approx(np.std(values, ddof=1), abs=1e-12)
    assert (row["unit"], row["n"], row["n_clusters"]) == ("repeat", 3, 90)
    assert set(rows[rows["test"] != ""]["test"]) == {"bootstrap_two_way"}


def test_a_class_that_is_not_in_the_test_set_is_undefined(class_results):
    cases = class_results.make_cases()
    cases = cases[cases["viral"] == 0].reset_index(drop=True)
    table = {"metric": ["accuracy", "recall", "auc"], "targets": ["all", "mean", "viral"]}
    study = class_results.write(cases, changes={f"tables.table8.{key}": value for key, value in table.items()})
    statuses = make(study).groupby(["metric", "target"])["status"].unique().map(set)
    assert statuses["recall", "viral"] == {"undefined: no image of the class"}
    assert statuses["auc", "viral"] == {"undefined: no positive image"}
    assert statuses["recall", "mean"] == statuses["auc", "mean"] == {"undefined: 2/3 classes"}
    assert statuses["accuracy", "all"] == {"ok", "reference"}


def test_predictions_of_several_labels_are_refused(class_results):
    study = class_results.write()
    for backbone in study.backbones:
        path = study.layout.run("main", FULL, backbone, 0) / "predictions.parquet"
        frame = pd.read_parquet(path).drop(columns=["target", "predicted"])
        for place, kind in enumerate(KINDS):
            frame.insert(3 + place, f"target:{kind}", 1.0)
        frame.to_parquet(path, index=False)
    with pytest.raises(InputError, match=r"evaluations\.main is multiclass, and its predictions are not"):
        make(study)


def test_nothing_run_yet_still_renders(class_results):
    study = class_results.write(changes={"tables.table8.metric": ["accuracy", "recall", "brier", "sensitivity95"]})
    shutil.rmtree(study.layout.root)
    rows = make(study, partial=True)
    assert set(rows["status"]) <= {"not run", "unavailable: weights"}
    assert list(dict.fromkeys(rows["target"])) == ["all", "mean", *KINDS]
    assert (rows[rows["role"] == "primary"].groupby(["backbone", "metric", "target"]).size() == 1).all()


def test_probes_stand_beside_fine_tuning(class_results):
    settings = [FULL, "regime=probe,trainset=full"]
    study = class_results.write(changes={"tables.table8.settings": settings})
    rows = make(study)
    assert list(dict.fromkeys(rows["setting"])) == settings
    facts = facts_of(study)
    assert any(text.startswith("Linear probe: logistic regression") for text in facts["draws"])
    assert facts["runs"] == dict.fromkeys(settings, 1)


def test_the_facts_define_what_is_shown(class_results):
    facts = facts_of(class_results.write())
    assert [metric["name"] for metric in facts["metrics"]] == list(CALLED)
    assert facts["task"] == "multiclass"
    assert facts["definitions"][1].startswith("Precision, recall and F1: of each class against all others, and as the ")
    assert "(macro)" in facts["definitions"][1]
    assert facts["tests"]["mcnemar_clustered"].startswith("McNemar's test")
    assert sum(facts["test_set"]["positives"].values()) == facts["test_set"]["cases"] == 180


def test_the_same_runs_give_the_same_bytes(class_results):
    study = class_results.write()
    first, again = write_table(study, "table8").read_bytes(), write_table(study, "table8").read_bytes()
    assert first == again
