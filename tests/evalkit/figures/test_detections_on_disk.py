"""Figures of detections, from run folders and packed images."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import stats
from evalkit.atomic import write_json, write_parquet
from evalkit.errors import InputError
from evalkit.figures.files import read_figure_data
from evalkit.figures.making import compute_figure, write_figure
from evalkit.figures.pictures import LONGEST

C4, DC5 = "head=R50-C4", "head=R50-DC5"
FIGURES = {
    "figure_pr": {"kind": "precision_recall", "evaluation": "found", "resamples": 100, "setting": C4},
    "figure_froc": {"kind": "froc", "evaluation": "found", "resamples": 100, "iou": 0.3, "backbones": ["good"]},
    "figure_boxes": {"kind": "boxes", "evaluation": "found", "setting": C4},
    "figure_named": {"kind": "boxes", "evaluation": "found", "image_ids": ["image004", "image001"], "iou": 0.6},
}


@pytest.fixture
def study(detected):
    """The study with validation files in its runs, and its images packed at half their size."""
    study = detected.write(changes={"figures": FIGURES})
    for folder in study.layout.root.glob("runs/*/*/*/*"):
        for name in ("ground_truth", "detections"):
            (folder / f"validation_{name}.json").write_bytes((folder / f"{name}.json").read_bytes())
    truth = json.loads((study.layout.run("found", C4, "good", 0) / "ground_truth.json").read_text())
    pack(study.layout.ragged("drawn", 128), [each["image_id"] for each in truth["images"]], (80, 100))
    return study


def pack(folder, image_ids: list[str], shape: tuple[int, int]) -> None:
    """Images whose pixels are their row's number."""
    height, width = shape
    rows = np.arange(len(image_ids))
    folder.mkdir(parents=True)
    np.save(folder / "images.npy", np.repeat(rows.astype(np.uint8), height * width))
    index = pd.DataFrame({"row": rows, "image_id": image_ids, "offset": rows * height * width})
    write_parquet(folder / "index.parquet", index.assign(height=height, width=width))
    write_parquet(folder / "boxes.parquet", pd.DataFrame({"row": [], "label": []}))
    write_json(folder / "packing.json", {"longest": max(shape)})


def read_run(study, backbone, name, setting=C4):
    return json.loads((study.layout.run("found", setting, backbone, 0) / name).read_text())


def test_curves_are_of_the_setting_and_its_backbones(study) -> None:
    path = write_figure(study, "figure_pr")
    facts = read_figure_data(path).facts
    assert facts["setting"] == C4
    assert (facts["unit"], facts["cases"], facts["images"], facts["patients"]) == ("image", 30, 30, 20)
    assert (facts["dataset"], facts["drawn"], facts["external"]) == ("drawn", True, "")
    assert [each["key"] for each in facts["backbones"]] == ["scratch", "good", "twin"]
    truth, found = (read_run(study, "good", name) for name in ("ground_truth.json", "detections.json"))
    expected = stats.average_precision(truth, found, metric="AP50").per_class
    assert [panel["curves"][1]["ap"] for panel in facts["panels"]] == pytest.approx(expected.tolist())
    good, twin = facts["panels"][0]["curves"][1:]
    assert {**twin, "backbone": "good"} == good, "the same detections on the same resamples"
    assert not path.with_suffix(".npz").exists()
    before = path.read_bytes(), path.with_suffix(".json").read_bytes()
    write_figure(study, "figure_pr")
    assert (path.read_bytes(), path.with_suffix(".json").read_bytes()) == before


def test_the_last_setting_and_another_overlap_can_be_chosen(study) -> None:
    facts = compute_figure(study, "figure_froc").facts
    assert (facts["setting"], facts["iou"]) == (DC5, 0.3)
    assert facts["backbones"] == [{"key": "good", "label": "Good", "place": 1}]
    truth, found = (read_run(study, "good", name, DC5) for name in ("ground_truth.json", "detections.json"))
    expected = [band.score for band in stats.froc_bands(truth, [found], iou=0.3, n_resamples=2)]
    assert [panel["curves"][0]["score"] for panel in facts["panels"]] == expected


