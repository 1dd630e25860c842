"""``evalkit compare`` recognises what files hold and takes the test made for it."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats
from sklearn.metrics import f1_score, precision_score, recall_score
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar

import stats
from evalkit.comparisons.free_form import Options, compare_files
from evalkit.errors import InputError

CLASSES = ["bacterial", "normal", "viral"]


def pick(rows, **values):
    found = rows
    for column, value in values.items():
        found = found[found[column] == value]
    assert len(found) == 1
    return found.iloc[0]


@pytest.fixture
def classes(tmp_path):
    """Three classes of 120 images of 60 patients, two models, rows in different orders."""
    rng = np.random.default_rng(3)
    truth = rng.choice(CLASSES, 120)
    frame = pd.DataFrame(
        {"image_id": [f"{k:03d}" for k in range(120)], "patient_id": [f"p{k // 2}" for k in range(120)]}
    )
    frame.assign(diagnosis=truth).to_csv(tmp_path / "labels.csv", index=False)
    for name, quality in (("good", 0.9), ("poor", 0.6)):
        called = np.where(rng.random(120) < quality, truth, rng.choice(CLASSES, 120))
        own = frame[["image_id"]].assign(diagnosis=called)
        own.sample(frac=1, random_state=1).to_csv(tmp_path / f"{name}.csv", index=False)
    return tmp_path


def run(folder, labels="labels.csv", files=("good.csv", "poor.csv"), **options):
    return compare_files(folder / labels if labels else None, [folder / name for name in files], Options(**options))


def read(folder, name, column="diagnosis"):
    return pd.read_csv(folder / name, dtype=str).sort_values("image_id")[column].to_numpy()


def test_classes_are_compared_by_mcnemar_and_stuart_maxwell(classes):
    comparison = run(classes)
    truth, good, poor = (read(classes, name) for name in ("labels.csv", "good.csv", "poor.csv"))
    row = pick(comparison.rows, backbone="poor", role="primary")
    only_poor, only_good = ((poor == truth) & (good != truth)).sum(), ((good == truth) & (poor != truth)).sum()
    expected = statsmodels_mcnemar([[0, only_poor], [only_good, 0]], exact=True)
    assert (row["test"], row["metric"], row["target"]) == ("mcnemar_exact", "accuracy", "all")
    assert row["p_value"] == pytest.approx(expected.pvalue, rel=1e-9)
    assert row["estimate"] == pytest.approx((poor == truth).mean())
    assert row["difference"] == pytest.approx((poor == truth).mean() - (good == truth).mean())
    assert row["ci_method"] == "wilson"
    beside = pick(comparison.rows, backbone="poor", role="secondary")
    assert beside["test"] == "stuart_maxwell"
    assert beside["p_value"] == pytest.approx(stats.stuart_maxwell(poor, good).pvalue, rel=1e-9)
    assert "diagnosis holds classes (bacterial, normal, viral)" in comparison.reasons[0]


def test_patients_are_clusters_of_called_classes(classes):
    rows = run(classes, group_column="patient_id", resamples=2000).rows
    truth, good, poor = (read(classes, name) for name in ("labels.csv", "good.csv", "poor.csv"))
    groups = read(classes, "labels.csv", "patient_id")
    row = pick(rows, backbone="poor", role="primary")
    expected = stats.mcnemar(poor == truth, good == truth, groups=groups)
    assert (row["test"], row["n"], row["n_clusters"]) == ("mcnemar_clustered", 120, 60)
    assert row["p_value"] == pytest.approx(expected.pvalue, rel=1e-9)
    assert row["ci_method"] == "bootstrap percentile"
    assert pick(rows, backbone="poor", role="secondary")["test"] == "stuart_maxwell_clustered"


def test_accuracy_by_bootstrap_is_the_bootstrap_of_its_rows(classes):
    row = pick(run(classes, test="bootstrap", resamples=1000, group_column="patient_id").rows, backbone="poor")
    truth, good, poor = (read(classes, name) for name in ("labels.csv", "good.csv", "poor.csv"))
    groups = read(classes, "labels.csv", "patient_id")
    both = (poor == truth).astype(float) - (good == truth)
    expected = stats.paired_bootstrap(np.mean, both, groups=groups, n_resamples=1000)
    assert row["difference"] == pytest.approx(expected.difference)
    assert row["difference_ci_low"] == pytest.approx(expected.low, abs=0.02)


def test_the_highest_of_several_scores_is_the_called_class(classes):
    rng = np.random.default_rng(0)
    for name in ("good", "poor"):
        frame = pd.read_csv(classes / f"{name}.csv", dtype=str)
        one_hot = pd.get_dummies(frame["diagnosis"])[CLASSES] + rng.uniform(0, 0.4, (120, 3))
        frame[["image_id"]].join(one_hot).to_csv(classes / f"{name}-scores.csv", index=False)
    by_class, by_score = run(classes), run(classes, files=("good-scores.csv", "poor-scores.csv"))
    assert by_score.rows["p_value"].tolist() == pytest.approx(by_class.rows["p_value"].tolist(), nan_ok=True)
    assert any("highest score" in note for note in by_score.notes)


@pytest.mark.parametrize(("metric", "measure"), [("f1", f1_score), ("recall", recall_score)])
def test_other_metrics_of_classes_are_shown_by_class_and_bootstrapped(classes, metric, measure):
    comparison = run(classes, metric=metric.upper(), group_column="patient_id", resamples=500)
    truth, poor = (read(classes, name) for name in ("labels.csv", "poor.csv"))
    rows = comparison.rows
    assert rows["target"].drop_duplicates().tolist() == ["mean", *CLASSES]
    assert set(rows["test"]) == {"", "bootstrap"}
    row = pick(rows, backbone="poor", target="mean")
    assert row["estimate"] == pytest.approx(measure(truth, poor, average="macro"))
    assert (row["ci_method"], row["n"], row["n_clusters"]) == ("bootstrap percentile", 120, 60)
    for name, value in zip(CLASSES, measure(truth, poor, average=None, labels=CLASSES), strict=True):
        assert pick(rows, backbone="poor", target=name)["estimate"] == pytest.approx(value)
    assert "mcnemar_exact is made for the accuracy only" in comparison.reasons[0]
    assert not any("--test" in reason for reason in comparison.reasons)


def test_tests_of_single_calls_compare_accuracies(classes):
    with pytest.raises(InputError, match="--test is stuart_maxwell and --metric is recall"):
        run(classes, metric="recall", test="stuart_maxwell")


def test_a_called_class_that_no_case_has_leaves_the_mean_undefined(classes):
    poor = pd.read_csv(classes / "poor.csv", dtype=str)
    poor.loc[0, "diagnosis"] = "Viral"
    poor.to_csv(classes / "poor.csv", index=False)
    comparison = run(classes, metric="precision", resamples=200)
    assert set(comparison.rows[comparison.rows["target"] == "mean"]["status"]) == {"undefined: 3/4 classes"}
    assert set(comparison.rows[comparison.rows["target"] == "Viral"]["status"]) == {"undefined: no image of the class"}
    assert set(comparison.rows[comparison.rows["target"] == "viral"]["status"]) == {"ok", "reference"}
    assert "called, but no case's diagnosis: Viral" in comparison.notes


def test_decisions_on_a_binary_label_are_asked_for_by_the_metric(tmp_path):
    rng = np.random.default_rng(1)
    ids = pd.DataFrame({"image_id": [str(k) for k in range(90)]})
    y = rng.integers(0, 2, 90)
    ids.assign(pneumonia=y).to_csv(tmp_path / "labels.csv", index=False)
    called = {name: np.where(rng.random(90) < quality, y, 1 - y) for name, quality in (("a", 0.9), ("b", 0.7))}
    for name, calls in called.items():
        ids.assign(pneumonia=calls).to_csv(tmp_path / f"{name}.csv", index=False)
    rows = run(tmp_path, files=("a.csv", "b.csv"), metric="precision", resamples=200).rows
    assert pick(rows, backbone="b", target="1")["estimate"] == pytest.approx(precision_score(y, called["b"]))


def test_hard_decisions_on_binary_labels_are_classes_and_ratings_are_scores(tmp_path):
    rng = np.random.default_rng(1)
    ids = pd.DataFrame({"image_id": [str(k) for k in range(90)]})
    y = rng.integers(0, 2, 90)
    ids.assign(Edema=y).to_csv(tmp_path / "labels.csv", index=False)
    for name in ("a", "b"):
        score = y + rng.normal(size=90)
        ids.assign(Edema=(score > 0.5).astype(int)).to_csv(tmp_path / f"{name}.csv", index=False)
        ids.assign(Edema=np.clip(np.round(score), -1, 3).astype(int)).to_csv(
            tmp_path / f"{name}-rating.csv", index=False
        )
    assert set(run(tmp_path, files=("a.csv", "b.csv")).rows["metric"]) == {"accuracy"}
    assert set(run(tmp_path, files=("a.csv", "b.csv"), test="delong").rows["metric"]) == {"auc"}
    assert set(run(tmp_path, files=("a-rating.csv", "b-rating.csv")).rows["test"]) == {"", "delong"}


def test_cases_without_a_class_are_left_out_and_told(classes):
    labels = pd.read_csv(classes / "labels.csv", dtype=str)
    labels.loc[:9, "diagnosis"] = ""
    labels.to_csv(classes / "labels.csv", index=False)
    comparison = run(classes)
    assert set(comparison.rows["n"]) == {110}
    assert "10 of 120 cases have no diagnosis and are left out" in comparison.notes


def test_a_class_that_no_case_has_is_told(classes):
    poor = pd.read_csv(classes / "poor.csv", dtype=str)
    poor.loc[0, "diagnosis"] = "Viral"
    poor.to_csv(classes / "poor.csv", index=False)
    assert "called, but no case's diagnosis: Viral" in run(classes).notes


@pytest.fixture
def values(tmp_path):
    rng = np.random.default_rng(4)
    shared = rng.normal(size=60)
    for name, gain in (("a", 0.5), ("b", 0.0)):
        pd.DataFrame(
            {
                "image_id": [f"{k:03d}" for k in range(60)],
                "patient_id": [f"p{k // 3}" for k in range(60)],
                "psnr": 30 + shared + gain + 0.5 * rng.normal(size=60),
                "rmse": 8 - shared - gain + 0.5 * rng.normal(size=60),
                "camera": "x",
            }
        ).sample(frac=1, random_state=len(name)).to_csv(tmp_path / f"{name}.csv", index=False)
    return tmp_path


def test_values_are_compared_by_paired_t_and_wilcoxon(values):
    comparison = run(values, labels=None, files=("a.csv", "b.csv"))
    a, b = (pd.read_csv(values / f"{name}.csv").sort_values("image_id") for name in "ab")
    row = pick(comparison.rows, backbone="b", metric="psnr", role="primary")
    assert (row["test"], row["unit"], row["n"]) == ("ttest_paired", "image", 60)
    assert row["p_value"] == pytest.approx(scipy_stats.ttest_rel(b["psnr"], a["psnr"]).pvalue, rel=1e-9)
    beside = pick(comparison.rows, backbone="b", metric="psnr", role="secondary")
    expected = scipy_stats.wilcoxon(b["psnr"], a["psnr"], correction=False, method="asymptotic")
    assert beside["p_value"] == pytest.approx(expected.pvalue, rel=1e-9)
    assert any("camera" in note for note in comparison.notes)
    assert any("--group patient_id" in note for note in comparison.notes)


def test_less_is_more_where_it_is(values):
    rows = run(values, labels=None, files=("a.csv", "b.csv")).rows
    assert set(rows[rows["metric"] == "rmse"]["reference"]) == {"a"}
    assert not pick(rows, backbone="a", metric="rmse")["higher_is_better"]
    for name in "ab":
        frame = pd.read_csv(values / f"{name}.csv").rename(columns={"rmse": "blur"}).drop(columns="psnr")
        frame.to_csv(values / f"{name}.csv", index=False)
    told = run(values, labels=None, files=("a.csv", "b.csv"))
    assert set(told.rows["reference"]) == {"b"}
    assert any("blur: taken as better when higher" in reason for reason in told.reasons)
    chosen = run(values, labels=None, files=("a.csv", "b.csv"), lower_is_better=("blur",))
    assert set(chosen.rows["reference"]) == {"a"}


def test_images_of_a_patient_are_averaged(values):
    row = pick(
        run(values, labels=None, files=("a.csv", "b.csv"), group_column="patient_id", test="ttest_paired").rows,
        backbone="b",
        metric="psnr",
    )
    a, b = (pd.read_csv(values / f"{name}.csv").groupby("patient_id")["psnr"].mean() for name in "ab")
    assert (row["unit"], row["n"]) == ("patient", 20)
    assert row["p_value"] == pytest.approx(scipy_stats.ttest_rel(b, a).pvalue, rel=1e-9)


def test_values_of_repeats_come_with_a_caution(tmp_path):
    for name in "ab":
        pd.DataFrame({"repeat": range(10), "auc": np.linspace(0.7, 0.8, 10) + (name == "a") * 0.01}).assign(
            auc=lambda frame: frame["auc"] + np.random.default_rng(len(frame)).normal(size=10) * 0.001
        ).to_csv(tmp_path / f"{name}.csv", index=False)
    comparison = run(tmp_path, labels=None, files=("a.csv", "b.csv"), id_column="repeat")
    assert set(comparison.rows["unit"]) == {"repeat"}
    assert any("reject too often" in note for note in comparison.notes)


@pytest.fixture
def boxes(tmp_path):
    rng = np.random.default_rng(6)
    truth = {
        "images": [{"id": k, "patient_id": f"p{k // 2}"} for k in range(40)],
        "categories": [{"id": 7, "name": "opacity"}, {"id": 3, "name": "nodule"}],
        "annotations": [],
    }
    found = {"near": [], "far": []}
    for image in range(40):
        for _ in range(int(rng.integers(0, 4))):
            box = [*rng.uniform(0, 300, 2), *rng.uniform(40, 90, 2)]
            entry = {"image_id": image, "category_id": int(rng.choice([3, 7])), "bbox": [float(each) for each in box]}
            truth["annotations"].append(
                {**entry, "id": len(truth["annotations"]) + 1, "area": float(box[2] * box[3]), "iscrowd": 0}
            )
            for name, error in (("near", 3), ("far", 9)):
                moved = [float(each) for each in np.array(box) + error * rng.normal(size=4)]
                found[name].append({**entry, "bbox": moved, "score": float(rng.random())})
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    for name, detections in found.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(detections))
    return tmp_path


def test_coco_files_are_compared_by_image_bootstrap(boxes):
    options = {"labels": "truth.json", "files": ("near.json", "far.json"), "resamples": 300}
    rows = run(boxes, **options).rows
    assert list(dict.fromkeys(rows["target"])) == ["mean", "nodule", "opacity"]  # categories by id
    row = pick(rows, backbone="far", target="mean")
    expected = stats.map_bootstrap(
        boxes / "truth.json", boxes / "far.json", boxes / "near.json", n_resamples=300, rng=_seed()
    )
    assert (row["test"], row["metric"], row["unit"], row["n"]) == ("map_bootstrap", "ap", "image", 40)
    assert row["difference"] == pytest.approx(expected.difference)
    assert (row["difference_ci_low"], row["p_value"]) == pytest.approx((expected.low, expected.pvalue))
    grouped = run(boxes, **options, group_column="patient_id", metric="ap50")
    assert set(grouped.rows["n_clusters"]) == {20}
    assert set(grouped.rows["metric"]) == {"ap50"}


def _seed():
    from evalkit.seeds import seed_from

    return seed_from(purpose="bootstrap", table="compare")


def test_max_t_allows_for_the_choice_of_the_best(classes):
    third = pd.read_csv(classes / "poor.csv", dtype=str)
    third.loc[:5, "diagnosis"] = "normal"
    third.to_csv(classes / "third.csv", index=False)
    files = ("good.csv", "poor.csv", "third.csv")
    plain = run(classes, files=files, test="bootstrap", resamples=500).rows
    joint = run(classes, files=files, test="bootstrap", resamples=500, adjustment="max_t").rows
    compared = joint["p_value"].notna()
    assert set(joint[compared]["adjustment"]) == {"max_t"}
    assert set(joint[compared]["family_size"]) == {3}
    assert joint["p_value"].tolist() == pytest.approx(plain["p_value"].tolist(), nan_ok=True)
    width = joint["difference_ci_high"] - joint["difference_ci_low"]
    assert (width[compared] > (plain["difference_ci_high"] - plain["difference_ci_low"])[compared]).all()
    with pytest.raises(InputError, match="--test bootstrap"):
        run(classes, files=files, adjustment="max_t")


def change_json(folder, name, change):
    content = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps(change(content)))


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("truth.json", lambda truth: list(truth), "no COCO ground truth"),
        ("near.json", lambda found: {"annotations": found}, "no list of COCO detections"),
        ("near.json", lambda found: [*found, {**found[0], "image_id": 999}], "999"),
        ("near.json", lambda found: [{**found[0], "score": None}], "score"),
        (
            "near.json",
            lambda found: [{**each, "image_id": str(each["image_id"])} for each in found],
            "image_id is text",
        ),
        ("near.json", lambda found: [{**each, "category_id": "7"} for each in found], "category_id is text .* numbers"),
        ("truth.json", lambda truth: {**truth, "images": [{}]}, "has no 'id'"),
        ("truth.json", lambda truth: {**truth, "images": 3}, "is a int"),
        ("truth.json", lambda truth: {**truth, "annotations": []}, "no box that counts"),
        ("truth.json", lambda truth: {**truth, "categories": [{"id": 3}, {"id": 7}]}, "categories"),
    ],
)
def test_bad_coco_files_are_refused(boxes, name, change, message):
    change_json(boxes, name, change)
    with pytest.raises(InputError, match=message) as caught:
        run(boxes, labels="truth.json", files=("near.json", "far.json"), resamples=100)
    assert caught.value.expected
    assert name in str(caught.value)


@pytest.mark.parametrize(
    ("change", "expected", "remedy"),
    [
        (
            lambda each: {key: each[key] for key in each if key != "score"},
            "'score' in each of them",
            "export the scores",
        ),
        (lambda each: {**each, "score": None}, "a number everywhere", "export the scores"),
        (lambda each: {**each, "bbox": [1, 2, 3]}, "[x, y, width, height]", "in pixels"),
        (lambda each: {**each, "image_id": 999}, "an id of ground_truth['images']", "leave out detections"),
    ],
)
def test_bad_detections_come_with_their_own_remedies(boxes, change, expected, remedy):
    change_json(boxes, "near.json", lambda found: [change(each) for each in found])
    with pytest.raises(InputError) as caught:
        run(boxes, labels="truth.json", files=("near.json", "far.json"))
    assert caught.value.expected == expected
    assert remedy in caught.value.remedy


def test_json_with_a_mark_of_utf_8_and_any_ending_is_read(boxes):
    options = {"resamples": 100, "metric": "AP50"}
    plain = run(boxes, labels="truth.json", files=("near.json", "far.json"), **options)
    for name in ("truth", "near", "far"):
        text = (boxes / f"{name}.json").read_text()
        (boxes / f"{name}.JSON").write_text(text, encoding="utf-8-sig")
    marked = run(boxes, labels="truth.JSON", files=("near.JSON", "far.JSON"), **options)
    assert marked.rows["estimate"].tolist() == plain.rows["estimate"].tolist()


def test_json_that_is_not_there_or_empty_is_refused_and_no_detections_are_told(boxes):
    with pytest.raises(InputError, match=r"absent\.json does not exist"):
        run(boxes, labels="truth.json", files=("near.json", "absent.json"))
    (boxes / "far.json").write_text("[]")
    comparison = run(boxes, labels="truth.json", files=("near.json", "far.json"), resamples=100)
    assert "far.json has no detection" in comparison.notes
    (boxes / "far.json").write_text("")
    with pytest.raises(InputError, match=r"far\.json is empty"):
        run(boxes, labels="truth.json", files=("near.json", "far.json"))


def test_tests_and_metrics_that_files_cannot_have_are_refused(classes, values, boxes):
    with pytest.raises(InputError, match="one of mcnemar_exact, stuart_maxwell, bootstrap"):
        run(classes, test="wilcoxon")
    with pytest.raises(InputError, match="ttest_paired, wilcoxon, bootstrap"):
        run(values, labels=None, files=("a.csv", "b.csv"), test="delong")
    with pytest.raises(InputError, match="ap, ap50, ap75"):
        run(boxes, labels="truth.json", files=("near.json", "far.json"), metric="auc")
    with pytest.raises(InputError, match="--labels"):
        run(boxes, labels=None, files=("near.json", "far.json"))
    with pytest.raises(InputError, match="one of accuracy"):
        run(classes, metric="auc")
    assert set(run(classes, test="McNemar_Exact").rows["test"]) == {"", "mcnemar_exact"}


def test_values_that_are_no_numbers_are_refused(values):
    frame = pd.read_csv(values / "b.csv", dtype=str)
    frame.loc[4, "psnr"] = "inf"
    frame.to_csv(values / "b.csv", index=False)
    with pytest.raises(InputError, match=r"b.csv, line 6: the value 'psnr' is inf"):
        run(values, labels=None, files=("a.csv", "b.csv"))
    frame.loc[4, "psnr"] = ""
    frame.to_csv(values / "b.csv", index=False)
    with pytest.raises(InputError, match=r"b.csv, line 6: the value 'psnr' is ''"):
        run(values, labels=None, files=("a.csv", "b.csv"))


def test_our_own_predictions_need_labels_to_be_named(results):
    study = results.write()
    paths = [
        study.layout.run("main", "regime=finetune,fraction=1", name, 0) / "predictions.parquet"
        for name in study.backbones
    ]
    with pytest.raises(InputError, match="no labels are given") as caught:
        compare_files(None, paths, Options())
    assert "--labels" in caught.value.remedy
