"""A study's tables of detections, from COCO's files to rows: numbers of pycocotools, and the bootstrap of stats."""

import contextlib
import io
import json

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from evalkit.comparisons import write_table
from evalkit.comparisons.crosscheck import NOT_IN_R, check_adjustments, check_tests
from evalkit.comparisons.rows import read_rows
from evalkit.comparisons.sections import gather_table
from evalkit.errors import InputError
from evalkit.figures.making import compute_figure
from evalkit.seeds import seed_from
from stats import average_precision, compare_with_best, map_bootstrap, map_replicates

C4, DC5 = "head=R50-C4", "head=R50-DC5"
SEED = seed_from(purpose="bootstrap", table="table9", evaluation="found")


def make(study, **options):
    return read_rows(write_table(study, "table9", **options))


def facts_of(study):
    return json.loads(study.layout.report("table9.json").read_text())


def pick(rows, **values):
    found = rows
    for column, value in values.items():
        found = found[found[column] == value]
    assert len(found) == 1, f"{len(found)} rows for {values}"
    return found.iloc[0]


def files(study, setting, backbone, repeat=0):
    folder = study.layout.run("found", setting, backbone, repeat)
    return tuple(json.loads((folder / f"{name}.json").read_text()) for name in ("ground_truth", "detections"))


