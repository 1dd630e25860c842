"""Tables of networks tested on another data set."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from evalkit.comparisons import write_table
from evalkit.comparisons.rows import read_rows
from evalkit.errors import InputError
from evalkit.records import read_record, write_record

ALL = "regime=finetune,fraction=1"
OTHER = {"format": "nih", "root": "/nowhere"}


@pytest.fixture
def external(results):
    """A study with a table on other data, which has no label of Atelectasis, and the cases there."""

    def write(dataset=None, good=None, **changes):
        changes = {
            "datasets.other": dataset or OTHER,
            "evaluations.main.test_on": ["other"],
            "tables.table5.test_on": "other",
            **changes,
        }
        study = results.write(changes=changes, good=good)
        cases = results.make_cases(patients=50, images_per_patient=2, seed=3)
        cases["image_id"] = "other-" + cases["image_id"]
        cases["Atelectasis"] = np.nan
        results.test_elsewhere("other", cases)
        return study, cases

    return write


def make(study):
    path = write_table(study, "table5")
    return read_rows(path), json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))


def test_the_predictions_on_the_other_data_are_compared(external):
    study, cases = external()
    rows, facts = make(study)
    assert set(rows["dataset"]) == {"other"}
    frame = pd.read_parquet(study.layout.run("main", ALL, "good", 0) / "predictions-other.parquet")
    (row,) = rows[(rows["backbone"] == "good") & (rows["target"] == "Edema") & (rows["role"] == "primary")].to_dict(
        "records"
    )
    assert row["estimate"] == pytest.approx(roc_auc_score(frame["target:Edema"], frame["score:Edema"]), abs=1e-12)
    assert (row["n"], row["n_clusters"]) == (100, 50)
    assert set(rows[rows["test"] != ""]["test"]) == {"bootstrap", "delong_clustered", "delong"}
    assert facts["test_set"]["images"] == len(cases)
    assert facts["external"] == (
        "External test: networks trained on drawn were tested on other as they are; labels of both: Edema, Effusion; "
        "without a label in other: Atelectasis."
    )
    assert facts["data"] == ["drawn: Drawn.", "other: Drawn."]
    assert facts["drawn"] is True


def test_a_class_without_any_label_there_is_undefined(external):
    rows, _ = make(external()[0])
    assert set(rows[rows["target"] == "Atelectasis"]["status"]) == {"undefined: no image with a label"}
    assert set(rows[rows["target"] == "mean"]["status"]) == {"undefined: 2/3 classes"}


def test_the_evaluations_own_table_is_as_without_it(results, external):
    study, _ = external()
    with_other = write_table(study, "table7").read_bytes()
    assert write_table(results.write(), "table7").read_bytes() == with_other


def test_a_run_that_was_not_tested_there_is_missing(external):
    study, _ = external()
    folder = study.layout.run("main", ALL, "twin", 0)
    record = read_record(folder)
    del record["outputs"]["predictions-other.parquet"]
    write_record(folder, record)
    with pytest.raises(InputError, match=r"1 of 3 runs of table5.csv are missing") as caught:
        write_table(study, "table5")
    assert "predictions-other.parquet" in caught.value.expected
    rows = read_rows(write_table(study, "table5", partial=True))
    assert set(rows[rows["backbone"] == "twin"]["status"]) == {"not run"}


def test_runs_tested_on_other_versions_of_the_data_are_refused(external):
    study, _ = external()
    folder = study.layout.run("main", ALL, "twin", 0)
    record = read_record(folder)
    record["data"]["test_on"]["other"]["sha256"] = "3" * 64
    write_record(folder, record)
    with pytest.raises(InputError, match=r"data.test_on.other.sha256 "):
        write_table(study, "table5")
    assert write_table(study, "table7").exists()


def test_what_a_backbone_was_pretrained_on_may_be_the_other_data(external):
    _, facts = make(external(good={"pretrained_on": ["rsna"]})[0])
    assert any(text.startswith("Good_1 % was pretrained on rsna") for text in facts["caveats"])


@pytest.mark.parametrize(("format", "said"), [("nih", True), ("chexpert", False)])
def test_data_of_one_origin_are_told(external, format, said):
    study, _ = external(**{"datasets.drawn": {"format": format, "root": "/elsewhere"}})
    assert ("Both stem from nih: patients may be in both." in make(study)[1]["external"]) is said


def test_subgroups_are_those_of_the_other_data(results, external):
    study, cases = external(**{"tables.table5.subgroups": ["age"]})
    results.write_manifest("other", cases, age=np.where(np.arange(len(cases)) < 60, 30.0, 70.0))
    rows, _ = make(study)
    counts = rows[(rows["target"] == "Edema")].groupby("subgroup")["n"].first().to_dict()
    assert counts == {"all": 100, "age=18-39": 60, "age=60-79": 40}


def test_what_the_runs_left_out_is_told(class_results):
    study = class_results.write(changes={"tables.table8.test_on": "elsewhere"})
    cases = class_results.make_cases(patients=40, seed=9)
    cases = cases[cases["viral"] == 0].reset_index(drop=True)
    left_out = {"without exactly one of the classes": 1234, "could not be read": 1}
    class_results.test_elsewhere("elsewhere", cases, left_out=left_out)
    rows, facts = read_rows(path := write_table(study, "table8")), json.loads(path.with_suffix(".json").read_text())
    assert facts["external"] == (
        "External test: networks trained on children were tested on elsewhere as they are; labels of both: normal, "
        "bacterial; without an image in elsewhere: viral. Test images of elsewhere left out: without exactly one of "
        "the classes (1,234); could not be read (1)."
    )
    # A class of which there is no image is 0 throughout, and not missing.
    assert set(rows[rows["metric"] == "recall"]["status"]) == {"undefined: 2/3 classes"}
    assert rows[rows["metric"] == "accuracy"]["estimate"].notna().all()


def test_called_classes_are_compared_there_too(class_results):
    changes = {"tables.table8.test_on": "elsewhere"}
    study = class_results.write(changes=changes)
    cases = class_results.make_cases(patients=40, seed=9)
    class_results.test_elsewhere("elsewhere", cases)
    rows = read_rows(write_table(study, "table8"))
    assert set(rows["dataset"]) == {"elsewhere"}
    assert set(rows["n"]) == {80}
