"""Detection at a tiny size by the real Snakefile, from DICOM files to tables, figures and pictures."""

from __future__ import annotations

import copy
import json
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

BACKBONES = {
    "scratch": {"label": "Scratch", "arch": "resnet10t", "in_channels": 1},
    "made": {
        "label": "Made here",
        "arch": "resnet10t",
        "in_channels": 1,
        "baseline": "scratch",
        "pretrain": {"method": "supervised", "data": "others", "recipe": {"lr": 0.002, "steps": 6, "batch_size": 16}},
    },
    "other": {"label": "Another", "arch": "resnet10t", "in_channels": 3},
}
STUDY = {
    "study": "boxes",
    "title": "Opacities",
    "image_size": 32,
    "device": "cpu",
    "backbones": ["scratch", "made"],
    "datasets": {
        "opacities": {"format": "siim", "phantom": {"patients": 40, "size": 64}},
        "others": {"format": "siim", "phantom": {"patients": 40, "first_patient": 501, "size": 64}},
    },
    "evaluations": {
        "found": {
            "task": "detection",
            "dataset": "opacities",
            "longest": 64,
            "validation_share": 0.2,
            "test_share": 0.3,
            "anchors": {"sizes": [8, 16, 32]},
            "proposals": {
                "sampled": 32,
                "before_nms": 100,
                "after_nms": 20,
                "before_nms_test": 100,
                "after_nms_test": 20,
            },
            "regions": {"sampled": 8, "hidden": 16},
            "recipe": {
                "lr": 0.02,
                "batch_size": 2,
                "steps": 3,
                "short_sides": [56, 64],
                "short_side_test": 64,
                "precise_bn": 2,
            },
        }
    },
    "tables": {
        "table9": {
            "title": "Average precision",
            "evaluation": "found",
            "metric": ["ap50", "ap"],
            "primary": "map_bootstrap",
            "policies": ["best", "named"],
            "reference": "scratch",
            "resamples": 200,
        }
    },
    "counts": {"table4": {"title": "Images", "evaluation": "found"}},
    "figures": {
        "figure_pr": {"kind": "precision_recall", "evaluation": "found", "setting": "head=R50-C4", "resamples": 100},
        "figure_froc": {"kind": "froc", "evaluation": "found", "setting": "head=R50-DC5", "resamples": 100},
        "figure_boxes": {"kind": "boxes", "evaluation": "found", "setting": "head=R50-DC5", "images": 2},
    },
}


@pytest.fixture(scope="module")
def place(make_place):
    place = make_place("detection")
    place.write(STUDY, BACKBONES)
    done = place.snakemake("all", study="boxes")
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-6000:]
    return place


def test_table_9_has_the_numbers_of_pycocotools_and_a_test_of_each_difference(place) -> None:
    rows = pd.read_csv(place.folder / "reports/table9.csv")
    assert set(rows["setting"]) == {"head=R50-C4", "head=R50-DC5"}
    assert set(rows["test"].dropna()) == {"map_bootstrap"}
    for (setting, backbone), cell in rows.groupby(["setting", "backbone"]):
        folder = place.results("boxes") / "runs/found" / str(setting) / str(backbone) / "repeat-0"
        truth, found = (json.loads((folder / f"{name}.json").read_text()) for name in ("ground_truth", "detections"))
        with redirect_stdout(StringIO()):
            ground = COCO()
            ground.dataset = truth
            ground.createIndex()
            evaluation = COCOeval(ground, ground.loadRes(found), "bbox")
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
        for metric, expected in (("ap", evaluation.stats[0]), ("ap50", evaluation.stats[1])):
            values = cell.loc[cell["metric"] == metric, "estimate"]
            assert values.to_numpy() == pytest.approx(expected, abs=1e-9)
        assert (cell["n"] == len(truth["images"])).all()
        assert (cell["n_clusters"] == len({each["patient_id"] for each in truth["images"]})).all()
    primary = rows[rows["role"] == "primary"]
    assert (primary.groupby(["setting", "metric", "backbone"]).size() == 1).all()


def test_table_4_counts_images_and_boxes_of_each_part(place) -> None:
    counts = pd.read_csv(place.folder / "reports/table4.csv")
    record = json.loads((place.results("boxes") / "runs/found/head=R50-C4/scratch/repeat-0/run.json").read_text())[
        "data"
    ]
    for split, part in record.items():
        rows = counts[(counts["split"] == split) & (counts["class"] == "opacity")]
        assert rows["boxes"].sum() == part["boxes"]["opacity"]
        everything = counts[(counts["split"] == split) & (counts["class"] == "all")]
        by_value = everything.set_index("value")["images"]
        assert by_value["without a box"] == part["images_without_boxes"]
        assert by_value["with a box"] + by_value["without a box"] == part["images"]


def test_figures_and_pictures_are_there(place) -> None:
    for name in STUDY["figures"]:
        for ending in (".pdf", ".png"):
            assert (place.folder / "reports" / f"{name}{ending}").stat().st_size > 5_000
    assert (place.results("boxes") / "reports/figure_boxes.npz").exists()


def test_an_added_backbone_and_a_changed_caption_run_nothing_else(place, tmp_path: Path) -> None:
    copied = place.copy(tmp_path / "copy")
    assert copied.planned("all", study="boxes") == {}
    study = copy.deepcopy(STUDY)
    study["backbones"] = ["scratch", "made", "other"]
    copied.write(study, BACKBONES)
    planned = copied.planned("reports/table9.csv", study="boxes")
    assert planned["detect"] == 2
    assert not {"pretrain", "pack_ragged", "split", "read_dataset"} & set(planned)
    study = copy.deepcopy(STUDY)
    study["tables"]["table9"]["title"] = "Another title"
    copied.write(study, BACKBONES)
    assert "detect" not in copied.planned("reports/table9.csv", study="boxes")
    study["evaluations"]["found"]["empty_images"] = "not_in_training"
    copied.write(study, BACKBONES)
    assert copied.planned("reports/table9.csv", study="boxes")["detect"] == 4
