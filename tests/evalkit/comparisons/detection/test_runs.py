"""Runs of detection that do not belong together: refused, or taken for missing."""

import json

import pytest

from evalkit.comparisons import write_table
from evalkit.comparisons.rows import read_rows
from evalkit.errors import InputError

C4 = "head=R50-C4"


def change(study, name, function, *, backbone="twin", setting=C4):
    """Change one JSON file of a run's folder."""
    path = study.layout.run("found", setting, backbone, 0) / name
    content = json.loads(path.read_text())
    path.write_text(json.dumps(function(content)))
    return path


def with_image(position, **changes):
    def function(truth):
        truth["images"][position] |= changes
        return truth

    return function


def without_last_image(truth):
    image = truth["images"].pop()
    truth["annotations"] = [each for each in truth["annotations"] if each["image_id"] != image["id"]]
    return truth


def moved_box(truth):
    truth["annotations"][0]["bbox"][0] += 1
    return truth


def one_box_less(truth):
    return {**truth, "annotations": truth["annotations"][1:]}


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (without_last_image, "lacks 1; 'image030' is missing"),
        (with_image(2, image_id="other"), "it has 1 other images and lacks 1; 'other' is new"),
        (with_image(2, patient_id="patient099"), "patient_id of the image 'image003' is 'patient099'"),
        (with_image(0, width=201), "width of the image 'image001' is 201 and not 200"),
        (moved_box, "the boxes of the image 'image001' are others"),
        (one_box_less, "the boxes of the image 'image001' are others"),
        (lambda truth: {**truth, "categories": truth["categories"][::-1]}, "the categories nodule, opacity"),
    ],
)
def test_another_ground_truth_is_refused_with_the_first_difference(detected, function, says):
    study = detected.write()
    path = change(study, "ground_truth.json", function)
    with pytest.raises(InputError) as caught:
        write_table(study, "table9")
    assert str(path) in caught.value.found
    assert says in caught.value.found
    assert "snakemake" in caught.value.remedy


def test_annotations_may_be_numbered_and_ordered_otherwise(detected):
    study = detected.write()
    before = read_rows(write_table(study, "table9"))

    def turned(truth):
        boxes = [{**each, "id": each["id"] + 1000} for each in truth["annotations"][::-1]]
        return {**truth, "annotations": boxes}

    change(study, "ground_truth.json", turned)
    assert read_rows(write_table(study, "table9")).equals(before)


@pytest.mark.parametrize(
    ("name", "function", "says"),
    [
        ("detections.json", lambda found: [{**found[0], "image_id": 999}], "999"),
        ("detections.json", lambda found: [{**found[0], "score": None}], "score"),
        ("detections.json", lambda found: {"found": found}, "no list of COCO detections"),
        ("ground_truth.json", lambda truth: [truth], "no COCO ground truth"),
    ],
)
def test_broken_files_are_named(detected, name, function, says):
    study = detected.write()
    path = change(study, name, function)
    with pytest.raises(InputError) as caught:
        write_table(study, "table9")
    assert str(path) in caught.value.found
    assert says in caught.value.found


def test_images_without_a_patient_are_refused(detected):
    study = detected.write()

    def nameless(truth):
        del truth["images"][3]["patient_id"]
        return truth

    change(study, "ground_truth.json", nameless, backbone="scratch")
    with pytest.raises(InputError, match="the image 4 has no patient_id"):
        write_table(study, "table9")


def test_a_run_that_found_nothing_has_a_precision_of_0(detected):
    study = detected.write()
    change(study, "detections.json", lambda _: [], backbone="scratch")
    rows = read_rows(write_table(study, "table9"))
    nothing = rows[(rows["backbone"] == "scratch") & (rows["setting"] == C4)]
    assert set(nothing["estimate"]) == {0}


def set_record(place, value):
    def function(record):
        *parents, key = place.split(".")
        target = record
        for parent in parents:
            target = target[parent]
        target[key] = value
        return record

    return function


@pytest.mark.parametrize(
    ("place", "value", "says"),
    [
        ("recipe.lr", 0.5, "recipe.lr 0.5 and 0.02"),
        ("recipe.flip", False, "recipe.flip False and True"),
        ("labels", ["opacity"], "labels ['opacity']"),
        ("run.steps", 7, "steps 7 and 5"),
        ("engine", "detectron2", "engine 'detectron2' and 'torchvision'"),
        ("longest", 64, "longest 64 and 128"),
        ("empty_images", "exclude", "empty_images 'exclude' and 'keep'"),
        ("detector.head", "R50-DC5", "head 'R50-DC5' and 'R50-C4'"),
        ("detector.protocol", "detectron2", "protocol 'detectron2' and 'moco'"),
        ("detector.anchors.sizes", [8.0], "anchors.sizes [8.0]"),
        ("detector.regions.score", 0.3, "regions.score 0.3 and 0.05"),
    ],
)
def test_runs_of_an_earlier_study_are_refused_or_taken_for_missing(detected, place, value, says):
    study = detected.write()
    path = change(study, "run.json", set_record(place, value))
    with pytest.raises(InputError) as caught:
        write_table(study, "table9")
    assert str(path.parent) in caught.value.found
    assert says in caught.value.found
    rows = read_rows(write_table(study, "table9", partial=True))
    assert set(rows[(rows["setting"] == C4) & (rows["backbone"] == "twin")]["status"]) == {"out of date"}
    assert "out of date" not in set(rows[rows["backbone"] != "twin"]["status"])


@pytest.mark.parametrize(
    ("place", "value"), [("protocol", "moco"), ("code", "other"), ("device", "cuda"), ("data.test.sha256", "3" * 64)]
)
def test_runs_of_a_setting_that_were_not_made_alike_are_refused(detected, place, value):
    study = detected.write()
    change(study, "run.json", set_record(place, value))
    with pytest.raises(InputError, match="were not made alike") as caught:
        write_table(study, "table9")
    assert f"{place} " in caught.value.found