def evaluate(truth, found):
    """pycocotools' precision (IoU, recall, class, area, detections)."""
    with contextlib.redirect_stdout(io.StringIO()):
        ground = COCO()
        ground.dataset = truth
        ground.createIndex()
        evaluation = COCOeval(ground, ground.loadRes(found), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation.eval["precision"]


def groups_of(truth):
    return {each["id"]: each["patient_id"] for each in truth["images"]}


def test_estimates_are_those_of_pycocotools_for_every_head_class_and_metric(detected):
    study = detected.write()
    rows = make(study)
    for setting in (C4, DC5):
        for backbone in ("scratch", "good"):
            precision = evaluate(*files(study, setting, backbone))
            for metric, part in (("ap50", precision[:1]), ("ap", precision)):
                expected = {
                    "mean": part[:, :, :, 0, -1].mean(),
                    "opacity": part[:, :, 0, 0, -1].mean(),
                    "nodule": part[:, :, 1, 0, -1].mean(),
                }
                for target, value in expected.items():
                    place = {"setting": setting, "backbone": backbone, "metric": metric, "target": target}
                    row = pick(rows, **place, role="primary")
                    assert row["estimate"] == pytest.approx(value, abs=1e-9)
                    assert (row["unit"], row["n"], row["n_clusters"]) == ("image", 30, 20)
                    assert row["ci_method"] == "map_bootstrap percentile"
                    assert row["ci_low"] < row["estimate"] < row["ci_high"]
                    assert np.isnan(row["sd"])


def test_differences_are_those_of_map_bootstrap_with_patients_as_clusters(detected):
    study = detected.write()
    rows = make(study)
    truth, poor = files(study, C4, "scratch")
    good = files(study, C4, "good")[1]
    expected = map_bootstrap(truth, poor, good, metric="AP50", groups=groups_of(truth), n_resamples=200, rng=SEED)
    row = pick(rows, setting=C4, backbone="scratch", metric="ap50", target="mean", policy="best")
    assert (row["test"], row["reference"], row["role"]) == ("map_bootstrap", "good", "primary")
    assert row["difference"] == pytest.approx(expected.difference, abs=1e-12)
    assert (row["difference_ci_low"], row["difference_ci_high"]) == pytest.approx((expected.low, expected.high))
    assert row["p_value"] == expected.pvalue
    other = pick(rows, setting=C4, backbone="good", metric="ap50", target="mean", policy="named")
    assert (other["reference"], other["role"]) == ("scratch", "secondary")
    assert other["p_value"] == row["p_value"]
    assert row["p_adjusted"] >= row["p_value"]
    assert facts_of(study)["tests"] == {"map_bootstrap": "bootstrap over test images, patients as clusters"}


def test_patients_with_one_image_each_are_no_clusters(detected, truth_of):
    truth = truth_of(images=24, patients=24)
    study = detected.write(truth)
    rows = make(study)
    poor, good = (files(study, DC5, name)[1] for name in ("scratch", "good"))
    expected = map_bootstrap(truth, poor, good, metric="AP", n_resamples=200, rng=SEED)
    row = pick(rows, setting=DC5, backbone="scratch", metric="ap", target="mean", policy="best")
    assert row["p_value"] == expected.pvalue
    assert row["n_clusters"] == 24
    assert facts_of(study)["tests"] == {"map_bootstrap": "bootstrap over test images"}


def test_identical_detections_differ_by_nothing(detected):
    rows = make(detected.write())
    row = pick(rows, setting=C4, backbone="twin", metric="ap50", target="mean", policy="best")
    assert (row["difference"], row["p_value"]) == (0, 1)
    assert (row["difference_ci_low"], row["difference_ci_high"]) == (0, 0)


def test_several_seeds_are_resampled_with_the_patients(detected):
    study = detected.write(changes={"evaluations.found.seeds": 3})
    rows = make(study)
    truth = files(study, C4, "scratch")[0]
    values, replicates = {}, {}
    # Runs are drawn too, the same for both: by numpy here, from the stream that the bands of the figures use.
    stream = np.random.default_rng(np.random.SeedSequence(SEED).spawn(2)[1])
    drawn = stream.multinomial(3, [1 / 3] * 3, size=200) / 3
    for name in ("scratch", "good"):
        runs = [files(study, C4, name, repeat)[1] for repeat in range(3)]
        values[name] = [average_precision(truth, found, metric="AP50").mean for found in runs]
        of_runs = [
            map_replicates(truth, found, metric="AP50", groups=groups_of(truth), n_resamples=200, rng=SEED)
            for found in runs
        ]
        replicates[name] = np.sum(np.array(of_runs) * drawn.T, axis=0)
    row = pick(rows, setting=C4, backbone="scratch", metric="ap50", target="mean", policy="best")
    assert row["estimate"] == pytest.approx(np.mean(values["scratch"]), abs=1e-12)
    assert row["sd"] == pytest.approx(np.std(values["scratch"], ddof=1), abs=1e-12)
    assert (row["unit"], row["n"], row["n_clusters"]) == ("repeat", 3, 20)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx(tuple(np.quantile(replicates["scratch"], [0.025, 0.975])))
    differences = replicates["scratch"] - replicates["good"]
    assert row["difference"] == pytest.approx(np.mean(values["scratch"]) - np.mean(values["good"]))
    assert (row["difference_ci_low"], row["difference_ci_high"]) == pytest.approx(
        tuple(np.quantile(differences, [0.025, 0.975]))
    )
    assert any("which are resampled as the patients are" in caveat for caveat in facts_of(study)["caveats"])


def test_a_missing_seed_leaves_the_common_ones_to_compare(detected):
    study = detected.write(changes={"evaluations.found.seeds": 2})
    (study.layout.run("found", C4, "scratch", 1) / "run.json").unlink()
    rows = make(study, partial=True)
    row = pick(rows, setting=C4, backbone="scratch", metric="ap50", target="mean", policy="best")
    assert (row["status"], row["n"]) == ("1/2 repeats", 1)
    truth, poor = files(study, C4, "scratch")
    good = files(study, C4, "good")[1]
    expected = map_bootstrap(truth, poor, good, metric="AP50", groups=groups_of(truth), n_resamples=200, rng=SEED)
    assert row["difference"] == pytest.approx(expected.difference, abs=1e-12)


def test_one_class_is_shown_once(detected, truth_of):
    truth = truth_of(classes=["opacity"])
    rows = make(detected.write(truth, changes={"evaluations.found.labels": ["opacity"]}))
    assert set(rows["target"]) == {"opacity"}
    counts = rows[rows["role"] == "primary"].groupby(["backbone", "setting", "metric"]).size()
    assert len(counts) == 3 * 2 * 2
    assert (counts == 1).all()


def test_subgroups_are_tables_of_their_images(detected, truth_of):
    truth = truth_of()
    study = detected.write(truth, changes={"tables.table9.subgroups": ["sex"], "tables.table9.metric": "ap50"})
    women = np.array([each["patient_id"] < "patient010" for each in truth["images"]])
    detected.write_manifest(truth, sex=np.where(women, "F", "M"))
    rows = make(study)
    kept = {each["id"] for each, chosen in zip(truth["images"], women, strict=True) if chosen}
    part = {
        **truth,
        "images": [each for each in truth["images"] if each["id"] in kept],
        "annotations": [each for each in truth["annotations"] if each["image_id"] in kept],
    }
    poor, good = (
        [each for each in files(study, C4, name)[1] if each["image_id"] in kept] for name in ("scratch", "good")
    )
    groups = {image: patient for image, patient in groups_of(truth).items() if image in kept}
    expected = map_bootstrap(part, poor, good, metric="AP50", groups=groups, n_resamples=200, rng=SEED)
    place = {"setting": C4, "metric": "ap50", "target": "mean", "policy": "best", "subgroup": "sex=F"}
    row = pick(rows, backbone="scratch", **place)
    assert row["difference"] == pytest.approx(expected.difference, abs=1e-12)
    assert row["p_value"] == expected.pvalue
    assert (row["n"], row["n_clusters"]) == (len(kept), 10)
    assert facts_of(study)["test_set"]["subgroups"]["sex=F"] == {"cases": len(kept), "patients": 10}


def test_a_subgroup_without_a_box_says_so(detected, truth_of):
    truth = truth_of()
    study = detected.write(truth, changes={"tables.table9.subgroups": ["sex"], "tables.table9.metric": "ap50"})
    empty = {each["id"] for each in truth["images"]} - {each["image_id"] for each in truth["annotations"]}
    detected.write_manifest(truth, sex=["F" if each["id"] in empty else "M" for each in truth["images"]])
    rows = make(study)
    women = rows[rows["subgroup"] == "sex=F"]
    assert set(women["status"]) == {"undefined: no box"}
    assert women["estimate"].isna().all()


def test_a_class_without_a_box_is_left_out_of_the_mean_and_told(detected, truth_of):
    truth = truth_of(classes=["opacity"])
    truth["categories"].append({"id": 2, "name": "nodule"})
    study = detected.write(truth)
    rows = make(study)
    precision = evaluate(*files(study, C4, "good"))
    row = pick(rows, setting=C4, backbone="good", metric="ap50", target="mean", policy="best")
    assert row["estimate"] == pytest.approx(precision[0, :, 0, 0, -1].mean())
    absent = rows[rows["target"] == "nodule"]
    assert set(absent["status"]) == {"undefined: no box"}
    assert "No box of nodule in the test images" in " ".join(facts_of(study)["caveats"])


def test_simultaneous_intervals_are_those_of_compare_with_best(detected):
    changes = {"adjustment": "max_t", "policies": ["best"], "reference": None, "metric": "ap50"}
    study = detected.write(changes={f"tables.table9.{key}": value for key, value in changes.items()})
    rows = make(study)
    truth = files(study, C4, "scratch")[0]
    found = [files(study, C4, name)[1] for name in study.backbones]
    options = {"metric": "AP50", "groups": groups_of(truth), "n_resamples": 200, "rng": SEED}
    expected = compare_with_best(
        [average_precision(truth, each, metric="AP50").mean for each in found],
        np.column_stack([map_replicates(truth, each, **options) for each in found]),
        names=list(study.backbones),
    )
    row = pick(rows, setting=C4, backbone="scratch", target="mean")
    place = expected.names.index("scratch")
    assert row["adjustment"] == "max_t"
    assert row["p_adjusted"] == expected.pvalues[place]
    assert row["difference_ci_low"] == expected.low[place]


def test_the_facts_tell_data_detectors_and_definitions(detected):
    study = detected.write(changes={"evaluations.found.empty_images": "not_in_training"})
    make(study)
    facts = facts_of(study)
    test_set = facts["test_set"]
    assert (test_set["images"], test_set["patients"], test_set["unit"]) == (30, 20, "image")
    truth = files(study, C4, "good")[0]
    assert test_set["with_boxes"] == 30 - 7
    assert sum(test_set["boxes"].values()) == len(truth["annotations"])
    told = " ".join(facts["draws"])
    # What runs learnt from, not what was divided.
    assert "Training: 250 images of 180 patients" in told
    assert "Images without a box are left out of training" in told
    assert "R50-dilated-C5" in told
    assert "MoCo's" in told
    assert "64 to 96 px" in told
    assert "101 recalls" in facts["definitions"][0]
    assert "AP50: threshold .50" in facts["definitions"][0]


def test_a_partial_table_says_what_is_missing(detected):
    study = detected.write_study()
    rows = make(study, partial=True)
    assert set(rows["status"]) == {"not run", "unavailable: weights"}
    detected.write()
    folder = study.layout.run("found", DC5, "good", 0)
    (folder / "run.json").unlink()
    rows = make(study, partial=True)
    missing = rows[(rows["backbone"] == "good") & (rows["setting"] == DC5)]
    assert set(missing["status"]) == {"not run"}
    assert rows[(rows["backbone"] == "good") & (rows["setting"] == C4)]["estimate"].notna().all()


def test_a_crosscheck_lists_the_tests_as_not_in_r(detected):
    study = detected.write()
    rows = make(study)
    engine = __import__("stats")
    checked = []
    for section in gather_table(study, "table9").sections():
        some = rows[(rows["setting"] == section.place.setting) & (rows["metric"] == section.procedure.metric.name)]
        estimates = section.estimates(engine)
        checked.append(check_tests(some, estimates, estimates, section.cells, engine))
    assert {status for part in checked for status in part["status"]} == {NOT_IN_R}
    assert sum(len(part) for part in checked) == rows["p_value"].notna().sum()
    assert set(check_adjustments(rows, engine.adjust_pvalues)["status"]) == {"agrees"}


def test_backbones_are_ranked_by_a_table_of_detections(detected):
    study = detected.write(changes={"figures": {"figure_ranks": {"kind": "cd", "tables": ["table9"]}}})
    rows = make(study)
    ranks = compute_figure(study, "figure_ranks").frame.set_index("backbone")
    assert ranks["rank"].to_dict() == {"scratch": 3, "good": 1.5, "twin": 1.5}
    row = pick(rows, setting=C4, backbone="good", metric="ap50", target="mean", policy="best")
    assert ranks.loc["good", "estimate"] == row["estimate"]
    assert (ranks["low"] <= ranks["rank"]).all()


@pytest.mark.parametrize(
    ("changes", "found", "expected"),
    [
        ({"metric": "auc"}, "metric is auc", "one of ap50, ap, ap75"),
        ({"primary": "delong"}, "primary is delong", "map_bootstrap"),
        ({"primary": "ttest_paired"}, "primary is ttest_paired", "map_bootstrap"),
        ({"paper": "mcnemar_exact"}, "paper is mcnemar_exact", "map_bootstrap"),
        ({"targets": ["all"]}, "targets names 'all'", "'mean' and classes"),
    ],
)
def test_what_detections_cannot_answer_is_refused(detected, changes, found, expected):
    study = detected.write(changes={f"tables.table9.{key}": value for key, value in changes.items()})
    with pytest.raises(InputError) as caught:
        write_table(study, "table9")
    assert found in caught.value.found
    assert expected in caught.value.expected
