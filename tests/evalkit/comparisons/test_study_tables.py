"""A study's tables from prediction files: numbers recomputed with scikit-learn and scipy, every row accounted for."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats
from sklearn.metrics import average_precision_score, roc_auc_score

from evalkit.comparisons import write_table
from evalkit.comparisons.rows import read_rows
from evalkit.seeds import seed_from
from stats import delong_test, paired_bootstrap, two_way_bootstrap

CLASSES = ["Edema", "Effusion", "Atelectasis"]
LOW, ALL = "regime=finetune,fraction=0.1", "regime=finetune,fraction=1"
REPEATS = 4


def scores_of(study, setting, backbone, repeat=0):
    frame = pd.read_parquet(study.layout.run("main", setting, backbone, repeat) / "predictions.parquet")
    return (
        frame[[f"target:{label}" for label in CLASSES]].to_numpy(),
        frame[[f"score:{label}" for label in CLASSES]].to_numpy(),
        frame["patient_id"].to_numpy(),
    )


def mean_auc(study, setting, backbone, repeat=0):
    targets, scores, _ = scores_of(study, setting, backbone, repeat)
    return np.mean([roc_auc_score(targets[:, k], scores[:, k]) for k in range(len(CLASSES))])


def make(study, table, **options):
    return read_rows(write_table(study, table, **options))


def pick(rows, **values):
    found = rows
    for column, value in values.items():
        found = found[found[column] == value]
    assert len(found) == 1, f"{len(found)} rows for {values}"
    return found.iloc[0]


@pytest.fixture
def table7(results):
    study = results.write()
    return study, make(study, "table7")


def test_every_backbone_setting_and_target_has_exactly_one_primary_row(table7):
    _, rows = table7
    counts = rows[rows["role"] == "primary"].groupby(["backbone", "setting", "target"]).size()
    assert len(counts) == 3 * 2 * 4
    assert (counts == 1).all()
    assert rows.duplicated(["setting", "backbone", "metric", "target", "subgroup", "policy", "test"]).sum() == 0


def test_targets_are_the_mean_and_then_the_declared_classes(table7):
    _, rows = table7
    assert list(dict.fromkeys(rows["target"])) == ["mean", *CLASSES]
    assert list(dict.fromkeys(rows["backbone"])) == ["scratch", "good", "twin"]


def test_estimates_are_means_over_repeats(table7):
    study, rows = table7
    values = [mean_auc(study, LOW, "good", repeat) for repeat in range(REPEATS)]
    row = pick(rows, setting=LOW, backbone="good", target="mean", role="primary")
    assert row["estimate"] == pytest.approx(np.mean(values), abs=1e-12)
    assert row["sd"] == pytest.approx(np.std(values, ddof=1), abs=1e-12)
    assert (row["unit"], row["n"], row["n_clusters"]) == ("repeat", REPEATS, 90)
    assert row["ci_method"] == "bootstrap_two_way percentile"
    assert row["ci_low"] < row["estimate"] < row["ci_high"]


def test_one_run_is_estimated_over_images_without_a_standard_deviation(table7):
    study, rows = table7
    row = pick(rows, setting=ALL, backbone="good", target="mean", role="primary")
    assert row["estimate"] == pytest.approx(mean_auc(study, ALL, "good"), abs=1e-12)
    assert np.isnan(row["sd"])
    assert (row["unit"], row["n"], row["n_clusters"]) == ("image", 90, 90)
    assert row["ci_method"] == "bootstrap percentile"


def test_the_paper_row_is_scipys_paired_t_test(table7):
    study, rows = table7
    values = {name: [mean_auc(study, LOW, name, r) for r in range(REPEATS)] for name in ("scratch", "good")}
    expected = scipy_stats.ttest_rel(values["scratch"], values["good"])
    row = pick(rows, setting=LOW, backbone="scratch", target="mean", policy="best", test="ttest_paired")
    assert row["role"] == "paper"
    assert row["p_value"] == pytest.approx(expected.pvalue, rel=1e-9)
    assert row["statistic"] == pytest.approx(expected.statistic, rel=1e-9)
    assert row["df"] == REPEATS - 1
    interval = expected.confidence_interval(0.95)
    assert (row["difference_ci_low"], row["difference_ci_high"]) == pytest.approx(tuple(interval), rel=1e-9)


def test_the_primary_row_is_the_two_way_bootstrap_of_stats(table7):
    study, rows = table7
    targets, _, patients = scores_of(study, LOW, "good")
    a, b = (np.stack([scores_of(study, LOW, name, r)[1] for r in range(REPEATS)]) for name in ("scratch", "good"))
    seed = seed_from(purpose="bootstrap", table="table7", evaluation="main")
    expected = two_way_bootstrap("auc", targets, a, b, groups=patients, n_resamples=400, rng=seed)
    row = pick(rows, setting=LOW, backbone="scratch", target="mean", role="primary")
    assert row["test"] == "bootstrap_two_way"
    assert row["difference"] == pytest.approx(expected.difference, abs=1e-12)
    assert row["p_value"] == expected.pvalue
    assert (row["difference_ci_low"], row["difference_ci_high"]) == pytest.approx((expected.low, expected.high))
    assert np.isnan(row["statistic"])
    assert np.isnan(row["df"])


def test_with_one_run_patients_are_resampled_and_the_papers_test_says_why_it_is_missing(results):
    study = results.write(results.make_cases(images_per_patient=2))
    rows = make(study, "table7")
    targets, a, patients = scores_of(study, ALL, "scratch")
    b = scores_of(study, ALL, "good")[1]
    seed = seed_from(purpose="bootstrap", table="table7", evaluation="main")
    expected = paired_bootstrap("auc", targets, a, b, groups=patients, n_resamples=400, rng=seed)
    row = pick(rows, setting=ALL, backbone="scratch", target="mean", role="primary")
    assert (row["test"], row["n"], row["n_clusters"]) == ("bootstrap", 180, 90)
    assert row["p_value"] == expected.pvalue
    paper = pick(rows, setting=ALL, backbone="scratch", target="mean", policy="best", role="paper")
    assert (paper["test"], paper["status"]) == ("ttest_paired", "undefined: 1 repeat")
    assert np.isnan(paper["p_value"])
    assert paper["family"] == ""


def test_the_best_is_its_own_reference_in_one_row(table7):
    _, rows = table7
    row = pick(rows, setting=LOW, backbone="good", target="mean", policy="best")
    assert (row["reference"], row["status"], row["role"], row["test"]) == ("good", "reference", "primary", "")
    assert row[["difference", "difference_ci_low", "statistic", "df", "p_value", "p_adjusted"]].isna().all()
    assert not np.isnan(row["estimate"])


def test_identical_predictions_differ_by_nothing(table7):
    _, rows = table7
    twin = rows[(rows["backbone"] == "twin") & (rows["policy"] == "best") & (rows["status"] == "ok")]
    assert set(twin["reference"]) == {"good"}, "ties go to the first in the study's order"
    assert (twin["difference"] == 0).all()
    assert (twin["p_value"] == 1).all()
    assert len(twin) == 2 * 4 + 4


def test_the_baseline_policy_is_secondary_and_skips_entries_without_a_baseline(table7):
    _, rows = table7
    baseline = rows[rows["policy"] == "baseline"]
    assert set(baseline["backbone"]) == {"good", "twin"}
    assert set(baseline["reference"]) == {"scratch"}
    assert set(baseline["role"]) == {"secondary", "paper"}
    assert (baseline["difference"] > 0).all()


def test_families_count_the_pvalues_they_hold(table7):
    _, rows = table7
    tested = rows[rows["p_value"].notna()]
    assert (tested.groupby("family")["p_value"].count() == tested.groupby("family")["family_size"].first()).all()
    assert set(tested["family_size"]) == {2}
    assert (tested["p_adjusted"] >= tested["p_value"]).all()
    one = tested[tested["family"] == f"table7/auc/{LOW}/mean/best/primary/bootstrap_two_way"].sort_values("p_value")
    assert one["p_adjusted"].tolist() == [2 * one["p_value"].iloc[0], 1.0]


def test_a_table_wide_family_is_larger(results):
    rows = make(results.write(changes={"tables.table7.family": "table"}), "table7")
    primary = rows[(rows["role"] == "primary") & rows["p_value"].notna()]
    assert primary.groupby("test")["family_size"].unique().map(list).to_dict() == {
        "bootstrap": [2 * 4],
        "bootstrap_two_way": [2 * 4],
    }


def test_delong_is_primary_alone_where_every_patient_has_one_image(results):
    study = results.write()
    rows = make(study, "table5")
    row = pick(rows, backbone="scratch", target="Edema", policy="named")
    targets, a, _ = scores_of(study, ALL, "scratch")
    b = scores_of(study, ALL, "good")[1]
    expected = delong_test(targets[:, 0], a[:, 0], b[:, 0])
    assert (row["test"], row["role"], row["ci_method"]) == ("delong", "primary", "delong")
    assert row["p_value"] == expected.pvalue
    assert row["estimate"] == pytest.approx(roc_auc_score(targets[:, 0], a[:, 0]), abs=1e-12)
    # DeLong's variance from its definition: placements of positives and negatives, each with its own sample variance.
    y, placements = targets[:, 0] == 1, []
    for score in (a[:, 0], b[:, 0]):
        pairs = (score[y][:, None] > score[~y]) + 0.5 * (score[y][:, None] == score[~y])
        placements.append((pairs.mean(axis=1), pairs.mean(axis=0)))
    positive, negative = placements[0][0] - placements[1][0], placements[0][1] - placements[1][1]
    z = positive.mean() / np.sqrt(positive.var(ddof=1) / y.sum() + negative.var(ddof=1) / (~y).sum())
    assert row["statistic"] == pytest.approx(z, rel=1e-9)
    assert row["p_value"] == pytest.approx(2 * scipy_stats.norm.sf(abs(z)), rel=1e-9)


def test_delong_is_clustered_where_patients_repeat_and_the_plain_one_is_the_papers(results):
    study = results.write(results.make_cases(images_per_patient=2))
    rows = make(study, "table5")
    targets, a, patients = scores_of(study, ALL, "scratch")
    b = scores_of(study, ALL, "good")[1]
    primary = pick(rows, backbone="scratch", target="Edema", policy="named", role="primary")
    paper = pick(rows, backbone="scratch", target="Edema", policy="named", role="paper")
    assert (primary["test"], paper["test"]) == ("delong_clustered", "delong")
    assert primary["p_value"] == delong_test(targets[:, 0], a[:, 0], b[:, 0], groups=patients).pvalue
    assert paper["p_value"] == delong_test(targets[:, 0], a[:, 0], b[:, 0]).pvalue
    assert primary["ci_method"] == paper["ci_method"] == "delong_clustered"


def test_the_mean_over_classes_is_bootstrapped_since_delong_compares_one_class(results):
    rows = make(results.write(), "table5")
    primary = pick(rows, backbone="scratch", target="mean", policy="named", role="primary")
    paper = pick(rows, backbone="scratch", target="mean", policy="named", role="paper")
    assert (primary["test"], primary["status"]) == ("bootstrap", "ok")
    assert paper["status"] == "undefined: delong compares one class at a time"


def test_the_baseline_policy_may_come_first(results):
    changes = {"tables.table7.policies": ["baseline", "best"]}
    rows = make(results.write(changes=changes), "table7")
    assert (rows[rows["role"] == "primary"].groupby(["backbone", "setting", "target"]).size() == 1).all()
    row = pick(rows, setting=LOW, backbone="scratch", target="mean", role="primary")
    assert (row["policy"], row["reference"], row["status"]) == ("baseline", "", "undefined: no baseline")
    assert not np.isnan(row["estimate"])


def test_a_class_without_positives_is_undefined_and_so_is_the_mean(results):
    cases = results.make_cases()
    cases["Effusion"] = 0.0
    study = results.write(cases)
    for table in ("table7", "table5"):
        rows = make(study, table)
        of_class, of_mean = rows[rows["target"] == "Effusion"], rows[rows["target"] == "mean"]
        assert set(of_class["status"]) == {"undefined: no positive image"}
        assert set(of_mean["status"]) == {"undefined: 2/3 classes"}
        assert of_class["estimate"].isna().all()
        assert of_mean[["estimate", "p_value"]].isna().all(axis=None)
        assert (rows[rows["target"] == "Edema"]["estimate"] > 0).all()
        assert (rows[rows["role"] == "primary"].groupby(["backbone", "setting", "target"]).size() == 1).all()


def test_one_positive_leaves_an_estimate_without_a_test(results):
    cases = results.make_cases()
    cases["Effusion"] = 0.0
    cases.loc[3, "Effusion"] = 1.0
    row = pick(make(results.write(cases), "table5"), backbone="scratch", target="Effusion", role="primary")
    assert row["status"] == "undefined: one image with a positive label"
    assert not np.isnan(row["estimate"])
    assert np.isnan(row["p_value"])
    assert np.isnan(row["ci_low"])


def test_cases_without_a_label_do_not_count_for_their_class(results):
    cases = results.make_cases()
    cases.loc[:19, "Effusion"] = np.nan
    study = results.write(cases)
    row = pick(make(study, "table5"), backbone="good", target="Effusion", role="primary")
    targets, scores, _ = scores_of(study, ALL, "good")
    assert (row["n"], row["n_clusters"]) == (70, 70)
    assert row["estimate"] == pytest.approx(roc_auc_score(targets[20:, 1], scores[20:, 1]), abs=1e-12)


def test_studies_are_scored_by_the_mean_of_their_images(results):
    cases = results.make_cases(images_per_patient=2)
    cases["study_id"] = cases["patient_id"] + "/study1"
    study = results.write(cases, changes={"evaluations.main.aggregate": "study"})
    row = pick(make(study, "table5"), backbone="good", target="Edema", role="primary")
    frame = pd.read_parquet(study.layout.run("main", ALL, "good", 0) / "predictions.parquet").groupby("study_id")
    expected = roc_auc_score(frame["target:Edema"].max(), frame["score:Edema"].mean())
    assert row["estimate"] == pytest.approx(expected, abs=1e-12)
    assert (row["unit"], row["n"], row["n_clusters"]) == ("study", 90, 90)


def test_the_average_precision_is_a_metric_too(results):
    study = results.write(changes={"tables.table7.metric": "auprc"})
    rows = make(study, "table7")
    targets, scores, _ = scores_of(study, ALL, "good")
    row = pick(rows, setting=ALL, backbone="good", target="Edema", role="primary")
    assert row["estimate"] == pytest.approx(average_precision_score(targets[:, 0], scores[:, 0]), abs=1e-12)
    assert set(rows["metric"]) == {"auprc"}


def test_rows_and_columns_can_be_chosen(results):
    changes = {"tables.table7.backbones": ["scratch", "good"], "tables.table7.targets": ["Edema"]}
    rows = make(results.write(changes=changes), "table7")
    assert set(rows["backbone"]) == {"scratch", "good"}
    assert set(rows["target"]) == {"Edema"}


def test_the_same_runs_give_the_same_bytes(results):
    study = results.write()
    path = write_table(study, "table7")
    first = (path.read_bytes(), path.with_suffix(".json").read_bytes())
    write_table(study, "table7")
    assert (path.read_bytes(), path.with_suffix(".json").read_bytes()) == first


def test_the_order_of_rows_in_a_prediction_file_does_not_matter(results):
    study = results.write()
    before = write_table(study, "table7").read_bytes()
    path = study.layout.run("main", LOW, "good", 1) / "predictions.parquet"
    pd.read_parquet(path).sample(frac=1, random_state=0).to_parquet(path, index=False)
    assert write_table(study, "table7").read_bytes() == before


def test_the_facts_beside_the_rows(results):
    study = results.write()
    facts = json.loads(write_table(study, "table5").with_suffix(".json").read_text(encoding="utf-8"))
    assert facts["drawn"] is True
    assert facts["test_set"]["images"] == facts["test_set"]["patients"] == 90
    assert facts["test_set"]["positives"]["Edema"] == int(results.make_cases()["Edema"].sum())
    assert facts["data"] == ["Drawn."]
    assert facts["draws"] == [
        "Training: 300 images of 200 patients; shares are drawn by patient, the same for every backbone "
        "(mean 10 %: 31 images).",
        "Validation: 40 images of 30 patients (15% of the remaining patients, drawn at random), "
        "the same for every share.",
        "Draws without a positive or a negative of some class were made again, 3 times in all.",
        "Draws kept without a positive or a negative of a class: train 10 %, repeat 2 (Edema).",
        "2 images could not be read and are left out.",
    ]
    assert [each["fingerprint"] for each in facts["backbones"]] == [None, "0123456789ab", "0123456789ab"]
    assert facts["versions"]["torch"] == "1.2.3"
    assert facts["runs"] == {ALL: 1}


@pytest.mark.parametrize(("seen", "warned"), [(["nih"], True), (["rsna"], True), (["chexpert"], False)])
def test_images_seen_in_pretraining_are_told(results, seen, warned):
    changes = {"datasets.drawn": {"format": "nih", "root": "/nowhere"}}
    study = results.write(changes=changes, good={"pretrained_on": seen})
    facts = json.loads(write_table(study, "table5").with_suffix(".json").read_text(encoding="utf-8"))
    assert facts["drawn"] is False
    assert [text for text in facts["caveats"] if "was pretrained on" in text] == (
        [f"Good_1 % was pretrained on {seen[0]}: images of this evaluation may have been seen in pretraining."]
        if warned
        else []
    )


def test_resamples_without_a_rare_class_are_told_once(results):
    cases = results.make_cases()
    cases["Effusion"] = 0.0
    cases.loc[[3, 30], "Effusion"] = 1.0
    facts = json.loads(write_table(results.write(cases), "table7").with_suffix(".json").read_text(encoding="utf-8"))
    told = [text for text in facts["caveats"] if "replicates left out" in text]
    assert len(told) == 1
    assert told[0].startswith("mean, Effusion: ")


def test_images_that_reading_left_out_are_counted_beside_the_table(results):
    study = results.write()
    path = study.layout.manifest("drawn").with_suffix(".json")
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["report"]["left_out"] = {"missing image files": 1234, "patients outside the range": 9}
    path.write_text(json.dumps(manifest), encoding="utf-8")
    facts = json.loads(write_table(study, "table5").with_suffix(".json").read_text(encoding="utf-8"))
    assert facts["data"] == ["Drawn. Images left out: missing image files (1,234); patients outside the range (9)."]
    assert "2 images could not be read and are left out." in facts["draws"]
