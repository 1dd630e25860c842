from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from evalkit.errors import InputError
from evalkit.predictions import read_predictions
from evalkit.records import read_record
from tasks.classification import finetuning
from tasks.classification.jobs import run_job

FULL, CUT = "trainset=full", "trainset=undersampled"
CLASSES = ["normal", "bacterial", "viral"]


def multiclass(**changes: object) -> dict:
    return {"task": "multiclass", "settings": {"trainset": ["full", "undersampled"]}, **changes}


def test_a_multiclass_run_predicts_one_class_for_each_image(make_study) -> None:
    study = make_study(evaluation=multiclass(), steps=40, lr=0.003)
    record = run_job(study, "main", FULL, "scratch", [0])[0]
    assert (record["outcome"], record["task"], record["selection"]["kind"]) == ("done", "multiclass", "mean recall")
    folder = study.layout.run("main", FULL, "scratch", 0)
    frame = read_predictions(folder / "predictions.parquet")
    scores = frame[[f"score:{name}" for name in CLASSES]].to_numpy()
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-12)
    assert frame["predicted"].tolist() == [CLASSES[k] for k in scores.argmax(axis=1)]
    manifest = pd.read_parquet(study.layout.manifest("main")).set_index("image_id")
    expected = manifest.loc[frame["image_id"], CLASSES].idxmax(axis=1)
    assert frame["target"].tolist() == expected.tolist()
    assert (frame["target"] == frame["predicted"]).mean() > 0.6, "classes differ by brightness, which is quickly learnt"


def test_training_sets_differ_by_class_and_share_validation_and_test(make_study) -> None:
    study = make_study(evaluation=multiclass())
    whole, cut = (run_job(study, "main", setting, "scratch", [0])[0] for setting in (FULL, CUT))
    assert cut["data"]["train"]["images"] < whole["data"]["train"]["images"]
    assert cut["data"]["train"]["images"] % len(CLASSES) == 0
    assert cut["data"]["test"] == whole["data"]["test"]
    assert cut["data"]["validation"] == whole["data"]["validation"]


def test_class_weights_change_the_result(make_study) -> None:
    plain = run_job(make_study(evaluation=multiclass()), "main", FULL, "scratch", [0])[0]
    weighted = run_job(make_study(evaluation=multiclass(class_weights="balanced")), "main", FULL, "scratch", [0])[0]
    assert plain["key"] != weighted["key"]
    assert plain["outputs"] != weighted["outputs"]
    assert weighted["class_weights"] == "balanced"


def test_a_run_is_tested_on_another_data_set_as_well(make_study) -> None:
    study = make_study(evaluation=multiclass(test_on=["other"]))
    record = run_job(study, "main", FULL, "scratch", [0])[0]
    folder = study.layout.run("main", FULL, "scratch", 0)
    frame = read_predictions(folder / "predictions-other.parquet")
    manifest = pd.read_parquet(study.layout.manifest("other")).set_index("image_id")
    assert set(frame["image_id"]) == set(manifest.index), "without a test split of its own, all of it"
    assert frame["target"].tolist() == manifest.loc[frame["image_id"], CLASSES].idxmax(axis=1).tolist()
    assert record["data"]["test_on"]["other"]["images"] == len(manifest)
    assert set(record["outputs"]) == {"predictions.parquet", "validation.parquet", "predictions-other.parquet"}


def test_a_kept_network_is_tested_on_an_added_data_set_without_training(make_study, monkeypatch) -> None:
    kept = multiclass(keep_networks=True)
    first = run_job(make_study(evaluation=kept), "main", FULL, "scratch", [0])[0]
    study = make_study(evaluation={**kept, "test_on": ["other"]})
    with monkeypatch.context() as patched:
        patched.setattr(finetuning, "train_classifier", None)
        second = run_job(study, "main", FULL, "scratch", [0])[0]
        assert run_job(study, "main", FULL, "scratch", [0])[0] == second
    assert second["key"] == first["key"]
    assert second["selection"] == first["selection"]
    assert second["outputs"].items() > first["outputs"].items()
    (study.layout.run("main", FULL, "scratch", 0) / "run.json").unlink()
    again = run_job(study, "main", FULL, "scratch", [0])[0]
    assert again["outputs"] == second["outputs"], "the same bytes as if it had been asked for from the start"
    assert again["data"] == second["data"]


def test_without_a_kept_network_an_added_data_set_trains_again(make_study, monkeypatch) -> None:
    run_job(make_study(evaluation=multiclass()), "main", FULL, "scratch", [0])
    study, trained, train = make_study(evaluation=multiclass(test_on=["other"])), [], finetuning.train_classifier
    monkeypatch.setattr(finetuning, "train_classifier", lambda *args, **kw: trained.append(1) or train(*args, **kw))
    assert "predictions-other.parquet" in run_job(study, "main", FULL, "scratch", [0])[0]["outputs"]
    assert trained == [1]


def test_blank_cells_of_other_classes_are_noes(make_study) -> None:
    study = make_study(evaluation=multiclass())
    whole = run_job(study, "main", FULL, "scratch", [0])[0]
    path = study.layout.manifest("main")
    manifest = pd.read_parquet(path)
    manifest[CLASSES] = manifest[CLASSES].where(manifest[CLASSES] == 1)
    manifest.to_parquet(path)
    blank = run_job(study, "main", FULL, "scratch", [0])[0]
    assert blank["outputs"] == whole["outputs"]


def test_labels_that_another_data_set_lacks_are_missing_there(make_study) -> None:
    study = make_study(evaluation={"test_on": ["other"]})
    path = study.layout.manifest("other")
    manifest = pd.read_parquet(path)
    manifest.drop(columns="Effusion").to_parquet(path)
    about = path.with_suffix(".json")
    about.write_text(about.read_text().replace('"Effusion"', '"Edema"'))
    run_job(study, "main", "regime=finetune,fraction=1", "scratch", [0])
    frame = read_predictions(
        study.layout.run("main", "regime=finetune,fraction=1", "scratch", 0) / "predictions-other.parquet"
    )
    assert frame["target:Effusion"].isna().all()
    expected = manifest.set_index("image_id").loc[frame["image_id"], "Edema"]
    np.testing.assert_array_equal(frame["target:Edema"], expected)


def test_a_multiclass_run_is_not_repeated(make_study) -> None:
    study = make_study(evaluation=multiclass())
    first = run_job(study, "main", CUT, "scratch", [0])
    assert run_job(study, "main", CUT, "scratch", [0]) == first
    assert read_record(study.layout.run("main", CUT, "scratch", 0)) == first[0]


@pytest.mark.parametrize("setting", ["trainset=balanced", "regime=probe,trainset=full"])
def test_a_setting_that_the_study_does_not_have_is_refused(make_study, setting: str) -> None:
    with pytest.raises(InputError, match="has no setting"):
        run_job(make_study(evaluation=multiclass()), "main", setting, "scratch", [0])
