from __future__ import annotations

import pytest

from evalkit.predictions import read_predictions
from tasks.classification.multilabel import run_job

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
