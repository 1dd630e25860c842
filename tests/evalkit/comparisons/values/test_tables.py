"""A study's tables of inversions, from run folders to rows: numbers of scipy, controls, and what is not available."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats

from evalkit.comparisons import check_table, write_table
from evalkit.comparisons.inversions import define_image_metrics, find_unpublished
from evalkit.comparisons.rows import read_rows
from evalkit.config.backbones import BackboneEntry
from evalkit.errors import InputError
from reports.tables import render_table

W, WPLUS = "space=w", "space=w+"


def make(study, **options):
    return read_rows(write_table(study, "table10", **options))


def facts_of(study):
    return json.loads(study.layout.report("table10.json").read_text())


def pick(rows, **values):
    found = rows
    for column, value in values.items():
        found = found[found[column] == value]
    assert len(found) == 1, f"{len(found)} rows for {values}"
    return found.iloc[0]


def values(study, setting, backbone, metric, *, by_patient=True):
    frame = pd.read_parquet(study.layout.run("back", setting, backbone, 0) / "predictions.parquet")
    return frame.groupby("patient_id")[metric].mean().to_numpy() if by_patient else frame[metric].to_numpy()


@pytest.mark.parametrize("patients", [12, 8])
def test_numbers_are_those_of_scipy_with_patients_averaged_first(inverted, patients):
    study = inverted.write(images=12, patients=patients)
    rows = make(study)
    for setting in (W, WPLUS):
        for metric in ("psnr", "ssim", "rmse", "identity"):
            place = {"setting": setting, "metric": metric, "target": "all"}
            good = values(study, setting, "good", metric)
            row = pick(rows, **place, backbone="good", role="primary")
            assert (row["status"], row["reference"]) == ("reference", "good")
            assert row["estimate"] == pytest.approx(good.mean(), rel=1e-12)
            assert row["sd"] == pytest.approx(good.std(ddof=1), rel=1e-12)
            assert (row["n"], row["unit"]) == (patients, "image" if patients == 12 else "patient")
            for backbone in ("bad", "pixels", "mean", "dice"):
                own = values(study, setting, backbone, metric)
                row = pick(rows, **place, backbone=backbone, role="primary")
                expected = scipy_stats.ttest_rel(own, good)
                assert (row["test"], row["reference"]) == ("ttest_paired", "good")
                assert row["difference"] == pytest.approx((own - good).mean(), rel=1e-9)
                assert row["p_value"] == pytest.approx(expected.pvalue, rel=1e-6)
                interval = expected.confidence_interval(0.95)
                assert [row["difference_ci_low"], row["difference_ci_high"]] == pytest.approx(list(interval), rel=1e-9)
                row = pick(rows, **place, backbone=backbone, policy="best", test="wilcoxon")
                assert row["role"] == "secondary"
                assert row["p_value"] == pytest.approx(scipy_stats.wilcoxon(own, good).pvalue, rel=1e-9)


def test_of_several_runs_each_images_mean_is_compared(inverted):
    study = inverted.write(changes={"evaluations.back.seeds": 3})
    rows = make(study)

    def mean(backbone):
        runs = [pd.read_parquet(study.layout.run("back", W, backbone, run) / "predictions.parquet") for run in range(3)]
        return np.mean([each["psnr"] for each in runs], axis=0)

    own, good = mean("bad"), mean("good")
    row = pick(rows, setting=W, metric="psnr", backbone="bad", role="primary", policy="best")
    expected = scipy_stats.ttest_rel(own, good)
    assert (row["n"], row["estimate"]) == (12, pytest.approx(own.mean()))
    assert row["difference"] == pytest.approx((own - good).mean())
    assert row["p_value"] == pytest.approx(expected.pvalue, rel=1e-6)
    assert "how runs vary is not in the test" in " ".join(facts_of(study)["caveats"])


def test_a_control_is_compared_but_never_the_best_and_may_be_named(inverted):
    study = inverted.write()
    rows = make(study)
    column = rows[(rows["setting"] == W) & (rows["metric"] == "psnr")]
    best = pick(column, backbone="pixels", role="primary")
    assert best["estimate"] == column["estimate"].max()
    assert best["difference"] > 0
    assert set(column["reference"][column["policy"] == "best"]) == {"good"}
    assert set(column["reference"][column["policy"] == "named"]) == {"pixels"}
    render_table(study.layout.report("table10.csv"))
    lines = study.layout.report("table10.md").read_text().splitlines()
    bold = [line for line in lines if "**" in line.replace(r"\*", "")]
    assert len(bold) == 2, "one row in each space"
    assert all(line.startswith("| Good |") for line in bold)


def test_identical_reconstructions_have_p_1_and_no_effect(inverted):
    study = inverted.write()
    row = pick(make(study), setting=W, metric="rmse", backbone="twin", role="primary")
    assert (row["difference"], row["p_value"]) == (0, 1)
    effects = [each for each in facts_of(study)["effects"] if each["backbone"] == "twin" and each["policy"] == "best"]
    assert {(each["dz"], each["rank_biserial"]) for each in effects} == {(0, 0)}


def test_effect_sizes_are_those_of_the_differences_and_stand_under_the_table(inverted):
    study = inverted.write()
    make(study)
    own, good = (values(study, W, backbone, "psnr") for backbone in ("bad", "good"))
    (effect,) = (
        each
        for each in facts_of(study)["effects"]
        if (each["backbone"], each["metric"], each["setting"], each["policy"]) == ("bad", "psnr", W, "best")
    )
    differences = own - good
    assert effect["dz"] == pytest.approx(differences.mean() / differences.std(ddof=1))
    assert effect["low"] < effect["dz"] < effect["high"] < 0
    assert effect["rank_biserial"] == -1
    render_table(study.layout.report("table10.csv"))
    for ending in (".md", ".html"):
        text = study.layout.report(f"table10{ending}").read_text().replace("\\", "")
        assert "Effect sizes of the differences" in text
        assert f"d −{-effect['dz']:.2f} (−{-effect['low']:.2f} to −{-effect['high']:.2f})" in text
        assert "Wilcoxon p = " in text


def test_metrics_that_could_not_be_measured_say_why_and_are_not_compared(inverted):
    rows = make(inverted.write())
    for metric, status in (("lpips", "unavailable: trunk of LPIPS"), ("ms_ssim", "undefined: images below 176 px")):
        found = rows[rows["metric"] == metric]
        assert len(found)
        assert set(found["status"]) == {status}
        assert found[["estimate", "difference", "p_value"]].isna().all(axis=None)


def test_weights_that_are_not_the_published_ones_are_told(inverted):
    own, published = BackboneEntry.model_validate, "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0"
    vgg = {"label": "VGG-16", "arch": "vgg16", "path": "vgg.pth"}
    assert find_unpublished([own({**vgg, "sha256": published}), own({"label": "A", "control": "mean-w"})]) == []
    (told,) = find_unpublished([own({**vgg, "sha256": "a" * 64})])
    assert told == "VGG-16: the trunk of VGG-16, from another file than torchvision's own (sha256 aaaaaaaaaaaa)."
    named = {"path": "alex.pth"}
    for lpips, says in (
        (named, "(Zhang et al. 2018) with the trunk of AlexNet."),
        ({**named, "sha256": "b" * 64}, "from another file than torchvision's own (sha256 bbbbbbbbbbbb)."),
    ):
        entry = inverted.write_study({"evaluations.back.lpips": lpips}).inversion("back")
        (definition,) = define_image_metrics(["lpips"], entry, classifier="")[:1]
        assert definition.endswith(says)
    # The file was not there when the runs were made.
    study = inverted.write(changes={"evaluations.back.lpips": named})
    make(study)
    (definition,) = (each for each in facts_of(study)["definitions"] if each.startswith("LPIPS"))
    assert "not measured, for lack of its trunk" in definition
    assert "AlexNet" not in definition


def test_a_diverged_run_is_a_status_and_the_others_are_compared(inverted):
    study = inverted.write()
    folder = study.layout.run("back", W, "good", 0)
    record = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**record, "outcome": "diverged", "outputs": {}}))
    for path in folder.glob("*[tz]"):
        path.unlink()
    rows = make(study)
    assert pick(rows, setting=W, metric="psnr", backbone="good", role="primary")["status"] == "failed: diverged"
    assert pick(rows, setting=W, metric="psnr", backbone="bad", role="primary")["reference"] == "twin"


def test_a_perfect_copy_has_no_mean_psnr_and_the_table_says_so(inverted):
    study = inverted.write()
    path = study.layout.run("back", W, "bad", 0) / "predictions.parquet"
    frame = pd.read_parquet(path)
    frame.loc[3, ["psnr", "rmse"]] = [np.inf, 0.0]
    frame.to_parquet(path)
    rows = make(study)
    row = pick(rows, setting=W, metric="psnr", backbone="bad", role="primary")
    assert row["status"] == "undefined: infinite for 1 image"
    assert pick(rows, setting=W, metric="rmse", backbone="bad", role="primary")["status"] == "ok"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.iloc[1:], "lacks 1"),
        (lambda frame: frame.assign(patient_id="one"), "patient_id differs for the image 'image000.png'"),
        (lambda frame: frame.assign(psnr=np.nan), "no psnr of 12 images"),
        (lambda frame: pd.concat([frame, frame.iloc[:1]]), "'image000.png' twice"),
        (lambda frame: frame.drop(columns="ssim"), "no column ssim"),
    ],
)
def test_values_that_are_not_of_the_same_images_are_refused(inverted, change, message):
    study = inverted.write()
    path = study.layout.run("back", W, "bad", 0) / "predictions.parquet"
    change(pd.read_parquet(path)).to_parquet(path)
    with pytest.raises(InputError, match=message):
        make(study)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"generator": {"fingerprint": "0" * 64}}, "fingerprint"),
        ({"batch_size": 3}, "batch_size 3 and 8"),
        ({"recipe": {}}, "recipe"),
        ({"lpips": {"trunk": "alexnet"}}, "lpips"),
        ({"identity": {"arch": "resnet18", "weights": "9" * 64}}, "weights '9{64}' and '0123456789abcdef"),
        ({"identity": {"arch": "resnet34", "weights": "0123456789abcdef" * 4}}, "identity.arch"),
        ({"data": {"calibration": {"sha256": "9"}, "test": {"sha256": "0" * 64}}}, "data.calibration.sha256"),
        ({"data": {"calibration": {"sha256": "3" * 64}, "test": {"sha256": "9"}}}, "data.test.sha256"),
    ],
)
def test_runs_made_otherwise_are_refused(inverted, changes, message):
    study = inverted.write()
    path = study.layout.run("back", W, "bad", 0) / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    with pytest.raises(InputError, match=message):
        make(study)


def test_another_perceptual_recipe_makes_runs_of_backbones_out_of_date_and_not_controls_without_one(inverted):
    inverted.write()
    study = inverted.write_study({"evaluations.back.perceptual": {"distance": "l2"}})
    rows = make_partial(study)
    statuses = {key: set(rows["status"][rows["backbone"] == key]) for key in ("good", "dice", "pixels")}
    assert statuses["good"] == statuses["dice"] == {"out of date"}
    assert "out of date" not in statuses["pixels"]


def make_partial(study):
    return read_rows(write_table(study, "table10", partial=True))


def test_the_footnotes_say_what_was_measured_on_what(inverted):
    study = inverted.write(images=12, patients=8)
    make(study)
    render_table(study.layout.report("table10.csv"))
    text = study.layout.report("table10.html").read_text()
    for sentence in (
        "as mean ± SD over the test patients, whose images are averaged first",
        "Wang et al. (2004)",
        "Better when lower: RMSE, LPIPS.",
        "trained here on 60 images of 50 patients for 50 steps, fingerprint ffffffffffff",
        "between pairs of 7 calibration images",
        "Test set: 12 images of 8 patients.",
        "Pixels only: none, for there is no encoder",
        "No patient of an inverted image",
        "original and reconstruction, by A judge (fingerprint 0123456789ab), which had no part in any reconstruction.",
    ):
        assert sentence in text, sentence
    assert "training seeds" not in text


def test_what_measures_identity_may_have_seen_the_images(inverted):
    study = inverted.write(changes={"datasets.drawn": {"format": "nih", "root": "."}})
    make(study)
    told = "A judge was pretrained on nih: images of this evaluation may have been seen in pretraining."
    assert told in facts_of(study)["caveats"]
    inverted.write_study({"datasets.drawn": {"format": "nih", "root": "."}, "tables.table10.metric": "psnr"})
    make(inverted.study)
    assert told not in facts_of(study)["caveats"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tables.table10.metric": "auc"}, "task inversion"),
        ({"tables.table10.primary": "delong"}, "task inversion"),
        ({"tables.table10.secondary": ["delong"]}, "secondary is delong"),
        ({"tables.table10.secondary": ["ttest_paired"]}, "has already"),
        ({"tables.table10.targets": ["mean"]}, "targets names 'mean'"),
    ],
)
def test_what_an_inversion_has_no_answer_to_is_refused(inverted, changes, message):
    study = inverted.write_study(changes)
    with pytest.raises(InputError, match=message):
        check_table(study, "table10")


def test_bootstrap_and_max_t_leave_controls_out_of_the_family_of_the_best(inverted):
    study = inverted.write(
        changes={
            "tables.table10.primary": "bootstrap",
            "tables.table10.adjustment": "max_t",
            "tables.table10.metric": "psnr",
            "tables.table10.policies": ["best"],
            "tables.table10.reference": None,
        }
    )
    rows = make(study)
    primary = rows[(rows["role"] == "primary") & (rows["setting"] == W) & (rows["status"] == "ok")]
    adjusted = dict(zip(primary["backbone"], primary["adjustment"], strict=True))
    assert adjusted == {"twin": "max_t", "bad": "max_t", "pixels": "holm", "mean": "holm", "dice": "holm"}