def test_boxes_are_those_above_the_validation_images_threshold_with_their_pixels(study) -> None:
    path = write_figure(study, "figure_boxes")
    data = read_figure_data(path)
    names = [each["image_id"] for each in data.facts["images"]]
    assert data.facts["drawn_at_random"] is True
    assert [each["boxes"] > 0 for each in data.facts["images"]] == [True, True, True, False]
    assert [picture.shape for picture in data.pictures] == [(80, 100)] * 4
    assert [int(picture[0, 0]) for picture in data.pictures] == [int(name.removeprefix("image")) - 1 for name in names]
    truth = read_run(study, "good", "ground_truth.json")
    keys = {each["id"]: each["image_id"] for each in truth["images"]}
    for panel in data.facts["panels"]:
        found = read_run(study, panel["backbone"], "detections.json")
        point = stats.best_operating_point(truth, found)
        assert panel == {
            "backbone": panel["backbone"],
            "repeat": 0,
            "runs": 1,
            "threshold": point.threshold,
            "f1": point.f1,
        }
        called = [each for each in found if keys[each["image_id"]] in names and each["score"] >= point.threshold]
        own = data.frame[(data.frame["backbone"] == panel["backbone"]) & (data.frame["outcome"] != "missed")]
        assert sorted(own["score"]) == sorted(each["score"] for each in called)
    before = [path.with_suffix(ending).read_bytes() for ending in (".csv", ".json", ".npz")]
    write_figure(study, "figure_boxes")
    assert [path.with_suffix(ending).read_bytes() for ending in (".csv", ".json", ".npz")] == before


def test_named_images_are_shown_and_both_heads_show_the_same_drawn_ones(study, detected) -> None:
    data = compute_figure(study, "figure_named")
    assert [each["image_id"] for each in data.facts["images"]] == ["image004", "image001"]
    assert data.facts["drawn_at_random"] is False
    assert (data.facts["setting"], data.facts["iou"]) == (DC5, 0.6)
    other = {**FIGURES["figure_boxes"], "setting": DC5}
    again = detected.write_study({"figures": {**FIGURES, "figure_dc5": other}})
    images = [compute_figure(again, name).facts["images"] for name in ("figure_boxes", "figure_dc5")]
    assert images[0] == images[1]


def test_large_images_are_made_smaller(study) -> None:
    folder = study.layout.ragged("drawn", 128)
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    truth = read_run(study, "good", "ground_truth.json")
    pack(folder, [each["image_id"] for each in truth["images"]], (1000, 1200))
    shapes = {picture.shape for picture in compute_figure(study, "figure_named").pictures}
    assert shapes == {(round(LONGEST * 1000 / 1200), LONGEST)}


def test_what_is_missing_is_named(study, detected) -> None:
    (study.layout.run("found", C4, "good", 0) / "validation_detections.json").unlink()
    with pytest.raises(InputError, match=r"good/repeat-0/validation_detections\.json"):
        compute_figure(study, "figure_boxes")
    (study.layout.ragged("drawn", 128) / "packing.json").unlink()
    with pytest.raises(InputError, match=r"ragged-128 holds no finished packed data set"):
        compute_figure(study, "figure_named")
    unknown = {**FIGURES["figure_named"], "image_ids": ["image001", "image077"]}
    again = detected.write_study({"figures": {"figure_named": unknown}})
    with pytest.raises(InputError, match="image_ids names image077"):
        compute_figure(again, "figure_named")


def test_a_run_that_failed_is_noted(study, detected) -> None:
    record = study.layout.run("found", C4, "scratch", 0) / "run.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "outcome": "diverged"}))
    for name in ("figure_pr", "figure_boxes"):
        facts = compute_figure(study, name).facts
        assert facts["notes"] == ["Scratch: failed: diverged."]
        assert [each["key"] for each in facts["backbones"]] == ["good", "twin"]


@pytest.mark.parametrize(
    ("figure", "message"),
    [
        ({"kind": "roc"}, "kind roc and found is detection, not multilabel or multiclass"),
        ({"kind": "calibration"}, "not multilabel or multiclass"),
        ({"kind": "confusion"}, "kind confusion and found is detection, not multiclass"),
        ({"kind": "froc", "setting": "head=R50-C5"}, "head=R50-C5"),
        ({"kind": "froc", "test_on": "drawn"}, "test_on"),
        ({"kind": "boxes", "images": 2, "image_ids": ["a"]}, "images would change nothing"),
        ({"kind": "boxes", "image_ids": ["a", "a"]}, "one twice"),
        ({"kind": "precision_recall", "iou": 1}, "less than 1"),
    ],
)
def test_figures_that_mean_nothing_are_refused_before_anything_is_run(detected, figure, message) -> None:
    with pytest.raises(InputError, match=message):
        detected.write_study({"figures": {"figure_x": {"evaluation": "found", **figure}}})


@pytest.mark.parametrize("kind", ["precision_recall", "froc", "boxes"])
def test_classifications_have_no_figures_of_detections(results, kind) -> None:
    with pytest.raises(InputError, match=f"kind {kind} and main is multilabel, not detection"):
        results.write_study(changes={"figures": {"figure_x": {"kind": kind, "evaluation": "main"}}})
