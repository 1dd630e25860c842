from __future__ import annotations

import pytest

from evalkit.comparisons import write_table
from evalkit.comparisons.rows import read_rows
from evalkit.plan import count_repeats
from evalkit.predictions import read_predictions
from reports.tables import render_table
from tasks.classification.jobs import run_job

WHOLE = "regime=finetune,fraction=1"


@pytest.mark.parametrize(("arch", "channels"), [("densenet121", 1), ("vit_base_patch16_224", 3)])
def test_other_architectures_take_a_step_and_predict(make_study, arch: str, channels: int) -> None:
    entry = {"label": "Other", "arch": arch, "in_channels": channels}
    study = make_study(backbones={"other": entry}, steps=1, validations=1, batch_size=2)
    record = run_job(study, "main", WHOLE, "other", [0])[0]
    assert record["outcome"] == "done"
    assert record["network"]["in_channels"] == channels
    frame = read_predictions(study.layout.run("main", WHOLE, "other", 0) / "predictions.parquet")
    assert frame["score:Edema"].nunique() > 1


def test_other_architectures_get_a_table_of_fractions(make_study) -> None:
    compared = {
        "densenet": {"label": "DenseNet-121", "arch": "densenet121", "in_channels": 1},
        "vit": {"label": "ViT-B/16", "arch": "vit_base_patch16_224", "in_channels": 3},
    }
    table = {
        "title": "By fraction",
        "evaluation": "main",
        "backbones": list(compared),
        "primary": "bootstrap_two_way",
        "paper": "ttest_paired",
        "policies": ["best"],
        "resamples": 200,
    }
    study = make_study(
        backbones=compared, fractions=(0.5, 1.0), repeats=2, tables={"table7": table}, steps=1, validations=1
    )
    settings = ["regime=finetune,fraction=0.5", WHOLE]
    for setting in settings:
        repeats = range(count_repeats(study.evaluation("main"), setting))
        assert len(repeats) == 2
        for backbone in compared:
            run_job(study, "main", setting, backbone, repeats)

    path = write_table(study, "table7")
    rows = read_rows(path)
    primary = rows[rows["role"] == "primary"]
    cells = primary[primary["target"] == "mean"].groupby(["setting", "backbone"]).size()
    assert cells.to_dict() == {(setting, backbone): 1 for setting in settings for backbone in compared}
    assert set(primary["status"]) == {"ok", "reference"}
    assert primary["estimate"].between(0, 1).all()
    assert primary.loc[primary["status"] == "ok", "p_adjusted"].between(0, 1).all()
    for rendered in render_table(path):
        text = rendered.read_text(encoding="utf-8")
        assert all(entry["label"] in text for entry in compared.values()), rendered.name
