"""Predictions that do not belong together are refused, whatever way they differ."""

import pandas as pd
import pytest

from evalkit.comparisons import write_table
from evalkit.errors import InputError

LOW, ALL = "regime=finetune,fraction=0.1", "regime=finetune,fraction=1"


def drop_row(frame):
    return frame.iloc[1:]


def rename_image(frame):
    frame.loc[4, "image_id"] = "other"
    return frame


def change_target(frame):
    frame.loc[4, "target:Edema"] = 1 - frame.loc[4, "target:Edema"]
    return frame


def forget_target(frame):
    frame.loc[4, "target:Edema"] = float("nan")
    return frame


def change_patient(frame):
    frame.loc[4, "patient_id"] = "patient9999"
    return frame


def drop_class(frame):
    return frame.drop(columns=["target:Effusion", "score:Effusion"])


def break_score(frame):
    frame.loc[4, "score:Edema"] = float("nan")
    return frame


def repeat_image(frame):
    return pd.concat([frame, frame.iloc[:1]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop_row, "lacks 1; 'image0000' is missing"),
        (rename_image, "'other' is new"),
        (change_target, "target:Edema differs for the image 'image0004'"),
        (forget_target, "target:Edema differs for the image 'image0004'"),
        (change_patient, "patient_id differs for the image 'image0004'"),
        (drop_class, "has the classes Edema, Atelectasis"),
        (break_score, "score:Edema of 'image0004' is nan"),
        (repeat_image, "has the image 'image0000' twice"),
    ],
)
def test_runs_on_other_cases_are_refused(results, change, message):
    study = results.write()
    path = study.layout.run("main", LOW, "twin", 2) / "predictions.parquet"
    change(pd.read_parquet(path)).to_parquet(path, index=False)
    with pytest.raises(InputError) as caught:
        write_table(study, "table7")
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "run" in caught.value.remedy


def test_all_settings_of_a_table_share_their_cases(results):
    study = results.write()
    for backbone in study.backbones:
        path = study.layout.run("main", ALL, backbone, 0) / "predictions.parquet"
        drop_row(pd.read_parquet(path)).to_parquet(path, index=False)
    with pytest.raises(InputError, match="does not match"):
        write_table(study, "table7")
