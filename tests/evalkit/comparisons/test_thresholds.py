"""Sensitivity at the threshold that validation says gives 95 % specificity."""

import json

import numpy as np
import pandas as pd
import pytest

from evalkit.comparisons import write_table
from evalkit.comparisons.rows import read_rows
from evalkit.comparisons.thresholds import choose_thresholds
from evalkit.errors import InputError

CLASSES = ["Edema", "Effusion", "Atelectasis"]
LOW, ALL = "regime=finetune,fraction=0.1", "regime=finetune,fraction=1"


@pytest.fixture
def study(results):
    return results.write(changes={"tables.table7.metric": ["sensitivity95"], "tables.table7.paper": None})


def read(study, setting, backbone, repeat, name):
    frame = pd.read_parquet(study.layout.run("main", setting, backbone, repeat) / f"{name}.parquet")
    return frame[[f"target:{each}" for each in CLASSES]].to_numpy(), frame[
        [f"score:{each}" for each in CLASSES]
    ].to_numpy()


def sensitivities(study, setting, backbone, repeat):
    """By brute force over every threshold that a validation score could be."""
    (y, scores), (truth, tested) = (
        read(study, setting, backbone, repeat, name) for name in ("validation", "predictions")
    )
    values = []
    for column in range(len(CLASSES)):
        negatives = scores[y[:, column] == 0, column]
        fine = [threshold for threshold in negatives if np.mean(negatives <= threshold) >= 0.95]
        values.append(np.mean(tested[truth[:, column] == 1, column] > min(fine)))
    return np.array(values)


def test_a_threshold_leaves_95_percent_of_the_negatives_uncalled():
    scores = np.linspace(0, 1, 41)[:, None]
    targets = np.zeros((41, 1))
    targets[-1] = 1
    (threshold,) = choose_thresholds(targets, scores)  # 40 negatives: the 38th
    assert threshold == scores[37, 0]
    assert np.mean(scores[:40] <= threshold) == 0.95


def test_ties_are_not_called():
    assert choose_thresholds(np.zeros((9, 1)), np.full((9, 1), 0.5)).tolist() == [0.5]


def test_missing_labels_do_not_count_and_no_negative_gives_no_threshold():
    targets = np.array([[0.0, 1.0], [np.nan, 1.0], [1.0, np.nan]])
    found = choose_thresholds(targets, np.array([[0.2, 0.3], [0.9, 0.1], [0.8, 0.7]]))
    assert found[0] == 0.2
    assert np.isnan(found[1])


def test_sensitivities_are_the_share_of_test_positives_above_the_validation_threshold(study):
    rows = read_rows(write_table(study, "table7"))
    for backbone in ("scratch", "good"):
        values = np.array([sensitivities(study, LOW, backbone, repeat) for repeat in range(4)])
        for target, expected in zip(["mean", *CLASSES], [values.mean(axis=1), *values.T], strict=True):
            (row,) = rows[
                (rows["backbone"] == backbone)
                & (rows["setting"] == LOW)
                & (rows["target"] == target)
                & (rows["role"] == "primary")
            ].to_dict("records")
            assert row["estimate"] == pytest.approx(expected.mean(), abs=1e-12)
            assert row["sd"] == pytest.approx(expected.std(ddof=1), abs=1e-12)
            assert row["ci_low"] <= row["estimate"] <= row["ci_high"]
    assert rows["higher_is_better"].all()
    assert set(rows[rows["test"] != ""]["test"]) == {"bootstrap_two_way", "bootstrap"}


def test_the_specificity_reached_is_told(study):
    facts = json.loads(write_table(study, "table7").with_suffix(".json").read_text(encoding="utf-8"))
    y, scores = read(study, ALL, "good", 0, "validation")
    truth, tested = read(study, ALL, "good", 0, "predictions")
    thresholds = choose_thresholds(y, scores)
    expected = np.mean(tested[truth[:, 0] == 0, 0] <= thresholds[0])
    assert facts["specificity"][ALL]["Edema"]["good"] == pytest.approx(expected, abs=1e-12)
    (told,) = [text for text in facts["caveats"] if text.startswith("Specificity")]
    assert "Edema 0." in told
    assert any("chosen for each run and class" in text for text in facts["definitions"])


def test_a_class_without_a_negative_in_validation_is_undefined(study):
    for backbone in study.backbones:
        path = study.layout.run("main", ALL, backbone, 0) / "validation.parquet"
        frame = pd.read_parquet(path)
        frame["target:Effusion"] = 1.0
        frame.to_parquet(path, index=False)
    rows = read_rows(write_table(study, "table7"))
    of_all = rows[rows["setting"] == ALL].groupby("target")["status"].unique().map(set)
    assert of_all["Effusion"] == {"undefined: no negative in validation"}
    assert of_all["mean"] == {"undefined: 2/3 classes"}
    assert of_all["Edema"] <= {"ok", "reference"}
    assert "undefined" not in "".join(rows[rows["setting"] == LOW]["status"])


def test_missing_validation_predictions_are_refused(study):
    path = study.layout.run("main", LOW, "good", 2) / "validation.parquet"
    path.unlink()
    with pytest.raises(InputError, match=r"validation\.parquet does not exist"):
        write_table(study, "table7")
