"""What the workflow notices of a data set: drawn as it says, changed, or absent."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pydantic import TypeAdapter

from evalkit import workflow as facts
from evalkit.config.datasets import Dataset
from evalkit.config.loading import Study
from evalkit.datasets.building import patient_position
from evalkit.datasets.overlap import describe_overlap
from evalkit.layout import Layout


def parsed(**values: Any) -> Any:
    return TypeAdapter(Dataset).validate_python(values)


def study_of(root: Path | None = None, **values: Any) -> Study:
    entry = parsed(**values, **({"root": str(root)} if root else {}))
    return cast(
        Study, SimpleNamespace(dataset=lambda _: entry, dataset_root=lambda _: root, layout=Layout(Path("out")))
    )


@pytest.mark.parametrize("layout", ["folder", "kermany"])
def test_a_file_that_came_went_or_grew_is_noticed(tmp_path, layout):
    study = study_of(tmp_path, format=layout)
    assert facts.dataset_state(study, "own") == ["absent"]
    image = tmp_path / "train" / "NORMAL" / "IM-0001-0001.jpeg"
    image.parent.mkdir(parents=True)
    states = []
    for content in ("a", "ab"):
        image.write_text(content)
        states += facts.dataset_state(study, "own")
    image.rename(image.with_name("IM-0002-0001.jpeg"))
    states += facts.dataset_state(study, "own")
    (image.parent / ".DS_Store").write_text("x")
    assert facts.dataset_state(study, "own") == states[-1:]
    assert len(set(states)) == 3


def test_six_thousand_files_are_looked_at_quickly(tmp_path):
    for number in range(6000):
        if number % 1000 == 0:
            (tmp_path / f"class{number}").mkdir()
        (tmp_path / f"class{number - number % 1000}" / f"{number}.png").touch()
    started = time.perf_counter()
    [state] = facts.dataset_state(study_of(tmp_path, format="folder"), "own")
    assert state.startswith("6000 files, ")
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize(
    ("values", "folder", "arguments"),
    [
        ({"format": "folder"}, "classes", "--layout folder --patients 9 --first-patient 1 --size 32 --seed 0"),
        (
            {"format": "kermany"},
            "chest_xray",
            "--layout kermany --patients 9 --first-patient 1 --size 32 --seed 0 --names kaggle",
        ),
        (
            {"format": "siim"},
            "siim-covid19-detection",
            "--layout siim --patients 9 --first-patient 1 --size 32 --seed 0",
        ),
    ],
)
def test_phantoms_are_drawn_where_they_are_looked_for(values, folder, arguments):
    study = study_of(**values, phantom={"patients": 9, "size": 32})
    assert facts.phantom_arguments(study, "own") == arguments
    assert facts.phantom_mark(study, "own") == [Path("out/phantoms/own") / folder / "phantom.json"]
    assert facts.dataset_state(study, "own") == ["phantom"]


@pytest.mark.parametrize(
    ("values", "table"),
    [
        ({"format": "siim"}, "train_image_level.csv"),
        ({"format": "siim"}, "train_study_level.csv"),
        ({"format": "rsna"}, "stage_2_train_labels.csv"),
        ({"format": "rsna"}, "pneumonia-challenge-dataset-mappings_2018.json"),
        ({"format": "vindr"}, "train.csv"),
        ({"format": "vindr"}, "annotations/image_labels_test.csv"),
        ({"format": "coco"}, "annotations.json"),
        ({"format": "coco", "annotations": "deep/boxes.json"}, "deep/boxes.json"),
    ],
)
def test_a_changed_table_of_boxes_is_noticed(tmp_path, values, table):
    study = study_of(tmp_path, **values)
    [before] = facts.dataset_state(study, "own")
    assert before.endswith("absent")
    path = tmp_path / table
    path.parent.mkdir(exist_ok=True)
    path.write_text("a")
    [first] = facts.dataset_state(study, "own")
    assert first.startswith(f"{table.split('/')[-1] if values['format'] != 'coco' else table}: 1 bytes")
    path.write_text("ab")
    assert facts.dataset_state(study, "own") != [first]


@pytest.mark.parametrize("layout", ["rsna", "vindr", "coco", "csv"])
def test_layouts_that_no_phantom_is_drawn_in_say_so(layout):
    with pytest.raises(ValueError, match=f"phantoms are drawn in the layouts .* not in '{layout}'"):
        parsed(format=layout, phantom={"patients": 9})


@pytest.mark.parametrize("layout", ["folder", "kermany", "siim"])
def test_phantom_patients_are_shared_by_number(layout):
    def drawn(first: int, **more: Any) -> Any:
        return parsed(format=layout, phantom={"patients": 20, "first_patient": first, **more})

    assert describe_overlap(drawn(1), drawn(21)) == ""
    assert describe_overlap(drawn(1), drawn(11)) == "the phantom patients 11 to 20"
    assert describe_overlap(drawn(1), drawn(11, seed=1)) == "the phantom patients 11 to 20"
    other = parsed(format="chexpert", phantom={"patients": 5, "first_patient": 3})
    assert describe_overlap(drawn(1), other) == "the phantom patients 3 to 7"


def test_phantom_patients_left_out_by_a_range_are_not_shared():
    def drawn(layout: str, *patients: float) -> Any:
        return parsed(format=layout, phantom={"patients": 40}, patients=patients)

    assert describe_overlap(drawn("siim", 0, 0.5), drawn("siim", 0.5, 1)) == ""
    shared = [number for number in range(1, 41) if 0.25 <= patient_position(f"phantom{number:05d}") < 0.5]
    said = f"{len(shared)} phantom patients from {shared[0]} to {shared[-1]}"
    assert describe_overlap(drawn("siim", 0, 0.5), drawn("siim", 0.25, 1)) == said
