from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evalkit.errors import InputError
from evalkit.predictions import (
    classes_of,
    is_multiclass,
    read_predictions,
    targets_of,
    write_class_predictions,
    write_predictions,
)

NAN = np.nan


def write(path: Path, **changes: object) -> None:
    frame = pd.DataFrame({"image_id": ["a", "b"], "patient_id": ["1", "2"], "study_id": ["1/1", "2/1"], "row": [7, 8]})
    values = {
        "labels": ["Edema", "No Finding"],
        "targets": np.array([[1, NAN], [0, 1]], np.float32),
        "scores": np.array([[0.25, 1], [0.5, 0]], np.float32),
    }
    write_predictions(path, frame, **(values | changes))  # type: ignore[arg-type]


def test_the_columns_are_the_contract(tmp_path) -> None:
    write(tmp_path / "p.parquet")
    frame = read_predictions(tmp_path / "p.parquet")
    assert list(frame.columns) == [
        *("image_id", "patient_id", "study_id", "target:Edema", "target:No Finding"),
        *("score:Edema", "score:No Finding"),
    ]
    assert set(frame.dtypes.iloc[3:]) == {np.dtype(np.float64)}
    assert frame["image_id"].tolist() == ["a", "b"]
    np.testing.assert_array_equal(frame["target:No Finding"], [NAN, 1])
    np.testing.assert_array_equal(frame["score:Edema"], [0.25, 0.5])
    assert classes_of(frame) == ["Edema", "No Finding"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scores": np.array([[0.25, 1], [NAN, 0]])}, r"score:Edema of 'b' is nan"),
        ({"scores": np.array([[0.25, 1.5], [0, 0]])}, r"score:No Finding of 'a' is 1\.5"),
        ({"targets": np.array([[1, -1], [0, 1]])}, r"target:No Finding of 'a' is -1"),
    ],
)
def test_values_that_break_the_contract_are_never_written(tmp_path, changes: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        write(tmp_path / "p.parquet", **changes)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda frame: frame.drop(columns="score:Edema"), "has the columns"),
        (lambda frame: frame.iloc[:, ::-1], "has the columns"),
        (lambda frame: frame.drop(columns="study_id"), "has the columns"),
        (lambda frame: pd.concat([frame, frame.iloc[:1]]), "the image 'a' twice"),
        (lambda frame: frame.assign(patient_id=[1, 2]), "patient_id is missing or not text"),
        (lambda frame: frame.assign(study_id=["1/1", None]), "study_id is missing or not text"),
        (lambda frame: frame.astype({"score:Edema": np.float32}), "float32"),
        (lambda frame: frame[["image_id", "patient_id", "study_id"]], "has the columns"),
    ],
)
def test_files_that_break_the_contract_are_refused(tmp_path, break_it, message: str) -> None:
    path = tmp_path / "p.parquet"
    write(path)
    break_it(read_predictions(path)).to_parquet(path, index=False)
    with pytest.raises(InputError, match=message):
        read_predictions(path)


def test_missing_and_damaged_files_are_named(tmp_path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        read_predictions(tmp_path / "p.parquet")
    (tmp_path / "p.parquet").write_text("not parquet")
    with pytest.raises(InputError, match="not readable"):
        read_predictions(tmp_path / "p.parquet")


def test_reading_needs_no_torch() -> None:
    import subprocess
    import sys

    code = "import sys, evalkit.predictions, evalkit.records; print('torch' in sys.modules)"
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], check=True, cwd=root, capture_output=True, text=True)
    assert done.stdout.strip() == "False"


def write_classes(path: Path, **changes: object) -> None:
    frame = pd.DataFrame({"image_id": ["a", "b"], "patient_id": ["1", "2"], "study_id": ["1/1", "2/1"]})
    values = {
        "labels": ["normal", "viral"],
        "targets": np.array([[0, 1], [1, 0]], np.float32),
        "scores": np.array([[0.25, 0.75], [0.5, 0.5]], np.float32),
    }
    write_class_predictions(path, frame, **(values | changes))  # type: ignore[arg-type]


def test_a_multiclass_task_has_a_target_and_the_class_of_the_highest_score(tmp_path) -> None:
    write_classes(tmp_path / "p.parquet")
    frame = read_predictions(tmp_path / "p.parquet")
    ids = ["image_id", "patient_id", "study_id"]
    assert list(frame.columns) == [*ids, "target", "predicted", "score:normal", "score:viral"]
    assert frame["target"].tolist() == ["viral", "normal"]
    assert frame["predicted"].tolist() == ["viral", "normal"]  # The first of equals.
    assert is_multiclass(frame)
    assert classes_of(frame) == ["normal", "viral"]
    np.testing.assert_array_equal(targets_of(frame), [[0, 1], [1, 0]])


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("predicted", "normal", "predicted of 'a' is normal"),
        ("target", "bacterial", "target of 'a' is bacterial"),
        ("target", None, "target is missing"),
        ("score:normal", 1.5, "score:normal of 'a' is 1.5"),
    ],
)
def test_multiclass_predictions_that_contradict_themselves_are_refused(tmp_path, column, value, message) -> None:
    write_classes(tmp_path / "p.parquet")
    frame = pd.read_parquet(tmp_path / "p.parquet")
    frame.loc[0, column] = value
    frame.to_parquet(tmp_path / "p.parquet")
    with pytest.raises(InputError, match=message):
        read_predictions(tmp_path / "p.parquet")
