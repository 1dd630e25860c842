"""Sex, age bands and views: who is in which, and the rows of each."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from evalkit.comparisons import write_table
from evalkit.comparisons.rows import read_rows
from evalkit.comparisons.subgroups import divide_cases, name_bands
from evalkit.errors import InputError

ALL = "regime=finetune,fraction=1"


def divide(grouping, values, *, cases=None, bands=(18, 40, 60, 80), unit="image"):
    names = [f"i{k}" for k in range(len(values))]
    images = pd.Series(range(len(values)) if cases is None else cases, index=names)
    manifest = pd.DataFrame({"image_id": names, "sex": "", "age": np.nan, "view": "", grouping: values})
    (found,) = divide_cases([grouping], images, manifest.sample(frac=1, random_state=0), age_bands=bands, unit=unit)
    return {each.name: np.flatnonzero(each.cases).tolist() for each in found.subgroups}, found.note


def test_sexes_and_views_are_in_the_order_of_their_names():
    assert divide("sex", ["M", "F", "", "M"]) == (
        {"sex=F": [1], "sex=M": [0, 3]},
        "In no subgroup by sex: 1 image of unknown sex.",
    )
    assert divide("view", ["PA", "AP", "lateral"])[0] == {"view=AP": [1], "view=PA": [0], "view=lateral": [2]}


def test_ages_begin_a_band_on_the_birthday():
    groups, note = divide("age", [0.0, 17.9, 18.0, 39.0, 39.5, 40.0, 80.0, 101.0, np.nan])
    assert groups == {"age=<18": [0, 1], "age=18-39": [2, 3, 4], "age=40-59": [5], "age=>=80": [6, 7]}
    assert note == "In no subgroup by age: 1 image of unknown age. No image is in age=60-79."


def test_bands_are_named_by_their_ages():
    assert name_bands([18, 40, 60]) == ["<18", "18-39", "40-59", ">=60"]
    assert name_bands([65]) == ["<65", ">=65"]
    assert name_bands([0.5, 2, 2.5]) == ["<0.5", "0.5-1", "2-<2.5", ">=2.5"]


def test_a_case_of_several_images_is_where_all_of_them_are():
    groups, note = divide("view", ["PA", "PA", "PA", "AP", "AP", ""], cases=[0, 0, 1, 1, 2, 2], unit="study")
    assert groups == {"view=PA": [0]}
    assert note == "In no subgroup by view: 2 studies whose images differ in view. No study is in view=AP."
    # A patient grows older within a band.
    assert divide("age", [50.0, 52.0, 59.0, 61.0], cases=[0, 0, 1, 1], unit="patient")[0] == {"age=40-59": [0]}


def test_images_that_the_manifest_lacks_are_refused():
    manifest = pd.DataFrame({"image_id": ["a"], "sex": "F"})
    with pytest.raises(InputError, match="1 tested images are not in the manifest, among them 'b'"):
        divide_cases(["sex"], pd.Series([0, 1], index=["a", "b"]), manifest, age_bands=[18], unit="image")


@pytest.fixture
def grouped(results):
    """The study with subgroups by sex and view, and its rows of table 5 with its facts."""

    def write(**changes):
        cases = results.make_cases()
        changes = {"subgroups": ["sex", "view"], **changes}
        study = results.write(cases, changes={f"tables.table5.{key}": value for key, value in changes.items()})
        sexes = np.where(np.arange(len(cases)) % 3 == 0, "F", "M").astype(object)
        sexes[:6] = ""
        # A view of one image, which has no positive or no negative of any class.
        views = np.where(np.arange(len(cases)) == 7, "LL", "PA")
        results.write_manifest("drawn", cases, sex=sexes, view=views)
        path = write_table(study, "table5")
        facts = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        return study, read_rows(path), facts, sexes

    return write


def test_subgroups_follow_everyone_in_rows_of_their_own(grouped):
    study, rows, facts, sexes = grouped()
    assert list(dict.fromkeys(rows["subgroup"])) == ["all", "sex=F", "sex=M", "view=LL", "view=PA"]
    primary = rows[rows["role"] == "primary"].groupby(["backbone", "setting", "metric", "target", "subgroup"]).size()
    assert (primary == 1).all()
    assert len(primary) == 3 * 4 * 5
    frame = pd.read_parquet(study.layout.run("main", ALL, "good", 0) / "predictions.parquet")[sexes == "F"]
    (row,) = rows[
        (rows["subgroup"] == "sex=F")
        & (rows["backbone"] == "good")
        & (rows["target"] == "Edema")
        & (rows["role"] == "primary")
    ].to_dict("records")
    assert row["estimate"] == pytest.approx(roc_auc_score(frame["target:Edema"], frame["score:Edema"]), abs=1e-12)
    assert row["n"] == row["n_clusters"] == (sexes == "F").sum()
    assert facts["test_set"]["subgroups"]["sex=F"] == {"cases": row["n"], "patients": row["n_clusters"]}
    assert "In no subgroup by sex: 6 images of unknown sex." in facts["caveats"]


def test_a_subgroup_without_both_labels_is_undefined(grouped):
    _, rows, _, _ = grouped()
    of_one = rows[rows["subgroup"] == "view=LL"]
    assert set(of_one["n"]) == {1}
    assert all(status.startswith("undefined: ") for status in of_one["status"])
    assert of_one["estimate"].isna().all()


@pytest.mark.parametrize(("family", "of_subgroups"), [("cell", 1), ("table", 4)])
def test_families_are_apart_unless_they_are_widened(grouped, family, of_subgroups):
    _, rows, _, _ = grouped(family=family)
    tested = rows[rows["p_value"].notna()]
    assert tested.groupby("family")["subgroup"].nunique().max() == of_subgroups
    assert (tested.groupby("family").size() == tested.groupby("family")["family_size"].first()).all()


def test_everyones_rows_are_those_of_a_table_without_subgroups(results, grouped):
    _, rows, _, _ = grouped()
    without = read_rows(write_table(results.write_study(), "table5"))
    pd.testing.assert_frame_equal(rows[rows["subgroup"] == "all"].reset_index(drop=True), without)


def test_max_t_has_families_of_its_own_in_each_subgroup(grouped):
    changes = {"policies": ["best"], "reference": None, "primary": "bootstrap", "paper": None, "adjustment": "max_t"}
    _, rows, _, _ = grouped(**changes)
    families = rows[rows["adjustment"] == "max_t"].groupby("family")["subgroup"].unique()
    assert all(len(subgroups) == 1 for subgroups in families)
    assert any("/sex=F/" in family for family in families.index)
    assert not any("/all/" in family for family in families.index)
